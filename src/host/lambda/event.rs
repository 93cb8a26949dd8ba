//! Finds out what kind of event an invocation is, from its client context and its shape, and never
//! from a URL's path.

use std::collections::HashMap;

use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use mcp_workspace_lambda::{Context, Diagnostic, UNKNOWN_EVENT};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::caller::{Caller, Proof};
use crate::event::EventKind;
use crate::host::identity::Signed;

/// What separates the target's name from the tool's in the Gateway's name of a tool.
const TARGET_SEPARATOR: &str = "___";

/// An event of a kind that the function knows.
pub(super) enum Event {
    /// A request to the function URL, or through an API Gateway HTTP API.
    Url(Box<UrlRequest>),
    /// A call of a tool by an AgentCore Gateway with the function as a Lambda target.
    Gateway(GatewayCall),
    /// A call by a Bedrock agent whose action group has the function as its executor.
    ActionGroup(Box<ActionGroupCall>),
}

impl Event {
    /// Of which kind it is.
    pub(super) fn kind(&self) -> EventKind {
        match self {
            Event::Url(request) if request.signed.is_some() => EventKind::UrlIam,
            Event::Url(_) => EventKind::UrlToken,
            Event::Gateway(_) => EventKind::Gateway,
            Event::ActionGroup(_) => EventKind::ActionGroup,
        }
    }

    /// The caller and the tool that it names, whether or not it is believed.
    pub(super) fn claims(&self) -> (Option<Caller>, &str) {
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
pub(crate) struct UrlRequest {
    /// The request, without what authorized it.
    pub request: ApiGatewayV2httpRequest,
    /// Who has signed it, where IAM has authorized it.
    pub signed: Option<Signed>,
}

/// A tool's call by the Gateway. The whole event is the arguments.
pub(super) struct GatewayCall {
    /// `agentcore:GATEWAY-ID/TARGET-ID`.
    pub caller: Caller,
    pub tool: String,
    pub arguments: Value,
}

/// A call by a Bedrock agent, in either form of action groups.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActionGroupCall {
    agent: Agent,
    pub action_group: String,
    /// The function's name, in the form with function details.
    #[serde(default)]
    pub function: Option<String>,
    /// The operation's path, in the form with an OpenAPI schema.
    #[serde(default)]
    pub api_path: Option<String>,
    #[serde(default)]
    pub http_method: Option<String>,
    #[serde(default)]
    pub parameters: Vec<TextValue>,
    #[serde(default)]
    pub request_body: Option<RequestBody>,
    #[serde(default)]
    pub session_attributes: Map<String, Value>,
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
pub(super) struct TextValue {
    pub name: String,
    #[serde(default)]
    pub value: Value,
}

/// The body of an operation by media type.
#[derive(Debug, Deserialize)]
pub(super) struct RequestBody {
    #[serde(default)]
    pub content: std::collections::BTreeMap<String, BodyContent>,
}

/// The body's fields.
#[derive(Debug, Deserialize)]
pub(super) struct BodyContent {
    #[serde(default)]
    pub properties: Vec<TextValue>,
}

impl ActionGroupCall {
    /// `bedrock-agent:AGENT-ID/ALIAS`. That Bedrock wrote it is for the function's resource
    /// policy to see to.
    pub(super) fn caller(&self) -> Option<Caller> {
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
pub(super) fn read(mut event: Value, context: &Context) -> Result<Event, Diagnostic> {
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
            .map_err(|error| unknown(format!("an HTTP request in another form: {error}")))?;
        return Ok(Event::Url(Box::new(UrlRequest { request, signed })));
    }
    if event.get("messageVersion").is_some() && event.get("actionGroup").is_some() {
        let call: ActionGroupCall = serde_json::from_value(event).map_err(|error| {
            unknown(format!("an action group's event in another form: {error}"))
        })?;
        if call.function.is_none() && call.api_path.is_none() {
            return Err(unknown("an action group's event has neither `function` nor `apiPath`"));
        }
        return Ok(Event::ActionGroup(Box::new(call)));
    }
    let fields = event.as_object().map(|fields| fields.keys().take(8).cloned().collect::<Vec<_>>());
    Err(unknown(match fields {
        Some(fields) if !fields.is_empty() => {
            format!("the event has the fields {}", fields.join(", "))
        }
        _ => "the event has no fields".to_owned(),
    }))
}

fn gateway_call(custom: &HashMap<String, String>, event: Value) -> Result<GatewayCall, Diagnostic> {
    let text = |name: &str| {
        custom.get(name).map(String::as_str).ok_or_else(|| {
            unknown(format!("the Gateway's client context has no text under `{name}`"))
        })
    };
    let name = text("bedrockAgentCoreToolName")?;
    let tool = name.split_once(TARGET_SEPARATOR).map_or(name, |(_, tool)| tool);
    let gateway = text("bedrockAgentCoreGatewayId")?;
    let target = text("bedrockAgentCoreTargetId")?;
    if !is_id(gateway) || !is_id(target) {
        return Err(unknown("the Gateway's client context has ids in another form"));
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

fn unknown(what: impl Into<String>) -> Diagnostic {
    Diagnostic {
        error_type: UNKNOWN_EVENT.to_owned(),
        error_message: format!(
            "not an event of a kind that this function knows: {}. The kinds are: a request to the \
             function URL or an HTTP API (payload format 2.0), an AgentCore Gateway's call of a \
             Lambda target, a Bedrock agent's action group with function details, and one with an \
             OpenAPI schema",
            what.into()
        ),
    }
}
