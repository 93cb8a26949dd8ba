//! Splits blocks of bytes into lines: it counts all lines, and keeps those of a window.

use serde::Serialize;

use super::encoding::{Encoding, Family};

/// Longest line in characters; what is longer is cut.
pub const MAX_LINE_CHARS: usize = 2_000;
/// The longest such line in bytes with its end, whatever the encoding.
const KEPT_BYTES: usize = 4 * MAX_LINE_CHARS + 4;

/// How the lines of a file end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LineEndings {
    /// `\n`.
    Lf,
    /// `\r\n`.
    Crlf,
    /// Some of each.
    Mixed,
    /// No line end at all.
    None,
}

/// A line of the window, not decoded yet.
#[derive(Debug)]
pub(super) struct RawLine {
    /// Its first [`KEPT_BYTES`].
    kept: Vec<u8>,
    /// Its length in bytes without the line end.
    length: u64,
    end: &'static str,
    /// Whether it goes on after `length`.
    open: bool,
}

impl RawLine {
    /// The line with its end; over [`MAX_LINE_CHARS`] it is cut, and a marker says by how much.
    /// Also whether that is so.
    pub(super) fn decode(&self, encoding: Encoding) -> (String, bool) {
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        let body = self.kept.get(..length).unwrap_or(&self.kept);
        let (mut text, used) = encoding.decode(body, MAX_LINE_CHARS);
        let cut = self.length.saturating_sub(used as u64);
        if cut > 0 {
            let over = if self.open { "over " } else { "" };
            text.push_str(&format!("… [line cut: {over}{cut} more bytes]"));
        }
        text.push_str(self.end);
        (text, cut > 0)
    }
}

/// Splits blocks into lines.
#[derive(Debug)]
pub(super) struct Lines {
    family: Family,
    first: u64,
    last: u64,
    /// Characters that the window may still take, at the very least.
    room: usize,
    full: bool,
    taken: Vec<RawLine>,
    /// Number of the line that is being read.
    number: u64,
    /// Its bytes so far.
    length: u64,
    kept: Vec<u8>,
    after_return: bool,
    lf: u64,
    crlf: u64,
}

impl Lines {
    /// Lines that start with number `number`, of which `first` and up to `limit` in all are kept,
    /// as long as they may fit into `room` characters.
    pub(super) fn new(family: Family, number: u64, first: u64, limit: u64, room: usize) -> Lines {
        Lines {
            family,
            first,
            last: first.saturating_add(limit).saturating_sub(1),
            room,
            full: false,
            taken: Vec::new(),
            number,
            length: 0,
            kept: Vec::new(),
            after_return: false,
            lf: 0,
            crlf: 0,
        }
    }

    /// Takes the next block, which for UTF-16 has whole units, except at the end of the file.
    pub(super) fn feed(&mut self, block: &[u8]) {
        let width = self.family.unit_bytes();
        let mut rest = block;
        while let Some(at) = line_feed(self.family, rest) {
            let (line, after) = rest.split_at_checked(at + width).unwrap_or((rest, &[]));
            let before = line.get(..at).unwrap_or_default();
            let crlf = if before.is_empty() { self.after_return } else { self.returns(before) };
            self.append(line);
            self.finish(if crlf { "\r\n" } else { "\n" });
            rest = after;
        }
        if !rest.is_empty() {
            self.append(rest);
            self.after_return = self.returns(rest);
        }
    }

    /// Ends the last line where the file ends without a line end.
    pub(super) fn end(&mut self) {
        if self.length > 0 {
            self.finish("");
        }
    }

    /// Ends the window where time ran out, and tells whether it has a line. The line that is being
    /// read is given too if it would be cut anyway.
    pub(super) fn stop(&mut self) -> bool {
        if self.wanted() && self.kept.len() == KEPT_BYTES {
            let kept = std::mem::take(&mut self.kept);
            self.taken.push(RawLine { kept, length: self.length, end: "", open: true });
        }
        self.full = true;
        !self.taken.is_empty()
    }

    /// Lines that have ended.
    pub(super) fn ended(&self) -> u64 {
        self.number.saturating_sub(1)
    }

    /// Whether the window is complete and something follows it.
    pub(super) fn complete(&self) -> bool {
        (self.full || self.number > self.last) && self.follows(self.taken.len())
    }

    /// Whether something follows the first `count` lines of the window.
    pub(super) fn follows(&self, count: usize) -> bool {
        self.number > self.first.saturating_add(count as u64) || self.length > 0
    }

    /// The kept lines.
    pub(super) fn taken(&self) -> &[RawLine] {
        &self.taken
    }

    /// How the lines that were seen end.
    pub(super) fn endings(&self) -> LineEndings {
        match (self.lf, self.crlf) {
            (0, 0) => LineEndings::None,
            (_, 0) => LineEndings::Lf,
            (0, _) => LineEndings::Crlf,
            _ => LineEndings::Mixed,
        }
    }

    fn returns(&self, bytes: &[u8]) -> bool {
        let unit = bytes.len().checked_sub(self.family.unit_bytes());
        unit.and_then(|at| bytes.get(at..)).is_some_and(|unit| self.family.is(unit, b'\r'))
    }

    fn wanted(&self) -> bool {
        !self.full && (self.first..=self.last).contains(&self.number)
    }

    fn append(&mut self, bytes: &[u8]) {
        if self.wanted() {
            let space = KEPT_BYTES.saturating_sub(self.kept.len());
            self.kept.extend_from_slice(bytes.get(..space).unwrap_or(bytes));
        }
        self.length = self.length.saturating_add(bytes.len() as u64);
    }

    fn finish(&mut self, end: &'static str) {
        match end {
            "\n" => self.lf += 1,
            "\r\n" => self.crlf += 1,
            _ => {}
        }
        if self.wanted() {
            let kept = std::mem::take(&mut self.kept);
            // A character has at most four bytes.
            let least_chars = kept.len() / 4 + 1;
            self.full = least_chars > self.room;
            self.room = self.room.saturating_sub(least_chars);
            let end_bytes = (end.len() * self.family.unit_bytes()) as u64;
            let length = self.length.saturating_sub(end_bytes);
            self.taken.push(RawLine { kept, length, end, open: false });
        }
        self.number = self.number.saturating_add(1);
        self.length = 0;
        self.after_return = false;
    }
}

/// Where the first line feed of `bytes` begins.
fn line_feed(family: Family, bytes: &[u8]) -> Option<usize> {
    match family {
        Family::Bytes { .. } => memchr::memchr(b'\n', bytes),
        Family::Utf16 { .. } => memchr::memchr_iter(b'\n', bytes)
            .map(|at| at & !1)
            .find(|at| bytes.get(*at..at + 2).is_some_and(|unit| family.is(unit, b'\n'))),
    }
}

/// Where the last line feed of `bytes` begins.
pub(super) fn last_line_feed(family: Family, bytes: &[u8]) -> Option<usize> {
    match family {
        Family::Bytes { .. } => memchr::memrchr(b'\n', bytes),
        Family::Utf16 { .. } => memchr::memrchr_iter(b'\n', bytes)
            .map(|at| at & !1)
            .find(|at| bytes.get(*at..at + 2).is_some_and(|unit| family.is(unit, b'\n'))),
    }
}
