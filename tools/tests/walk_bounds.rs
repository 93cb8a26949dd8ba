//! A walk is bounded: open handles, threads, time. This file has one test that counts the
//! process's handles, so its tests run one after the other.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests make their trees with the standard library")]

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mcp_workspace_test_support::tree::{MODES, Tree, call, run_call};
use mcp_workspace_tools::call::{Call, Ended, Stop};
use mcp_workspace_tools::error::Code;
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::workspace::Kind;
use mcp_workspace_tools::workspace::walk::{Entry, Found, Options, Selection, Visitor, walk};
use serde_json::json;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Opens each file and holds it for a while, as a search over a slow mount does.
struct Slow {
    hold: Duration,
    most_handles: Arc<AtomicUsize>,
    visited: Arc<AtomicUsize>,
}

impl Slow {
    fn new(hold: Duration) -> Slow {
        Slow { hold, most_handles: Arc::default(), visited: Arc::default() }
    }
}

impl Visitor for Slow {
    type Item = ();

    fn select(&self, _: &WorkspacePath, kind: Kind) -> Selection {
        if kind == Kind::File { Selection::Later } else { Selection::Skip }
    }

    fn visit(&self, entry: &Entry<'_>) -> Option<()> {
        let _file = entry.open().unwrap();
        let visited = self.visited.fetch_add(1, Ordering::Relaxed);
        if visited.is_multiple_of(16)
            && let Ok(open) = std::fs::read_dir("/proc/self/fd")
        {
            self.most_handles.fetch_max(open.count(), Ordering::Relaxed);
        }
        std::thread::sleep(self.hold);
        Some(())
    }
}

#[test]
fn deep_and_wide_trees_hold_less_than_500_handles() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let tree = Tree::new();
    for wide in 0..1_200 {
        tree.file(&format!("{wide:04}/one"), "1").file(&format!("{wide:04}/sub/two"), "2");
    }
    let mut deep = String::new();
    for _ in 0..300 {
        deep.push_str("d/");
        tree.file(&format!("{deep}f"), "deep");
    }
    for mode in MODES {
        let scope = tree.scope(mode);
        let visitor = Slow::new(Duration::from_millis(1));
        let (handles, visited) = (Arc::clone(&visitor.most_handles), Arc::clone(&visitor.visited));
        let ended =
            walk(&scope, &Options::default(), visitor, &call(), &mut |_| ControlFlow::Continue(()));
        assert_eq!(ended.unwrap(), Ended::Complete);
        assert_eq!(visited.load(Ordering::Relaxed), 2_700, "{mode:?}");
        let most = handles.load(Ordering::Relaxed);
        assert!((1..500).contains(&most), "{most} handles, {mode:?}");
    }
    // All are given back (threads of the hanging file system in another test come home first).
    let began = Instant::now();
    while std::fs::read_dir("/proc/self/fd").is_ok_and(|open| open.count() >= 40) {
        assert!(began.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_file_system_that_hangs_does_not_hold_the_answer_past_the_deadline() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let tree = Tree::new();
    for number in 0..100 {
        tree.file(&format!("{number:03}"), "");
    }
    let began = Instant::now();
    let call = Call::new("local", Duration::from_millis(300));
    let visitor = Slow::new(Duration::from_secs(2));
    let ended = walk(&tree.scope(MODES[0]), &Options::default(), visitor, &call, &mut |_| {
        ControlFlow::Continue(())
    });
    assert_eq!(ended.unwrap(), Ended::Stopped(Stop::Deadline));
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
}

#[test]
fn cancelling_ends_a_walk_within_moments_and_its_threads_soon() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let tree = Tree::new();
    for number in 0..3_000 {
        tree.file(&format!("{number:04}"), "");
    }
    let call = call();
    let visitor = Slow::new(Duration::from_millis(20));
    let visited = Arc::clone(&visitor.visited);
    let canceller = call.clone();
    let cancelling = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(150));
        canceller.cancel();
        Instant::now()
    });
    let ended = walk(&tree.scope(MODES[0]), &Options::default(), visitor, &call, &mut |_| {
        ControlFlow::Continue(())
    });
    assert_eq!(ended.unwrap(), Ended::Stopped(Stop::Cancelled));
    let late = cancelling.join().unwrap().elapsed();
    assert!(late < Duration::from_millis(500), "{late:?}");
    std::thread::sleep(Duration::from_millis(200));
    let then = visited.load(Ordering::Relaxed);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(visited.load(Ordering::Relaxed), then);
    assert!(then < 3_000, "{then}");
}

