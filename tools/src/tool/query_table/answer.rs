//! The rows of a page, as text and as JSON.

use std::fmt::Write;

use mcp_workspace_data::scan::Value;
use serde_json::Value as Json;

use super::Output;
use crate::answer::Format;
use crate::text::visible::is_hidden;

/// Longest text of a value in characters; longer text is cut.
const MAX_TEXT_CHARS: usize = 1_000;
/// Most bytes of a binary value that are shown.
const MAX_BLOB_BYTES: usize = 64;
/// What of the answer's characters is left for all that is not rows.
const CHARS_AROUND: usize = 4_000;

/// Collects the rows of a page.
pub(super) struct Page {
    format: Format,
    limit: usize,
    room: usize,
    /// Rows of the answer that earlier pages gave.
    skip: u64,
    seen: u64,
    rows: Vec<Vec<Json>>,
    lines: String,
    count: usize,
}

impl Page {
    pub(super) fn new(limit: usize, answer_chars: usize, format: Format, skip: u64) -> Page {
        Page {
            format,
            limit,
            room: answer_chars.saturating_sub(CHARS_AROUND),
            skip,
            seen: 0,
            rows: Vec::new(),
            lines: String::new(),
            count: 0,
        }
    }

    /// Takes a row; false where it has no place on this page.
    pub(super) fn add(&mut self, row: &[Value<'_>]) -> bool {
        if self.seen < self.skip {
            self.seen += 1;
            return true;
        }
        if self.count == self.limit {
            return false;
        }
        let values: Vec<Json> = row.iter().map(json).collect();
        let line = match self.format {
            Format::Text => row.iter().map(text).collect::<Vec<_>>().join("\t"),
            Format::Json => String::new(),
        };
        let cost = match self.format {
            Format::Text => line.chars().count() + 1,
            Format::Json => values.iter().map(|value| value.to_string().chars().count() + 1).sum(),
        };
        // Something always fits: a page that never moves on helps nobody.
        if cost > self.room && self.count > 0 {
            return false;
        }
        self.room = self.room.saturating_sub(cost);
        self.rows.push(values);
        if self.format == Format::Text {
            self.lines.push_str(&line);
            self.lines.push('\n');
        }
        self.count += 1;
        self.seen += 1;
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Rows of the whole answer up to here.
    pub(super) fn reached(&self) -> u64 {
        self.seen
    }

    pub(super) fn into_rows(self) -> Vec<Vec<Json>> {
        self.rows
    }

    /// A header, the rows, and one last line.
    pub(super) fn text(&self, output: &Output, skipped: u64) -> String {
        let header: Vec<String> = output.columns.iter().map(|column| name(column)).collect();
        let mut text = format!("{}\n{}", header.join("\t"), self.lines);
        let rows = match (self.count as u64, skipped) {
            (0, _) => "no rows".to_owned(),
            (1, skipped) => format!("row {}", skipped + 1),
            (count, skipped) => format!("rows {}-{}", skipped + 1, skipped + count),
        };
        let mut parts = vec![rows, format!("{} rows scanned", output.rows_scanned)];
        parts.extend(output.notes.iter().map(|note| one_line(note)));
        if output.stopped.is_some() {
            parts.push("time ran out before the query's end".to_owned());
        }
        if let Some(cursor) = &output.next_cursor {
            parts.push(format!("more: cursor \"{cursor}\""));
        }
        // Writing to a String cannot fail.
        let _ = write!(text, "[{}]", parts.join(" · "));
        text
    }
}

/// A name of a column, cut where it is long.
pub(super) fn name(name: &str) -> String {
    let mut shown = one_line(&name.chars().take(100).collect::<String>());
    if name.chars().nth(100).is_some() {
        shown.push('…');
    }
    shown
}

/// The text on one line, with what is not seen written out.
pub(super) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            hidden if is_hidden(hidden) => line.extend(hidden.escape_unicode()),
            other => line.push(other),
        }
    }
    line
}

/// A value on a line of text. The text NULL stands in quotes, to be told from no value.
fn text(value: &Value<'_>) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(value) => value.to_string(),
        Value::Real(value) => format!("{value:?}"),
        Value::Text(text) if text == "NULL" => "\"NULL\"".to_owned(),
        Value::Text(text) => one_line(&cut(text)),
        Value::Blob(bytes) => blob(bytes),
    }
}

fn json(value: &Value<'_>) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Integer(value) => (*value).into(),
        // JSON has no infinity.
        Value::Real(value) if value.is_infinite() => {
            if *value > 0.0 {
                "Infinity".into()
            } else {
                "-Infinity".into()
            }
        }
        Value::Real(value) => (*value).into(),
        Value::Text(text) => cut(text).into(),
        Value::Blob(bytes) => blob(bytes).into(),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT_CHARS) {
        None => text.to_owned(),
        Some((end, _)) => {
            let (kept, rest) = text.split_at_checked(end).unwrap_or((text, ""));
            format!("{kept}… [cut: {} more characters; substr() shows them]", rest.chars().count())
        }
    }
}

fn blob(bytes: &[u8]) -> String {
    let mut text = String::from("0x");
    for byte in bytes.iter().take(MAX_BLOB_BYTES) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    if bytes.len() > MAX_BLOB_BYTES {
        let _ = write!(text, "… [cut: {} more bytes]", bytes.len() - MAX_BLOB_BYTES);
    }
    text
}
