//! Checks of Converse requests, as the service makes them: the constraints of its model (version
//! 2023-09-30), and those that its documentation adds for messages.

use std::collections::HashSet;

use serde_json::Value;

/// Most bytes of a request.
const MAX_BODY: usize = 20_000_000;
const MAX_IMAGES: usize = 20;
const MAX_IMAGE_BASE64: usize = 5_000_000;
/// Most cache points of a request.
const MAX_POINTS: usize = 4;

/// All that is wrong with a request.
pub fn violations(path: &str, authorization: &str, body: &[u8]) -> Vec<String> {
    let mut wrong = Wrong(Vec::new());
    let model = path.strip_prefix("/model/").and_then(|rest| rest.strip_suffix("/converse"));
    wrong.unless(model.is_some_and(|id| (1..=2048).contains(&id.len())), format!("path {path}"));
    let signed = authorization.starts_with("AWS4-HMAC-SHA256 Credential=")
        && authorization.contains("/bedrock/aws4_request");
    wrong.unless(signed, format!("authorization {authorization}"));
    wrong.unless(body.len() <= MAX_BODY, format!("body of {} bytes", body.len()));
    match serde_json::from_slice(body) {
        Ok(request) => {
            wrong.request(&request);
            wrong.cache_points(&request, model.unwrap_or_default());
        }
        Err(error) => wrong.0.push(format!("body: {error}")),
    }
    wrong.0
}

struct Wrong(Vec<String>);

impl Wrong {
    fn unless(&mut self, holds: bool, what: impl Into<String>) {
        if !holds {
            self.0.push(what.into());
        }
    }

    fn request(&mut self, request: &Value) {
        let known = [
            "messages",
            "system",
            "inferenceConfig",
            "toolConfig",
            "guardrailConfig",
            "additionalModelRequestFields",
            "requestMetadata",
            "serviceTier",
        ];
        for key in request.as_object().into_iter().flat_map(|fields| fields.keys()) {
            self.unless(known.contains(&key.as_str()), format!("unknown member {key}"));
        }
        for system in parts(&request["system"]) {
            self.unless(filled(&system["text"]), "blank system text");
        }
        let max_tokens = &request["inferenceConfig"]["maxTokens"];
        self.unless(max_tokens.as_i64().is_some_and(|tokens| tokens >= 1), "maxTokens");
        let tags = request["requestMetadata"].as_object();
        self.unless(tags.is_none_or(|tags| tags.len() <= 16), "more than 16 tags");
        let are_texts = tags.is_none_or(|tags| tags.values().all(Value::is_string));
        self.unless(are_texts, format!("requestMetadata {}", request["requestMetadata"]));
        self.tools(&request["toolConfig"]["tools"]);
        self.messages(list(&request["messages"]));
    }

    fn tools(&mut self, tools: &Value) {
        self.unless(parts(tools).next().is_some(), "toolConfig without tools");
        let mut names = HashSet::new();
        for tool in parts(tools) {
            let spec = &tool["toolSpec"];
            let name = spec["name"].as_str().unwrap_or_default();
            self.unless(is_tool_name(name) && names.insert(name), format!("tool name {name}"));
            self.unless(filled(&spec["description"]), format!("description of {name}"));
            let schema = &spec["inputSchema"]["json"];
            self.unless(schema["type"] == "object", format!("input schema of {name}"));
        }
    }

    /// Cache points are where the model takes them, behind something, at most so many, and those of
    /// an hour before those of five minutes.
    fn cache_points(&mut self, request: &Value, model: &str) {
        let tools = list(&request["toolConfig"]["tools"]);
        let messages = list(&request["messages"]).iter().map(|message| list(&message["content"]));
        let lists: Vec<&[Value]> =
            [tools, list(&request["system"])].into_iter().chain(messages).collect();
        let mut ttls = Vec::new();
        for (number, list) in lists.into_iter().enumerate() {
            for (index, block) in list.iter().enumerate() {
                let Some(point) = block.get("cachePoint") else { continue };
                let taken = model.contains("claude") || (model.contains("nova") && number > 0);
                self.unless(taken, format!("a cache point in list {number} for {model}"));
                let behind = index > 0 && list[index - 1].get("cachePoint").is_none();
                self.unless(behind, "a cache point behind nothing");
                self.unless(point["type"] == "default", format!("cache point {point}"));
                let known = point["ttl"].is_null() || point["ttl"] == "5m" || point["ttl"] == "1h";
                self.unless(known, format!("ttl of {point}"));
                ttls.push(point["ttl"] != "1h");
            }
        }
        self.unless(ttls.len() <= MAX_POINTS, format!("{} cache points", ttls.len()));
        self.unless(ttls.is_sorted(), "an hour's cache point behind one of five minutes");
    }

