//! The real server over a mount that fails, for as long as you like: mixed and hostile calls of
//! several callers, and at the end a look at what has leaked.
//!
//! `cargo run -p delayed-mount --example soak -- target/debug/mcp-workspace 30`
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "it prints figures, and ends where something does not hold"
)]

mod callers;
mod faults;
mod site;

use std::error::Error;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use clap::Parser;
use delayed_mount::{Mounted, Options};
use mcp_workspace_test_support::server::Server;

use callers::Caller;
use site::{Site, Tally};

/// Runs the server over a faulty mount and says what it has left behind.
#[derive(Debug, Parser)]
struct Arguments {
    /// The binary of mcp-workspace
    binary: PathBuf,
    /// For how many minutes
    minutes: f64,
    /// Callers at a time
    #[arg(long, default_value_t = 6)]
    callers: usize,
    /// Where calls and faults are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// How often figures are printed.
const EVERY: Duration = Duration::from_secs(10);
/// How long the server may need to end all work, once nobody calls and nothing fails.
const TIME_TO_END: Duration = Duration::from_secs(60);
/// Longest that any call may take: it waits for its place, has its time, and is answered.
const LONGEST_CALL: Duration = Duration::from_secs(45);
/// What may be more at the end than at the beginning.
const MORE_THREADS: usize = 2;
const MORE_DESCRIPTORS: usize = 4;
const MORE_BYTES: u64 = 48 * MIB;
const MIB: u64 = 1024 * 1024;

/// Numbers that are the same in every run.
pub(crate) struct Draw(u64);

impl Draw {
    fn new(seed: u64) -> Draw {
        Draw(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) % end
    }
}

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    threads: usize,
    descriptors: usize,
    bytes: u64,
}

impl Held {
    fn by(server: &Server) -> Held {
        Held {
            threads: server.threads(),
            descriptors: server.descriptors(),
            bytes: server.memory("VmRSS"),
        }
    }

    /// What an idle server holds once it has ended its spare threads: nothing has become less for
    /// a while.
    fn at_rest(server: &Server) -> Held {
        let mut least = Held::by(server);
        let mut since = Instant::now();
        // A spare thread ends after ten seconds.
        while since.elapsed() < Duration::from_secs(12) {
            thread::sleep(Duration::from_millis(250));
            let now = Held::by(server);
            if now.threads < least.threads || now.descriptors < least.descriptors {
                since = Instant::now();
            }
            least = now;
        }
        least
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Held { threads, descriptors, bytes } = self;
        write!(to, "{threads} threads, {descriptors} descriptors, {} MiB", bytes / MIB)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let time = Duration::try_from_secs_f64(arguments.minutes * 60.0)?;
    let site = Site::prepare(&arguments.binary.canonicalize()?, arguments.callers.max(2))?;
    let options = Options {
        delay: Duration::from_micros(300),
        remembered: Duration::from_secs(1),
        ..Options::default()
    };
    let mounted = Mounted::over(&site.source(), options)?;
    let server = site.start(mounted.path());
    let tally = Tally::default();

    // Every kind of call once by everybody at once, so that what is made at first is there.
    thread::scope(|scope| {
        for (number, token) in site.tokens().iter().enumerate() {
            let mut caller = Caller::new(number, token, &server, &tally, Draw::new(number as u64));
            scope.spawn(move || (0..callers::KINDS).for_each(|kind| caller.act(kind)));
        }
    });
    wait_until_idle(&server)?;
    let before = Held::at_rest(&server);
    println!("at rest before: {before}");

    let (begun, is_over) = (Instant::now(), AtomicBool::new(false));
    let mut most = before;
    thread::scope(|scope| {
        for (number, token) in site.tokens().iter().enumerate() {
            let draw = Draw::new(arguments.seed + number as u64);
            let mut caller = Caller::new(number, token, &server, &tally, draw);
            let is_over = &is_over;
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    caller.act_by_chance();
                }
            });
        }
        let (mounted, over, seed) = (&mounted, &is_over, arguments.seed);
        scope.spawn(move || faults::play(mounted, over, Draw::new(seed ^ 0xfa17)));
        let mut told = Instant::now();
        while begun.elapsed() < time {
            thread::sleep(Duration::from_millis(200));
            let now = Held::by(&server);
            most.threads = most.threads.max(now.threads);
            most.descriptors = most.descriptors.max(now.descriptors);
            tally.note(server.audited());
            if told.elapsed() >= EVERY {
                told = Instant::now();
                println!("{:>5} s: {now}, {}", begun.elapsed().as_secs(), tally.line());
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    mounted.clear_faults();
    most.bytes = server.memory("VmHWM");
    wait_until_idle(&server)?;
    let after = Held::at_rest(&server);
    tally.note(server.audited());

    println!("{tally}");
    println!("at most:        {most}");
    println!("at rest before: {before}");
    println!("at rest after:  {after}");
    let unfinished = site.unfinished()?;
    println!("unfinished entries on the disk: {unfinished}");
    let mut wrong = tally.wrong(LONGEST_CALL, unfinished);
    if after.threads > before.threads + MORE_THREADS {
        wrong.push("threads are left".to_owned());
    }
    if after.descriptors > before.descriptors + MORE_DESCRIPTORS {
        wrong.push("descriptors are left".to_owned());
    }
    if after.bytes > before.bytes + MORE_BYTES {
        wrong.push("memory is left".to_owned());
    }
    wrong.extend(site.missing(&server, &tally)?);
    if wrong.is_empty() {
        println!("nothing has leaked, and what was acknowledged is there");
        return Ok(());
    }
    Err(wrong.join("; ").into())
}

/// Waits until the server works for nobody and holds no memory for calls.
fn wait_until_idle(server: &Server) -> Result<(), String> {
    let begun = Instant::now();
    loop {
        let health = server.health();
        if health["calls"]["running"] == 0 && health["memory"]["used"] == 0 {
            return Ok(());
        }
        if begun.elapsed() > TIME_TO_END {
            return Err(format!("calls are stuck: {health}"));
        }
        thread::sleep(Duration::from_millis(100));
    }
}
