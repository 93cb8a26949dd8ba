//! Agents for Amazon Bedrock (Classic) with the function as an action group's executor.

use std::sync::Arc;

use mcp_workspace_lambda::Diagnostic;
use mcp_workspace_lambda::event::{ActionGroupCall, TextValue};
use mcp_workspace_tools::contract::text_arguments;
use mcp_workspace_tools::error::Code;
use mcp_workspace_tools::tool;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::invocation::Invocation;
use crate::dispatch::Dispatcher;
use crate::host::reply::status_of;
use crate::request::Request;

/// Runs the tool and answers in the form in which the agent asked.
///
/// # Errors
/// When the event names no agent.
pub(super) async fn answer(
    dispatcher: Arc<Dispatcher>,
    mut call: ActionGroupCall,
    invocation: Invocation,
) -> Result<Value, Diagnostic> {
    let caller = call.caller().ok_or_else(|| Diagnostic {
        error_type: "NoCaller".to_owned(),
        error_message: "the event names no agent by `agent.id` and `agent.alias`".to_owned(),
    })?;
    // The OpenAPI document has a tool's name as its path.
    let tool = match (&call.function, &call.api_path) {
        (Some(function), _) => function.clone(),
        (None, path) => path.as_deref().unwrap_or_default().trim_matches('/').to_owned(),
    };
    let given = std::mem::take(&mut call.parameters).into_iter().chain(
        call.request_body.take().into_iter().flat_map(|body| {
            // One media type is declared; were there more, they would say the same.
            body.content.into_values().next().map(|content| content.properties).unwrap_or_default()
        }),
    );
    let pairs = given.map(|TextValue { name, value }| (name, value));
    let request = Request {
        caller,
        host: "bedrock-agent",
        arguments: text_arguments::read(tool::find(&tool), pairs),
        tool,
        request_id: invocation.request_id,
        progress: None,
        deadline: Some(invocation.deadline),
        trace: invocation.trace,
    };
    let result = dispatcher.dispatch(request, CancellationToken::new()).await;
    let (body, code) = match result {
        Ok(answer) => (answer.json_text().to_owned(), None),
        Err(error) => (json!({ "error": error }).to_string(), Some(error.code)),
    };
    Ok(json!({
        "messageVersion": "1.0",
        "response": response(&call, &body, code),
        "sessionAttributes": call.session_attributes,
        "promptSessionAttributes": call.prompt_session_attributes,
    }))
}

fn response(call: &ActionGroupCall, body: &str, error: Option<Code>) -> Value {
    let Some(function) = &call.function else {
        return json!({
            "actionGroup": call.action_group,
            "apiPath": call.api_path,
            "httpMethod": call.http_method,
            "httpStatusCode": error.map_or(200, |code| status_of(code).as_u16()),
            "responseBody": { "application/json": { "body": body } },
        });
    };
    let text = json!({ "TEXT": { "body": body } });
    // The other state, FAILURE, ends the agent's turn before its model has read why.
    let response = if error == Some(Code::InvalidArgument) {
        json!({ "responseState": "REPROMPT", "responseBody": text })
    } else {
        json!({ "responseBody": text })
    };
    json!({
        "actionGroup": call.action_group,
        "function": function,
        "functionResponse": response,
    })
}
