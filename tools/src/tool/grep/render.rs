//! The text that a model reads: grouped by file as ripgrep does, and a last line about the search.

use std::fmt::Write;

use super::page::Page;
use super::{Args, Mode, Output};
use crate::tool::page_end;

/// The whole answer as text.
pub(super) fn text(output: &Output, args: &Args, page: &Page) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = match args.mode {
        Mode::Content => content(&mut text, page),
        Mode::Files | Mode::Count => files(&mut text, output),
    };
    if page.matches == 0 {
        let _ = writeln!(text, "no matches for `{}`", args.pattern);
    }
    footer(&mut text, output, page);
    text
}

fn content(text: &mut String, page: &Page) -> std::fmt::Result {
    for group in &page.groups {
        writeln!(text, "{}", group.path)?;
        let mut previous = None;
        for line in &group.lines {
            if previous.is_some_and(|last| line.number > last + 1) {
                writeln!(text, "--")?;
            }
            let mark = if line.is_match { ':' } else { '-' };
            for (number, part) in (line.number..).zip(line.text.split('\n')) {
                writeln!(text, "{number}{mark}{}", part.strip_suffix('\r').unwrap_or(part))?;
            }
            previous = Some(line.last);
        }
        writeln!(text)?;
    }
    Ok(())
}

fn files(text: &mut String, output: &Output) -> std::fmt::Result {
    for file in output.files.iter().flatten() {
        match file.count {
            Some(count) => writeln!(text, "{}:{count}", file.path)?,
            None => writeln!(text, "{}", file.path)?,
        }
    }
    Ok(())
}

fn footer(text: &mut String, output: &Output, page: &Page) {
    let mut parts = Vec::new();
    if let Some(files) = &output.files {
        parts.push(format!("{} with matches", counted(files.len() as u64, "file")));
    } else if page.matches > 0 {
        let matches = counted(page.matches as u64, "match");
        parts.push(format!("{matches} in {}", counted(page.groups.len() as u64, "file")));
    }
    parts.push(format!("{} searched", counted(output.files_searched, "file")));
    let skipped = &output.files_skipped;
    let reasons: Vec<_> = [
        (skipped.binary, "binary"),
        (skipped.too_large, "too large"),
        (skipped.long_lines, "with a line too long for this pattern"),
        (skipped.unreadable, "unreadable"),
        (skipped.ignored, "ignored"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, reason)| format!("{count} {reason}"))
    .collect();
    if skipped.cut_off > 0 {
        let files = counted(skipped.cut_off, "file");
        parts.push(format!(
            "{files} searched in part, up to where they break off or go on too long"
        ));
    }
    if !reasons.is_empty() {
        parts.push(format!("skipped: {}", reasons.join(", ")));
    }
    if output.files_searched == 0 && output.next_cursor.is_none() {
        parts.push("nothing was searched: check path, glob and type".to_owned());
    }
    page_end::last_line(text, parts, output.stopped, output.next_cursor.as_deref());
}

fn counted(count: u64, what: &str) -> String {
    match (count, what) {
        (1, _) => format!("1 {what}"),
        (_, "match") => format!("{count} matches"),
        _ => format!("{count} {what}s"),
    }
}
