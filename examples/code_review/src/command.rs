//! The command of a laptop: all steps in one process.

mod arguments;
mod display;
mod review;
mod settle;

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Context;
use bedrock_agent::one_line;
use clap::Parser;

use arguments::{Command, CommandLine};

/// Runs the command that the process was given.
pub fn main() -> ExitCode {
    let done = match CommandLine::parse().command {
        Command::Review(options) => review::all(&options),
        Command::Work(options) => review::one(&options),
        Command::Status(options) => settle::status(&options),
        Command::Apply(options) => settle::apply(&options),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("code_review: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// A reader that closes early, such as `head`, is no fault.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}
