//! A window of a file's lines, in one pass and bounded memory.

use std::io::{self, Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

use super::blocks::{BLOCK_BYTES, Tail, fill, find_tail};
use super::encoding::{Encoding, Family, HEAD_BYTES, Utf8Check};
use super::lines::{LineEndings, Lines, MAX_LINE_CHARS};
use crate::call::{Call, Stop};
use crate::records::fingerprint::hex;

/// How far from its end a file that is too large to be read whole is searched for lines.
pub const TAIL_BYTES: u64 = 8 * 1024 * 1024;

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
        Some(wanted) if pass.at_end => pass.tail(source, request, wanted, call),
        // It grew beyond what is read whole.
        Some(wanted) => {
            let size = size.max(pass.scanned);
            tail_of_large(source, size, head, family, request, wanted, call)
        }
    }
}

/// What one pass from the beginning of a file found.
struct Pass {
    family: Family,
    first: u64,
    lines: Lines,
    utf8: Utf8Check,
    scanned: u64,
    at_end: bool,
    version: Result<String, NoVersion>,
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
        let mut lines = Lines::new(family, 1, first, request.limit, request.room);
        let mut utf8 = Utf8Check::default();
        let mut hasher = (size <= request.whole_bytes).then(Sha256::new);
        let mut scanned = 0;
        let mut missing = NoVersion::TooLarge;
        let mut at_end = false;
        let mut block = head.to_vec();
        let mut mark = family.mark_bytes();
        loop {
            match call.check() {
                Err(Stop::Deadline) if lines.complete() => {
                    missing = NoVersion::Deadline;
                    hasher = None;
                    break;
                }
                checked => checked?,
            }
            scanned += block.len() as u64;
            if scanned > request.whole_bytes {
                hasher = None;
            }
            if let Some(hasher) = &mut hasher {
                hasher.update(&block);
            }
            let text = block.get(std::mem::take(&mut mark)..).unwrap_or_default();
            lines.feed(text);
            utf8.feed(text);
            if hasher.is_none() && (lines.complete() || first == u64::MAX) {
                break;
            }
            block.resize(BLOCK_BYTES, 0);
            let read = fill(source, &mut block)?;
            block.truncate(read);
            if read == 0 {
                lines.end();
                at_end = true;
                break;
            }
        }
        let version = hasher.map(|hasher| hex(&hasher.finalize())).ok_or(missing);
        Ok(Pass { family, first, lines, utf8, scanned, at_end, version })
    }

    fn encoding(&self) -> Encoding {
        self.family.encoding(self.utf8.is_utf8(self.at_end))
    }

    /// The window that the pass has kept.
    fn window(self, size: u64, request: &Request) -> Result<Window, WindowError> {
        let (first, lines) = (self.first, &self.lines);
        if self.at_end && lines.taken().is_empty() && (first, lines.ended()) != (1, 0) {
            return Err(WindowError::PastEnd(lines.ended()));
        }
        let encoding = self.encoding();
        let (content, count) = assemble(lines, signed(first), encoding, request);
        let more = lines.follows(count);
        Ok(Window {
            content,
            encoding,
            start_line: signed(first),
            end_line: signed(first) + signed(count as u64) - 1,
            more,
            next_offset: more.then(|| signed(first.saturating_add(count as u64))),
            total_lines: self.at_end.then(|| lines.ended()),
            endings: lines.endings(),
            size: if self.at_end { self.scanned } else { size.max(self.scanned) },
            version: self.version,
            short_tail: false,
        })
    }

    /// A window counted from the end, after the pass has counted all lines.
    fn tail(
        self,
        source: &mut (impl Read + Seek),
        request: &Request,
        wanted: u64,
        call: &Call,
    ) -> Result<Window, WindowError> {
        let part = (self.family.mark_bytes() as u64, self.scanned);
        let tail = find_tail(source, self.family, part, wanted, u64::MAX, call)?;
        let total = self.lines.ended();
        let first = total.saturating_sub(tail.lines).saturating_add(1);
        let mut lines = Lines::new(self.family, first, first, request.limit, request.room);
        let mut utf8 = Utf8Check::default();
        collect(source, tail.position, self.scanned, &mut lines, &mut utf8, call)?;
        let encoding = self.encoding();
        let (content, count) = assemble(&lines, signed(first), encoding, request);
        let end = first.saturating_add(count as u64).saturating_sub(1);
        let more = end < total && count > 0;
        Ok(Window {
            content,
            encoding,
            start_line: signed(first),
            end_line: signed(end),
            more,
            next_offset: more.then(|| signed(end.saturating_add(1))),
            total_lines: Some(total),
            endings: self.lines.endings(),
            size: self.scanned,
            version: self.version,
            short_tail: false,
        })
    }
}

