//! The reason of a decision, in a body that no page's form could have sent.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderMap};
use axum::response::Response;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::review::message::Reason;
use serde_json::{Map, Value};

use crate::host::reply::{failure, failure_as};

/// Largest body; a reason is short.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The reason in the body. JSON alone: a form of any page can be sent without its kind being
/// asked for first, JSON cannot.
pub(super) fn reason_of(headers: &HeaderMap, body: &[u8]) -> Result<Reason, Box<Response>> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let error = ToolError::invalid(format!("the body's type is `{}`", essence.escape_debug()))
            .hint("send Content-Type: application/json, and at least {}");
        return Err(failure_as(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error).into());
    }
    if body.len() > MAX_BODY_BYTES {
        let size = body.len();
        let message = format!("the body has {size} bytes; the limit is {MAX_BODY_BYTES}");
        return Err(failure(&ToolError::new(Code::TooLarge, message)).into());
    }
    // A list would pass for the fields in their order.
    serde_json::from_slice::<Map<String, Value>>(body)
        .and_then(|fields| serde_json::from_value::<Reason>(Value::Object(fields)))
        .map_err(|error| {
            let message = format!("the body is not as it should be: {error}");
            failure(&ToolError::invalid(message).hint("send {} or {\"reason\": \"…\"}")).into()
        })
}
