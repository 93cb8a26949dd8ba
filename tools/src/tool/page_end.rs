//! How a page of a listing or a search ends: why, what is left out, and how to go on.

use std::fmt::Write;

use schemars::JsonSchema;
use serde::Serialize;

use crate::storage::omissions::Omission;

/// Why a page ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Stopped {
    /// As many as asked for were found.
    Limit,
    /// Time ran out.
    Deadline,
    /// The answer was full.
    Bytes,
}

/// Adds a line for each thing that is left out.
pub(super) fn left_out(text: &mut String, named: &[Omission], more: Option<u64>) {
    // Writing to a String cannot fail.
    for one in named {
        let _ = writeln!(text, "left out: {}: {}", one.path, one.problem);
    }
    if let Some(more) = more {
        let _ = writeln!(text, "left out: {more} more");
    }
}

/// Adds the last line: what the page holds, and where there is more, how to go on.
pub(super) fn last_line(
    text: &mut String,
    mut parts: Vec<String>,
    stopped: Option<Stopped>,
    next_cursor: Option<&str>,
) {
    if let (Some(stopped), Some(cursor)) = (stopped, next_cursor) {
        let why = match stopped {
            Stopped::Limit => "more",
            Stopped::Deadline => "time ran out, more",
            Stopped::Bytes => "the answer is full, more",
        };
        parts.push(format!("{why}: cursor \"{cursor}\""));
    }
    let _ = writeln!(text, "[{}]", parts.join(" · "));
}
