//! Compressed text: decompressed as it is read, never whole in memory, and only so far.

use std::collections::VecDeque;
use std::io::{self, BufReader, Cursor, ErrorKind, Read, Seek, SeekFrom};

use super::decoder::{Checked, Decoder};
use crate::call::{Call, Stop};
use crate::text::blocks::fill;
use crate::text::{
    Family, HEAD_BYTES, Request, TAIL_BYTES, Window, WindowError, read_head, read_window,
};

const BLOCK_BYTES: usize = 256 * 1024;
/// A call decompresses at most so many times the bytes of the largest file that is read whole.
const SCAN_FACTOR: u64 = 16;

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// RFC 1952, any number of members.
    Gzip,
    /// RFC 8878, any number of frames.
    Zstd,
}

impl Packing {
    /// The packing of a file that begins with `head`.
    pub fn of(head: &[u8]) -> Option<Packing> {
        match head {
            [0x1F, 0x8B, 8, ..] => Some(Packing::Gzip),
            // A frame, or one that is to be skipped.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => {
                Some(Packing::Zstd)
            }
            _ => None,
        }
    }

    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
        }
    }
}

/// Where a stream stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Not yet.
    Open,
    /// At its end.
    Whole,
    /// After as many bytes as a call may decompress.
    Limit,
    /// It is truncated or damaged.
    Broken(String),
    /// The call ended.
    Stopped(Stop),
}

/// What is in a compressed file.
#[derive(Debug)]
pub enum Stretch {
    /// Lines of a text.
    Text(Window),
    /// The text has fewer lines, as far as it could be read.
    PastEnd(u64),
    /// Something that begins with these bytes and is no text.
    Binary(Vec<u8>),
    /// Time ran out before the window was complete.
    Stopped(Stop),
}

/// A file while it is decompressed.
pub struct Stream<R> {
    decoder: Decoder<BufReader<Checked<R>>>,
    call: Call,
    limit: u64,
    given: u64,
    lines: u64,
    end: End,
}

impl<R: Read> Stream<R> {
    /// Decompresses `source`, from its beginning, as long as `call` has time.
    pub fn new(packing: Packing, source: R, whole_bytes: u64, call: &Call) -> Stream<R> {
        let source = BufReader::with_capacity(BLOCK_BYTES, Checked::new(source, call));
        Stream {
            decoder: match packing {
                Packing::Gzip => Decoder::gzip(source),
                Packing::Zstd => Decoder::zstd(source),
            },
            call: call.clone(),
            limit: whole_bytes.saturating_mul(SCAN_FACTOR),
            given: 0,
            lines: 0,
            end: End::Open,
        }
    }

    /// Bytes decompressed so far, and the lines that end in them.
    pub fn progress(&self) -> (u64, u64) {
        (self.given, self.lines)
    }

    /// Most bytes that the call decompresses.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Where it stopped.
    pub fn end(&self) -> &End {
        &self.end
    }

    /// The lines of `request`.
    ///
    /// # Errors
    /// What the memory that the last lines are kept in gives: nothing, in practice.
    pub fn read_window(&mut self, request: &Request, call: &Call) -> io::Result<Stretch> {
        let head = read_head(self)?;
        let Some(family) = Family::of(&head) else { return Ok(Stretch::Binary(head)) };
        let found = if request.offset < 0 {
            self.last_lines(head, family, request, call)
        } else {
            // A size of nothing: its true size is seen at the end only.
            read_window(&mut Forward(self), 0, &head, family, request, call)
        };
        let mut window = match found {
            Ok(window) => window,
            Err(WindowError::PastEnd(lines)) => {
                return Ok(match self.end {
                    End::Stopped(stop) => Stretch::Stopped(stop),
                    _ => Stretch::PastEnd(lines),
                });
            }
            Err(WindowError::Stopped(stop)) => return Ok(Stretch::Stopped(stop)),
            Err(WindowError::Io(error)) => return Err(error),
        };
        // A window after which lines were seen is complete.
        if let End::Stopped(stop) = self.end
            && (stop == Stop::Cancelled || !window.more)
        {
            return Ok(Stretch::Stopped(stop));
        }
        if !matches!(self.end, End::Open | End::Whole) {
            window.total_lines = None;
        }
        Ok(Stretch::Text(window))
    }

    /// Lines counted from the end: the last bytes are kept while all goes by.
    fn last_lines(
        &mut self,
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
                let mut block = vec![0; BLOCK_BYTES];
                let read = fill(self, &mut block)?;
                block.truncate(read);
                at_end = read < BLOCK_BYTES;
                length += read;
                first = Some(block);
            }
        }
        if let End::Stopped(stop) = self.end {
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
}

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.end != End::Open || buffer.is_empty() {
            return Ok(0);
        }
        let left = usize::try_from(self.limit - self.given).unwrap_or(usize::MAX);
        let mut probe = [0; 1];
        let space = if left == 0 { &mut probe[..] } else { buffer };
        let length = if left == 0 { 1 } else { space.len().min(left) };
        let space = space.get_mut(..length).unwrap_or_default();
        let read = loop {
            match self.decoder.read(space) {
                Ok(read) => break read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.end = match self.call.check() {
                        Err(stop) => End::Stopped(stop),
                        Ok(()) => End::Broken(error.to_string()),
                    };
                    return Ok(0);
                }
            }
        };
        if read == 0 || left == 0 {
            self.end = if read == 0 { End::Whole } else { End::Limit };
            return Ok(0);
        }
        let block = space.get(..read).unwrap_or_default();
        self.given += read as u64;
        self.lines += memchr::memchr_iter(b'\n', block).count() as u64;
        Ok(read)
    }
}

/// A stream where something that seeks is asked for: windows from the beginning never do.
struct Forward<'a, R>(&'a mut Stream<R>);

impl<R: Read> Read for Forward<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R> Seek for Forward<'_, R> {
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
