//! `mcp-workspace call`: one tool for scripts and tests.

use std::io::Read;
use std::process::ExitCode;

use anyhow::Context;
use mcp_workspace_json::{Limits, Refused};
use mcp_workspace_tools::error::{Code, ToolError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::caller::{Caller, Proof};
use crate::config::CallOptions;
use crate::request::Request;

/// Prints the tool's JSON, or its error as JSON with exit status 1.
///
/// # Errors
/// When the workspace or the policy cannot be had.
pub(crate) async fn run(options: CallOptions) -> anyhow::Result<ExitCode> {
    let (dispatcher, _) = options.workspace.dispatcher(options.workspace.root_or_current())?;
    let text = match options.arguments.as_str() {
        "-" => {
            let mut text = String::new();
            // With a byte more than may be, so that what is over the limit is told.
            let most = u64::try_from(Limits::MESSAGE.bytes).unwrap_or(u64::MAX).saturating_add(1);
            std::io::stdin().take(most).read_to_string(&mut text).context("cannot read stdin")?;
            text
        }
        given => given.to_owned(),
    };
    let arguments: Value = match mcp_workspace_json::parse(text.as_bytes(), &Limits::MESSAGE) {
        Ok(value) => value,
        Err(Refused::Exceeded(exceeded)) => {
            let error = ToolError::new(Code::TooLarge, format!("the arguments: {exceeded}"));
            return fail(&error.hint(exceeded.hint()));
        }
        Err(Refused::Invalid(error)) => {
            return fail(
                &ToolError::invalid(format!("the arguments are not JSON: {error}"))
                    .hint("for example: mcp-workspace call grep '{\"pattern\":\"TODO\"}'"),
            );
        }
    };
    let cancelled = CancellationToken::new();
    let request = Request {
        caller: Caller::new(&options.caller, Proof::Process),
        host: "call",
        tool: options.tool,
        arguments,
        request_id: "1".to_owned(),
        progress: None,
        deadline: None,
        trace: None,
    };
    let interrupted = cancelled.clone();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            interrupted.cancel();
        }
    });
    match dispatcher.dispatch(request, cancelled).await {
        Ok(answer) => {
            print(answer.json())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => fail(&error),
    }
}

fn fail(error: &ToolError) -> anyhow::Result<ExitCode> {
    print(&json!({ "error": error }))?;
    Ok(ExitCode::from(1))
}

/// A reader that closes early, such as `head`, is no fault.
fn print(value: &Value) -> anyhow::Result<()> {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let printed = serde_json::to_writer_pretty(&mut out, value)
        .map_err(std::io::Error::from)
        .and_then(|()| writeln!(out));
    match printed {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}
