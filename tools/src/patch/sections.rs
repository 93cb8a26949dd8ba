//! The outer shape of a patch text: which lines belong to which file. Every line is accounted
//! for; one that has no place is an error with its number.

use crate::error::ToolError;

use super::lines_of;

/// The mark after a line that does not end in a newline.
const NO_NEWLINE: &[u8] = b"\\ No newline at end of file";

/// One file's part of a patch, headers still as written.
#[derive(Debug, Default)]
pub(super) struct Section<'a> {
    /// The line of the patch where it starts, from 1.
    pub(super) line: usize,
    /// What follows `diff --git `; none in a plain diff.
    pub(super) git: Option<&'a [u8]>,
    /// Whether the `diff --git` line ends in `\r\n`.
    pub(super) git_has_cr: bool,
    /// git's extended headers: their keyword and value.
    pub(super) extended: Vec<(&'static str, &'a [u8])>,
    /// What follows `--- ` and `+++ `.
    pub(super) names: Option<(&'a [u8], &'a [u8])>,
    /// The hunks, from the first `@@` on.
    pub(super) hunks: &'a [u8],
    /// The line of the patch where the hunks start.
    pub(super) hunks_at: usize,
}

const EXTENDED: [&str; 11] = [
    "old mode ",
    "new mode ",
    "new file mode ",
    "deleted file mode ",
    "rename from ",
    "rename to ",
    "copy from ",
    "copy to ",
    "similarity index ",
    "dissimilarity index ",
    "index ",
];

/// An error about a line of the patch text.
pub(super) fn at(line: usize, what: impl std::fmt::Display) -> ToolError {
    ToolError::invalid(format!("the patch is not a valid diff: line {line}: {what}"))
        .hint("send the whole patch again, or use `edits`, which need no line numbers or counts")
}

/// Takes a surrounding Markdown fence off, if there is one. Also gives the number of lines
/// before the patch.
pub(super) fn unwrap_fence(text: &[u8]) -> Result<(&[u8], usize), ToolError> {
    let lines = lines_of(text);
    let blank = |line: &&&[u8]| line.trim_ascii().is_empty();
    let before = lines.iter().take_while(blank).count();
    if !lines.get(before).is_some_and(|line| line.starts_with(b"```")) {
        return Ok((text, 0));
    }
    let after = lines.iter().rev().take_while(blank).count();
    let last = lines.len().saturating_sub(after + 1);
    if last <= before || lines.get(last).is_none_or(|line| line.trim_ascii() != b"```") {
        return Err(at(before + 1, "the ``` fence is not closed, so the patch may be cut off"));
    }
    let length = |range: std::ops::Range<usize>| -> usize {
        lines.get(range).unwrap_or_default().iter().map(|line| line.len()).sum()
    };
    let start = length(0..before + 1);
    let end = length(0..last);
    Ok((text.get(start..end).unwrap_or_default(), before + 1))
}

/// Splits a patch text into its files.
pub(super) fn split(text: &[u8], lines_before: usize) -> Result<Vec<Section<'_>>, ToolError> {
    let lines = lines_of(text);
    // Without it, nobody can tell a last line without newline from a patch that was cut off.
    if lines.last().is_some_and(|line| !line.ends_with(b"\n") && *line != NO_NEWLINE) {
        return Err(at(
            lines_before + lines.len(),
            "the patch text ends in the middle of a line; end it with a newline, and write \
             `\\ No newline at end of file` on the next line if the file has none",
        ));
    }
    let mut reader = Reader { lines, next: 0, lines_before, text };
    let mut sections: Vec<Section> = Vec::new();
    loop {
        while reader.peek().is_some_and(|line| header(line).is_empty()) {
            reader.next += 1;
        }
        let Some(line) = reader.peek() else { break };
        let line = header(line);
        if let Some(first) = sections.first()
            && first.git.is_some() != line.starts_with(b"diff --git ")
        {
            return Err(reader.unexpected());
        }
        if line.starts_with(b"diff --git ") {
            sections.push(reader.git_section()?);
        } else if line.starts_with(b"--- ") {
            let mut section = Section { line: reader.number(), ..Section::default() };
            reader.names_and_hunks(&mut section)?;
            sections.push(section);
        } else {
            return Err(reader.unexpected());
        }
    }
    if sections.is_empty() {
        return Err(at(lines_before + 1, "no file header (`--- a/PATH` and `+++ b/PATH`) found"));
    }
    Ok(sections)
}

