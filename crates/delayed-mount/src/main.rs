//! `delayed-mount SOURCE MOUNTPOINT`: the mount for scripts; commands on standard input.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use delayed_mount::{Fault, Mounted, Options};

/// Mounts SOURCE at MOUNTPOINT until standard input ends. Lines there are commands: `counts`,
/// `reset`, `delay MS`, `fail OP:ERRNO:NTH`, `clear`; each is answered with one line.
#[derive(Debug, Parser)]
#[command(name = "delayed-mount")]
struct Arguments {
    /// The directory that is passed through
    source: PathBuf,
    /// An empty directory
    mountpoint: PathBuf,
    /// How long each round trip takes, in milliseconds
    #[arg(long, default_value_t = 0.0)]
    delay_ms: f64,
    /// How long names and attributes are remembered, in milliseconds
    #[arg(long, default_value_t = 30_000)]
    attribute_ttl_ms: u64,
    /// Requests that are worked on at once
    #[arg(long, default_value_t = 128)]
    threads: usize,
    /// A fault from the start, such as `write:ENOSPC:3`, `read:EIO`, `open:hang:2+`
    #[arg(long, value_name = "OP:ERRNO:NTH")]
    fault: Vec<Fault>,
}

fn main() -> std::io::Result<()> {
    let arguments = Arguments::parse();
    let options = Options {
        delay: milliseconds(arguments.delay_ms),
        remembered: Duration::from_millis(arguments.attribute_ttl_ms),
        threads: arguments.threads,
    };
    let mounted = Mounted::at(&arguments.source, &arguments.mountpoint, options)?;
    arguments.fault.into_iter().for_each(|fault| mounted.fail(fault));
    let mut answers = std::io::stdout();
    writeln!(answers, "mounted at {}", mounted.path().display())?;
    for line in std::io::stdin().lock().lines() {
        let answer =
            perform(&mounted, line?.trim()).unwrap_or_else(|wrong| format!("error: {wrong}"));
        writeln!(answers, "{answer}")?;
    }
    Ok(())
}

fn perform(mounted: &Mounted, line: &str) -> Result<String, String> {
    let (command, rest) = line.split_once(' ').unwrap_or((line, ""));
    match command {
        "counts" => return Ok(mounted.counts().to_string()),
        "reset" => mounted.reset_counts(),
        "clear" => mounted.clear_faults(),
        "delay" => {
            let delay =
                rest.parse().map_err(|_| format!("`{rest}` is no number of milliseconds"))?;
            mounted.set_delay(milliseconds(delay));
        }
        "fail" => mounted.fail(rest.parse()?),
        other => return Err(format!("no command `{other}`")),
    }
    Ok("ok".to_owned())
}

fn milliseconds(number: f64) -> Duration {
    Duration::try_from_secs_f64(number / 1_000.0).unwrap_or_default()
}
