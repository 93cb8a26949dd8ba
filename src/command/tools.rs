//! `mcp-workspace tools`: the catalog in the form of each host.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Context;
use mcp_workspace_tools::contract::{agentcore, bedrock_functions, bedrock_openapi, converse, mcp};
use mcp_workspace_tools::tool::catalog;
use serde_json::Value;

use crate::config::ToolsOptions;

/// Whose form the definitions have.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Format {
    /// Model Context Protocol: the result of `tools/list`
    Mcp,
    /// AgentCore Gateway: the `toolSchema` of a Lambda target
    Agentcore,
    /// Bedrock agents: the `functionSchema` of an action group (at most 5 arguments a tool)
    BedrockFunctions,
    /// Bedrock agents: the OpenAPI schema of an action group
    BedrockOpenapi,
    /// Bedrock's Converse: a `toolConfig`
    Converse,
}

/// Prints the definitions.
///
/// # Errors
/// When they cannot be written.
pub fn run(options: &ToolsOptions) -> anyhow::Result<ExitCode> {
    let definitions = definitions(options.format);
    match writeln!(std::io::stdout(), "{definitions:#}") {
        // A reader that closes early, such as `head`, is no fault.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn definitions(format: Format) -> Value {
    let tools = catalog();
    match format {
        Format::Mcp => mcp::document(tools),
        Format::Agentcore => agentcore::document(tools),
        Format::BedrockFunctions => bedrock_functions::document(tools),
        Format::BedrockOpenapi => bedrock_openapi::document(tools),
        Format::Converse => converse::document(tools),
    }
}