#[test]
fn a_consumer_that_has_enough_ends_the_walk() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let tree = Tree::new();
    for number in 0..2_000 {
        tree.file(&format!("{number:04}"), "");
    }
    let visitor = Slow::new(Duration::from_millis(5));
    let visited = Arc::clone(&visitor.visited);
    let mut taken = Vec::new();
    let ended = walk(&tree.scope(MODES[0]), &Options::default(), visitor, &call(), &mut |found| {
        let Found::Item(path, ()) = found else { panic!() };
        taken.push(path.to_string());
        if taken.len() == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(ended.unwrap(), Ended::Complete);
    assert_eq!(taken, ["0000", "0001", "0002"]);
    std::thread::sleep(Duration::from_millis(200));
    let visited = visited.load(Ordering::Relaxed);
    assert!(visited < 500, "{visited}");
}

#[test]
fn a_visitor_that_panics_is_a_fault_of_the_server_and_not_a_hang() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    struct Panics;
    impl Visitor for Panics {
        type Item = ();
        fn select(&self, _: &WorkspacePath, _: Kind) -> Selection {
            Selection::Later
        }
        fn visit(&self, entry: &Entry<'_>) -> Option<()> {
            assert!(entry.path.as_str() != "0050", "a test's own panic");
            Some(())
        }
    }
    let tree = Tree::new();
    for number in 0..100 {
        tree.file(&format!("{number:04}"), "");
    }
    let ended = walk(&tree.scope(MODES[0]), &Options::default(), Panics, &call(), &mut |_| {
        ControlFlow::Continue(())
    });
    assert_eq!(ended.unwrap_err().code, Code::Internal);
}

#[test]
fn tools_say_that_time_ran_out_and_give_what_they_have_or_a_clear_error() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let tree = Tree::new();
    for number in 0..400 {
        tree.file(&format!("{number:03}"), "needle\n".repeat(200));
    }
    let scope = tree.scope(MODES[0]);
    for microseconds in [0, 300, 1_000, 3_000, 10_000, 20_000] {
        for (tool, arguments) in [
            ("list_dir", json!({ "depth": 3, "details": true, "limit": 5000 })),
            ("grep", json!({ "pattern": "needle", "mode": "count", "limit": 5000 })),
        ] {
            let call = Call::new("local", Duration::from_micros(microseconds));
            match run_call(&scope, tool, arguments, &call) {
                Ok(answer) if answer["stopped"] == "deadline" => {
                    assert!(answer["next_cursor"].is_string(), "{answer}");
                }
                Ok(_) => {}
                Err(error) => assert_eq!(error.code, Code::Deadline),
            }
        }
    }
}

#[test]
fn a_cancelled_call_is_cancelled_and_not_empty() {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let tree = Tree::new();
    tree.file("a", "needle");
    let call = call();
    call.cancel();
    for (tool, arguments) in [
        ("list_dir", json!({})),
        ("grep", json!({ "pattern": "needle" })),
        ("grep", json!({ "pattern": "needle", "path": "a" })),
    ] {
        let error = run_call(&tree.scope(MODES[0]), tool, arguments, &call).unwrap_err();
        assert_eq!(error.code, Code::Cancelled, "{tool}");
    }
}
