//! The lines of one file that a page shows: matches and what stands around them.

use std::io;

use grep_matcher::Matcher;
use grep_regex::RegexMatcher;
use grep_searcher::{Searcher, Sink, SinkContext, SinkFinish, SinkMatch};

use super::Mode;
use crate::call::Call;

/// Longest part of a line that is kept, in characters.
const MAX_LINE_CHARS: usize = 500;
/// What of it may stand before the match when a line is cut.
const CHARS_BEFORE_MATCH: usize = 100;

/// The matches of one file and the lines around them.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub lines: Vec<Line>,
    /// Matching lines (spans with `multiline`).
    pub matches: u64,
    /// Whether the search ended before the file did, because nothing more fits on a page.
    pub cut: bool,
}

/// A line of a file.
#[derive(Debug)]
pub(super) struct Line {
    pub number: u64,
    /// The number of its last line, where a match spans several.
    pub last: u64,
    pub text: String,
    pub is_match: bool,
}

/// What of each file fits on a page.
pub(super) struct Wanted {
    pub mode: Mode,
    pub most_matches: usize,
    pub most_chars: usize,
    pub before: usize,
    pub after: u64,
}

/// Takes what the searcher finds in one file.
pub(super) struct Collector<'a> {
    wanted: &'a Wanted,
    call: &'a Call,
    matcher: &'a RegexMatcher,
    /// Matches up to this line were on an earlier page.
    skip_to: u64,
    chars: usize,
    /// The last line of the last match's context.
    shown_to: u64,
    pub(super) binary: bool,
    pub(super) found: Lines,
}

impl<'a> Collector<'a> {
    pub(super) fn new(
        wanted: &'a Wanted,
        matcher: &'a RegexMatcher,
        skip_to: u64,
        call: &'a Call,
    ) -> Self {
        Collector {
            wanted,
            call,
            matcher,
            skip_to,
            chars: 0,
            shown_to: 0,
            binary: false,
            found: Lines::default(),
        }
    }

    fn push(&mut self, number: u64, bytes: &[u8], is_match: bool) {
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let at = if is_match && bytes.len() > MAX_LINE_CHARS {
            self.matcher.find(bytes).ok().flatten().map_or(0, |found| found.start())
        } else {
            0
        };
        let text = cut(bytes, at);
        // Even an empty line costs something in an answer.
        self.chars += text.len() + 8;
        let breaks = bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.found.lines.push(Line { number, last: number + breaks, text, is_match });
    }

    /// A line around a match; a match of another page is such a line as well. Tells whether
    /// more lines are wanted.
    fn push_context(&mut self, number: u64, bytes: &[u8]) -> bool {
        let before_first = self.found.matches == 0;
        if before_first && self.wanted.before == 0 {
            return true;
        }
        if self.is_full() && number > self.shown_to {
            return !self.found.cut;
        }
        self.push(number, bytes, false);
        if before_first && self.found.lines.len() > self.wanted.before {
            self.found.lines.remove(0);
        }
        true
    }

    fn is_full(&self) -> bool {
        let matches = usize::try_from(self.found.matches).unwrap_or(usize::MAX);
        matches >= self.wanted.most_matches || matches > 0 && self.chars > self.wanted.most_chars
    }
}

impl Sink for Collector<'_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        let number = found.line_number().unwrap_or(0);
        if number <= self.skip_to {
            return Ok(self.push_context(number, found.bytes()));
        }
        if self.call.check().is_err() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match self.wanted.mode {
            Mode::Files => {
                self.found.matches = 1;
                Ok(false)
            }
            Mode::Count => {
                self.found.matches += 1;
                Ok(true)
            }
            Mode::Content => {
                if self.is_full() {
                    self.found.cut = true;
                    return Ok(self.push_context(number, found.bytes()));
                }
                if self.found.matches == 0 {
                    let near = |line: &Line| line.last + self.wanted.before as u64 >= number;
                    self.found.lines.retain(near);
                }
                self.found.matches += 1;
                self.push(number, found.bytes(), true);
                let last = self.found.lines.last().map_or(number, |line| line.last);
                self.shown_to = last + self.wanted.after;
                Ok(true)
            }
        }
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> io::Result<bool> {
        Ok(self.push_context(context.line_number().unwrap_or(0), context.bytes()))
    }

    fn binary_data(&mut self, _: &Searcher, _: u64) -> io::Result<bool> {
        self.binary = true;
        Ok(false)
    }

    fn finish(&mut self, _: &Searcher, _: &SinkFinish) -> io::Result<()> {
        Ok(())
    }
}

/// The line as text, at most [`MAX_LINE_CHARS`] of it, beginning a little before byte `at`.
fn cut(bytes: &[u8], at: usize) -> String {
    // Four bytes are the longest character.
    let from = at.saturating_sub(CHARS_BEFORE_MATCH);
    let from = if bytes.len() <= MAX_LINE_CHARS { 0 } else { from };
    let window_end = from.saturating_add(4 * MAX_LINE_CHARS).min(bytes.len());
    let window = bytes.get(from..window_end).unwrap_or_default();
    // Begin at a character, not inside one.
    let inside = window.iter().take(3).take_while(|byte| from > 0 && **byte & 0xC0 == 0x80).count();
    let text = String::from_utf8_lossy(window.get(inside..).unwrap_or_default());
    let from = from + inside;
    let kept: String = text.chars().take(MAX_LINE_CHARS).collect();
    let shorter = kept.len() < text.len() || window_end < bytes.len();
    if from == 0 && !shorter {
        return kept;
    }
    let left_out = bytes.len().saturating_sub(kept.len());
    let lead = if from > 0 { format!("…[from byte {}] ", from + 1) } else { String::new() };
    let trail = if shorter { "…" } else { "" };
    format!("{lead}{kept}{trail} [{left_out} of the line's {} bytes cut]", bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_around_the_match() {
        assert_eq!(cut(b"short", 0), "short");
        let long = "é".repeat(2_000);
        let shown = cut(long.as_bytes(), 3_001);
        assert!(shown.starts_with("…[from byte 2903] éé"), "{shown}");
        assert!(shown.ends_with("[3000 of the line's 4000 bytes cut]"), "{shown}");
        assert!(!shown.contains('\u{FFFD}'));
    }
}
