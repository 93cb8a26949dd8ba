//! The result of a run: `summary.json` in its directory, and what the command prints.

use serde::{Deserialize, Serialize};

use crate::budget::Usage;

/// How a run ended, or that it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// The model has said that it is done.
    Completed,
    /// Out of time, or interrupted; the same command goes on.
    Paused,
    /// A limit of the budget is reached; the same command with a larger one goes on.
    Budget,
    /// Bedrock or the server did not answer; the same command tries again.
    Failed,
    /// A guardrail stepped in.
    Guardrail,
    /// The content was filtered.
    Filtered,
    /// Answers were cut off at the limit of tokens again and again.
    CutOff,
    /// Answers could not be understood again and again.
    Malformed,
    /// The conversation does not fit the model, shortened as far as it can be; the same command
    /// with a model that takes more goes on.
    TooLong,
    /// The model stopped for a reason that this version does not know.
    Unknown,
}

impl Ending {
    /// Whether the same run can go on.
    pub fn can_go_on(self) -> bool {
        matches!(self, Ending::Paused | Ending::Budget | Ending::Failed | Ending::TooLong)
    }

    /// The exit status: 0 completed, 3 paused, 1 anything else.
    pub fn exit_status(self) -> u8 {
        match self {
            Ending::Completed => 0,
            Ending::Paused => 3,
            _ => 1,
        }
    }
}

/// A run of one agent, so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The run.
    pub run: String,
    /// The agent: the role, unless it was named.
    pub agent: String,
    /// The caller's id, as policy and audit name it; through a server, the role and the server.
    pub caller: String,
    /// The model.
    pub model: String,
    /// How it ended.
    pub ending: Ending,
    /// Why, in a sentence.
    pub reason: String,
    /// Whether the reason may pass by itself: then the same command makes sense as it is.
    #[serde(default)]
    pub passing: bool,
    /// Answers of the model.
    pub turns: u32,
    /// Calls of tools that it made.
    pub tool_calls: u32,
    /// Of these, those that gave an error.
    pub tool_errors: u32,
    /// Tokens over the whole run.
    pub usage: Usage,
    /// What they cost in US dollars; none without prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Seconds of this invocation.
    pub seconds: f64,
    /// Where transcript and summary lie: in the workspace, or, where that is elsewhere, here.
    pub directory: String,
    /// What the model said last.
    pub text: String,
}
