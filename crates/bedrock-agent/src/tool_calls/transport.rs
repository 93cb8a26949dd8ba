//! MCP messages over requests that are signed with AWS credentials. The answers are not ours, so
//! each is bounded.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use mcp_workspace_remote::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use mcp_workspace_remote::{Method, Remote, RemoteError, Response, StatusCode};
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorData, JsonRpcMessage, ServerJsonRpcMessage,
};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use sse_stream::{Sse, SseStream};

const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
/// Bytes of an answer, be it JSON or a stream of events.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
/// Bytes of an answer that is no JSON-RPC, which are read for what they say.
const MAX_REFUSAL: usize = 64 * 1024;
/// Characters of it that are told.
const MAX_TOLD: usize = 300;

/// Why a message got no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// It did not get there, or its answer did not get here.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// Something that does not speak MCP answered.
    #[error("HTTP {status}{}{text}", if .text.is_empty() { "" } else { ": " })]
    Status {
        /// The status.
        status: u16,
        /// The beginning of what it said.
        text: String,
    },
}

type Failed = StreamableHttpError<LinkError>;

/// A signed connection to one server.
#[derive(Clone)]
pub(super) struct Link(pub Arc<Remote>);

impl Link {
    async fn send(
        &self,
        method: Method,
        session: Option<Arc<str>>,
        custom: HashMap<HeaderName, HeaderValue>,
        body: Vec<u8>,
    ) -> Result<Response, Failed> {
        let mut headers: HeaderMap = custom.into_iter().collect();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(JSON));
        }
        if let Some(session) = session
            && let Ok(value) = HeaderValue::from_str(&session)
        {
            headers.insert(SESSION, value);
        }
        self.0.send(method, "", headers, body).await.map_err(LinkError::from).map_err(client)
    }

    /// What an answer says that is not a success.
    async fn refused(
        &self,
        message: &ClientJsonRpcMessage,
        had_session: bool,
        answer: Response,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        let status = answer.status();
        if status == StatusCode::NOT_FOUND && had_session {
            return Err(StreamableHttpError::SessionExpired);
        }
        let body = self.0.whole(answer, MAX_REFUSAL).await.unwrap_or_default();
        let unauthorized = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
        let error = match serde_json::from_slice::<ServerJsonRpcMessage>(&body) {
            Ok(JsonRpcMessage::Error(error)) if !unauthorized => Some(error.error),
            _ => None,
        };
        let asks_for_version = matches!(message, ClientJsonRpcMessage::Request(request)
            if matches!(request.request, ClientRequest::DiscoverRequest(_)));
        let text: String = String::from_utf8_lossy(&body).trim().chars().take(MAX_TOLD).collect();
        if let ClientJsonRpcMessage::Request(request) = message {
            // A server of before 2026-07-28 refuses the first question in many ways; whatever it
            // says, the older handshake follows. The id ties the refusal to the question.
            let busy = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
            let older = asks_for_version && !had_session && !unauthorized && !busy;
            let refusal = || ErrorData::invalid_request(format!("HTTP {status}: {text}"), None);
            let error = error.or_else(|| older.then(refusal));
            if let Some(error) = error {
                let error = ServerJsonRpcMessage::error(error, Some(request.id.clone()));
                return Ok(StreamableHttpPostResponse::Json(error, None));
            }
        }
        Err(client(LinkError::Status { status: status.as_u16(), text }))
    }
}

impl StreamableHttpClient for Link {
    type Error = LinkError;

    async fn post_message(
        &self,
        _uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        let body = serde_json::to_vec(&message)?;
        let had_session = session.is_some();
        let answer = self.send(Method::POST, session, custom_headers, body).await?;
        let status = answer.status();
        if !status.is_success() {
            return self.refused(&message, had_session, answer).await;
        }
        let wants_answer = matches!(message, ClientJsonRpcMessage::Request(_));
        if !wants_answer || [StatusCode::ACCEPTED, StatusCode::NO_CONTENT].contains(&status) {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        let session = answer.headers().get(SESSION).and_then(|value| value.to_str().ok());
        let session = session.map(str::to_owned);
        match media_type(&answer).as_str() {
            EVENTS => Ok(StreamableHttpPostResponse::Sse(events(answer), session)),
            JSON => {
                let body = self.0.whole(answer, MAX_ANSWER).await;
                let body = body.map_err(LinkError::from).map_err(client)?;
                Ok(StreamableHttpPostResponse::Json(serde_json::from_slice(&body)?, session))
            }
            other => Err(StreamableHttpError::UnexpectedContentType(Some(other.to_owned()))),
        }
    }

    async fn delete_session(
        &self,
        _uri: Arc<str>,
        session: Arc<str>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failed> {
        // Servers need not take it, and a session ends by itself.
        self.send(Method::DELETE, Some(session), custom_headers, Vec::new()).await.map(drop)
    }

    async fn get_stream(
        &self,
        _uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        _auth_header: Option<String>,
        mut custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failed> {
        // A worker listens for nothing but the rest of an answer that broke off.
        let Some(last_event) = last_event else {
            return Err(StreamableHttpError::ServerDoesNotSupportSse);
        };
        if let Ok(value) = HeaderValue::from_str(&last_event) {
            custom_headers.insert(LAST_EVENT, value);
        }
        let answer = self.send(Method::GET, session, custom_headers, Vec::new()).await?;
        let status = answer.status();
        if !status.is_success() || media_type(&answer) != EVENTS {
            return Err(StreamableHttpError::ServerDoesNotSupportSse);
        }
        Ok(events(answer))
    }
}

fn client(error: LinkError) -> Failed {
    StreamableHttpError::Client(error)
}

fn media_type(answer: &Response) -> String {
    let value = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let value = value.unwrap_or_default().split(';').next().unwrap_or_default();
    value.trim().to_ascii_lowercase()
}

/// The events of an answer, which ends with an error where it grows beyond all bounds.
fn events(answer: Response) -> BoxStream<'static, Result<Sse, SseError>> {
    let mut seen = 0;
    let pieces = answer.bytes_stream().map(move |piece| {
        let piece = piece.map_err(std::io::Error::other)?;
        seen += piece.len();
        if seen > MAX_ANSWER {
            return Err(std::io::Error::other(format!("more than {MAX_ANSWER} bytes")));
        }
        Ok(piece)
    });
    SseStream::from_bytes_stream(pieces).boxed()
}

/// What went wrong on the way, where rmcp passes it on.
pub(super) fn cause(error: &DynamicTransportError) -> Option<&LinkError> {
    match error.error.downcast_ref::<Failed>()? {
        StreamableHttpError::Client(error) => Some(error),
        _ => None,
    }
}
