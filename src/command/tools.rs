//! `mcp-workspace tools`: the catalog in the form of each host.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Context;
use mcp_workspace_tools::contract::{agentcore, bedrock_functions, bedrock_openapi, converse, mcp};
use mcp_workspace_tools::tool::catalog;
use serde_json::Value;

use crate::config::{ToolsFormat, ToolsOptions};

/// Prints the definitions.
///
/// # Errors
/// When they cannot be written.
pub(crate) fn run(options: &ToolsOptions) -> anyhow::Result<ExitCode> {
    let definitions = definitions(options.format);
    match writeln!(std::io::stdout(), "{definitions:#}") {
        // A reader that closes early, such as `head`, is no fault.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn definitions(format: ToolsFormat) -> Value {
    let tools = catalog();
    match format {
        ToolsFormat::Mcp => mcp::document(tools),
        ToolsFormat::Agentcore => agentcore::document(tools),
        ToolsFormat::BedrockFunctions => bedrock_functions::document(tools),
        ToolsFormat::BedrockOpenapi => bedrock_openapi::document(tools),
        ToolsFormat::Converse => converse::document(tools),
    }
}
