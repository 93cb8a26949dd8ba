//! Answers in JSON, and the HTTP status for each kind of error.

use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use mcp_workspace_tools::error::{Code, ToolError};
use serde_json::{Value, json};

/// When to try again, in seconds, where there is no room: most calls end sooner.
const TRY_AGAIN: HeaderValue = HeaderValue::from_static("5");

/// The status of an error, on every host.
pub(crate) fn status_of(code: Code) -> StatusCode {
    match code {
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::Denied => StatusCode::FORBIDDEN,
        Code::NotFound | Code::UnknownTool => StatusCode::NOT_FOUND,
        // With what is stored; a patch that does not fit was wrong when it was sent.
        Code::Conflict => StatusCode::CONFLICT,
        Code::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::PatchDoesNotApply => StatusCode::UNPROCESSABLE_ENTITY,
        Code::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        Code::Deadline | Code::Cancelled => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A JSON answer that is not cached, and that no browser takes for something else. Where there was
/// no room, it says when to try again.
pub(crate) fn json(status: StatusCode, body: &Value) -> Response {
    let headers = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    let mut response = (status, headers, body.to_string()).into_response();
    if matches!(status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) {
        response.headers_mut().insert(RETRY_AFTER, TRY_AGAIN);
    }
    response
}

/// The answer to a request that fails with an error: `{"error": {"code", "message", "hint"?}}`.
pub(crate) fn failure(error: &ToolError) -> Response {
    failure_as(status_of(error.code), error)
}

/// The same, where HTTP has a more exact status.
pub(crate) fn failure_as(status: StatusCode, error: &ToolError) -> Response {
    json(status, &json!({ "error": error }))
}

/// The answer to a request that reaches no tool: `{"error": "…"}`.
pub(crate) fn refusal(status: StatusCode, message: &str) -> Response {
    json(status, &json!({ "error": message }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_no_room_is_told_when_to_try_again() {
        let error = ToolError::new(Code::Overloaded, "32 calls are running");
        let answers = [failure(&error), failure_as(StatusCode::TOO_MANY_REQUESTS, &error)];
        for answer in answers {
            assert_eq!(answer.headers().get(RETRY_AFTER), Some(&TRY_AGAIN));
        }
        assert!(!failure(&ToolError::invalid("x")).headers().contains_key(RETRY_AFTER));
    }
}
