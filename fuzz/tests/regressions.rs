//! The inputs in `regressions/TARGET/`, each run through its target within some seconds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// What one input may take, in a build without optimisations on a busy machine.
const TIME: Duration = Duration::from_secs(60);
/// How many sessions are drawn, and how long at most.
const SESSIONS: usize = 200;
const TIME_FOR_SESSIONS: Duration = Duration::from_secs(10);

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn names(of: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(of).unwrap_or_else(|error| panic!("{}: {error}", of.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Runs each input of one target; a panic or a stop that never comes fails with the input's name.
fn replay(target: &str, run: fn(&[u8])) {
    let inputs = folder("regressions").join(target);
    let files = names(&inputs);
    assert!(!files.is_empty(), "{} is empty", inputs.display());
    for name in files {
        let bytes = fs::read(inputs.join(&name)).unwrap();
        let (sender, receiver) = mpsc::channel();
        let running = thread::spawn(move || {
            run(&bytes);
            sender.send(()).unwrap();
        });
        match receiver.recv_timeout(TIME) {
            Ok(()) => running.join().unwrap(),
            Err(mpsc::RecvTimeoutError::Timeout) => panic!("{target}/{name} did not end"),
            Err(mpsc::RecvTimeoutError::Disconnected) => panic!("{target}/{name} failed"),
        }
    }
}

macro_rules! targets {
    ($($target:ident)*) => {
        $(
            #[test]
            fn $target() {
                replay(stringify!($target), mcp_workspace_fuzz::$target::run);
            }
        )*

        /// A target that is in no list would be fuzzed by nobody and replayed by nobody.
        #[test]
        fn every_target_has_a_fuzzer_and_regressions() {
            let targets = BTreeSet::from([$(stringify!($target).to_owned()),*]);
            assert_eq!(names(&folder("regressions")), targets);
            let fuzzers = names(&folder("src/bin"));
            let fuzzers = fuzzers.iter().map(|name| name.trim_end_matches(".rs").to_owned());
            assert_eq!(fuzzers.collect::<BTreeSet<_>>(), targets);
        }
    };
}

targets! { arguments cursors document events json patch path policy query records session stream table text tokens }

/// Sessions that are drawn anew, the same in every run: on stable Rust, without a fuzzer.
#[test]
fn drawn_sessions_agree_with_their_model() {
    let begun = Instant::now();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for number in 1..=SESSIONS {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[4]
        })
        .take(240)
        .collect();
        let ended = std::panic::catch_unwind(|| mcp_workspace_fuzz::session::run(&bytes));
        assert!(ended.is_ok(), "session {number}: {bytes:?}");
        // On a machine that is slow today the first ones must do.
        if begun.elapsed() > TIME_FOR_SESSIONS {
            break;
        }
    }
}
