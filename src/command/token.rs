//! `mcp-workspace token`: makes a bearer token.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;

use crate::caller::Caller;
use crate::config::TokenOptions;
use crate::host::identity::hash_of;

/// Prints the secret and the line for the server's file.
///
/// # Errors
/// When the name is not usable or the system has no randomness.
pub(crate) fn run(options: &TokenOptions) -> anyhow::Result<ExitCode> {
    check_name(&options.name)?;
    let mut random = [0_u8; 32];
    getrandom::fill(&mut random)
        .map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))?;
    let mut token = String::from("mcpw_");
    for byte in random {
        write!(token, "{byte:02x}")?;
    }
    let mut out = std::io::stdout().lock();
    writeln!(out, "# for the client, shown once:\n{token}\n")?;
    writeln!(out, "# for the server's --tokens file:\n{} {}", options.name, hash_of(&token))?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a token may have this name: it becomes the caller's id, so it must not pass for one
/// that is proven otherwise.
///
/// # Errors
/// With what a name looks like.
pub(crate) fn check_name(name: &str) -> anyhow::Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
        bail!("`{name}` cannot name a token; use 1 to 64 of a-z A-Z 0-9 - _ .");
    }
    if name == Caller::LOCAL {
        bail!("`local` is the caller without a token; choose another name");
    }
    Ok(())
}
