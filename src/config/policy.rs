//! The options of `mcp-workspace policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use mcp_workspace_tools::tool;

use crate::caller::Caller;

/// Check, test and explain policies
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  mcp-workspace policy check policies/code-review.toml
  mcp-workspace policy test policies/code-review.toml
  mcp-workspace policy explain --caller local --tool read_file --path .env")]
pub(crate) enum PolicyCommand {
    /// Say all that is wrong with a policy, or doubtful, each with its place and the fix
    Check(FileOptions),
    /// Run a policy's `[[expect]]` entries
    Test(FileOptions),
    /// Say how a call is decided, by which role and which rule
    Explain(ExplainOptions),
}

/// Which policy.
#[derive(Debug, Args)]
pub(crate) struct FileOptions {
    /// The policy file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Which decision.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mcp-workspace policy explain --caller local --tool read_file --path .env
  mcp-workspace policy explain --policy policies/code-review.toml --tool propose_patch \\
      --caller arn:aws:iam::123456789012:role/remediation-1 --path input/src/auth.py")]
pub(crate) struct ExplainOptions {
    /// The policy file [default: the built-in local policy]
    #[arg(long, value_name = "FILE", env = "MCP_WORKSPACE_POLICY")]
    pub policy: Option<PathBuf>,
    /// The caller's id
    #[arg(long, value_name = "ID", default_value = Caller::LOCAL)]
    pub caller: String,
    /// A scope that the caller's token carries (repeatable)
    #[arg(long, value_name = "SCOPE")]
    pub scope: Vec<String>,
    /// The tool
    #[arg(long, value_name = "TOOL", value_parser = tool::names())]
    pub tool: String,
    /// The path; for a writing tool that of the record [default: none, the tool alone]
    #[arg(long, value_name = "PATH")]
    pub path: Option<String>,
}
