//! Compressed text, and text that is made of documents as it is read: never whole in memory, and
//! only up to a limit.
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
    /// RFC 7932.
    Brotli,
    /// bzip2, any number of streams.
    Bzip2,
    /// xz, any number of streams.
    Xz,
}

impl Packing {
    /// The packing of a file of this name that begins with `head`. Only brotli, which has no mark
    /// of its own, is known by its name.
    pub fn of_file(name: &str, head: &[u8]) -> Option<Packing> {
        let named = || name.len() > 3 && name.to_ascii_lowercase().ends_with(".br");
        let is_text = || {
            let whole = match std::str::from_utf8(head) {
                Ok(_) => true,
                Err(error) => error.error_len().is_none(),
            };
            whole && !head.iter().any(|byte| matches!(byte, 0..=8 | 14..=31))
        };
        Packing::of(head).or_else(|| (named() && !is_text()).then_some(Packing::Brotli))
    }

    /// The packing of a file that begins with `head`.
    pub fn of(head: &[u8]) -> Option<Packing> {
        match head {
            [0x1F, 0x8B, 8, ..] => Some(Packing::Gzip),
            // A frame, or one that is to be skipped.
            [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => {
                Some(Packing::Zstd)
            }
            // Without a block it is its end at once.
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => {
                Some(Packing::Bzip2)
            }
            [0xFD, b'7', b'z', b'X', b'Z', 0, ..] => Some(Packing::Xz),
            _ => None,
        }
    }

    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Packing::Gzip => "gzip",
            Packing::Zstd => "zstd",
            Packing::Brotli => "brotli",
            Packing::Bzip2 => "bzip2",
            Packing::Xz => "xz",
        }
    }

    /// What its decoder holds at most, in bytes.
    pub fn memory(self) -> u64 {
        match self {
            Packing::Gzip => 1 << 20,
            Packing::Bzip2 => 8 << 20,
            Packing::Zstd => 16 << 20,
            Packing::Brotli => 20 << 20,
            Packing::Xz => 66 << 20,
        }
    }

    /// The ends of names that say so.
    pub fn endings(self) -> &'static [&'static str] {
        match self {
            Packing::Gzip => &[".gz", ".gzip"],
            Packing::Zstd => &[".zst", ".zstd"],
            Packing::Brotli => &[".br"],
            Packing::Bzip2 => &[".bz2", ".bzip2"],
            Packing::Xz => &[".xz"],
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
pub struct Stream<R: Read> {
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
        Stream::of(source, whole_bytes, stop, |source| Decoder::of(packing, source))
    }

    /// Bytes as they are, at most 16 times `whole_bytes`.
    pub fn plain(source: R, whole_bytes: u64, stop: &StopSignal) -> Stream<R> {
        Stream::of(source, whole_bytes, stop, Decoder::Plain)
    }

    /// What deflate has made of it, without gzip's header; at most 16 times `whole_bytes`.
    pub(crate) fn deflate(source: R, whole_bytes: u64, stop: &StopSignal) -> Stream<R> {
        Stream::of(source, whole_bytes, stop, Decoder::deflate)
    }

    fn of(
        source: R,
        whole_bytes: u64,
        stop: &StopSignal,
        decoder: impl FnOnce(BufReader<Checked<R>>) -> Decoder<BufReader<Checked<R>>>,
    ) -> Stream<R> {
        let source = BufReader::with_capacity(BLOCK_BYTES, Checked::new(source, stop));
        Stream {
            decoder: decoder(source),
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