    fn messages(&mut self, messages: &[Value]) {
        self.unless(!messages.is_empty(), "no messages");
        let (mut open, mut ever, mut images) = (Vec::new(), HashSet::new(), 0);
        for (index, message) in messages.iter().enumerate() {
            let role = if index % 2 == 0 { "user" } else { "assistant" };
            self.unless(message["role"] == role, format!("message {index} is not the {role}'s"));
            let content: Vec<&Value> = parts(&message["content"]).collect();
            self.unless(!content.is_empty(), format!("message {index} is empty"));
            let mut answered = Vec::new();
            let mut asked = Vec::new();
            for block in content {
                let fields = block.as_object().map_or(0, serde_json::Map::len);
                self.unless(fields == 1, format!("message {index}: a union of {fields} members"));
                if block.get("text").is_some() {
                    self.unless(filled(&block["text"]), format!("message {index}: blank text"));
                } else if let Some(call) = block.get("toolUse") {
                    self.unless(role == "assistant", "a tool use of the user");
                    let id = call["toolUseId"].as_str().unwrap_or_default();
                    self.unless(is_tool_use_id(id), format!("tool use id {id}"));
                    self.unless(ever.insert(id.to_owned()), format!("tool use id {id} twice"));
                    let name = call["name"].as_str().unwrap_or_default();
                    self.unless(is_tool_name(name), format!("tool use of {name}"));
                    self.unless(call["input"].is_object(), format!("input of {id} is no object"));
                    asked.push(id.to_owned());
                } else if let Some(thought) = block.get("reasoningContent") {
                    self.unless(role == "assistant", "a thought of the user");
                    self.unless(filled(&thought["reasoningText"]["text"]), "a blank thought");
                } else if let Some(result) = block.get("toolResult") {
                    self.unless(role == "user", "a tool result of the assistant");
                    answered.push(result["toolUseId"].as_str().unwrap_or_default().to_owned());
                    images += self.result(result);
                } else {
                    self.0.push(format!("message {index}: unexpected {block}"));
                }
            }
            let mut expected = std::mem::replace(&mut open, asked);
            expected.sort();
            answered.sort();
            self.unless(
                expected == answered,
                format!("message {index} answers {answered:?} where {expected:?} were asked"),
            );
        }
        self.unless(messages.len() % 2 == 1, "the last message is not the user's");
        self.unless(images <= MAX_IMAGES, format!("{images} images"));
    }