struct Reader<'a> {
    text: &'a [u8],
    lines: Vec<&'a [u8]>,
    next: usize,
    lines_before: usize,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a [u8]> {
        self.lines.get(self.next).copied()
    }

    fn number(&self) -> usize {
        self.lines_before + self.next + 1
    }

    fn unexpected(&self) -> ToolError {
        let Some(line) = self.peek() else { return at(self.number(), "the patch is cut off") };
        let shown: String = String::from_utf8_lossy(header(line)).chars().take(100).collect();
        let what = match line.first() {
            Some(b' ' | b'+' | b'-') => "more lines than the hunk's `@@` line counts, or text",
            Some(b'@') => "a hunk header that is not `@@ -FROM,COUNT +FROM,COUNT @@`, or text",
            _ => "text",
        };
        at(self.number(), format!("{what} that is no part of a diff: `{shown}`"))
    }

    fn git_section(&mut self) -> Result<Section<'a>, ToolError> {
        let mut section = Section { line: self.number(), ..Section::default() };
        let first = self.peek().unwrap_or_default();
        section.git = header(first).strip_prefix(b"diff --git ");
        section.git_has_cr = first.ends_with(b"\r\n");
        self.next += 1;
        while let Some(line) = self.peek() {
            let line = header(line);
            if line.starts_with(b"Binary files ") || line.starts_with(b"GIT binary patch") {
                return Err(at(self.number(), "binary patches are not supported"));
            }
            let known = EXTENDED
                .iter()
                .find_map(|keyword| Some((*keyword, line.strip_prefix(keyword.as_bytes())?)));
            let Some((keyword, value)) = known else { break };
            if section.extended.iter().any(|(other, _)| *other == keyword) {
                return Err(at(self.number(), format!("a second `{}` line", keyword.trim_end())));
            }
            section.extended.push((keyword, value));
            self.next += 1;
        }
        if self.peek().is_some_and(|line| line.starts_with(b"--- ")) {
            self.names_and_hunks(&mut section)?;
        }
        Ok(section)
    }

    fn names_and_hunks(&mut self, section: &mut Section<'a>) -> Result<(), ToolError> {
        let old = self.peek().and_then(|line| header(line).strip_prefix(b"--- "));
        self.next += 1;
        let new = self.peek().and_then(|line| header(line).strip_prefix(b"+++ "));
        section.names = old.zip(new);
        if section.names.is_none() {
            return Err(at(self.number(), "a `+++` line must follow the `---` line"));
        }
        self.next += 1;
        section.hunks_at = self.number();
        let first = self.next;
        while self.peek().is_some_and(|line| line.starts_with(b"@@ ")) {
            self.hunk()?;
        }
        if self.next == first {
            return match self.peek() {
                Some(line) if !header(line).is_empty() => Err(self.unexpected()),
                _ => Err(at(self.number(), "no hunk (`@@ -1,3 +1,4 @@`) after the file header")),
            };
        }
        let length = |to: usize| -> usize {
            self.lines.get(..to).unwrap_or_default().iter().map(|line| line.len()).sum()
        };
        section.hunks = self.text.get(length(first)..length(self.next)).unwrap_or_default();
        Ok(())
    }

    /// Passes over one hunk by its counts.
    fn hunk(&mut self) -> Result<(), ToolError> {
        let start = self.number();
        let (mut old, mut new) =
            counts(header(self.peek().unwrap_or_default())).ok_or_else(|| self.unexpected())?;
        let declared = (old, new);
        let wrong = |old: u64, new: u64| {
            let has = (declared.0 - old, declared.1 - new);
            at(
                start,
                format!(
                    "the hunk is to have {} old and {} new lines and has {} and {}; \
                     count ` ` and `-` lines as old, ` ` and `+` lines as new",
                    declared.0, declared.1, has.0, has.1
                ),
            )
        };
        self.next += 1;
        let mut changes = false;
        while old > 0 || new > 0 {
            let Some(line) = self.peek() else { return Err(wrong(old, new)) };
            let (takes_old, takes_new) = match line.first() {
                // An empty line stands for an empty context line, as in git.
                Some(b' ' | b'\n') => (1, 1),
                Some(b'-') => (1, 0),
                Some(b'+') => (0, 1),
                Some(b'\\') => (0, 0),
                _ => return Err(wrong(old, new)),
            };
            changes |= takes_old != takes_new;
            match (old.checked_sub(takes_old), new.checked_sub(takes_new)) {
                (Some(old_left), Some(new_left)) => (old, new) = (old_left, new_left),
                _ => return Err(wrong(old, new)),
            }
            self.content_line(line)?;
        }
        if let Some(line) = self.peek()
            && line.first() == Some(&b'\\')
        {
            self.content_line(line)?;
        }
        if !changes {
            return Err(at(start, "the hunk changes nothing"));
        }
        Ok(())
    }

    fn content_line(&mut self, line: &[u8]) -> Result<(), ToolError> {
        let is_mark = line.first() == Some(&b'\\');
        if is_mark && header(line) != NO_NEWLINE {
            return Err(self.unexpected());
        }
        self.next += 1;
        Ok(())
    }
}

/// A header line without its line ending, which may be `\r\n`.
fn header(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The counts of old and new lines in `@@ -a,b +c,d @@ …`.
fn counts(line: &[u8]) -> Option<(u64, u64)> {
    let text = String::from_utf8_lossy(line);
    let (ranges, rest) = text.strip_prefix("@@ -")?.split_once(" @@")?;
    let (old, new) = ranges.split_once(" +")?;
    if !rest.is_empty() && !rest.starts_with(' ') {
        return None;
    }
    let number = |digits: &str| -> Option<u64> {
        // Nine digits cannot overflow anything further on.
        let plain = (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok()).flatten()
    };
    let count = |range: &str| match range.split_once(',') {
        Some((start, count)) => number(start).and(number(count)),
        None => number(range).and(Some(1)),
    };
    Some((count(old)?, count(new)?))
}
