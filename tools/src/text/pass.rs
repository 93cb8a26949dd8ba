//! One pass over a file from its beginning: lines are taken, counted and hashed as they go by.

use std::io::Read;

use sha2::{Digest, Sha256};

use super::blocks::{BLOCK_BYTES, fill};
use super::encoding::{ByteCheck, Encoding, Family, HEAD_BYTES};
use super::lines::Lines;
use super::window::{NoVersion, Request, Version, Window, WindowError};
use crate::call::{Call, Stop};
use crate::hex::hex;

/// A place that a pass went by, from which the file can be read again.
pub(super) struct Mark {
    pub position: u64,
    /// Lines that end before it.
    pub ended: u64,
    /// Has hashed all bytes before it.
    pub hasher: Sha256,
}

/// What one pass from the beginning of a file found.
pub(super) struct Pass {
    pub family: Family,
    first: u64,
    pub lines: Lines,
    bytes: ByteCheck,
    pub scanned: u64,
    pub at_end: bool,
    pub version: Version,
    /// Places to continue from, where the window is counted from the end.
    pub marks: Vec<Mark>,
}

impl Pass {
    pub(super) fn run(
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
    pub(super) fn window(self, size: u64, request: &Request) -> Result<Window, WindowError> {
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
