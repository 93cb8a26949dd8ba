//! MCP over the function URL or an HTTP API: stateless, both eras of the protocol.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::header::{HeaderMap, HeaderName, HeaderValue};
use axum::http::{Request, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Map, Value, json};

use super::Function;
use super::event::UrlRequest;
use super::runtime_api::Invocation;
use crate::dispatch::Deadline;
use crate::host::doctor::{self, Question};
use crate::host::resource::{METADATA_PATHS, Resource, refusal};
use crate::host::review::{self, Ask};
use crate::mcp::Handler;

/// Largest request; patches and findings have limits below it.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;

/// Answers a request in payload format 2.0. Whatever is wrong with it is an HTTP status.
pub async fn answer(
    function: &Function,
    event: UrlRequest,
    invocation: &Invocation,
) -> Response<Body> {
    match respond(function, event, invocation).await {
        Ok(response) => response,
        Err(answer) => *answer,
    }
}

/// The answer whole, as a function URL takes it from a function that does not stream.
pub async fn buffered(response: Response<Body>) -> Bytes {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (body, encoded) = match String::from_utf8(bytes.into()) {
        Ok(text) => (text, false),
        Err(binary) => (STANDARD.encode(binary.as_bytes()), true),
    };
    let answer = json!({
        "statusCode": parts.status.as_u16(),
        "headers": headers_of(&parts.headers),
        // Lambda needs neither; emulators take no answer without them.
        "multiValueHeaders": {},
        "cookies": [],
        "body": body,
        "isBase64Encoded": encoded,
    });
    answer.to_string().into()
}

/// The answer in place of one that Lambda would not take, which it would make a 502.
pub fn too_large(message: &str) -> Response<Body> {
    refusal(StatusCode::PAYLOAD_TOO_LARGE, message)
}

/// Headers as Lambda's JSON has them.
pub fn headers_of(headers: &HeaderMap) -> Map<String, Value> {
    headers
        .iter()
        .map(|(name, value)| {
            (name.to_string(), Value::from(String::from_utf8_lossy(value.as_bytes())))
        })
        .collect()
}

/// The answer to a request that reaches no tool.
type Refused = Box<Response<Body>>;

async fn respond(
    function: &Function,
    event: UrlRequest,
    invocation: &Invocation,
) -> Result<Response<Body>, Refused> {
    let url = format!("https://{}/mcp", event.request_context.domain_name.as_deref().unwrap_or(""));
    let resource = function.jwt.as_ref().map(|jwt| Resource {
        jwt,
        policy: function.dispatcher.policy(),
        url: &url,
    });
    if METADATA_PATHS.contains(&event.raw_path.as_str()) {
        // Where nobody can get a token there is no metadata to find.
        return match resource {
            Some(resource) => Ok(resource.metadata()),
            None => Err(refused(StatusCode::NOT_FOUND, "nothing here; MCP is at /mcp")),
        };
    }
    let signed = event.request_context.is_signed();
    let signer = event.request_context.caller();
    let (hosts, origins) = names(function, &event);
    // An empty list would turn rmcp's check off.
    if hosts.is_empty() {
        return Err(refused(
            StatusCode::BAD_REQUEST,
            "the event has no `requestContext.domainName`",
        ));
    }
    let known = matches!(event.raw_path.as_str(), "/mcp" | "/mcp/" | "/" | doctor::PATH);
    let asks_doctor = event.raw_path == doctor::PATH;
    let asks_review = review::is_below(&event.raw_path);
    let mut request = request_of(event)?;
    let caller = match (signer, &resource) {
        (Some(signer), _) => signer,
        (None, Some(resource)) if !signed => resource.caller(request.headers()).await?,
        (None, _) => {
            return Err(refused(
                StatusCode::UNAUTHORIZED,
                "no caller: sign the request with IAM credentials (SigV4, service `lambda`); the \
                 function URL's auth type must be AWS_IAM, or the function must know an issuer of \
                 access tokens (MCP_WORKSPACE_JWT_ISSUER)",
            ));
        }
    };
    if !known && !asks_review {
        return Err(refused(StatusCode::NOT_FOUND, "nothing here; MCP is at /mcp"));
    }
    let caller = function
        .delegation
        .resolve(caller, request.headers(), function.dispatcher.policy())
        .map_err(|error| refused(StatusCode::FORBIDDEN, &error.to_string()))?;
    if asks_doctor {
        let question = Question {
            method: request.method(),
            query: request.uri().query().unwrap_or_default(),
            caller,
            host: "function-url",
            request_id: invocation.request_id.clone(),
            deadline: Some(invocation.deadline),
            trace: invocation.trace.clone(),
        };
        return Ok(doctor::answer(&function.dispatcher, question).await);
    }
    if asks_review {
        let (head, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let ask = Ask {
            method: &head.method,
            path: head.uri.path(),
            query: head.uri.query().unwrap_or_default(),
            headers: &head.headers,
            body: &body,
            own_hosts: &hosts,
            caller,
            host: "function-url",
            request_id: invocation.request_id.clone(),
            deadline: Some(invocation.deadline),
            trace: invocation.trace.clone(),
        };
        return Ok(review::answer(&function.dispatcher, ask).await);
    }
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(Deadline(invocation.deadline));
    if let Some(trace) = &invocation.trace {
        request.extensions_mut().insert(trace.clone());
    }

    let dispatcher = Arc::clone(&function.dispatcher);
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_allowed_hosts(hosts)
        .with_allowed_origins(origins)
        .with_max_request_body_bytes(MAX_REQUEST_BYTES);
    let service = StreamableHttpService::new(
        move || Ok(Handler::new(Arc::clone(&dispatcher), "function-url", None)),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    Ok(service.handle(request).await.map(Body::new))
}

/// The hosts and origins that are the URL's own, as Lambda says, and those of the configuration.
fn names(function: &Function, event: &UrlRequest) -> (Vec<String>, Vec<String>) {
    let mut hosts = function.allowed_hosts.clone();
    let mut origins = function.allowed_origins.clone();
    if let Some(domain) = event.request_context.domain_name.as_deref()
        && !domain.is_empty()
    {
        hosts.push(domain.to_owned());
        origins.push(format!("https://{domain}:443"));
    }
    (hosts, origins)
}

fn request_of(event: UrlRequest) -> Result<Request<Full<Bytes>>, Refused> {
    let body = match event.body {
        Some(text) if event.is_base64_encoded => STANDARD.decode(text).map_err(|_| {
            refused(StatusCode::BAD_REQUEST, "the body is not the base64 it is said to be")
        })?,
        Some(text) => text.into_bytes(),
        None => Vec::new(),
    };
    let query = event.raw_query_string;
    let uri = if query.is_empty() { event.raw_path } else { format!("{}?{query}", event.raw_path) };
    let mut request = Request::builder()
        .method(event.request_context.http.method.as_str())
        .uri(uri)
        .body(Full::new(Bytes::from(body)))
        .map_err(|_| refused(StatusCode::BAD_REQUEST, "the request line is not one of HTTP"))?;
    for (name, value) in event.headers {
        let pair = HeaderName::try_from(name)
            .ok()
            .zip(value.as_str().and_then(|text| HeaderValue::from_str(text).ok()));
        if let Some((name, value)) = pair {
            // Two names that differ in case only are two headers, and one must not hide the other.
            request.headers_mut().append(name, value);
        }
    }
    Ok(request)
}

fn refused(status: StatusCode, message: &str) -> Refused {
    Box::new(refusal(status, message))
}
