//! A window of a file's lines, in one pass and bounded memory.

use std::io::{self, Read, Seek};

use sha2::{Digest, Sha256};

use super::blocks::{BLOCK_BYTES, fill};
use super::encoding::{ByteCheck, Encoding, Family, HEAD_BYTES};
use super::lines::{LineEndings, Lines};
use super::tail::{Mark, tail_of_large, tail_of_whole};
use crate::call::{Call, Stop};
use crate::records::fingerprint::hex;

/// Which lines are wanted, and at what cost.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The first line, from 1; a negative number counts from the end. Never 0.
    pub offset: i64,
    /// Most lines, at least 1.
    pub limit: u64,
    /// Up to this size the file is read whole, so that its version and its length are known.
    pub whole_bytes: u64,
    /// Characters that the window may cost; the first line is given whatever it costs.
    pub room: usize,
    /// What a line of that number costs of it.
    pub cost: fn(&str, i64) -> usize,
}

/// Lines of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Window {
    /// The lines with their ends, as one text.
    pub content: String,
    /// How the file is encoded.
    pub encoding: Encoding,
    /// Number of the first line; negative numbers count from the end.
    pub start_line: i64,
    /// Number of the last line; one below `start_line` when the file is empty.
    pub end_line: i64,
    /// Whether lines follow.
    pub more: bool,
    /// The line that follows.
    pub next_offset: Option<i64>,
    /// Lines of the file, where it was read whole.
    pub total_lines: Option<u64>,
    /// Lines of the window that were cut.
    pub lines_cut: u64,
    /// How the lines end that were read.
    pub endings: LineEndings,
    /// The size in bytes.
    pub size: u64,
    /// SHA-256 of the content, or why there is none.
    pub version: Result<String, NoVersion>,
    /// Whether lines that were asked for lie too far from the end.
    pub short_tail: bool,
}

/// Why a file has no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoVersion {
    /// It is too large to be read whole.
    TooLarge,
    /// Time ran out after the window was read.
    Deadline,
    /// The file changed between counting its lines and reading the last of them.
    Changed,
}

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// The window would begin after the last line.
    #[error("the file has {0} lines")]
    PastEnd(u64),
    /// The call ended.
    #[error("the call ended")]
    Stopped(Stop),
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Stop> for WindowError {
    fn from(stop: Stop) -> Self {
        WindowError::Stopped(stop)
    }
}

/// The beginning of a file: at most [`HEAD_BYTES`].
///
/// # Errors
/// What the source gives.
pub fn read_head(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD_BYTES];
    let length = fill(source, &mut head)?;
    head.truncate(length);
    Ok(head)
}

/// Reads the lines of `request` from a file of `size` bytes that began with `head`, which has been
/// read from `source`. A file that grows or shrinks meanwhile gives what was found.
///
/// # Errors
/// [`WindowError`].
pub fn read_window(
    source: &mut (impl Read + Seek),
    size: u64,
    head: &[u8],
    family: Family,
    request: &Request,
    call: &Call,
) -> Result<Window, WindowError> {
    let from_end = (request.offset < 0).then(|| request.offset.unsigned_abs());
    if let Some(wanted) = from_end
        && size > request.whole_bytes
    {
        return tail_of_large(source, size, head, family, request, wanted, call);
    }
    let first = if from_end.is_some() { u64::MAX } else { request.offset.unsigned_abs() };
    let pass = Pass::run(source, size, head, family, first, request, call)?;
    match from_end {
        None => pass.window(size, request),
        Some(wanted) if pass.at_end => tail_of_whole(pass, source, request, wanted, call),
        // It grew beyond what is read whole.
        Some(wanted) => {
            let size = size.max(pass.scanned);
            tail_of_large(source, size, head, family, request, wanted, call)
        }
    }
}

/// What one pass from the beginning of a file found.
pub(super) struct Pass {
    pub family: Family,
    first: u64,
    pub lines: Lines,
    bytes: ByteCheck,
    pub scanned: u64,
    at_end: bool,
    pub version: Result<String, NoVersion>,
    /// Places to continue from, where the window is counted from the end.
    pub marks: Vec<Mark>,
}

