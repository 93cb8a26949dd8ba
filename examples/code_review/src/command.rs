//! The command of a laptop: all steps in one process.

use std::process::ExitCode;

/// Runs the command.
pub fn main() -> ExitCode {
    ExitCode::from(2)
}
