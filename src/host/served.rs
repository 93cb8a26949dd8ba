//! What the routes share, and what a host puts beside each request.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::reply::refusal;
use crate::caller::Caller;
use crate::dispatch::{Deadline, Dispatcher};
use crate::request::Request;
use crate::trace::Trace;

/// What the routes share: the same for all requests of a host.
pub(super) struct Served {
    /// The host's name in audit records.
    pub host: &'static str,
    /// What runs tools.
    pub dispatcher: Arc<Dispatcher>,
    /// Whether `/` is the endpoint of MCP as well.
    pub mcp_at_root: bool,
    /// Whether people review here: over a socket the page and the commands are at hand, and nobody
    /// on loopback is proven to be a person.
    pub reviewed: bool,
    /// Ends streams when the server stops.
    pub stop: CancellationToken,
}

/// The host's id of a request, beside it where the host gives one.
#[derive(Debug, Clone)]
pub(super) struct RequestId(pub String);

/// A request whose caller is proven.
pub(super) struct Asked {
    caller: Caller,
    request_id: String,
    deadline: Option<Instant>,
    trace: Option<Trace>,
}

impl Asked {
    /// As the dispatcher takes it.
    pub(super) fn to(
        self,
        host: &'static str,
        tool: impl Into<String>,
        arguments: Value,
    ) -> Request {
        Request {
            caller: self.caller,
            host,
            tool: tool.into(),
            arguments,
            request_id: self.request_id,
            progress: None,
            deadline: self.deadline,
            trace: self.trace,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Response;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Asked, Response> {
        let beside = &head.extensions;
        // INVARIANT: `identity::prove` lets nobody through without a caller.
        let nobody = || refusal(StatusCode::UNAUTHORIZED, "no caller");
        Ok(Asked {
            caller: beside.get::<Caller>().cloned().ok_or_else(nobody)?,
            request_id: beside.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
            deadline: beside.get::<Deadline>().map(|deadline| deadline.0),
            trace: beside.get().cloned().or_else(|| Trace::from_headers(&head.headers)),
        })
    }
}