/// The end of a file that is not read whole. Its lines are numbered from the end.
fn tail_of_large(
    source: &mut (impl Read + Seek),
    size: u64,
    head: &[u8],
    family: Family,
    request: &Request,
    wanted: u64,
    call: &Call,
) -> Result<Window, WindowError> {
    let part = (family.mark_bytes() as u64, size);
    let mut tail = find_tail(source, family, part, wanted, TAIL_BYTES, call)?;
    let inside_line = tail.lines == 0 && tail.short;
    if inside_line {
        tail = Tail { position: end_of_line(source, family, size)?, lines: 1, short: true };
    }
    let mut utf8 = Utf8Check::default();
    utf8.feed(head.get(family.mark_bytes()..).unwrap_or_default());
    utf8.jump();
    let mut lines = Lines::new(family, 1, 1, request.limit, request.room);
    collect(source, tail.position, size, &mut lines, &mut utf8, call)?;
    let encoding = family.encoding(utf8.is_utf8(false));
    let start = signed(tail.lines).saturating_neg();
    let (mut content, count) = assemble(&lines, start, encoding, request);
    if inside_line {
        content.insert_str(0, &format!("[line cut: over {TAIL_BYTES} bytes before this] …"));
    }
    let end = start.saturating_add(signed(count as u64)).saturating_sub(1);
    let more = end < -1 && count > 0;
    Ok(Window {
        content,
        encoding,
        start_line: start,
        end_line: end,
        more,
        next_offset: more.then_some(end.saturating_add(1)),
        total_lines: None,
        endings: lines.endings(),
        size,
        version: Err(NoVersion::TooLarge),
        short_tail: tail.short,
    })
}

/// Where the last characters of a line begin that is too long to be read.
fn end_of_line(
    source: &mut (impl Read + Seek),
    family: Family,
    size: u64,
) -> Result<u64, WindowError> {
    let width = family.unit_bytes() as u64;
    let position = size.saturating_sub(MAX_LINE_CHARS as u64 * width);
    let position = position - position % width;
    let mut first = [0; 4];
    source.seek(SeekFrom::Start(position))?;
    let read = fill(source, &mut first)?;
    let first = first.get(..read).unwrap_or_default();
    // Neither inside a UTF-8 character nor between two surrogates.
    let skipped = match family {
        Family::Bytes { .. } => first.iter().take_while(|byte| **byte & 0xC0 == 0x80).count(),
        Family::Utf16 { big_endian } => {
            let high = if big_endian { first.first() } else { first.get(1) };
            if high.is_some_and(|high| high & 0xFC == 0xDC) { 2 } else { 0 }
        }
    };
    Ok(position + if skipped < 4 { skipped as u64 } else { 0 })
}

/// Feeds the bytes from `position` to `end` until the window is complete.
fn collect(
    source: &mut (impl Read + Seek),
    position: u64,
    end: u64,
    lines: &mut Lines,
    utf8: &mut Utf8Check,
    call: &Call,
) -> Result<(), WindowError> {
    source.seek(SeekFrom::Start(position))?;
    let mut part = source.take(end.saturating_sub(position));
    let mut block = vec![0; BLOCK_BYTES];
    while !lines.complete() {
        call.check()?;
        let read = fill(&mut part, &mut block)?;
        if read == 0 {
            lines.end();
            break;
        }
        let read = block.get(..read).unwrap_or_default();
        lines.feed(read);
        utf8.feed(read);
    }
    Ok(())
}

/// The window's text, and how many lines fit.
fn assemble(lines: &Lines, start: i64, encoding: Encoding, request: &Request) -> (String, usize) {
    let mut content = String::new();
    let (mut room, mut count) = (request.room, 0);
    for (raw, number) in lines.taken().iter().zip(start..) {
        let line = raw.decode(encoding);
        let cost = (request.cost)(&line, number);
        if count > 0 && cost > room {
            break;
        }
        room = room.saturating_sub(cost);
        content.push_str(&line);
        count += 1;
    }
    (content, count)
}

/// A line number as it is given to callers.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
