//! `GET /doctor`: the doctor's examination over HTTP, for callers whose role allows it.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, ORIGIN};
use axum::response::Response;
use mcp_workspace_tools::error::{Code, ToolError};
use serde_json::json;

use super::form::Fields;
use super::reply::{failure, json};
use super::served::{Asked, Served};

/// Where it is asked for.
pub(super) const PATH: &str = "/doctor";

/// Examines for the caller that asks, with its own rights; `file=PATH` in the query asks about the
/// export of that file.
pub(super) async fn answer(
    State(served): State<Arc<Served>>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    asked: Asked,
) -> Response {
    // For programs only: it writes probes, which no web page may cause.
    if headers.contains_key(ORIGIN) {
        return failure(&ToolError::new(Code::Denied, "the doctor answers no web page"));
    }
    let query = Fields::parse(query.unwrap_or_default().as_bytes());
    let arguments = match query.get("file") {
        Some(file) => json!({ "file": file }),
        None => json!({}),
    };
    match served.dispatcher.doctor(asked.to(served.host, "doctor", arguments)).await {
        Ok(answer) => json(StatusCode::OK, answer.json()),
        Err(error) => failure(&error),
    }
}
