//! The review on a laptop: all steps in one process.

use std::process::ExitCode;

fn main() -> ExitCode {
    code_review::command::main()
}
