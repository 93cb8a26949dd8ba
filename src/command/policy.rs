//! `mcp-workspace policy`: checks, tests and explains policies.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use mcp_workspace_tools::policy::{Policy, Subject};
use mcp_workspace_tools::tool;

use crate::caller::Caller;
use crate::config::{LOCAL_POLICY, LOCAL_POLICY_NAME, read_text};

/// Check, test and explain policies
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  mcp-workspace policy check policies/code-review.toml
  mcp-workspace policy test policies/code-review.toml
  mcp-workspace policy explain --caller local --tool read_file --path .env")]
pub enum PolicyCommand {
    /// Say all that is wrong with a policy, or doubtful, each with its place and the fix
    Check(FileOptions),
    /// Run a policy's `[[expect]]` entries
    Test(FileOptions),
    /// Say how a call is decided, by which role and which rule
    Explain(ExplainOptions),
}

/// Which policy.
#[derive(Debug, Args)]
pub struct FileOptions {
    /// The policy file
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Which decision.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mcp-workspace policy explain --caller local --tool read_file --path .env
  mcp-workspace policy explain --policy policies/code-review.toml --tool propose_patch \\
      --caller arn:aws:iam::123456789012:role/remediation-1 --path input/src/auth.py")]
pub struct ExplainOptions {
    /// The policy file [default: the built-in local policy]
    #[arg(long, value_name = "FILE", env = "MCP_WORKSPACE_POLICY")]
    policy: Option<PathBuf>,
    /// The caller's id
    #[arg(long, value_name = "ID", default_value = Caller::LOCAL)]
    caller: String,
    /// A scope that the caller's token carries (repeatable)
    #[arg(long, value_name = "SCOPE")]
    scope: Vec<String>,
    /// The tool
    #[arg(long, value_name = "TOOL", value_parser = tool::names())]
    tool: String,
    /// The path; for a writing tool that of the record [default: none, the tool alone]
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
}

/// Runs the subcommand; exit status 1 when the policy is wrong, an expectation fails, or the
/// explained call is denied.
///
/// # Errors
/// When the file cannot be read.
pub fn run(command: PolicyCommand) -> anyhow::Result<ExitCode> {
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
