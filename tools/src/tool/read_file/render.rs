//! How a model sees lines: numbered, with control characters visible, and one last line about
//! the file.

use std::fmt::Write;

use super::Output;
use crate::text::{Encoding, LineEndings};
use crate::version::shown;

/// What a line costs as text, with its number, perhaps its sign, a tab and its end.
pub(super) fn text_cost(line: &str, number: i64) -> usize {
    let digits = number.unsigned_abs().checked_ilog10().map_or(1, |log| log as usize + 1);
    line.chars().count() + digits + 3
}

/// What a line costs inside a JSON string.
pub(super) fn json_cost(line: &str, _number: i64) -> usize {
    line.chars()
        .map(|character| match character {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..='\u{1f}' => 6,
            _ => 1,
        })
        .sum()
}

/// The answer as text.
pub(super) fn text(output: &Output) -> String {
    let mut text = String::with_capacity(output.content.len() * 5 / 4 + 256);
    if let Some(header) = &output.header {
        text.push_str("1\t");
        text.extend(header.chars().map(visible));
        text.push('\n');
    }
    for (line, number) in output.content.split_inclusive('\n').zip(output.start_line..) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{number}\t");
        let line =
            line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line));
        text.extend(line.chars().map(visible));
        text.push('\n');
    }
    text.push_str(&last_line(output));
    text
}

/// A table as text: its schema where the reading begins, the rows, and one last line.
pub(super) fn table(output: &Output) -> String {
    let mut text = String::with_capacity(output.content.len() + 1_024);
    let schema = output.schema.as_deref().unwrap_or_default();
    for column in schema {
        text.extend(column.name.chars().map(visible));
        let null = if column.nullable { ", may be null" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(text, ": {}{null}", column.r#type);
    }
    for (row, number) in output.content.lines().zip(output.start_line..) {
        let _ = write!(text, "{number}\t");
        text.extend(row.chars().map(visible));
        text.push('\n');
    }
    let rows = match (output.start_line, output.end_line) {
        (start, end) if end < start => "no rows".to_owned(),
        (start, end) if start == end => format!("row {start}"),
        (start, end) => format!("rows {start}-{end}"),
    };
    let rows = match output.row_count {
        Some(count) if output.end_line >= output.start_line => format!("{rows} of {count}"),
        _ => rows,
    };
    let mut parts = vec![rows, output.encoding.to_string()];
    parts.extend(output.stored.clone());
    parts.push(format!("{} bytes", output.size));
    parts.extend(about(output));
    let _ = write!(text, "[{}]", parts.join(" · "));
    text
}

/// `[lines 1-20 of 340 · 12345 bytes · version … · more: offset 21]`.
fn last_line(output: &Output) -> String {
    let mut parts = vec![range(output)];
    // Nearly every text has the one encoding that goes without saying.
    parts.extend((output.encoding != Encoding::Utf8.name()).then(|| output.encoding.to_string()));
    match output.line_endings {
        Some(LineEndings::Crlf) => parts.push("CRLF".to_owned()),
        Some(LineEndings::Mixed) => parts.push("LF and CRLF mixed".to_owned()),
        Some(LineEndings::Lf | LineEndings::None) | None => {}
    }
    parts.push(format!("{} bytes", output.size));
    let is_last = !output.more && output.line_endings.is_some();
    if is_last && !output.content.is_empty() && !output.content.ends_with('\n') {
        parts.push("no newline at end of file".to_owned());
    }
    parts.extend(about(output));
    format!("[{}]", parts.join(" · "))
}

/// The version, what is missing, and where to go on.
pub(super) fn about(output: &Output) -> impl Iterator<Item = String> {
    let version = output.version.iter().map(|version| format!("version {}", shown(version)));
    let more = output.next_offset.map(|next| format!("more: offset {next}"));
    version.chain(output.notes.iter().cloned()).chain(more)
}

fn range(output: &Output) -> String {
    let Output { start_line: start, end_line: end, .. } = output;
    if output.line_endings.is_none() {
        return output.media_type.as_deref().unwrap_or("application/octet-stream").to_owned();
    }
    if end < start {
        let is_empty = output.total_lines.is_none_or(|total| total == 0);
        return if is_empty { "empty file" } else { "no lines" }.to_owned();
    }
    let lines = match (start, end) {
        (start, end) if start == end => format!("line {start}"),
        (..0, _) => format!("lines {start} to {end}"),
        _ => format!("lines {start}-{end}"),
    };
    match output.total_lines {
        Some(total) => format!("{lines} of {total}"),
        None if *start < 0 => format!("{lines}, counted from the end"),
        None => lines,
    }
}

/// C0 control characters and DEL as their pictures.
fn visible(character: char) -> char {
    match character {
        '\t' => '\t',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        other => other,
    }
}
