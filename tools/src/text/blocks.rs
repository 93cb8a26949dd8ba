//! Reads blocks of a file, forwards and backwards.

use std::io::{self, ErrorKind, Read, Seek, SeekFrom};

use super::encoding::Family;
use super::lines::last_line_feed;
use super::window::WindowError;
use crate::call::Call;

/// Bytes of one read; even, so that UTF-16 units stay whole.
pub(super) const BLOCK_BYTES: usize = 256 * 1024;

/// Fills `block` as far as the source goes; short reads are continued.
///
/// # Errors
/// What the source gives.
pub(super) fn fill(source: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(space) = block.get_mut(filled..).filter(|space| !space.is_empty()) {
        match source.read(space) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Where a tail of lines begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tail {
    /// The byte where its first line begins.
    pub position: u64,
    /// How many lines it has.
    pub lines: u64,
    /// Whether earlier lines were out of reach.
    pub short: bool,
}

/// Finds the last `wanted` lines of the bytes from `start` (after a byte-order mark) to `end`,
/// reading backwards, at most `reach` bytes. All lines when there are fewer.
///
/// # Errors
/// When the source fails or the call ends.
pub(super) fn find_tail(
    source: &mut (impl Read + Seek),
    family: Family,
    (start, end): (u64, u64),
    wanted: u64,
    reach: u64,
    call: &Call,
) -> Result<Tail, WindowError> {
    let width = family.unit_bytes() as u64;
    // UTF-16 units begin at even bytes; an odd last byte is no line feed.
    let from_even = |position: u64| position - position % width;
    let nearest = from_even(end.saturating_sub(reach)).max(start);
    let mut tail = Tail { position: end, lines: 0, short: false };
    let mut block_end = end;
    let mut block = vec![0; BLOCK_BYTES];
    while block_end > nearest {
        call.check()?;
        let block_start =
            from_even(block_end.saturating_sub(1)).saturating_sub(BLOCK_BYTES as u64 - width);
        let block_start = block_start.max(nearest);
        let length = usize::try_from(block_end - block_start).unwrap_or(BLOCK_BYTES);
        source.seek(SeekFrom::Start(block_start))?;
        let read = fill(source, block.get_mut(..length).unwrap_or_default())?;
        let mut rest = block.get(..read).unwrap_or_default();
        while let Some(at) = last_line_feed(family, rest) {
            let line_start = block_start + at as u64 + width;
            if line_start < end {
                tail.position = line_start;
                tail.lines += 1;
                if tail.lines == wanted {
                    return Ok(tail);
                }
            }
            rest = rest.get(..at).unwrap_or_default();
        }
        block_end = block_start;
    }
    if nearest == start && end > start {
        tail.position = start;
        tail.lines += 1;
    }
    tail.short = nearest > start;
    Ok(tail)
}
