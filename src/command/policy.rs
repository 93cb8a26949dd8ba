//! `mcp-workspace policy`: checks, tests and explains policies.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use mcp_workspace_tools::policy::{Policy, Subject};

use crate::config::{ExplainOptions, LOCAL_POLICY, LOCAL_POLICY_NAME, PolicyCommand, read_text};

/// Runs the subcommand; exit status 1 when the policy is wrong, an expectation fails, or the
/// explained call is denied.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn run(command: PolicyCommand) -> anyhow::Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    let good = match command {
        PolicyCommand::Check(options) => check(&mut out, &options.file)?,
        PolicyCommand::Test(options) => test(&mut out, &options.file)?,
        PolicyCommand::Explain(options) => explain(&mut out, &options)?,
    };
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn check(out: &mut impl Write, file: &Path) -> anyhow::Result<bool> {
    let Some(policy) = load(out, Some(file))? else { return Ok(false) };
    for warning in policy.warnings() {
        writeln!(out, "{warning}")?;
    }
    let roles: Vec<_> = policy.roles().collect();
    writeln!(out, "{} is valid: roles {}", file.display(), roles.join(", "))?;
    Ok(true)
}

fn test(out: &mut impl Write, file: &Path) -> anyhow::Result<bool> {
    let Some(policy) = load(out, Some(file))? else { return Ok(false) };
    let outcomes = policy.test();
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.holds).collect();
    for outcome in &failed {
        writeln!(out, "{}: not as expected\n{}", outcome.place, outcome.explanation)?;
    }
    let held = outcomes.len() - failed.len();
    writeln!(out, "{}: {held} expectations hold, {} do not", file.display(), failed.len())?;
    if outcomes.is_empty() {
        writeln!(out, "add [[expect]] entries with caller, tool, path and allow")?;
    }
    Ok(failed.is_empty() && !outcomes.is_empty())
}

fn explain(out: &mut impl Write, options: &ExplainOptions) -> anyhow::Result<bool> {
    let Some(policy) = load(out, options.policy.as_deref())? else { return Ok(false) };
    let subject = Subject::new(&options.caller, &options.scope);
    let explanation = policy.explain(subject, &options.tool, options.path.as_deref());
    writeln!(out, "{explanation}")?;
    Ok(explanation.is_allowed())
}

fn load(out: &mut impl Write, file: Option<&Path>) -> anyhow::Result<Option<Policy>> {
    let (text, name) = match file {
        Some(file) => (read_text(file)?, file.display().to_string()),
        None => (LOCAL_POLICY.to_owned(), LOCAL_POLICY_NAME.to_owned()),
    };
    match Policy::parse(&text, &name) {
        Ok(policy) => Ok(Some(policy)),
        Err(errors) => {
            for error in errors {
                writeln!(out, "{error}")?;
            }
            Ok(None)
        }
    }
}
