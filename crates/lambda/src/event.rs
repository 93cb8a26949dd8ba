//! Finds out what kind of event an invocation is, from its client context and its shape, and never
//! from a URL's path. It lies in the library, so that fuzzers reach it.

use std::collections::HashMap;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::Uri;
use hyper::header::{HOST, HeaderValue};
use lambda_runtime::{Context, Diagnostic};
use mcp_workspace_call::caller::{Caller, Proof, Signed};
use mcp_workspace_call::event::EventKind;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::invocation::unknown;

/// What separates the target's name from the tool's in the Gateway's name of a tool.
const TARGET_SEPARATOR: &str = "___";

/// An event of a kind that the function knows.
#[derive(Debug)]
pub enum Event {
    /// A request to the function URL, or through an API Gateway HTTP API.
    Url(Box<UrlRequest>),
    /// A call of a tool by an AgentCore Gateway with the function as a Lambda target.
    Gateway(GatewayCall),
    /// A call by a Bedrock agent whose action group has the function as its executor.
    ActionGroup(Box<ActionGroupCall>),
}

impl Event {
    /// Of which kind it is.
    pub fn kind(&self) -> EventKind {
        match self {
            Event::Url(request) if request.signed.is_some() => EventKind::UrlIam,
            Event::Url(_) => EventKind::UrlToken,
            Event::Gateway(_) => EventKind::Gateway,
            Event::ActionGroup(_) => EventKind::ActionGroup,
        }
    }

    /// The caller and the tool that it names, whether or not it is believed.
    pub fn claims(&self) -> (Option<Caller>, &str) {
        match self {
            Event::Url(request) => {
                (request.signed.as_ref().and_then(|signed| signed.0.clone()), "")
            }
            Event::Gateway(call) => (Some(call.caller.clone()), &call.tool),
            Event::ActionGroup(call) => {
                (call.caller(), call.function.as_deref().or(call.api_path.as_deref()).unwrap_or(""))
            }
        }
    }
}

/// A request to the URL, and what IAM says about it.
#[derive(Debug)]
pub struct UrlRequest {
    /// The request, without what authorized it.
    pub request: ApiGatewayV2httpRequest,
    /// Who has signed it, where IAM has authorized it.
    pub signed: Option<Signed>,
}

/// What is wrong with a request to the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// A body that cannot be decoded.
    #[error("the body is not the base64 it is said to be")]
    Base64,
    /// A path or a query that cannot be in a request.
    #[error("the request line is not one of HTTP")]
    Target,
}

/// What is asked for and of whom, as the client wrote it: `lambda_http` would resolve `..` in the
/// path, and it panics at a path, a query, a host, a stage or base64 that is none.
#[derive(Debug, Clone)]
pub struct Line {
    /// Path and query.
    pub target: Uri,
    /// The `Host` header.
    pub host: Option<HeaderValue>,
}

impl Line {
    /// Leaves an event of which `lambda_http` can make a request.
    ///
    /// # Errors
    /// What is wrong with it, for the client.
    pub fn taken_from(event: &mut ApiGatewayV2httpRequest) -> Result<Line, LineError> {
        let path = event.raw_path.take().unwrap_or_default();
        let query = event.raw_query_string.take().filter(|query| !query.is_empty());
        let text = query.map_or(path.clone(), |query| format!("{path}?{query}"));
        let host = event.headers.remove(HOST);
        event.request_context.domain_name = None;
        // It would be put before the path, however long it is.
        event.request_context.stage = None;
        let base64 = event.body.as_deref().filter(|_| event.is_base64_encoded);
        if base64.is_some_and(|body| STANDARD.decode(body).is_err()) {
            event.is_base64_encoded = false;
            return Err(LineError::Base64);
        }
        let target = text.starts_with('/').then(|| Uri::try_from(text)).and_then(Result::ok);
        Ok(Line { target: target.ok_or(LineError::Target)?, host })
    }
}

/// A tool's call by the Gateway.
#[derive(Debug)]
pub struct GatewayCall {
    /// `agentcore:GATEWAY-ID/TARGET-ID`.
    pub caller: Caller,
    /// The tool's own name, without the target's before it.
    pub tool: String,
    /// The whole event.
    pub arguments: Value,
}

/// A call by a Bedrock agent, in either form of action groups.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionGroupCall {
    agent: Agent,
    /// The action group's name.
    pub action_group: String,
    /// The function's name, in the form with function details.
    #[serde(default)]
    pub function: Option<String>,
    /// The operation's path, in the form with an OpenAPI schema.
    #[serde(default)]
    pub api_path: Option<String>,
    /// The operation's method.
    #[serde(default)]
    pub http_method: Option<String>,
    /// The arguments.
    #[serde(default)]
    pub parameters: Vec<TextValue>,
    /// More arguments, in the form with an OpenAPI schema.
    #[serde(default)]
    pub request_body: Option<RequestBody>,
    /// What the answer gives back.
    #[serde(default)]
    pub session_attributes: Map<String, Value>,
    /// What the answer gives back.
    #[serde(default)]
    pub prompt_session_attributes: Map<String, Value>,
}

