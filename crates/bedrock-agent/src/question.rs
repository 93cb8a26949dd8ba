//! A request to a model. Its JSON is the body that is sent, byte for byte: a prompt cache serves
//! only what is the same to the last byte, and so there is this one way of writing it.

use std::collections::BTreeMap;

use clap::ValueEnum;
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) guardrail_config: Option<&'a Guardrail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) additional_model_request_fields: Option<&'a Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) request_metadata: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service_tier: Option<Tier>,
}

/// The tools.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ToolConfig<'a> {
    pub(crate) tools: Vec<Piece<&'a Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool_choice: Option<ToolChoice>,
}

/// Which tools the answer has to call.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ToolChoice {
    /// One or more of all.
    Any {},
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temperature: Option<f64>,
}

/// What a request has besides the conversation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tuning {
    pub(crate) temperature: Option<f64>,
    /// Whether the first answer has to call a tool.
    pub(crate) must_call_first: bool,
    pub(crate) guardrail: Option<Guardrail>,
    pub(crate) tier: Option<ServiceTier>,
    /// In the account's logs of invocations.
    pub(crate) tags: BTreeMap<String, String>,
    /// Fields of the model's own.
    pub(crate) fields: Option<Value>,
}

/// A guardrail of the account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Guardrail {
    pub(crate) guardrail_identifier: String,
    pub(crate) guardrail_version: String,
}

/// Who answers, and at which price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ServiceTier {
    /// The usual one
    Default,
    /// Cheaper, and later when others are in a hurry
    Flex,
    /// Dearer, and before others
    Priority,
    /// Capacity that the account has reserved
    Reserved,
}

#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Tier {
    r#type: ServiceTier,
}

/// What the service is asked.
pub(crate) struct Asking<'a> {
    pub(crate) model_id: &'a str,
    pub(crate) tools: &'a [Value],
    pub(crate) instructions: &'a Instructions,
    pub(crate) messages: &'a [Message],
    pub(crate) caching: Option<Caching>,
    pub(crate) max_tokens: u32,
    pub(crate) tuning: &'a Tuning,
    /// Whether nothing was answered before.
    pub(crate) is_first: bool,
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
    pub(crate) fn new(asking: &Asking<'a>) -> Question<'a> {
        let Asking { model_id, tools, instructions, messages, caching, tuning, .. } = *asking;
        let point = caching.map(|caching| caching.point);
        let after_tools = caching.filter(|caching| caching.tools).map(|caching| caching.point);
        let tools = tools.iter().map(Piece::Part).chain(after_tools.map(Piece::Point));
        let shared = Piece::Part(System { text: &instructions.shared });
        let own = Piece::Part(System { text: &instructions.own });
        let system = [shared].into_iter().chain(point.map(Piece::Point)).chain([own]);
        let must_call = tuning.must_call_first && asking.is_first;
        Question {
            model_id,
            tool_config: ToolConfig {
                tools: tools.collect(),
                tool_choice: must_call.then_some(ToolChoice::Any {}),
            },
            system: system.collect(),
            messages: with_points(messages, point),
            inference_config: InferenceConfig {
                max_tokens: asking.max_tokens,
                temperature: tuning.temperature,
            },
            guardrail_config: tuning.guardrail.as_ref(),
            additional_model_request_fields: tuning.fields.as_ref(),
            request_metadata: &tuning.tags,
            service_tier: tuning.tier.map(|tier| Tier { r#type: tier }),
        }
    }

    /// Which model is asked: an id, an inference profile or an ARN.
    pub fn model_id(&self) -> &'a str {
        self.model_id
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
        let tuning = Tuning::default();
        let question = Question::new(&Asking {
            model_id: "m",
            tools: &tools,
            instructions: &instructions,
            messages,
            caching,
            max_tokens: 1,
            tuning: &tuning,
            is_first: true,
        });
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
