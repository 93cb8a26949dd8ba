//! AgentCore Gateway with the function as a Lambda target: arguments in, the tool's JSON out.

use std::sync::Arc;

use mcp_workspace_lambda::event::GatewayCall;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::invocation::Invocation;
use crate::dispatch::Dispatcher;
use crate::request::Request;

/// Runs the tool. The Gateway hands on any JSON, so an error is one that its model reads:
/// `{"error": {"code", "message", "hint"?}}`.
pub(super) async fn answer(
    dispatcher: Arc<Dispatcher>,
    call: GatewayCall,
    invocation: Invocation,
) -> Value {
    let request = Request {
        caller: call.caller,
        host: "agentcore-gateway",
        tool: call.tool,
        arguments: call.arguments,
        request_id: invocation.request_id,
        progress: None,
        deadline: Some(invocation.deadline),
        trace: invocation.trace,
    };
    match dispatcher.dispatch(request, CancellationToken::new()).await {
        Ok(answer) => answer.into_json(),
        Err(error) => json!({ "error": error }),
    }
}
