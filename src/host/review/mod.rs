//! `/review/v1`: findings and proposals as JSON for people whose workspace is elsewhere. Callers
//! are proven as for MCP, judged and recorded by the dispatcher, and none of it is a tool.

mod guard;
mod route;

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, Response, StatusCode};
use mcp_workspace_tools::answer::Answer;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::desk::Here;
use mcp_workspace_tools::desk::message::{PATH, Refusal};
use mcp_workspace_tools::error::{Code, ToolError};
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::dispatch::Dispatcher;
use crate::request::Request;
use crate::review::status_of;
use crate::trace::Trace;
use route::{Query, Route};

/// A request, as a host received it from a proven caller.
pub struct Ask<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    /// The names that are the server's own.
    pub own_hosts: &'a [String],
    pub caller: Caller,
    pub host: &'static str,
    pub request_id: String,
    pub deadline: Option<Instant>,
    pub trace: Option<Trace>,
}

/// Whether a path belongs to this API.
pub fn is_below(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers for the caller that asks, with its own rights.
pub async fn answer(dispatcher: &Arc<Dispatcher>, ask: Ask<'_>) -> Response<Body> {
    match respond(dispatcher, ask).await {
        Ok(answer) => json_response(StatusCode::OK, answer.json()),
        Err(Refused { status, allow, error }) => {
            let mut response = json_response(status, &json!(Refusal { error }));
            if let Some(method) = allow {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(method));
            }
            response
        }
    }
}

/// An answer of another status than 200.
struct Refused {
    status: StatusCode,
    /// The method that is answered there.
    allow: Option<&'static str>,
    error: ToolError,
}

impl From<ToolError> for Refused {
    fn from(error: ToolError) -> Refused {
        Refused { status: status_of(&error), allow: None, error }
    }
}

async fn respond(dispatcher: &Arc<Dispatcher>, ask: Ask<'_>) -> Result<Answer, Refused> {
    guard::check_origin(&ask)?;
    let route = Route::of(ask.path)
        .ok_or_else(|| ToolError::new(Code::NotFound, format!("nothing here; see GET {PATH}")))?;
    guard::check_method(&route, ask.method)?;
    let query = Query::parse(&route, ask.query)?;
    let reason = match route {
        Route::Decide(..) => guard::reason_of(&ask)?,
        _ => None,
    };
    let (tool, path) = route.audited();
    let request = Request {
        caller: ask.caller,
        host: ask.host,
        tool,
        arguments: json!({ "path": path }),
        request_id: ask.request_id,
        progress: None,
        deadline: ask.deadline,
        trace: ask.trace,
    };
    let right = route.right();
    let work = move |desk: &Here, call: &Call| route.run(desk, &query, reason.as_deref(), call);
    Ok(dispatcher.review(request, right, work).await?)
}

fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_below_the_api_are_its_own() {
        for (path, own) in [
            ("/review/v1", true),
            ("/review/v1/", true),
            ("/review/v1/x", true),
            ("/review/v10", false),
            ("/review", false),
            ("/mcp/review/v1", false),
        ] {
            assert_eq!(is_below(path), own, "{path}");
        }
    }
}
