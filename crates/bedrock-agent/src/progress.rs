//! Progress on a terminal: one line a step on stderr.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::sync::Arc;

use crate::conversation::{ToolResult, ToolUse};

/// When to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum When {
    /// When stderr is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Takes each line of progress, where somebody else than this process's terminal shows it.
pub type Watch = Arc<dyn Fn(&str) + Send + Sync>;

/// Writes progress, or nothing.
pub(crate) struct Progress {
    agent: String,
    shown: bool,
    watch: Option<Watch>,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").field("agent", &self.agent).finish_non_exhaustive()
    }
}

/// Longest piece of an argument that is shown.
const MAX_ARGUMENT: usize = 60;

impl Progress {
    /// Progress of this agent.
    pub(crate) fn new(agent: &str, when: When) -> Progress {
        let shown = match when {
            When::Auto => std::io::stderr().is_terminal(),
            When::Always => true,
            When::Never => false,
        };
        Progress { agent: agent.to_owned(), shown, watch: None }
    }

    /// Progress of this agent, for somebody who watches.
    pub(crate) fn watched(agent: &str, watch: Watch) -> Progress {
        Progress { agent: agent.to_owned(), shown: false, watch: Some(watch) }
    }

    /// Writes a line.
    pub(crate) fn line(&self, text: &str) {
        if let Some(watch) = &self.watch {
            watch(&one_line(text));
        }
        if self.shown {
            // Progress that nobody reads is no fault.
            let _ = writeln!(std::io::stderr(), "[{}] {}", self.agent, one_line(text));
        }
    }

    /// Writes what the tools were asked and whether they could.
    pub(crate) fn calls(&self, calls: &[ToolUse], results: &[ToolResult]) {
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

/// A model's words in one line of a terminal. Models choose names, arguments, reasons and titles,
/// and none of these may control the terminal.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
