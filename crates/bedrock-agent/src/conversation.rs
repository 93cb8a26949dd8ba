//! A conversation in the JSON form of Converse, and the rules that the service has for one:
//! roles alternate, every tool use has its result in the next message, nothing is blank.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Speaker {
    User,
    Assistant,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Message {
    pub role: Speaker,
    pub content: Vec<Block>,
}

/// A part of a message. Kinds that a worker neither sends nor asks for are left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Block {
    /// Words.
    Text(String),
    /// A tool call.
    ToolUse(ToolUse),
    /// What came of a tool call.
    ToolResult(ToolResult),
    /// What a model has thought; some models want it back unchanged.
    ReasoningContent(Reasoning),
}

/// A tool call that the model asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolUse {
    /// Tells it from other calls of the conversation.
    pub tool_use_id: String,
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub input: Value,
}

/// The result of a tool call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolResult {
    pub tool_use_id: String,
    pub content: Vec<Shown>,
    pub status: Status,
}

/// A part of a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Shown {
    Text(String),
    Image(Image),
}

/// An image, in base64.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Image {
    pub format: String,
    pub source: Source,
}

/// Where an image's bytes are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    pub bytes: String,
}

/// Whether a call succeeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Success,
    Error,
}

/// What a model has thought, readable or not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reasoning {
    /// Readable.
    ReasoningText {
        /// The thought.
        text: String,
        /// By which the model knows that it is its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<String>,
    },
    /// Not readable, in base64.
    RedactedContent(String),
}

/// Longest tool name and tool use id that the service takes.
const MAX_NAME: usize = 64;

/// The messages so far.
#[derive(Debug, Default)]
pub(crate) struct Conversation {
    messages: Vec<Message>,
}

impl Conversation {
    pub(crate) fn messages(&self) -> &[Message] {
        &self.messages
    }

    /// Adds to what the user says: to the last message if that is the user's.
    pub(crate) fn say(&mut self, blocks: Vec<Block>) {
        match self.messages.last_mut() {
            Some(last) if last.role == Speaker::User => last.content.extend(blocks),
            _ => self.messages.push(Message { role: Speaker::User, content: blocks }),
        }
    }

    /// Adds what the model said, unless nothing is left of it.
    pub(crate) fn hear(&mut self, content: Vec<Block>) {
        if !content.is_empty() {
            self.messages.push(Message { role: Speaker::Assistant, content });
        }
    }

    /// Whether the model would have something to answer.
    pub(crate) fn waits_for_the_model(&self) -> bool {
        self.messages.last().is_some_and(|last| last.role == Speaker::User)
    }

    pub(crate) fn messages_mut(&mut self) -> &mut Vec<Message> {
        &mut self.messages
    }

    /// Images in the conversation.
    pub(crate) fn images(&self) -> usize {
        let blocks = self.messages.iter().flat_map(|message| &message.content);
        let results = blocks.filter_map(|block| match block {
            Block::ToolResult(result) => Some(&result.content),
            _ => None,
        });
        results.flatten().filter(|shown| matches!(shown, Shown::Image(_))).count()
    }
}

impl Reasoning {
    /// Bytes of it.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Reasoning::ReasoningText { text, signature } => {
                text.len() + signature.as_ref().map_or(0, String::len)
            }
            Reasoning::RedactedContent(base64) => base64.len(),
        }
    }
}

/// What a model said, in a form that the service takes back: blank text is refused, and so are
/// names and inputs of tool calls that are not as they should be. The call itself is judged by
/// what the model sent.
pub(crate) fn as_history(content: &[Block]) -> Vec<Block> {
    let kept = content.iter().filter_map(|block| match block {
        Block::Text(text) if text.trim().is_empty() => None,
        Block::ToolUse(call) => Some(Block::ToolUse(ToolUse {
            tool_use_id: call.tool_use_id.clone(),
            name: acceptable_name(&call.name),
            input: match &call.input {
                Value::Object(_) => call.input.clone(),
                other => serde_json::json!({ "input": other }),
            },
        })),
        other => Some(other.clone()),
    });
    kept.collect()
}

/// The text of an answer that was cut off. A tool call in it may have lost half of its input, and
/// is left out.
pub(crate) fn text_of(content: &[Block]) -> Vec<Block> {
    let texts = content.iter().filter(|block| match block {
        Block::Text(text) => !text.trim().is_empty(),
        _ => false,
    });
    texts.cloned().collect()
}

fn acceptable_name(name: &str) -> String {
    let accepted = |c: char| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '_' };
    let name: String = name.chars().take(MAX_NAME).map(accepted).collect();
    if name.is_empty() { "_".to_owned() } else { name }
}

/// The tool calls of an answer, or none if they cannot be told apart or answered.
pub(crate) fn tool_uses(content: &[Block]) -> Option<Vec<&ToolUse>> {
    let calls: Vec<&ToolUse> = content
        .iter()
        .filter_map(|block| if let Block::ToolUse(call) = block { Some(call) } else { None })
        .collect();
    let mut seen = std::collections::HashSet::new();
    let answerable = calls.iter().all(|call| {
        let id = &call.tool_use_id;
        let accepted = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
        (1..=MAX_NAME).contains(&id.len()) && id.chars().all(accepted) && seen.insert(id)
    });
    (answerable && !calls.is_empty()).then_some(calls)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn call(id: &str, name: &str, input: Value) -> Block {
        Block::ToolUse(ToolUse { tool_use_id: id.into(), name: name.into(), input })
    }

    #[test]
    fn what_goes_back_is_what_the_service_takes() {
        let said = [
            Block::Text("  \n".into()),
            call("a", "rm -rf /", json!("not an object")),
            call("b", "", json!({})),
        ];
        let history = serde_json::to_value(as_history(&said)).unwrap();
        assert_eq!(
            history,
            json!([
                { "toolUse": { "toolUseId": "a", "name": "rm_-rf__", "input": { "input": "not an object" } } },
                { "toolUse": { "toolUseId": "b", "name": "_", "input": {} } },
            ])
        );
    }

    #[test]
    fn calls_that_cannot_be_told_apart_are_none() {
        assert!(tool_uses(&[call("a", "grep", json!({})), call("a", "grep", json!({}))]).is_none());
        assert!(tool_uses(&[call("ä", "grep", json!({}))]).is_none());
        assert!(tool_uses(&[Block::Text("done".into())]).is_none());
        assert_eq!(tool_uses(&[call("a", "x y", json!({}))]).unwrap().len(), 1);
    }
}
