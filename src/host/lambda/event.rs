//! What an invocation is, told by its client context and its shape, never by a URL's path.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::runtime_api::{Fault, Invocation};
use crate::caller::{Caller, Proof};

/// What separates the target's name from the tool's in the Gateway's name of a tool.
const TARGET_SEPARATOR: &str = "___";

/// An event of a kind that the function knows.
pub enum Event {
    /// A request to the function URL, or through an API Gateway HTTP API.
    Url(Box<UrlRequest>),
    /// A call of a tool by an AgentCore Gateway with the function as a Lambda target.
    Gateway(GatewayCall),
    /// A call by a Bedrock agent whose action group has the function as its executor.
    ActionGroup(Box<ActionGroupCall>),
}

/// An HTTP request in payload format 2.0, as far as it is used.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlRequest {
    /// The path, with its escapes.
    #[serde(default, deserialize_with = "text_or_null")]
    pub raw_path: String,
    /// The query without its question mark; some senders write null for none.
    #[serde(default, deserialize_with = "text_or_null")]
    pub raw_query_string: String,
    /// Names in lower case; several values of one name are joined by commas.
    #[serde(default)]
    pub headers: Map<String, Value>,
    /// What Lambda says about the request; no client writes here.
    pub request_context: UrlContext,
    #[serde(default)]
    pub body: Option<String>,
    #[serde(default)]
    pub is_base64_encoded: bool,
}

fn text_or_null<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// What Lambda says about an HTTP request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UrlContext {
    #[serde(default)]
    pub domain_name: Option<String>,
    pub http: UrlMethod,
    #[serde(default)]
    authorizer: Option<Value>,
}

/// The request line as Lambda read it.
#[derive(Debug, Deserialize)]
pub struct UrlMethod {
    pub method: String,
}

impl UrlContext {
    /// Whether Lambda has authorized the request by IAM. Then nothing else proves a caller.
    pub fn is_signed(&self) -> bool {
        let iam = self.authorizer.as_ref().and_then(|authorizer| authorizer.get("iam"));
        iam.is_some_and(|iam| !iam.is_null())
    }

    /// The IAM identity whose signature Lambda has checked.
    pub fn caller(&self) -> Option<Caller> {
        let arn = self.authorizer.as_ref()?.pointer("/iam/userArn")?.as_str()?;
        Caller::from_iam(arn)
    }
}

/// A tool's call by the Gateway. The whole event is the arguments.
pub struct GatewayCall {
    /// `agentcore:GATEWAY-ID/TARGET-ID`.
    pub caller: Caller,
    pub tool: String,
    pub arguments: Value,
}

/// A call by a Bedrock agent, in either form of action groups.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ActionGroupCall {
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
pub struct TextValue {
    pub name: String,
    #[serde(default)]
    pub value: Value,
}

/// The body of an operation by media type.
#[derive(Debug, Deserialize)]
pub struct RequestBody {
    #[serde(default)]
    pub content: std::collections::BTreeMap<String, BodyContent>,
}

/// The body's fields.
#[derive(Debug, Deserialize)]
pub struct BodyContent {
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
pub fn read(invocation: &Invocation) -> Result<Event, Fault> {
    let event: Value = serde_json::from_slice(&invocation.event)
        .map_err(|error| unknown(format!("the event is not JSON: {error}")))?;
    if let Some(raw) = &invocation.client_context {
        let context: Value = serde_json::from_slice(raw)
            .map_err(|error| unknown(format!("the client context is not JSON: {error}")))?;
        let custom = context.get("custom").and_then(Value::as_object);
        if let Some(custom) = custom.filter(|custom| is_gateways(custom)) {
            return gateway_call(custom, event).map(Event::Gateway);
        }
    }
    if event.pointer("/requestContext/http").is_some() {
        let request = serde_json::from_value(event)
            .map_err(|error| unknown(format!("an HTTP request in another form: {error}")))?;
        return Ok(Event::Url(Box::new(request)));
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

fn is_gateways(custom: &Map<String, Value>) -> bool {
    custom.keys().any(|name| name.starts_with("bedrockAgentCore"))
}

fn gateway_call(custom: &Map<String, Value>, event: Value) -> Result<GatewayCall, Fault> {
    let text = |name: &str| {
        custom.get(name).and_then(Value::as_str).ok_or_else(|| {
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

fn unknown(what: impl Into<String>) -> Fault {
    Fault {
        kind: "UnknownEvent",
        message: format!(
            "not an event of a kind that this function knows: {}. The kinds are: a request to the \
             function URL or an HTTP API (payload format 2.0), an AgentCore Gateway's call of a \
             Lambda target, a Bedrock agent's action group with function details, and one with an \
             OpenAPI schema",
            what.into()
        ),
    }
}