    fn result(&mut self, result: &Value) -> usize {
        let content = list(&result["content"]);
        self.unless(!content.is_empty(), "an empty tool result");
        let status = &result["status"];
        self.unless(status == "success" || status == "error", format!("status {status}"));
        let mut images = 0;
        for shown in content {
            if let Some(image) = shown.get("image") {
                let format = image["format"].as_str().unwrap_or_default();
                self.unless(["png", "jpeg", "gif", "webp"].contains(&format), "image format");
                let bytes = image["source"]["bytes"].as_str().unwrap_or_default();
                self.unless((1..=MAX_IMAGE_BASE64).contains(&bytes.len()), "image size");
                images += 1;
            } else {
                self.unless(filled(&shown["text"]), format!("tool result content {shown}"));
            }
        }
        images
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// What stands in a list beside cache points.
fn parts(value: &Value) -> impl Iterator<Item = &Value> {
    list(value).iter().filter(|part| part.get("cachePoint").is_none())
}

fn filled(value: &Value) -> bool {
    value.as_str().is_some_and(|text| !text.trim().is_empty())
}

fn is_tool_name(name: &str) -> bool {
    let accepted = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    (1..=64).contains(&name.len()) && name.chars().all(accepted)
}

fn is_tool_use_id(id: &str) -> bool {
    let accepted = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    (1..=64).contains(&id.len()) && id.chars().all(accepted)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SIGNED: &str = "AWS4-HMAC-SHA256 Credential=A/20260101/eu-west-1/bedrock/aws4_request, …";

    fn request(messages: Value) -> Value {
        let tool = json!({ "name": "grep", "description": "d", "inputSchema": { "json": { "type": "object" } } });
        json!({
            "messages": messages,
            "system": [{ "text": "s" }],
            "inferenceConfig": { "maxTokens": 1 },
            "toolConfig": { "tools": [{ "toolSpec": tool }] },
        })
    }

    fn judge(request: &Value) -> Vec<String> {
        violations("/model/m/converse", SIGNED, request.to_string().as_bytes())
    }

    #[test]
    fn cache_points_are_taken_where_the_model_has_them() {
        let point = json!({ "cachePoint": { "type": "default" } });
        let hour = json!({ "cachePoint": { "type": "default", "ttl": "1h" } });
        let hello = json!({ "text": "hello" });
        let said = |content: Value| request(json!([{ "role": "user", "content": content }]));
        let judge = |model: &str, request: &Value| {
            let path = format!("/model/{model}/converse");
            violations(&path, SIGNED, request.to_string().as_bytes())
        };
        let mut sound = said(json!([hello, point]));
        assert_eq!(judge("claude", &sound), Vec::<String>::new());
        assert_eq!(judge("nova", &sound), Vec::<String>::new());
        assert!(!judge("llama", &sound).is_empty());
        sound["toolConfig"]["tools"].as_array_mut().unwrap().push(hour.clone());
        assert_eq!(judge("claude", &sound), Vec::<String>::new());
        assert!(!judge("nova", &sound).is_empty());
        let many = json!([hello, point, hello, point, hello, point, hello, point, hello, point]);
        for unsound in [
            said(json!([point, hello])),
            said(json!([hello, point, point])),
            said(json!([hello, { "cachePoint": { "type": "x" } }])),
            said(json!([hello, { "cachePoint": { "type": "default", "ttl": "1d" } }])),
            said(json!([hello, point, hello, hour])),
            said(many),
        ] {
            assert!(!judge("claude", &unsound).is_empty(), "{unsound}");
        }
    }

    #[test]
    fn the_endpoint_refuses_what_the_service_refuses() {
        let hello = json!({ "role": "user", "content": [{ "text": "hello" }] });
        let ask = |id: &str, name: &str, input: Value| {
            json!({ "role": "assistant", "content": [
            { "toolUse": { "toolUseId": id, "name": name, "input": input } }] })
        };
        let answer = |id: &str, text: &str| {
            json!({ "role": "user", "content": [
            { "toolResult": { "toolUseId": id, "status": "success", "content": [{ "text": text }] } }] })
        };
        let sound = json!([hello, ask("a", "grep", json!({})), answer("a", "x")]);
        assert_eq!(judge(&request(sound)), Vec::<String>::new());
        let unsound = [
            json!([]),
            json!([hello, hello]),
            json!([hello, ask("a", "grep", json!({}))]),
            json!([hello, ask("a", "grep", json!({})), hello]),
            json!([hello, ask("a", "grep", json!({})), answer("b", "x")]),
            json!([hello, ask("a b", "grep", json!({})), answer("a b", "x")]),
            json!([hello, ask("a", "rm -rf", json!({})), answer("a", "x")]),
            json!([hello, ask("a", "grep", json!("x")), answer("a", "x")]),
            json!([hello, ask("a", "grep", json!({})), answer("a", " ")]),
            json!([answer("a", "x")]),
            json!([{ "role": "user", "content": [] }]),
            json!([{ "role": "user", "content": [{ "text": " " }] }]),
        ];
        for messages in unsound {
            assert!(!judge(&request(messages.clone())).is_empty(), "{messages}");
        }
        let mut toolless = request(json!([hello]));
        toolless["toolConfig"] = json!({ "tools": [] });
        assert!(!judge(&toolless).is_empty());
        assert!(!violations("/model//converse", SIGNED, b"{}").is_empty());
        assert!(!violations("/model/m/converse", "", b"{}").is_empty());
    }
}