/// Which agent calls.
#[derive(Debug, Deserialize)]
struct Agent {
    #[serde(default)]
    id: String,
    #[serde(default)]
    alias: String,
}

/// An argument: agents write every value as text.
#[derive(Debug, Deserialize)]
pub struct TextValue {
    /// The argument's name.
    pub name: String,
    /// Its value.
    #[serde(default)]
    pub value: Value,
}

/// The body of an operation by media type.
#[derive(Debug, Deserialize)]
pub struct RequestBody {
    /// By media type.
    #[serde(default)]
    pub content: std::collections::BTreeMap<String, BodyContent>,
}

/// The body's fields.
#[derive(Debug, Deserialize)]
pub struct BodyContent {
    /// The fields.
    #[serde(default)]
    pub properties: Vec<TextValue>,
}

impl ActionGroupCall {
    /// `bedrock-agent:AGENT-ID/ALIAS`. That Bedrock wrote it is for the function's resource
    /// policy to see to.
    pub fn caller(&self) -> Option<Caller> {
        let (id, alias) = (&self.agent.id, &self.agent.alias);
        (is_id(id) && is_id(alias))
            .then(|| Caller::new(&format!("bedrock-agent:{id}/{alias}"), Proof::Agent))
    }
}

/// Tells what an invocation is.
///
/// The client context comes first: only the Lambda API's callers can set it, and where the
/// Gateway did, the event is a model's own arguments, which could look like anything.
///
/// # Errors
/// For any other event, with the kinds that are known.
pub fn read(mut event: Value, context: &Context) -> Result<Event, Diagnostic> {
    if let Some(client) = &context.client_context
        && client.custom.keys().any(|name| name.starts_with("bedrockAgentCore"))
    {
        return gateway_call(&client.custom, event).map(Event::Gateway);
    }
    if event.pointer("/requestContext/http").is_some() {
        // No client writes into the request's context. What authorizers other than IAM say there
        // can be anything.
        let authorizer = event.pointer_mut("/requestContext/authorizer").map(Value::take);
        let iam = authorizer.as_ref().and_then(|authorizer| authorizer.get("iam"));
        let signed = iam.filter(|iam| !iam.is_null()).map(|iam| {
            Signed(iam.get("userArn").and_then(Value::as_str).and_then(Caller::from_iam))
        });
        let request = serde_json::from_value(event)
            .map_err(|error| no_event(format!("an HTTP request in another form: {error}")))?;
        return Ok(Event::Url(Box::new(UrlRequest { request, signed })));
    }
    if event.get("messageVersion").is_some() && event.get("actionGroup").is_some() {
        let call: ActionGroupCall = serde_json::from_value(event).map_err(|error| {
            no_event(format!("an action group's event in another form: {error}"))
        })?;
        if call.function.is_none() && call.api_path.is_none() {
            return Err(no_event("an action group's event has neither `function` nor `apiPath`"));
        }
        return Ok(Event::ActionGroup(Box::new(call)));
    }
    let fields = event.as_object().map(|fields| fields.keys().take(8).cloned().collect::<Vec<_>>());
    Err(no_event(match fields {
        Some(fields) if !fields.is_empty() => {
            format!("the event has the fields {}", fields.join(", "))
        }
        _ => "the event has no fields".to_owned(),
    }))
}

fn gateway_call(custom: &HashMap<String, String>, event: Value) -> Result<GatewayCall, Diagnostic> {
    let text = |name: &str| {
        custom.get(name).map(String::as_str).ok_or_else(|| {
            no_event(format!("the Gateway's client context has no text under `{name}`"))
        })
    };
    let name = text("bedrockAgentCoreToolName")?;
    let tool = name.split_once(TARGET_SEPARATOR).map_or(name, |(_, tool)| tool);
    let gateway = text("bedrockAgentCoreGatewayId")?;
    let target = text("bedrockAgentCoreTargetId")?;
    if !is_id(gateway) || !is_id(target) {
        return Err(no_event("the Gateway's client context has ids in another form"));
    }
    Ok(GatewayCall {
        caller: Caller::new(&format!("agentcore:{gateway}/{target}"), Proof::Gateway),
        tool: tool.to_owned(),
        arguments: event,
    })
}

/// What AWS's ids are made of; nothing that means something in a policy's patterns.
fn is_id(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn no_event(what: impl AsRef<str>) -> Diagnostic {
    let mut fault = unknown(what);
    fault.error_message = format!(
        "not an event of a kind that this function knows: {}. The kinds are: a request to the \
         function URL or an HTTP API (payload format 2.0), an AgentCore Gateway's call of a \
         Lambda target, a Bedrock agent's action group with function details, and one with an \
         OpenAPI schema",
        fault.error_message
    );
    fault
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_said_of_a_strange_event_is_short_however_long_it_is() {
        let long = "x".repeat(1_000_000);
        for event in [
            json!({ long.as_str(): 1 }),
            json!({ "messageVersion": "1.0", "actionGroup": "a", "agent": long }),
            json!({ "requestContext": { "http": long } }),
        ] {
            let fault = read(event, &Context::default()).unwrap_err();
            assert!(fault.error_message.len() < 2_000, "{}", fault.error_message.len());
        }
    }
}
