//! A model behind the Messages API, at any HTTPS endpoint that speaks it: Bedrock's own, the
//! provider's, or a gateway. The conversation is Converse's; here it is put into the other form.

use std::time::{Duration, Instant};

use mcp_workspace_remote::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use mcp_workspace_remote::{Method, Remote, RemoteError};
use serde_json::{Map, Value, json};

use crate::budget::Usage;
use crate::conversation::{Block, Reasoning, ToolUse};
use crate::failure::{Failure, says_too_long, seconds};
use crate::model::{Model, Reply};
use crate::pace::Pace;
use crate::question::Question;

/// Largest answer.
const MAX_ANSWER: usize = 32 << 20;
/// The version of the API, which every request names.
const VERSION: &str = "2023-06-01";

/// An endpoint of the Messages API.
pub struct Messages {
    remote: Remote,
    headers: HeaderMap,
    pace: Pace,
}

impl Messages {
    /// An endpoint, such as `https://HOST/v1/messages`, and its key. Nothing is sent yet.
    ///
    /// # Errors
    /// When the URL is none or the key cannot be sent.
    pub fn new(url: &str, key: &str) -> anyhow::Result<Messages> {
        // Some endpoints look for the key in the one header, some in the other.
        let remote = Remote::with_token(url, key)?;
        let mut sent = HeaderValue::try_from(key)?;
        sent.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (HeaderName::from_static("anthropic-version"), HeaderValue::from_static(VERSION)),
            (HeaderName::from_static("x-api-key"), sent),
        ]);
        Ok(Messages { remote, headers, pace: Pace::default() })
    }

    async fn send(&self, question: &Question<'_>) -> Result<Reply, Failure> {
        let lasting = |text: String| Failure::Lasting(text);
        let converse =
            serde_json::to_value(question).map_err(|error| lasting(error.to_string()))?;
        let body = body(question.model_id(), &converse).to_string();
        let sent = self.remote.send(Method::POST, "", self.headers.clone(), body).await;
        let answer = sent.map_err(|error| of_connection(&error))?;
        let status = answer.status().as_u16();
        let after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = after.and_then(seconds);
        let whole = self.remote.whole(answer, MAX_ANSWER).await;
        let whole = whole.map_err(|error| of_connection(&error))?;
        let parsed: Value = serde_json::from_slice(&whole).unwrap_or_default();
        if status != 200 {
            return Err(of_status(status, &parsed, after));
        }
        reply(&parsed).ok_or_else(|| {
            Failure::Transient("the answer is no message of the Messages API".to_owned())
        })
    }
}

impl Model for Messages {
    async fn ask(&self, question: &Question<'_>) -> Result<Reply, Failure> {
        let begun = Instant::now();
        let answer = self.send(question).await;
        self.pace.learn(&answer);
        let latency_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        answer.map(|reply| Reply { latency_ms, ..reply })
    }

    fn turn(&self) -> Duration {
        self.pace.turn(Instant::now())
    }
}

fn of_connection(error: &RemoteError) -> Failure {
    match error {
        RemoteError::Url { .. } | RemoteError::Token | RemoteError::TooLarge { .. } => {
            Failure::Lasting(error.to_string())
        }
        _ => Failure::Transient(error.to_string()),
    }
}

fn of_status(status: u16, error: &Value, after: Option<Duration>) -> Failure {
    let part = |name: &str| error.pointer(&format!("/error/{name}")).and_then(Value::as_str);
    let kind = part("type").unwrap_or("error");
    let text = format!("HTTP {status}: {kind}: {}", part("message").unwrap_or("no message"));
    match status {
        // 529 is an overload of this API's own.
        429 | 503 | 529 => Failure::Busy(text, after),
        413 => Failure::TooLong(text),
        400..500 if says_too_long(&text) => Failure::TooLong(text),
        400..500 if text.contains("cache_control") => Failure::NoCache(text),
        500.. => Failure::Transient(text),
        _ => Failure::Lasting(text),
    }
}

/// A request in the other form.
fn body(model: &str, converse: &Value) -> Value {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(model));
    body.insert("system".to_owned(), parts(converse.get("system"), text));
    body.insert("tools".to_owned(), parts(converse.pointer("/toolConfig/tools"), tool));
    let messages = items(converse.get("messages")).map(|message| {
        let content = parts(message.get("content"), block);
        json!({ "role": message.get("role"), "content": content })
    });
    body.insert("messages".to_owned(), messages.collect());
    let config = |name: &str| converse.pointer(&format!("/inferenceConfig/{name}"));
    for (name, value) in [("max_tokens", "maxTokens"), ("temperature", "temperature")] {
        if let Some(value) = config(value) {
            body.insert(name.to_owned(), value.clone());
        }
    }
    if converse.pointer("/toolConfig/toolChoice/any").is_some() {
        body.insert("tool_choice".to_owned(), json!({ "type": "any" }));
    }
    let fields = converse.get("additionalModelRequestFields").and_then(Value::as_object);
    body.extend(fields.into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
    Value::Object(body)
}

