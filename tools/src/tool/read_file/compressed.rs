//! Lines of a compressed text, decompressed as they are read.

use std::collections::VecDeque;
use std::io::{self, Cursor, ErrorKind, Read, Seek, SeekFrom};

use mcp_workspace_data::{End, Stream};

use crate::call::{Call, Stop};
use crate::text::{
    Family, HEAD_BYTES, Request, TAIL_BYTES, Window, WindowError, read_head, read_window,
};

const BLOCK_BYTES: usize = 256 * 1024;

/// What is in a compressed file.
#[derive(Debug)]
pub(super) enum Stretch {
    /// Lines of a text.
    Text(Window),
    /// The text has fewer lines, as far as it could be read.
    PastEnd(u64),
    /// Something that begins with these bytes and is no text.
    Binary(Vec<u8>),
    /// Time ran out before the window was complete.
    Stopped(Stop),
}

/// The lines of `request` of what is decompressed.
///
/// # Errors
/// What the memory that the last lines are kept in gives: nothing, in practice.
pub(super) fn read_stretch<R: Read>(
    stream: &mut Stream<R>,
    request: &Request,
    call: &Call,
) -> io::Result<Stretch> {
    let head = read_head(stream)?;
    let Some(family) = Family::of(&head) else { return Ok(Stretch::Binary(head)) };
    let found = if request.offset < 0 {
        last_lines(stream, head, family, request, call)
    } else {
        // A size of nothing: its true size is seen at the end only.
        read_window(&mut Forward(stream), 0, &head, family, request, call)
    };
    let mut window = match found {
        Ok(window) => window,
        Err(WindowError::PastEnd(lines)) => {
            return Ok(match *stream.end() {
                End::Stopped(stop) => Stretch::Stopped(stop),
                _ => Stretch::PastEnd(lines),
            });
        }
        Err(WindowError::Stopped(stop)) => return Ok(Stretch::Stopped(stop)),
        Err(WindowError::Io(error)) => return Err(error),
    };
    // A window after which lines were seen is complete.
    if let End::Stopped(stop) = *stream.end()
        && (stop == Stop::Cancelled || !window.more)
    {
        return Ok(Stretch::Stopped(stop));
    }
    if !matches!(stream.end(), End::Open | End::Whole) {
        window.total_lines = None;
    }
    Ok(Stretch::Text(window))
}

/// Lines counted from the end: the last bytes are kept while all goes by.
fn last_lines<R: Read>(
    stream: &mut Stream<R>,
    head: Vec<u8>,
    family: Family,
    request: &Request,
    call: &Call,
) -> Result<Window, WindowError> {
    let most = usize::try_from(TAIL_BYTES).unwrap_or(usize::MAX);
    let mut kept: VecDeque<Vec<u8>> = VecDeque::new();
    let (mut length, mut dropped, mut ended) = (head.len(), false, 0);
    let mut at_end = length < HEAD_BYTES;
    let mut first = Some(head);
    while let Some(block) = first.take() {
        call.check()?;
        ended += line_feeds(family, &block);
        kept.push_back(block);
        while let Some(oldest) = kept.front().map(Vec::len)
            && length - oldest > most
        {
            kept.pop_front();
            (length, dropped) = (length - oldest, true);
        }
        if !at_end {
            let mut block = Vec::with_capacity(BLOCK_BYTES);
            let read = stream.by_ref().take(BLOCK_BYTES as u64).read_to_end(&mut block)?;
            at_end = read < BLOCK_BYTES;
            length += read;
            first = Some(block);
        }
    }
    if let End::Stopped(stop) = *stream.end() {
        return Err(WindowError::Stopped(stop));
    }
    let mut tail: Vec<u8> = Vec::with_capacity(length + 3);
    kept.into_iter().for_each(|block| tail.extend(block));
    if dropped {
        // What is left of the first line is no line; the rest is read like a whole file.
        let width = family.unit_bytes();
        let at = tail.chunks(width).position(|unit| is_line_feed(family, unit));
        tail.drain(..at.map_or(0, |at| (at + 1) * width));
        let mark: &[u8] = match family {
            Family::Utf16 { big_endian: true } => &[0xFE, 0xFF],
            Family::Utf16 { big_endian: false } => &[0xFF, 0xFE],
            Family::Bytes { marked: true } => &[0xEF, 0xBB, 0xBF],
            Family::Bytes { marked: false } => &[],
        };
        tail.splice(0..0, mark.iter().copied());
    }
    let size = tail.len() as u64;
    // All of it is in memory, so it may be read whole whatever the limit is.
    let request = Request { whole_bytes: u64::MAX, ..*request };
    let head: Vec<u8> = tail.iter().copied().take(HEAD_BYTES).collect();
    let mut source = Cursor::new(tail);
    source.set_position(head.len() as u64);
    let mut window = read_window(&mut source, size, &head, family, &request, call)?;
    if dropped {
        let lines = window.total_lines.unwrap_or(0);
        let ends = source.get_ref().rchunks(family.unit_bytes()).next();
        let open = !ends.is_some_and(|unit| is_line_feed(family, unit));
        let total = ended + u64::from(open);
        let shift = i64::try_from(total.saturating_sub(lines)).unwrap_or(0);
        window.short_tail = lines < request.offset.unsigned_abs();
        window.start_line += shift;
        window.end_line += shift;
        window.next_offset = window.next_offset.map(|next| next + shift);
        window.total_lines = Some(total);
    }
    Ok(window)
}

/// A stream where something that seeks is asked for: windows from the beginning never do.
struct Forward<'a, R: Read>(&'a mut Stream<R>);

impl<R: Read> Read for Forward<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: Read> Seek for Forward<'_, R> {
    fn seek(&mut self, _to: SeekFrom) -> io::Result<u64> {
        Err(ErrorKind::Unsupported.into())
    }
}

fn is_line_feed(family: Family, unit: &[u8]) -> bool {
    match family {
        Family::Bytes { .. } => unit == b"\n",
        Family::Utf16 { big_endian: true } => unit == b"\0\n",
        Family::Utf16 { big_endian: false } => unit == b"\n\0",
    }
}

fn line_feeds(family: Family, block: &[u8]) -> u64 {
    let count = match family {
        Family::Bytes { .. } => memchr::memchr_iter(b'\n', block).count(),
        Family::Utf16 { .. } => block.chunks(2).filter(|unit| is_line_feed(family, unit)).count(),
    };
    count as u64
}
