//! Hunks of a diff, checked against the counts of their headers.

use crate::error::ToolError;

use super::{Hunk, Tag};

/// What follows a line without a newline at its end.
pub(super) const NO_NEWLINE: &str = "\\ No newline at end of file";

/// Most hunks of one file. One that has moved is looked for in the whole file.
pub(super) const MAX_HUNKS: usize = 2_000;

/// The lines of a diff with their numbers, from 1, and without their `\n`.
pub(super) struct Lines<'t> {
    above: usize,
    lines: Vec<&'t str>,
    next: usize,
}

impl<'t> Lines<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut lines: Vec<&str> = text.split('\n').collect();
        // What follows the last newline is no line.
        if lines.last().is_some_and(|last| last.is_empty()) {
            lines.pop();
        }
        Lines { above: 0, lines, next: 0 }
    }

    /// Some lines of a diff, of which so many stand above.
    pub(super) fn below(above: usize, lines: &[&'t str]) -> Self {
        Lines { above, lines: lines.to_vec(), next: 0 }
    }

    pub(super) fn peek(&self) -> Option<&'t str> {
        self.lines.get(self.next).copied()
    }

    pub(super) fn last(&self) -> Option<&'t str> {
        self.lines.last().copied()
    }

    /// The line after the next one.
    pub(super) fn peek_second(&self) -> Option<&'t str> {
        self.lines.get(self.next + 1).copied()
    }

    /// Takes the next line if it starts so, and answers the rest of it.
    pub(super) fn take(&mut self, start: &str) -> Option<&'t str> {
        let rest = self.peek()?.strip_prefix(start)?;
        self.next += 1;
        Some(rest)
    }

    pub(super) fn skip(&mut self) {
        self.next += 1;
    }

    /// The number of the next line.
    pub(super) fn number(&self) -> usize {
        self.above + self.next + 1
    }
}

/// Reads the hunks that follow, none being no error.
///
/// # Errors
/// What is wrong, with the line of the diff.
pub(super) fn read(lines: &mut Lines<'_>, path: &str) -> Result<Vec<Hunk>, ToolError> {
    let mut hunks = Vec::new();
    while lines.peek().is_some_and(|line| line.starts_with("@@")) {
        if hunks.len() == MAX_HUNKS {
            return Err(too_many(path));
        }
        hunks.push(read_hunk(lines, path, hunks.len() + 1)?);
    }
    Ok(hunks)
}

fn read_hunk(lines: &mut Lines<'_>, path: &str, number: usize) -> Result<Hunk, ToolError> {
    let at = lines.number();
    let header = lines.peek().unwrap_or_default();
    let Some((old, new)) = ranges(header) else {
        return Err(ToolError::invalid(format!(
            "line {at} of the patch is no hunk header: `{}`",
            shorten(header)
        ))
        .hint("a header is `@@ -START,COUNT +START,COUNT @@`; `edits` need no line numbers"));
    };
    lines.skip();
    let mut hunk = Hunk { old_start: old.0, new_start: new.0, lines: Vec::new() };
    let (mut old_count, mut new_count) = (0, 0);
    // Sides that a no-newline marker has ended.
    let (mut old_ended, mut new_ended) = (false, false);
    while old_count < old.1 || new_count < new.1 {
        let Some(line) = lines.peek() else { break };
        let (tag, content) = match line.split_at_checked(1) {
            // Editors and models trim the space of an empty context line; git allows it.
            None => (Tag::Context, ""),
            Some((" ", content)) => (Tag::Context, content),
            Some(("-", content)) => (Tag::Delete, content),
            Some(("+", content)) => (Tag::Insert, content),
            _ => break,
        };
        if tag != Tag::Insert && old_ended || tag != Tag::Delete && new_ended {
            return Err(ToolError::invalid(format!(
                "line {} of the patch comes after `\\ No newline at end of file`",
                lines.number()
            )));
        }
        lines.skip();
        old_count += usize::from(tag != Tag::Insert);
        new_count += usize::from(tag != Tag::Delete);
        let mut content = content.as_bytes().to_vec();
        if lines.peek().is_some_and(|next| next.trim_end_matches('\r') == NO_NEWLINE) {
            lines.skip();
            old_ended |= tag != Tag::Insert;
            new_ended |= tag != Tag::Delete;
        } else {
            content.push(b'\n');
        }
        hunk.lines.push((tag, content));
    }
    let more = lines.peek().is_some_and(|line| {
        let second = lines.peek_second().unwrap_or_default();
        let next_file = line.starts_with("--- ") && second.starts_with("+++ ");
        line.starts_with([' ', '+', '-']) && !next_file
    });
    if more || (old_count, new_count) != (old.1, new.1) {
        return Err(wrong_counts(lines, path, number, at, (old, new), (old_count, new_count)));
    }
    if hunk.lines.iter().all(|(tag, _)| *tag == Tag::Context) {
        return Err(changes_nothing(path, number, at));
    }
    Ok(hunk)
}

pub(super) fn changes_nothing(path: &str, number: usize, at: usize) -> ToolError {
    ToolError::invalid(format!(
        "hunk {number} of `{path}` (line {at} of the patch) changes nothing"
    ))
    .hint("leave it out")
}

pub(super) fn too_many(path: &str) -> ToolError {
    ToolError::invalid(format!("the patch has more than {MAX_HUNKS} hunks for `{path}`"))
        .hint("propose it in several parts")
}

/// Start and count of one side.
pub(super) type Range = (usize, usize);

fn wrong_counts(
    lines: &Lines<'_>,
    path: &str,
    number: usize,
    at: usize,
    (old, new): (Range, Range),
    (mut old_count, mut new_count): (usize, usize),
) -> ToolError {
    // Counts on, so that the message names what the header should say.
    let rest = lines.lines.get(lines.next..).unwrap_or_default();
    for line in rest.iter().take_while(|line| line.starts_with([' ', '+', '-'])) {
        old_count += usize::from(!line.starts_with('+'));
        new_count += usize::from(!line.starts_with('-'));
    }
    other_counts(path, number, at, (old, new), (old_count, new_count))
}

/// The header's counts are not those of the lines below it.
pub(super) fn other_counts(
    path: &str,
    number: usize,
    at: usize,
    (old, new): (Range, Range),
    (old_count, new_count): (usize, usize),
) -> ToolError {
    ToolError::invalid(format!(
        "hunk {number} of `{path}` (line {at} of the patch) says {} old and {} new lines, but \
         has {old_count} and {new_count}",
        old.1, new.1
    ))
    .hint(format!(
        "if no line is missing, write `@@ -{},{old_count} +{},{new_count} @@`; or give `edits`, \
         which need no counts",
        old.0, new.0
    ))
}

/// The two ranges of `@@ -a,b +c,d @@`.
pub(super) fn ranges(header: &str) -> Option<(Range, Range)> {
    let (both, _) = header.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = both.split_once(" +")?;
    let (old, new) = (range(old)?, range(new)?);
    // Line 0 is only the place before the first line.
    let sound = |(start, count): Range| start > 0 || count == 0;
    (sound(old) && sound(new)).then_some((old, new))
}

fn range(text: &str) -> Option<Range> {
    let number = |digits: &str| {
        let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        // Files are far smaller; larger numbers would only overflow sums.
        digits.parse::<u32>().ok().filter(|_| plain).and_then(|n| usize::try_from(n).ok())
    };
    match text.split_once(',') {
        Some((start, count)) => Some((number(start)?, number(count)?)),
        None => Some((number(text)?, 1)),
    }
}

/// At most 120 characters.
pub(super) fn shorten(line: &str) -> String {
    line.chars().take(120).collect()
}
