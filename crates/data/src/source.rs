//! Ranged reads of an opened file, counted against what one call may read and decompress.
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use mcp_workspace_stop::StopSignal;

use crate::error::TableError;
use crate::room::Room;

/// What a table is read from.
pub trait Input: Read + Seek + Send {}
impl<T: Read + Seek + Send> Input for T {}

/// How much more a call may decompress than read.
const EXPANSION: u64 = 4;

/// A file that is read in ranges. Clones share the handle and the counters.
#[derive(Clone)]
pub(crate) struct Source {
    shared: Arc<Mutex<Shared>>,
    size: u64,
    budget: u64,
    room: Option<Room>,
    stop: StopSignal,
}

struct Shared {
    input: Box<dyn Input>,
    read: u64,
    decompressed: u64,
}

impl Source {
    /// A file of `size` bytes of which the call may read `budget`.
    pub(crate) fn new(input: Box<dyn Input>, size: u64, budget: u64, stop: &StopSignal) -> Source {
        let shared = Shared { input, read: 0, decompressed: 0 };
        Source {
            shared: Arc::new(Mutex::new(shared)),
            size,
            budget,
            room: None,
            stop: stop.clone(),
        }
    }

    /// A file that is scanned from its beginning to its end: time and `room` are the only bounds.
    pub(crate) fn scanned(
        input: Box<dyn Input>,
        size: u64,
        room: &Room,
        stop: &StopSignal,
    ) -> Source {
        Source { room: Some(room.clone()), ..Source::new(input, size, u64::MAX, stop) }
    }

    /// What its parts draw from, where it is scanned.
    pub(crate) fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    pub(crate) fn stop(&self) -> &StopSignal {
        &self.stop
    }

    /// The bytes from `start`, as many of `length` as there are.
    pub(crate) fn read(&self, start: u64, length: u64) -> Result<Vec<u8>, TableError> {
        self.stop.check()?;
        let length = length.min(self.size.saturating_sub(start));
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.read = shared.read.saturating_add(length);
        if shared.read > self.budget {
            return Err(TableError::Budget(self.budget));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(usize::MAX));
        shared.input.seek(SeekFrom::Start(start))?;
        shared.input.by_ref().take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Exactly the bytes from `start`.
    pub(crate) fn read_exact(&self, start: u64, length: u64) -> Result<Vec<u8>, TableError> {
        let bytes = self.read(start, length)?;
        if bytes.len() as u64 == length {
            Ok(bytes)
        } else {
            Err(TableError::broken("the file ends in the middle of what it declares"))
        }
    }

    /// Counts bytes that are about to be decompressed.
    pub(crate) fn decompress(&self, bytes: u64) -> Result<(), TableError> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.decompressed = shared.decompressed.saturating_add(bytes);
        if shared.decompressed > self.budget.saturating_mul(EXPANSION) {
            return Err(TableError::Budget(self.budget));
        }
        Ok(())
    }
}

/// A part of a file, from its beginning.
pub(crate) struct Slice {
    source: Source,
    at: u64,
    end: u64,
}

impl Slice {
    /// The bytes from `start`, as many of `length` as there are.
    pub(crate) fn new(source: &Source, start: u64, length: u64) -> Slice {
        let end = start.saturating_add(length).min(source.size());
        Slice { source: source.clone(), at: start, end }
    }

    /// Goes on behind so many bytes.
    pub(crate) fn skip(&mut self, bytes: u64) {
        self.at = self.at.saturating_add(bytes);
    }
}

impl Read for Slice {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.end.saturating_sub(self.at);
        let read = self.source.read(self.at, left.min(buffer.len() as u64));
        let bytes = read.map_err(|error| match error {
            TableError::Io(error) => error,
            other => io::Error::other(other),
        })?;
        self.at += bytes.len() as u64;
        buffer.get_mut(..bytes.len()).unwrap_or_default().copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}
