//! `mcp-workspace tools`: the catalog in the form of each host.

use std::process::ExitCode;

use mcp_workspace_tools::tool;
use serde_json::{Value, json};

use crate::config::ToolsOptions;
use crate::mcp;

/// Whose form the definitions have.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Format {
    /// MCP `tools/list`
    Mcp,
}

/// Prints the definitions.
///
/// # Errors
/// When they cannot be written.
#[expect(clippy::print_stdout, reason = "the definitions are this command's output")]
pub fn run(options: &ToolsOptions) -> anyhow::Result<ExitCode> {
    println!("{:#}", definitions(options.format)?);
    Ok(ExitCode::SUCCESS)
}

fn definitions(format: Format) -> anyhow::Result<Value> {
    match format {
        Format::Mcp => {
            let tools: Vec<_> = tool::catalog().iter().map(mcp::describe).collect();
            Ok(json!({ "tools": serde_json::to_value(tools)? }))
        }
    }
}
