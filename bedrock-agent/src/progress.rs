//! Progress on a terminal: one line a step on stderr.

use std::io::{IsTerminal, Write};

use crate::conversation::{ToolResult, ToolUse};

/// When to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// When stderr is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Writes progress, or nothing.
#[derive(Debug)]
pub struct Progress {
    agent: String,
    shown: bool,
}

/// Longest piece of an argument that is shown.
const MAX_ARGUMENT: usize = 60;

impl Progress {
    /// Progress of this agent.
    pub fn new(agent: &str, when: When) -> Progress {
        let shown = match when {
            When::Auto => std::io::stderr().is_terminal(),
            When::Always => true,
            When::Never => false,
        };
        Progress { agent: agent.to_owned(), shown }
    }

    /// Writes a line.
    pub fn line(&self, text: &str) {
        if self.shown {
            // Progress that nobody reads is no fault.
            let _ = writeln!(std::io::stderr(), "[{}] {}", self.agent, printable(text));
        }
    }

    /// Writes what the tools were asked and whether they could.
    pub fn calls(&self, calls: &[ToolUse], results: &[ToolResult]) {
        for (call, result) in calls.iter().zip(results) {
            let argument = ["path", "pattern", "title", "rule_id", "key"]
                .iter()
                .find_map(|name| call.input.get(name)?.as_str())
                .unwrap_or_default();
            let argument: String = argument.chars().take(MAX_ARGUMENT).collect();
            let came =
                if result.status == crate::conversation::Status::Error { " ✗" } else { "" };
            self.line(&format!("  {} {argument}{came}", call.name));
        }
    }
}

/// Models choose names and arguments; none of them may steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
