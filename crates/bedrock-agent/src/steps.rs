//! The steps of a run, and the state that follows from them. A run is nothing but its steps: after
//! a crash the same steps give the same conversation, the same counts and the same next action.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::budget::Usage;
use crate::context;
use crate::conversation::{
    Block, Conversation, Status, ToolResult, ToolUse, as_history, text_of, tool_uses,
};
use crate::summary::Ending;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Event {
    /// The run began.
    Begin { run: String, agent: String, caller: String, model: String, task: String },
    /// A later invocation goes on.
    Resume { model: String },
    /// The model answered.
    Answer {
        content: Vec<Block>,
        stop_reason: String,
        usage: Usage,
        attempts: u32,
        latency_ms: i64,
    },
    /// The tools answered. The results are whole here; the model sees as much of them as fits in
    /// so many bytes.
    Results {
        results: Vec<ToolResult>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        room: Option<usize>,
    },
    /// The worker told the model something.
    Remark { text: String },
    /// Old results and inputs before this message were taken out of the conversation.
    Elide { before: usize },
    /// The results of the current turn were cut to so many bytes.
    Fit { room: usize },
    /// Everything between the task and the current turn gave way to a summary. Without usage, it
    /// is not the model's.
    Summary { text: String, usage: Option<Usage>, attempts: u32, latency_ms: i64 },
    /// The invocation ended before the run did.
    Pause { reason: String },
    /// The run ended.
    End { ending: Ending, reason: String },
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Next {
    Ask,
    RunTools,
    Remark(String),
    /// Something must give way: the model or the service says that it is too long.
    Compact,
    End(Ending, String),
}

/// Times in a row that a model may be cut off or not understood.
const PATIENCE: u32 = 3;

/// What the steps so far add up to.
#[derive(Debug, Default)]
pub(crate) struct Course {
    pub conversation: Conversation,
    pub usage: Usage,
    pub turns: u32,
    pub tool_calls: u32,
    pub tool_errors: u32,
    /// Calls that wait for their results.
    pub pending: Vec<ToolUse>,
    /// What the model said last.
    pub text: String,
    pub ended: Option<(Ending, String)>,
    /// Results as they came, by the ids of their calls.
    pub results: HashMap<String, ToolResult>,
    /// What the last request was in tokens, and its conversation in bytes.
    pub sent: Option<(u64, usize)>,
    /// Why the model stopped, until something has been done about it.
    stopped: Option<String>,
    /// Answers in a row that were cut off or not understood.
    cut_off: u32,
    malformed: u32,
}

impl Course {
    /// Takes one more step into account.
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Begin { task, .. } => self.conversation.say(vec![Block::Text(task.clone())]),
            Event::Resume { .. } => self.ended = None,
            Event::Answer { content, stop_reason, usage, .. } => {
                self.turns += 1;
                self.usage.add(*usage);
                let bytes = context::bytes(self.conversation.messages());
                self.sent = Some((usage.total() - usage.output_tokens, bytes));
                self.answer(content, stop_reason);
            }
            Event::Results { results, room } => {
                let failed = results.iter().filter(|result| result.status == Status::Error);
                self.tool_errors += count(failed);
                self.tool_calls += count(results.iter());
                for result in results {
                    self.results.insert(result.tool_use_id.clone(), result.clone());
                }
                let mut shown = results.clone();
                if let Some(room) = room {
                    context::fit(&mut shown, *room);
                }
                self.conversation.say(shown.into_iter().map(Block::ToolResult).collect());
                self.pending.clear();
            }
            Event::Remark { text } => {
                self.conversation.say(vec![Block::Text(text.clone())]);
                self.stopped = None;
            }
            Event::Elide { before } => {
                context::elide(self.conversation.messages_mut(), *before);
                self.stopped = None;
            }
            Event::Fit { room } => {
                let mut results = context::current_results(self.conversation.messages_mut());
                // From the whole, so that the place where the rest begins is that of the whole.
                for result in &mut results {
                    if let Some(whole) = self.results.get(&result.tool_use_id) {
                        result.content.clone_from(&whole.content);
                    }
                }
                context::fit_each(&mut results, *room);
                self.stopped = None;
            }
            Event::Summary { text, usage, .. } => {
                if let Some(usage) = usage {
                    self.turns += 1;
                    self.usage.add(*usage);
                }
                context::summarise(self.conversation.messages_mut(), text);
                self.stopped = None;
            }
            Event::Pause { .. } => {}
            Event::End { ending, reason } => self.ended = Some((*ending, reason.clone())),
        }
    }

    fn answer(&mut self, content: &[Block], stop_reason: &str) {
        let calls = tool_uses(content);
        let understood = match stop_reason {
            "malformed_model_output" | "malformed_tool_use" => false,
            "tool_use" => calls.is_some(),
            _ => true,
        };
        self.malformed = if understood { 0 } else { self.malformed + 1 };
        self.cut_off = if stop_reason == "max_tokens" { self.cut_off + 1 } else { 0 };
        self.stopped = Some(stop_reason.to_owned());
        match (stop_reason, calls) {
            ("tool_use", Some(calls)) => {
                self.conversation.hear(as_history(content));
                self.pending = calls.into_iter().cloned().collect();
                self.stopped = None;
            }
            ("tool_use", None) => self.stopped = Some("malformed_tool_use".to_owned()),
            ("max_tokens" | "end_turn" | "stop_sequence", _) => {
                self.conversation.hear(text_of(content));
            }
            _ => {}
        }
        let said: Vec<&str> = content
            .iter()
            .filter_map(
                |block| if let Block::Text(text) = block { Some(text.as_str()) } else { None },
            )
            .collect();
        if !said.is_empty() {
            self.text = said.join("\n");
        }
    }

    /// What follows from the steps so far.
    pub(crate) fn next(&self) -> Next {
        if let Some((ending, reason)) = &self.ended {
            return Next::End(*ending, reason.clone());
        }
        if !self.pending.is_empty() {
            return Next::RunTools;
        }
        let Some(stop_reason) = self.stopped.as_deref() else {
            return if self.conversation.waits_for_the_model() {
                Next::Ask
            } else {
                Next::Remark("Go on.".to_owned())
            };
        };
        let end = |ending, reason: &str| Next::End(ending, reason.to_owned());
        match stop_reason {
            "end_turn" | "stop_sequence" => end(Ending::Completed, "the model is done"),
            "max_tokens" if self.cut_off < PATIENCE => Next::Remark(
                "Your answer was cut off at the limit of its length, and no tool of it was \
                 called. Go on where it stopped, with a shorter answer and fewer calls at once."
                    .to_owned(),
            ),
            "max_tokens" => {
                end(Ending::CutOff, "answers were cut off again and again (--max-output-tokens)")
            }
            "malformed_model_output" | "malformed_tool_use" if self.malformed < PATIENCE => {
                Next::Remark(
                    "Your last answer could not be understood, and no tool of it was called. \
                     Answer again; call tools with a JSON object that fits the tool's schema."
                        .to_owned(),
                )
            }
            "malformed_model_output" | "malformed_tool_use" => {
                end(Ending::Malformed, "the model's answers could not be understood")
            }
            "model_context_window_exceeded" => Next::Compact,
            "guardrail_intervened" => end(Ending::Guardrail, "a guardrail stepped in"),
            "content_filtered" => end(Ending::Filtered, "the model's answer was filtered"),
            other => Next::End(Ending::Unknown, format!("the model stopped with `{other}`")),
        }
    }

    /// Bedrock refused the conversation as too long before the model saw it.
    pub(crate) fn too_long(&mut self) {
        self.stopped = Some("model_context_window_exceeded".to_owned());
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn begun() -> Course {
        let mut course = Course::default();
        let text = || "x".to_owned();
        course.apply(&Event::Begin {
            run: text(),
            agent: text(),
            caller: text(),
            model: text(),
            task: text(),
        });
        course
    }

    fn answer(stop_reason: &str, content: serde_json::Value) -> Event {
        Event::Answer {
            content: serde_json::from_value(content).unwrap(),
            stop_reason: stop_reason.to_owned(),
            usage: Usage::default(),
            attempts: 1,
            latency_ms: 1,
        }
    }

    #[test]
    fn every_stop_reason_is_followed_by_the_right_thing() {
        let call = json!([{ "toolUse": { "toolUseId": "a", "name": "grep", "input": {} } }]);
        let text = json!([{ "text": "hm" }]);
        let next = |reason: &str, content: &serde_json::Value| {
            let mut course = begun();
            course.apply(&answer(reason, content.clone()));
            course.next()
        };
        let ending = |next: Next| match next {
            Next::End(ending, _) => ending,
            other => panic!("{other:?}"),
        };
        assert_eq!(next("tool_use", &call), Next::RunTools);
        assert!(matches!(next("tool_use", &text), Next::Remark(_)));
        assert_eq!(ending(next("end_turn", &text)), Ending::Completed);
        assert_eq!(ending(next("end_turn", &json!([]))), Ending::Completed);
        assert_eq!(ending(next("stop_sequence", &text)), Ending::Completed);
        assert!(matches!(next("max_tokens", &call), Next::Remark(_)));
        assert!(matches!(next("malformed_model_output", &text), Next::Remark(_)));
        assert!(matches!(next("malformed_tool_use", &call), Next::Remark(_)));
        assert_eq!(ending(next("guardrail_intervened", &text)), Ending::Guardrail);
        assert_eq!(ending(next("content_filtered", &text)), Ending::Filtered);
        assert_eq!(next("model_context_window_exceeded", &text), Next::Compact);
        assert_eq!(ending(next("something_new", &text)), Ending::Unknown);
    }

    #[test]
    fn patience_with_a_model_ends() {
        for (reason, expected) in
            [("max_tokens", Ending::CutOff), ("malformed_tool_use", Ending::Malformed)]
        {
            let mut course = begun();
            let mut remarks = 0;
            let ending = loop {
                course.apply(&answer(reason, json!([{ "text": "…" }])));
                match course.next() {
                    Next::Remark(text) => {
                        remarks += 1;
                        course.apply(&Event::Remark { text });
                        assert_eq!(course.next(), Next::Ask);
                    }
                    Next::End(ending, _) => break ending,
                    other => panic!("{other:?}"),
                }
            };
            assert_eq!((ending, remarks), (expected, 2));
        }
    }
}
