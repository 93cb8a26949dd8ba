//! `mcp-workspace completions` and `mcp-workspace man`: shell completions and manual pages, from
//! the same text as `--help`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;

use crate::config::{CommandLine, CompletionsOptions, ManOptions};

/// Prints a completion script.
///
/// # Errors
/// When it cannot be written.
pub(crate) fn completions(options: &CompletionsOptions) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    let mut command = CommandLine::command();
    let name = command.get_name().to_owned();
    clap_complete::generate(options.shell, &mut command, name, &mut script);
    print(&script)
}

/// Writes the manual pages, or prints the main one.
///
/// # Errors
/// When a page cannot be written.
pub(crate) fn man(options: &ManOptions) -> anyhow::Result<ExitCode> {
    let command = CommandLine::command();
    let Some(directory) = &options.directory else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        return print(&page);
    };
    clap_mangen::generate_to(command, directory)
        .with_context(|| format!("cannot write manual pages to `{}`", directory.display()))?;
    Ok(ExitCode::SUCCESS)
}

fn print(bytes: &[u8]) -> anyhow::Result<ExitCode> {
    match std::io::stdout().write_all(bytes) {
        // A reader that closes early, such as `head`, is no fault.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
