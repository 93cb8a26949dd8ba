//! `GET /doctor`: the doctor's examination over HTTP, for callers whose role allows it.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use axum::http::{Method, Response, StatusCode};
use mcp_workspace_tools::error::Code;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::dispatch::Dispatcher;
use crate::request::Request;
use crate::trace::Trace;

/// Where it is asked for.
pub const PATH: &str = "/doctor";

/// A request for the doctor, as a host received it.
pub struct Question<'q> {
    pub method: &'q Method,
    /// The query; `file=PATH` asks about the export of that file.
    pub query: &'q str,
    pub caller: Caller,
    pub host: &'static str,
    pub request_id: String,
    pub deadline: Option<Instant>,
    pub trace: Option<Trace>,
}

/// Examines for the caller that asks, with its own rights.
pub async fn answer(dispatcher: &Arc<Dispatcher>, question: Question<'_>) -> Response<Body> {
    if question.method != Method::GET {
        let error = json!({ "error": "the doctor answers GET" });
        let mut refused = json_response(StatusCode::METHOD_NOT_ALLOWED, &error);
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return refused;
    }
    let request = Request {
        caller: question.caller,
        host: question.host,
        tool: "doctor".to_owned(),
        arguments: match file_of(question.query) {
            Some(file) => json!({ "file": file }),
            None => json!({}),
        },
        request_id: question.request_id,
        progress: None,
        deadline: question.deadline,
        trace: question.trace,
    };
    match dispatcher.doctor(request).await {
        Ok(answer) => json_response(StatusCode::OK, answer.json()),
        Err(error) => {
            let status = match error.code {
                Code::Denied => StatusCode::FORBIDDEN,
                Code::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
                Code::Deadline | Code::Cancelled => StatusCode::GATEWAY_TIMEOUT,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            json_response(status, &json!({ "error": error }))
        }
    }
}

fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The value of `file` in a query, its escapes resolved.
fn file_of(query: &str) -> Option<String> {
    query.split('&').find_map(|pair| pair.strip_prefix("file=")).map(unescape)
}

fn unescape(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_from_the_query() {
        assert_eq!(file_of(""), None);
        assert_eq!(file_of("profile=x"), None);
        assert_eq!(file_of("a=1&file=b%2Fc+d%20e%"), Some("b/c d e%".to_owned()));
        assert_eq!(file_of("file=%C3%A9%zz"), Some("é%zz".to_owned()));
    }
}
