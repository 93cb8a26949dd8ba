//! A request to a model. Its JSON is the body that is sent, byte for byte: a prompt cache serves
//! only what is the same to the last byte, and so there is this one way of writing it.

use serde::Serialize;
use serde_json::Value;

use crate::caching::{CachePoint, Caching};
use crate::conversation::{Block, Message, Speaker};

/// A request to a model. Tools, system and messages stand in the order in which the service reads
/// them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Question<'a> {
    /// Which model; it is named beside the body.
    #[serde(skip)]
    pub(crate) model_id: &'a str,
    pub(crate) tool_config: ToolConfig<'a>,
    pub(crate) system: Vec<Piece<System<'a>>>,
    pub(crate) messages: Vec<Said<'a>>,
    pub(crate) inference_config: InferenceConfig,
}

/// The tools.
#[derive(Debug, Serialize)]
pub(crate) struct ToolConfig<'a> {
    pub(crate) tools: Vec<Piece<&'a Value>>,
}

/// A part of the instructions.
#[derive(Debug, Serialize)]
pub(crate) struct System<'a> {
    pub(crate) text: &'a str,
}

/// A message.
#[derive(Debug, Serialize)]
pub(crate) struct Said<'a> {
    pub(crate) role: Speaker,
    pub(crate) content: Vec<Piece<&'a Block>>,
}

/// A part of a list, or a cache point in it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Piece<T> {
    Part(T),
    Point(CachePoint),
}

/// How the model answers.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InferenceConfig {
    pub(crate) max_tokens: u32,
}

/// The instructions of an agent.
#[derive(Debug, Clone)]
pub(crate) struct Instructions {
    /// The same for all agents.
    pub(crate) shared: String,
    /// This one's.
    pub(crate) own: String,
}

impl<'a> Question<'a> {
    /// A request for the next answer.
    pub(crate) fn new(
        model_id: &'a str,
        tools: &'a [Value],
        instructions: &'a Instructions,
        messages: &'a [Message],
        caching: Option<Caching>,
        inference_config: InferenceConfig,
    ) -> Question<'a> {
        let point = caching.map(|caching| caching.point);
        let after_tools = caching.filter(|caching| caching.tools).map(|caching| caching.point);
        let tools = tools.iter().map(Piece::Part).chain(after_tools.map(Piece::Point));
        let shared = Piece::Part(System { text: &instructions.shared });
        let own = Piece::Part(System { text: &instructions.own });
        let system = [shared].into_iter().chain(point.map(Piece::Point)).chain([own]);
        Question {
            model_id,
            tool_config: ToolConfig { tools: tools.collect() },
            system: system.collect(),
            messages: with_points(messages, point),
            inference_config,
        }
    }

    /// The body.
    pub(crate) fn body(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

/// The messages, with a point at the end of this request and one where the last request ended.
fn with_points(messages: &[Message], point: Option<CachePoint>) -> Vec<Said<'_>> {
    let mut said: Vec<Said<'_>> = messages
        .iter()
        .map(|Message { role, content }| Said {
            role: *role,
            content: content.iter().map(Piece::Part).collect(),
        })
        .collect();
    if let Some(point) = point {
        let users = said.iter_mut().rev().filter(|said| said.role == Speaker::User);
        for said in users.take(2) {
            said.content.push(Piece::Point(point));
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::caching::CacheMode;

    fn body(messages: &[Message], caching: Option<Caching>) -> String {
        let tools = [json!({ "toolSpec": { "name": "b", "a": { "z": 1, "y": 2 } } })];
        let instructions = Instructions { shared: "s".into(), own: "o".into() };
        let config = InferenceConfig { max_tokens: 1 };
        let question = Question::new("m", &tools, &instructions, messages, caching, config);
        String::from_utf8(question.body().unwrap()).unwrap()
    }

    fn said(role: Speaker, text: &str) -> Message {
        Message { role, content: vec![Block::Text(text.into())] }
    }

    #[test]
    fn what_is_kept_is_written_first_and_the_points_stand_behind_it() {
        let messages = [
            said(Speaker::User, "1"),
            said(Speaker::Assistant, "2"),
            said(Speaker::User, "3"),
            said(Speaker::Assistant, "4"),
            said(Speaker::User, "5"),
        ];
        let body = body(&messages, CacheMode::FiveMinutes.caching("x"));
        let point = r#"{"cachePoint":{"type":"default"}}"#;
        let expected = format!(
            r#"{{"toolConfig":{{"tools":[{{"toolSpec":{{"a":{{"y":2,"z":1}},"name":"b"}}}},{point}]}},"#
        ) + &format!(
            r#""system":[{{"text":"s"}},{point},{{"text":"o"}}],"messages":["#
        ) + r#"{"role":"user","content":[{"text":"1"}]},"#
            + r#"{"role":"assistant","content":[{"text":"2"}]},"#
            + &format!(r#"{{"role":"user","content":[{{"text":"3"}},{point}]}},"#)
            + r#"{"role":"assistant","content":[{"text":"4"}]},"#
            + &format!(r#"{{"role":"user","content":[{{"text":"5"}},{point}]}}],"#)
            + r#""inferenceConfig":{"maxTokens":1}}"#;
        assert_eq!(body, expected);
    }

    #[test]
    fn without_a_cache_there_are_no_points() {
        assert!(!body(&[said(Speaker::User, "1")], None).contains("cachePoint"));
    }
}
