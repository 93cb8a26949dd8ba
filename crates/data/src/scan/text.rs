//! The bytes of a text, decompressed where it is compressed, a block at a time.
use std::io::{Read, Seek, SeekFrom};

use mcp_workspace_stop::StopSignal;

use super::Bounds;
use crate::error::TableError;
use crate::room::{Held, Room};
use crate::source::Input;
use crate::stream::{End, Packing, Stream};

const BLOCK_BYTES: usize = 256 * 1024;
/// Longest record or line, in bytes.
pub(super) const MAX_RECORD_BYTES: usize = 8 * 1024 * 1024;

enum Bytes {
    Plain(Box<dyn Input>),
    Packed(Box<Stream<Box<dyn Input>>>),
}

/// A text, with one block of it in memory.
pub(super) struct Packed {
    bytes: Bytes,
    block: Vec<u8>,
    at: usize,
    end: bool,
    stop: StopSignal,
    room: Room,
    _held: Held,
    _decoder: Option<Held>,
}

impl Packed {
    /// A text from its beginning; a byte-order mark is no part of it.
    pub(super) fn open(mut input: Box<dyn Input>, bounds: &Bounds) -> Result<Packed, TableError> {
        let mut head = [0; 10];
        let mut filled = 0;
        input.seek(SeekFrom::Start(0))?;
        while let Some(space) = head.get_mut(filled..).filter(|space| !space.is_empty()) {
            match input.read(space)? {
                0 => break,
                read => filled += read,
            }
        }
        input.seek(SeekFrom::Start(0))?;
        let packing = Packing::of(head.get(..filled).unwrap_or_default());
        let decoder = match packing {
            Some(packing) => Some(bounds.room.hold(packing.memory())?),
            None => None,
        };
        let bytes = match packing {
            Some(packing) => {
                Bytes::Packed(Box::new(Stream::new(packing, input, u64::MAX, &bounds.stop)))
            }
            None => Bytes::Plain(input),
        };
        let mut packed = Packed {
            bytes,
            block: Vec::new(),
            at: 0,
            end: false,
            stop: bounds.stop.clone(),
            room: bounds.room.clone(),
            _held: bounds.room.hold(BLOCK_BYTES as u64)?,
            _decoder: decoder,
        };
        match packed.block()? {
            [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
                return Err(TableError::broken(
                    "it is UTF-16; only UTF-8 is read as rows, so convert it first",
                ));
            }
            [0xEF, 0xBB, 0xBF, ..] => packed.take(3),
            _ => {}
        }
        Ok(packed)
    }

    /// The rest of the block, or the next one; empty at the end.
    pub(super) fn block(&mut self) -> Result<&[u8], TableError> {
        if self.at >= self.block.len() && !self.end {
            self.stop.check()?;
            self.block.resize(BLOCK_BYTES, 0);
            let mut filled = 0;
            while let Some(space) = self.block.get_mut(filled..).filter(|space| !space.is_empty()) {
                let read = match &mut self.bytes {
                    Bytes::Plain(input) => input.read(space),
                    Bytes::Packed(stream) => stream.read(space),
                };
                match read {
                    Ok(0) => {
                        self.end = true;
                        break;
                    }
                    Ok(read) => filled += read,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error.into()),
                }
            }
            self.block.truncate(filled);
            self.at = 0;
            if let Bytes::Packed(stream) = &self.bytes {
                match stream.end() {
                    End::Open | End::Whole => {}
                    End::Stopped(stop) => return Err((*stop).into()),
                    End::Limit => return Err(TableError::broken("it is too long")),
                    End::Broken(why) => {
                        let (bytes, lines) = stream.progress();
                        return Err(TableError::broken(format!(
                            "its compressed stream breaks off after {bytes} bytes and {lines} \
                             lines of text: {why}"
                        )));
                    }
                }
            }
        }
        Ok(self.block.get(self.at..).unwrap_or_default())
    }

    /// Goes on behind so many bytes of the block.
    pub(super) fn take(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// The next line without its end, in `line`; false behind the last.
    pub(super) fn line(&mut self, line: &mut Buffer) -> Result<bool, TableError> {
        line.bytes.clear();
        let mut any = false;
        loop {
            let block = self.block()?;
            if block.is_empty() {
                return Ok(any);
            }
            any = true;
            let end = memchr::memchr(b'\n', block);
            let part = block.get(..end.unwrap_or(block.len())).unwrap_or_default();
            let taken = end.map_or(part.len(), |end| end + 1);
            line.push(part)?;
            self.take(taken);
            if end.is_some() {
                return Ok(true);
            }
        }
    }

    pub(super) fn room(&self) -> &Room {
        &self.room
    }
}

/// Bytes of a record, whose room grows with them.
pub(super) struct Buffer {
    pub bytes: Vec<u8>,
    room: Room,
    held: Vec<Held>,
}

impl Buffer {
    pub(super) fn new(room: &Room) -> Buffer {
        Buffer { bytes: Vec::new(), room: room.clone(), held: Vec::new() }
    }

    fn push(&mut self, part: &[u8]) -> Result<(), TableError> {
        self.make_room(self.bytes.len() + part.len())?;
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    /// Makes room for so many bytes in all.
    pub(super) fn make_room(&mut self, length: usize) -> Result<(), TableError> {
        if length > MAX_RECORD_BYTES {
            return Err(TableError::broken(format!(
                "a row is longer than {MAX_RECORD_BYTES} bytes"
            )));
        }
        let capacity = self.bytes.capacity();
        if length > capacity {
            let larger = length.next_power_of_two().max(64 * 1024);
            // While it moves, both are there.
            self.held.push(self.room.hold(larger as u64)?);
            self.bytes.reserve_exact(larger - self.bytes.len());
        }
        Ok(())
    }
}
