//! Our grep beside ripgrep on one mount in one run: times, ratios and round trips.
//!
//! `cargo run --release -p delayed-mount --example compare -- CORPUS target/release/mcp-workspace`
#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use delayed_mount::{Mounted, Options};

/// Compares our grep with ripgrep on a mount with a delay.
#[derive(Debug, Parser)]
struct Arguments {
    /// A tree of source files
    corpus: PathBuf,
    /// The binary of mcp-workspace
    binary: PathBuf,
    /// How long each round trip takes, in milliseconds
    #[arg(long, default_value_t = 1)]
    delay_ms: u64,
    /// Runs of each; the median is printed
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// What is searched for
    #[arg(long, default_value = "[A-Z]+_NEVER_FOUND_HERE")]
    pattern: String,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let question = format!(
        r#"{{"pattern":"{}","mode":"count","limit":1000}}"#,
        arguments.pattern.escape_default()
    );
    let binary = arguments.binary.canonicalize()?;
    let binary = binary.to_str().ok_or("the binary's path is no text")?;
    let commands: [(&str, Vec<&str>); 4] = [
        ("mcp-workspace", vec![binary, "call", "grep", &question, "--timeout", "600"]),
        (
            "rg -j64 --no-ignore",
            vec!["rg", "-j64", "--no-ignore", "--hidden", "-c", &arguments.pattern, "."],
        ),
        ("rg -j64", vec!["rg", "-j64", "-c", &arguments.pattern, "."]),
        ("rg (default)", vec!["rg", "-c", &arguments.pattern, "."]),
    ];
    println!("{} ms a round trip, median of {}", arguments.delay_ms, arguments.runs);
    let mut ours = None;
    for (name, command) in commands {
        let runs = if name == "rg (default)" { 1 } else { arguments.runs };
        let mut times = Vec::new();
        let mut counts = String::new();
        for _ in 0..runs.max(1) {
            // A new mount each time, so that nothing is remembered from the run before.
            let options = Options {
                delay: Duration::from_millis(arguments.delay_ms),
                threads: 256,
                ..Options::default()
            };
            let mounted = Mounted::over(&arguments.corpus, options)?;
            let took = run(&command, mounted.path())?;
            times.push(took);
            let seen = mounted.counts();
            counts = format!("{} round trips: {seen}", seen.round_trips());
        }
        times.sort();
        let median = times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64();
        let ours = *ours.get_or_insert(median);
        println!("{name:22} {median:8.3} s   {:5.2} x ours   {counts}", median / ours);
    }
    Ok(())
}

fn run(command: &[&str], directory: &Path) -> Result<Duration, Box<dyn Error>> {
    let (program, rest) = command.split_first().ok_or("no command")?;
    let begun = Instant::now();
    let status = Command::new(program)
        .args(rest)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let took = begun.elapsed();
    // ripgrep ends with 1 when it finds nothing.
    match status.code() {
        Some(0) => Ok(took),
        Some(1) if *program == "rg" => Ok(took),
        other => Err(format!("{program} ended with {other:?}").into()),
    }
}