impl Pass {
    fn run(
        source: &mut impl Read,
        size: u64,
        head: &[u8],
        family: Family,
        first: u64,
        request: &Request,
        call: &Call,
    ) -> Result<Pass, WindowError> {
        let from_end = first == u64::MAX;
        let mut lines = Lines::new(family, 1, first, request.limit, request.room);
        let mut bytes = ByteCheck::default();
        let mut hasher = (size <= request.whole_bytes).then(Sha256::new);
        let mut scanned = 0;
        let mut missing = NoVersion::TooLarge;
        let mut marks = Vec::new();
        let mut block = head.to_vec();
        let mut bom = family.mark_bytes();
        // Only the end of a file gives less than was asked for. What it grows by later is left
        // out: the end may lie inside a character.
        let mut at_end = head.len() < HEAD_BYTES;
        loop {
            match call.check() {
                Err(Stop::Deadline) if lines.complete() || lines.stop() => {
                    (missing, hasher, at_end) = (NoVersion::Deadline, None, false);
                    break;
                }
                checked => checked?,
            }
            if from_end && let Some(hasher) = &hasher {
                marks.push(Mark {
                    position: scanned,
                    ended: lines.ended(),
                    hasher: hasher.clone(),
                });
            }
            scanned += block.len() as u64;
            if scanned > request.whole_bytes {
                hasher = None;
            }
            if let Some(hasher) = &mut hasher {
                hasher.update(&block);
            }
            let text = block.get(std::mem::take(&mut bom)..).unwrap_or_default();
            lines.feed(text);
            bytes.feed(text);
            if at_end {
                lines.end();
                break;
            }
            if hasher.is_none() && (lines.complete() || from_end) {
                break;
            }
            block.resize(BLOCK_BYTES, 0);
            let read = fill(source, &mut block)?;
            block.truncate(read);
            at_end = read < BLOCK_BYTES;
        }
        let version = hasher.map(|hasher| hex(&hasher.finalize())).ok_or(missing);
        Ok(Pass { family, first, lines, bytes, scanned, at_end, version, marks })
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.bytes.encoding(self.family, self.at_end)
    }

    /// The window that the pass has kept.
    fn window(self, size: u64, request: &Request) -> Result<Window, WindowError> {
        let (first, lines) = (self.first, &self.lines);
        if self.at_end && lines.taken().is_empty() && (first, lines.ended()) != (1, 0) {
            return Err(WindowError::PastEnd(lines.ended()));
        }
        let encoding = self.encoding();
        let (content, count, lines_cut) = assemble(lines, signed(first), encoding, request);
        let more = !self.at_end || lines.follows(count);
        Ok(Window {
            content,
            encoding,
            start_line: signed(first),
            end_line: signed(first) + signed(count as u64) - 1,
            more,
            next_offset: more.then(|| signed(first.saturating_add(count as u64))),
            total_lines: self.at_end.then(|| lines.ended()),
            lines_cut,
            endings: lines.endings(),
            size: if self.at_end { self.scanned } else { size.max(self.scanned) },
            version: self.version,
            short_tail: false,
        })
    }
}

/// The window's text, how many lines fit, and how many of these are cut.
pub(super) fn assemble(
    lines: &Lines,
    start: i64,
    encoding: Encoding,
    request: &Request,
) -> (String, usize, u64) {
    let mut content = String::new();
    let (mut room, mut count, mut lines_cut) = (request.room, 0, 0);
    for (raw, number) in lines.taken().iter().zip(start..) {
        let (line, cut) = raw.decode(encoding);
        let cost = (request.cost)(&line, number);
        if count > 0 && cost > room {
            break;
        }
        room = room.saturating_sub(cost);
        content.push_str(&line);
        count += 1;
        lines_cut += u64::from(cut);
    }
    (content, count, lines_cut)
}

/// A line number as it is given to callers.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
