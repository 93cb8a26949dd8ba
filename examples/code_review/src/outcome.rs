//! The result of one agent, in a form that any engine can keep between steps.

use mcp_workspace_tools::name::Name;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::agents::{Agent, Phase};

/// What came of one agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The agent.
    pub agent: Name,
    /// When it works.
    pub phase: Phase,
    /// How it ended: as in the agent's `summary.json`, or [`Outcome::NOT_RUN`].
    pub ending: String,
    /// Why, in a sentence.
    pub reason: String,
    /// Whether the reason may pass by itself, so that asking again makes sense.
    #[serde(default)]
    pub passing: bool,
    /// Answers of the model.
    pub turns: u64,
    /// Calls of tools.
    pub tool_calls: u64,
    /// Of these, those that gave an error.
    pub tool_errors: u64,
    /// Tokens sent, those from and to the cache included.
    pub input_tokens: u64,
    /// Tokens made.
    pub output_tokens: u64,
    /// What they cost in US dollars; none without prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// What the model said last.
    #[serde(default)]
    pub report: String,
}

impl Outcome {
    /// The ending of an agent that is done.
    pub const COMPLETED: &str = "completed";
    /// The ending of an agent whose run can go on at any time.
    pub const PAUSED: &str = "paused";
    /// The ending of an agent that could not be run at all.
    pub const NOT_RUN: &str = "not_run";

    /// What a worker's `summary.json` says. A worker on Lambda answers with the same JSON.
    ///
    /// # Errors
    /// When it is not the summary of this agent.
    pub fn of_summary(agent: &Agent, summary: &Value) -> Result<Outcome, NotASummary> {
        let refuse = |what: &'static str| NotASummary { agent: agent.name.clone(), what };
        let text = |field: &'static str| {
            summary.get(field).and_then(Value::as_str).ok_or_else(|| refuse(field))
        };
        let count = |field: &'static str| {
            summary.get(field).and_then(Value::as_u64).ok_or_else(|| refuse(field))
        };
        let tokens = |field: &str| {
            summary.pointer(&format!("/usage/{field}")).and_then(Value::as_u64).unwrap_or(0)
        };
        if text("agent")? != agent.name.as_str() {
            return Err(refuse("agent"));
        }
        Ok(Outcome {
            agent: agent.name.clone(),
            phase: agent.phase,
            ending: text("ending")?.to_owned(),
            reason: text("reason")?.to_owned(),
            passing: summary.get("passing").and_then(Value::as_bool).unwrap_or(false),
            turns: count("turns")?,
            tool_calls: count("tool_calls")?,
            tool_errors: count("tool_errors")?,
            input_tokens: tokens("input_tokens")
                + tokens("cache_read_tokens")
                + tokens("cache_write_tokens"),
            output_tokens: tokens("output_tokens"),
            cost_usd: summary.get("cost_usd").and_then(Value::as_f64),
            report: text("text")?.to_owned(),
        })
    }

    /// An agent that could not be run, and why.
    pub fn not_run(agent: &Agent, reason: &str) -> Outcome {
        Outcome {
            agent: agent.name.clone(),
            phase: agent.phase,
            ending: Outcome::NOT_RUN.to_owned(),
            reason: reason.to_owned(),
            passing: false,
            turns: 0,
            tool_calls: 0,
            tool_errors: 0,
            input_tokens: 0,
            output_tokens: 0,
            cost_usd: None,
            report: String::new(),
        }
    }

    /// Whether the agent has done all that it was told.
    pub fn is_complete(&self) -> bool {
        self.ending == Outcome::COMPLETED
    }

    /// Whether the same call goes on with it, without anything changed.
    pub fn is_paused(&self) -> bool {
        self.ending == Outcome::PAUSED
    }
}

/// Some JSON is not the summary of a worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the answer of the agent `{agent}` is no summary of its run: `{what}` is missing or another's"
)]
pub struct NotASummary {
    agent: Name,
    what: &'static str,
}
