//! What a request must look like before anybody is asked: so that no page in a browser, and no
//! form, can be the one who decides.

use axum::http::header::{CONTENT_TYPE, HOST, HeaderName, ORIGIN};
use axum::http::{Method, StatusCode};
use mcp_workspace_tools::desk::message::Reason;
use mcp_workspace_tools::error::{Code, ToolError};
use serde_json::{Map, Value};

use super::route::Route;
use super::{Ask, Refused};

/// Largest body; a reason is short.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The one method of each place.
pub fn check_method(route: &Route, method: &Method) -> Result<(), Refused> {
    let allowed = route.method();
    if method.as_str() == allowed {
        return Ok(());
    }
    let error = ToolError::invalid(format!("`{method}` is not answered here"));
    Err(Refused {
        status: StatusCode::METHOD_NOT_ALLOWED,
        allow: Some(allowed),
        error: error.hint(format!("use {allowed}")),
    })
}

/// Nothing that a browser's page of another place can send: a request for another host, or from
/// another origin.
pub fn check_origin(ask: &Ask<'_>) -> Result<(), ToolError> {
    let own = |name: &str| {
        let name = name.strip_suffix(":443").unwrap_or(name);
        ask.own_hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
    };
    let all = |header: HeaderName, is_own: &dyn Fn(&str) -> bool| {
        ask.headers.get_all(header).iter().all(|value| value.to_str().is_ok_and(is_own))
    };
    if !all(HOST, &own) {
        return Err(ToolError::new(Code::Denied, "this server has another name"));
    }
    if !all(ORIGIN, &|origin| origin.strip_prefix("https://").is_some_and(own)) {
        return Err(ToolError::new(Code::Denied, "requests of other pages are refused"));
    }
    Ok(())
}

/// The reason in the body. JSON alone: a form of any page can be sent without its kind being
/// asked for first, JSON cannot.
pub fn reason_of(ask: &Ask<'_>) -> Result<Option<String>, Refused> {
    let kind = ask.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let error = ToolError::invalid(format!("the body's type is `{}`", essence.escape_debug()));
        return Err(Refused {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            allow: None,
            error: error.hint("send Content-Type: application/json, and at least {}"),
        });
    }
    if ask.body.len() > MAX_BODY_BYTES {
        let size = ask.body.len();
        let message = format!("the body has {size} bytes; the limit is {MAX_BODY_BYTES}");
        return Err(ToolError::new(Code::TooLarge, message).into());
    }
    // A list would pass for the fields in their order.
    let reason = serde_json::from_slice::<Map<String, Value>>(ask.body)
        .and_then(|fields| serde_json::from_value::<Reason>(Value::Object(fields)))
        .map_err(|error| {
            ToolError::invalid(format!("the body is not as it should be: {error}"))
                .hint("send {} or {\"reason\": \"…\"}")
        })?;
    Ok(reason.reason)
}
