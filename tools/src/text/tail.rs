//! Windows that are counted from the end of a file.

use std::io::{Read, Seek, SeekFrom};

use sha2::{Digest, Sha256};

use super::blocks::{BLOCK_BYTES, Tail, fill, find_tail};
use super::encoding::{ByteCheck, Family};
use super::lines::{Lines, MAX_LINE_CHARS};
use super::pass::{Pass, assemble, signed};
use super::window::{NoVersion, Request, Window, WindowError};
use crate::call::{Call, Stop};
use crate::hex::hex;

/// How far from its end a file that is too large to be read whole is searched for lines.
pub const TAIL_BYTES: u64 = 8 * 1024 * 1024;

/// The last lines of a file that a pass has counted and hashed. They are read again and hashed
/// again, so that the window is a part of the very content that the version names.
pub(super) fn tail_of_whole(
    mut pass: Pass,
    source: &mut (impl Read + Seek),
    request: &Request,
    wanted: u64,
    call: &Call,
) -> Result<Window, WindowError> {
    let total = pass.lines.ended();
    let first = total.saturating_sub(wanted).saturating_add(1);
    let before = pass.marks.iter().rposition(|mark| mark.ended + 1 < first).unwrap_or(0);
    let mark = pass.marks.drain(..).nth(before);
    let (mut position, ended, mut hasher) =
        mark.map_or((0, 0, Sha256::new()), |mark| (mark.position, mark.ended, mark.hasher));
    let mut lines = Lines::new(pass.family, ended + 1, first, request.limit, request.room);
    let mut bom = if position == 0 { pass.family.mark_bytes() } else { 0 };
    source.seek(SeekFrom::Start(position))?;
    let mut block = vec![0; BLOCK_BYTES];
    let mut version = loop {
        match call.check() {
            Err(Stop::Deadline) if lines.complete() => break Err(NoVersion::Deadline),
            checked => checked?,
        }
        let left = usize::try_from(pass.scanned - position).unwrap_or(BLOCK_BYTES);
        let length = left.min(BLOCK_BYTES);
        let read = fill(source, block.get_mut(..length).unwrap_or_default())?;
        let read = block.get(..read).unwrap_or_default();
        if read.is_empty() {
            lines.end();
            break Ok(hex(&hasher.finalize()));
        }
        position += read.len() as u64;
        hasher.update(read);
        lines.feed(read.get(std::mem::take(&mut bom)..).unwrap_or_default());
    };
    if version.is_ok() && version != pass.version {
        version = Err(NoVersion::Changed);
    }
    let encoding = pass.encoding();
    let (content, count, lines_cut) = assemble(&lines, signed(first), encoding, request);
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
        lines_cut,
        endings: pass.lines.endings(),
        size: pass.scanned,
        version,
        short_tail: false,
    })
}

/// The end of a file that is not read whole. Its lines are numbered from the end.
pub(super) fn tail_of_large(
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
    let mut bytes = ByteCheck::default();
    bytes.feed(head.get(family.mark_bytes()..).unwrap_or_default());
    bytes.jump();
    let mut lines = Lines::new(family, 1, 1, request.limit, request.room);
    collect(source, tail.position, size, &mut lines, &mut bytes, call)?;
    let encoding = bytes.encoding(family, false);
    let start = signed(tail.lines).saturating_neg();
    let (mut content, count, mut lines_cut) = assemble(&lines, start, encoding, request);
    if inside_line {
        content.insert_str(0, &format!("[line cut: over {TAIL_BYTES} bytes before this] …"));
        lines_cut = 1;
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
        lines_cut,
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
    bytes: &mut ByteCheck,
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
        bytes.feed(read);
    }
    Ok(())
}
