//! The lines of one file that a page shows: matches and what stands around them.

use super::Mode;

/// Longest part of a line that is kept, in characters.
const MAX_LINE_CHARS: usize = 500;
/// What of it may stand before the match when a line is cut.
const CHARS_BEFORE_MATCH: usize = 100;
/// The bytes of a line that are looked at when it is cut, from a little before the match.
pub(super) const CUT_BYTES: usize = 4 * MAX_LINE_CHARS + CHARS_BEFORE_MATCH;

/// The matches of one file and the lines around them.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pub lines: Vec<Line>,
    /// Matching lines (spans with `multiline`).
    pub matches: u64,
    /// Whether the search ended before the file did, because nothing more fits on a page.
    pub cut: bool,
    /// The bytes that the lines take.
    pub bytes: usize,
}

/// A line as it was read: whole, or the part of it that can be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub bytes: &'a [u8],
    /// Where in the line the part begins.
    pub from: u64,
    /// The length of the line, with its end.
    pub length: u64,
    /// Where in the line its match begins.
    pub place: u64,
}

impl<'a> Piece<'a> {
    pub(super) fn whole(bytes: &'a [u8]) -> Piece<'a> {
        Piece { bytes, from: 0, length: bytes.len() as u64, place: 0 }
    }
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

/// Takes what is found in one file.
pub(super) struct Collector<'a> {
    wanted: &'a Wanted,
    /// Matches up to this line were on an earlier page.
    skip_to: u64,
    chars: usize,
    /// The last line of the last match's context.
    shown_to: u64,
    found: Lines,
}

impl<'a> Collector<'a> {
    pub(super) fn new(wanted: &'a Wanted, skip_to: u64) -> Self {
        Collector { wanted, skip_to, chars: 0, shown_to: 0, found: Lines::default() }
    }

    pub(super) fn into_found(mut self) -> Lines {
        self.found.bytes = self.found.lines.iter().map(|line| line.text.capacity()).sum();
        self.found
    }

    /// Whether it counts where in a line of this length the match stands.
    pub(super) fn wants_place(&self, number: u64, length: usize) -> bool {
        self.wanted.mode == Mode::Content && length > MAX_LINE_CHARS && number > self.skip_to
    }

    /// Takes a matching line (or lines, where a match spans several). Tells whether more are wanted.
    pub(super) fn matched(&mut self, number: u64, line: Piece<'_>) -> bool {
        if number <= self.skip_to {
            return self.context(number, line);
        }
        match self.wanted.mode {
            Mode::Files => {
                self.found.matches = 1;
                false
            }
            Mode::Count => {
                self.found.matches += 1;
                true
            }
            Mode::Content => {
                if self.is_full() {
                    self.found.cut = true;
                    return self.context(number, line);
                }
                if self.found.matches == 0 {
                    let near = |line: &Line| line.last + self.wanted.before as u64 >= number;
                    self.found.lines.retain(near);
                }
                self.found.matches += 1;
                self.push(number, line, true);
                let last = self.found.lines.last().map_or(number, |line| line.last);
                self.shown_to = last + self.wanted.after;
                true
            }
        }
    }

    /// Takes a line around a match; a match of another page is such a line as well. Tells whether
    /// more lines are wanted.
    pub(super) fn context(&mut self, number: u64, line: Piece<'_>) -> bool {
        let before_first = self.found.matches == 0;
        if before_first && self.wanted.before == 0 {
            return true;
        }
        if self.is_full() && number > self.shown_to {
            return !self.found.cut;
        }
        self.push(number, line, false);
        if before_first && self.found.lines.len() > self.wanted.before {
            self.found.lines.remove(0);
        }
        true
    }

    fn push(&mut self, number: u64, line: Piece<'_>, is_match: bool) {
        let mut line = line;
        if line.from + line.bytes.len() as u64 == line.length {
            let bytes = line.bytes.strip_suffix(b"\n").unwrap_or(line.bytes);
            line.bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
            line.length = line.from + line.bytes.len() as u64;
        }
        let text = cut(line);
        // Even an empty line costs something in an answer.
        self.chars += text.len() + 8;
        let breaks = line.bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.found.lines.push(Line { number, last: number + breaks, text, is_match });
    }

    fn is_full(&self) -> bool {
        let matches = usize::try_from(self.found.matches).unwrap_or(usize::MAX);
        matches >= self.wanted.most_matches || matches > 0 && self.chars > self.wanted.most_chars
    }
}

/// The line as text, at most [`MAX_LINE_CHARS`] of it, beginning a little before its match.
fn cut(line: Piece<'_>) -> String {
    let short = line.length <= MAX_LINE_CHARS as u64;
    // Four bytes are the longest character.
    let from = if short { 0 } else { line.place.saturating_sub(CHARS_BEFORE_MATCH as u64) };
    let from = from.max(line.from);
    let skipped = usize::try_from(from - line.from).unwrap_or(usize::MAX);
    let bytes = line.bytes.get(skipped..).unwrap_or_default();
    let window = bytes.get(..4 * MAX_LINE_CHARS).unwrap_or(bytes);
    // Begin at a character, not inside one.
    let inside = window.iter().take(3).take_while(|byte| from > 0 && **byte & 0xC0 == 0x80).count();
    let text = String::from_utf8_lossy(window.get(inside..).unwrap_or_default());
    let window_end = from + window.len() as u64;
    let from = from + inside as u64;
    let kept: String = text.chars().take(MAX_LINE_CHARS).collect();
    let shorter = kept.len() < text.len() || window_end < line.length;
    if from == 0 && !shorter {
        return kept;
    }
    let left_out = line.length.saturating_sub(kept.len() as u64);
    let lead = if from > 0 { format!("…[from byte {}] ", from + 1) } else { String::new() };
    let trail = if shorter { "…" } else { "" };
    format!("{lead}{kept}{trail} [{left_out} of the line's {} bytes cut]", line.length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_are_cut_around_the_match() {
        assert_eq!(cut(Piece::whole(b"short")), "short");
        let long = "é".repeat(2_000);
        let whole = Piece { place: 3_001, ..Piece::whole(long.as_bytes()) };
        let shown = cut(whole);
        assert!(shown.starts_with("…[from byte 2903] éé"), "{shown}");
        assert!(shown.ends_with("[3000 of the line's 4000 bytes cut]"), "{shown}");
        assert!(!shown.contains('\u{FFFD}'));
        let part = Piece { bytes: &long.as_bytes()[2_900..], from: 2_900, ..whole };
        assert_eq!(cut(part), shown);
    }
}