/// A list in the other form. A cache point is a mark on what stands before it there.
fn parts(list: Option<&Value>, form: fn(&Value) -> Option<Value>) -> Value {
    let mut formed: Vec<Value> = Vec::new();
    for part in items(list) {
        if let Some(point) = part.get("cachePoint") {
            let mut mark = json!({ "type": "ephemeral" });
            if let (Some(ttl), Some(mark)) = (point.get("ttl"), mark.as_object_mut()) {
                mark.insert("ttl".to_owned(), ttl.clone());
            }
            if let Some(last) = formed.last_mut().and_then(Value::as_object_mut) {
                last.insert("cache_control".to_owned(), mark);
            }
        } else {
            formed.extend(form(part));
        }
    }
    Value::Array(formed)
}

fn items(list: Option<&Value>) -> impl Iterator<Item = &Value> {
    list.and_then(Value::as_array).into_iter().flatten()
}

fn text(part: &Value) -> Option<Value> {
    Some(json!({ "type": "text", "text": part.get("text")? }))
}

fn tool(part: &Value) -> Option<Value> {
    let spec = part.get("toolSpec")?;
    Some(json!({
        "name": spec.get("name")?,
        "description": spec.get("description")?,
        "input_schema": spec.pointer("/inputSchema/json")?,
    }))
}

fn block(part: &Value) -> Option<Value> {
    if let Some(call) = part.get("toolUse") {
        return Some(json!({
            "type": "tool_use",
            "id": call.get("toolUseId")?,
            "name": call.get("name")?,
            "input": call.get("input")?,
        }));
    }
    if let Some(result) = part.get("toolResult") {
        return Some(json!({
            "type": "tool_result",
            "tool_use_id": result.get("toolUseId")?,
            "is_error": result.get("status").and_then(Value::as_str) == Some("error"),
            "content": parts(result.get("content"), block),
        }));
    }
    if let Some(image) = part.get("image") {
        let media_type = format!("image/{}", image.get("format")?.as_str()?);
        let data = image.pointer("/source/bytes")?;
        let source = json!({ "type": "base64", "media_type": media_type, "data": data });
        return Some(json!({ "type": "image", "source": source }));
    }
    if let Some(thought) = part.pointer("/reasoningContent/reasoningText") {
        return Some(json!({
            "type": "thinking",
            "thinking": thought.get("text")?,
            "signature": thought.get("signature"),
        }));
    }
    if let Some(data) = part.pointer("/reasoningContent/redactedContent") {
        return Some(json!({ "type": "redacted_thinking", "data": data }));
    }
    text(part)
}

fn reply(message: &Value) -> Option<Reply> {
    let content = message.get("content")?.as_array()?.iter().filter_map(said).collect();
    let stop_reason = match message.get("stop_reason")?.as_str()? {
        "refusal" => "content_filtered",
        other => other,
    };
    let count = |name: &str| {
        message.pointer(&format!("/usage/{name}")).and_then(Value::as_u64).unwrap_or(0)
    };
    let usage = Usage {
        input_tokens: count("input_tokens"),
        output_tokens: count("output_tokens"),
        cache_read_tokens: count("cache_read_input_tokens"),
        cache_write_tokens: count("cache_creation_input_tokens"),
    };
    Some(Reply { content, stop_reason: stop_reason.to_owned(), usage, latency_ms: 0 })
}

fn said(block: &Value) -> Option<Block> {
    let owned = |name: &str| block.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(match block.get("type")?.as_str()? {
        "text" => Block::Text(owned("text")?),
        "tool_use" => Block::ToolUse(ToolUse {
            tool_use_id: owned("id")?,
            name: owned("name")?,
            input: block.get("input")?.clone(),
        }),
        "thinking" => Block::ReasoningContent(Reasoning::ReasoningText {
            text: owned("thinking")?,
            signature: owned("signature"),
        }),
        "redacted_thinking" => Block::ReasoningContent(Reasoning::RedactedContent(owned("data")?)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_point_is_a_mark_on_what_stands_before_it() {
        let point = json!({ "cachePoint": { "type": "default", "ttl": "1h" } });
        let system = json!([{ "text": "a" }, point, { "text": "b" }]);
        assert_eq!(
            parts(Some(&system), text),
            json!([
                { "type": "text", "text": "a", "cache_control": { "type": "ephemeral", "ttl": "1h" } },
                { "type": "text", "text": "b" },
            ])
        );
    }

    #[test]
    fn errors_are_told_apart_by_what_can_be_done() {
        let of = |status, kind: &str, message: &str| {
            of_status(status, &json!({ "error": { "type": kind, "message": message } }), None)
        };
        assert!(matches!(of(429, "rate_limit_error", "x"), Failure::Busy(..)));
        assert!(matches!(of(529, "overloaded_error", "x"), Failure::Busy(..)));
        assert!(matches!(of(500, "api_error", "x"), Failure::Transient(_)));
        assert!(matches!(of(401, "authentication_error", "x"), Failure::Lasting(_)));
        let long = "prompt is too long: 9 tokens > 8 maximum";
        assert!(matches!(of(400, "invalid_request_error", long), Failure::TooLong(_)));
        assert!(matches!(of(413, "request_too_large", "x"), Failure::TooLong(_)));
    }
}
