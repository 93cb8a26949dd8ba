//! What the Runtime API says of an invocation, in the types of `lambda_runtime`.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use hyper::HeaderMap;
use hyper::header::HeaderValue;
use lambda_runtime::{Config, Context, Diagnostic, LambdaEvent};
use mcp_workspace_json::{Limits, Refused};
use serde_json::{Map, Value, json};

const DEADLINE: &str = "lambda-runtime-deadline-ms";
const CLIENT_CONTEXT: &str = "lambda-runtime-client-context";

/// A deadline that lies further back is none.
const LONGEST_DELAY: Duration = Duration::from_secs(3_600);
/// What a function has at least, were Lambda's deadline to be missing.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(3);

/// The kind of fault of an event that cannot be read.
pub const UNKNOWN_EVENT: &str = "UnknownEvent";
/// The kind of fault of an event that is over a limit.
pub const TOO_LARGE: &str = "EventTooLarge";

/// Most of what is said of an event that cannot be read, in characters.
const MAX_FAULT_CHARS: usize = 1_000;

/// The largest event: Lambda passes on 6 MB. What of it is a message is no larger than messages
/// are anywhere, and what is around it has few values.
const LIMITS: Limits = Limits { bytes: 8 * 1024 * 1024, ..Limits::MESSAGE };

/// Reads an invocation from the headers and the body of the Runtime API.
pub(crate) fn read(
    request_id: &str,
    mut headers: HeaderMap,
    body: &[u8],
    config: &Arc<Config>,
) -> Result<LambdaEvent<Value>, Diagnostic> {
    let payload = mcp_workspace_json::parse(body, &LIMITS).map_err(|refused| match refused {
        Refused::Exceeded(exceeded) => {
            let error_message = format!("the event was not read: {exceeded}; {}", exceeded.hint());
            Diagnostic { error_type: TOO_LARGE.to_owned(), error_message }
        }
        Refused::Invalid(error) => unknown(format!("the event is not JSON: {error}")),
    })?;
    // `Context::new` expects this header, and reads the other as text alone.
    headers.entry(DEADLINE).or_insert(HeaderValue::from_static("0"));
    let client_context = headers.remove(CLIENT_CONTEXT);
    let mut context = Context::new(request_id, Arc::clone(config), &headers)
        .map_err(|error| unknown(format!("the invocation's headers: {error}")))?;
    if let Some(raw) = client_context.filter(|raw| !raw.is_empty()) {
        let custom = custom(raw.as_bytes())?;
        context.client_context = serde_json::from_value(json!({ "custom": custom })).ok();
    }
    Ok(LambdaEvent::new(payload, context))
}

/// The client context's own values, each that is no text as the text of its JSON.
fn custom(raw: &[u8]) -> Result<Map<String, Value>, Diagnostic> {
    let mut context: Value = mcp_workspace_json::parse(raw, &LIMITS)
        .map_err(|error| unknown(format!("the client context is not JSON: {error}")))?;
    let Some(Value::Object(mut custom)) = context.get_mut("custom").map(Value::take) else {
        return Ok(Map::new());
    };
    for value in custom.values_mut().filter(|value| !value.is_string()) {
        *value = Value::String(value.to_string());
    }
    Ok(custom)
}

/// When Lambda ends an invocation.
pub fn deadline(context: &Context) -> Instant {
    let end = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(context.deadline));
    let left = match end.map(|end| SystemTime::now().duration_since(end)) {
        // None, or an emulator's: some write a time of day in 1970.
        None => SHORTEST_TIMEOUT,
        Some(Ok(ago)) if ago > LONGEST_DELAY => SHORTEST_TIMEOUT,
        Some(Ok(_)) => Duration::ZERO,
        Some(Err(ahead)) => ahead.duration(),
    };
    let now = Instant::now();
    now.checked_add(left).unwrap_or(now + SHORTEST_TIMEOUT)
}

/// The fault of an event that cannot be read. What is wrong with it may quote the event, and is
/// cut.
pub(crate) fn unknown(what: impl AsRef<str>) -> Diagnostic {
    let error_message = what.as_ref().chars().take(MAX_FAULT_CHARS).collect();
    Diagnostic { error_type: UNKNOWN_EVENT.to_owned(), error_message }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn read_with(pairs: &[(&'static str, &str)]) -> Result<LambdaEvent<Value>, Diagnostic> {
        let headers = pairs.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        });
        read("id", headers.collect(), b"{}", &Arc::default())
    }

    #[test]
    fn a_client_context_of_a_gateway_is_read_with_its_objects() {
        let custom = json!({
            "bedrockAgentCoreToolName": "workspace___grep",
            "bedrockAgentCorePropagatedHeaders": {},
            "bedrockAgentCorePropagatedQueryParameters": { "q": ["\u{e9}"] },
        });
        let raw = json!({ "client": { "app_title": 1 }, "custom": custom }).to_string();
        let context = read_with(&[(CLIENT_CONTEXT, &raw)]).unwrap().context;
        let custom = context.client_context.unwrap().custom;
        assert_eq!(custom["bedrockAgentCoreToolName"], "workspace___grep");
        assert_eq!(custom["bedrockAgentCorePropagatedHeaders"], "{}");
        assert_eq!(custom["bedrockAgentCorePropagatedQueryParameters"], "{\"q\":[\"\u{e9}\"]}");
    }

    #[test]
    fn another_client_context_costs_its_invocation_at_most() {
        for other in ["null", "7", "[]", "{\"custom\": null}", "{\"custom\": [1]}", "{}"] {
            let context = read_with(&[(CLIENT_CONTEXT, other)]).unwrap().context;
            assert!(context.client_context.unwrap().custom.is_empty(), "{other}");
        }
        assert!(read_with(&[(CLIENT_CONTEXT, "")]).unwrap().context.client_context.is_none());
        let fault = read_with(&[(CLIENT_CONTEXT, "{not json")]).unwrap_err();
        assert_eq!(fault.error_type, UNKNOWN_EVENT);
        let fault = read_with(&[("lambda-runtime-cognito-identity", "{")]).unwrap_err();
        assert_eq!(fault.error_type, UNKNOWN_EVENT);
        assert_eq!(read_with(&[(DEADLINE, "soon")]).unwrap_err().error_type, UNKNOWN_EVENT);
    }

    #[test]
    fn an_event_over_a_limit_is_not_parsed() {
        let dense = format!("[{}1]", "{\"a\":{}},".repeat(20_000));
        let deep = "[".repeat(65) + &"]".repeat(65);
        for (event, words) in [(dense, "40002 values"), (deep, "65 levels deep")] {
            let fault = read("id", HeaderMap::new(), event.as_bytes(), &Arc::default());
            let fault = fault.unwrap_err();
            assert_eq!(fault.error_type, TOO_LARGE);
            assert!(fault.error_message.contains(words), "{}", fault.error_message);
        }
    }

    #[test]
    fn a_deadline_that_is_near_or_missing_leaves_what_there_is() {
        let now = Instant::now();
        assert!(deadline(&read_with(&[]).unwrap().context) >= now + Duration::from_secs(2));
        let at = |epoch_ms: u128| {
            deadline(&read_with(&[(DEADLINE, &epoch_ms.to_string())]).unwrap().context)
        };
        let epoch_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert!(at(epoch_ms.as_millis() - 5_000) <= Instant::now());
        assert!(at(600_000) >= now + Duration::from_secs(2), "a time in 1970 is no deadline");
        assert!(at(u64::MAX.into()) >= now, "no time is too far");
    }
}
