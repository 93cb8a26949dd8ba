//! Compressed text, which is decompressed as it is read, never whole in memory, and only up to a
//! limit.
use std::io::{self, BufReader, ErrorKind, Read};

use mcp_workspace_stop::{Stop, StopSignal};

use crate::decoder::{Checked, Decoder};

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

/// A file while it is decompressed.
pub struct Stream<R> {
    decoder: Decoder<BufReader<Checked<R>>>,
    stop: StopSignal,
    limit: u64,
    given: u64,
    lines: u64,
    end: End,
}

impl<R: Read> Stream<R> {
    /// Decompresses `source`, from its beginning, as long as `stop` lets it.
    pub fn new(packing: Packing, source: R, whole_bytes: u64, stop: &StopSignal) -> Stream<R> {
        let source = BufReader::with_capacity(BLOCK_BYTES, Checked::new(source, stop));
        Stream {
            decoder: match packing {
                Packing::Gzip => Decoder::gzip(source),
                Packing::Zstd => Decoder::zstd(source),
            },
            stop: stop.clone(),
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
                    self.end = match self.stop.check() {
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
