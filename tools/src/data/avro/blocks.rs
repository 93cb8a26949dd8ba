//! The blocks of a file, found by their headers and counted without being decoded.

use super::decode::long;
use super::header::Header;
use crate::call::Stop;
use crate::data::source::Source;
use crate::data::table::{TableError, Window};

/// Most blocks whose headers are read to count the rows.
const MAX_BLOCKS: usize = 100_000;
/// What is read at once while blocks are small.
pub(super) const AHEAD_BYTES: u64 = 64 * 1024;
/// What the header of a block takes at most.
const COUNTS_BYTES: u64 = 20;
/// The marker that ends a block.
pub(super) const SYNC_BYTES: u64 = 16;

/// Where rows lie.
pub(super) struct Block {
    pub rows: u64,
    pub position: u64,
    pub bytes: u64,
}

/// The blocks of a file, as far as they were looked at.
pub(super) struct Count {
    pub blocks: Vec<Block>,
    pub rows: u64,
    /// Whether that was to the end.
    pub whole: bool,
    /// Why not, where the file is damaged.
    pub why: Option<TableError>,
}

impl Count {
    pub(super) fn of(
        source: &Source,
        header: &Header,
        window: &Window,
    ) -> Result<Count, TableError> {
        let call = source.call();
        let patience = call.time_left() / 2;
        let mut count = Count { blocks: Vec::new(), rows: 0, whole: false, why: None };
        let mut ahead = Ahead { source, start: 0, bytes: Vec::new() };
        let mut position = header.length;
        while position < source.size() {
            let reached = window.offset > 0 && count.rows >= window.offset.unsigned_abs();
            let tired = call.time_left() < patience || count.blocks.len() >= MAX_BLOCKS;
            if tired && (reached || count.blocks.len() >= MAX_BLOCKS) {
                return Ok(count);
            }
            match ahead.block(position, header) {
                Ok(block) => {
                    position = block.position + block.bytes + SYNC_BYTES;
                    count.rows = count.rows.saturating_add(block.rows);
                    count.blocks.push(block);
                }
                Err(TableError::Budget(_) | TableError::Stopped(Stop::Deadline)) if reached => {
                    return Ok(count);
                }
                Err(TableError::Budget(_)) => return Err(TableError::NotReached(count.rows)),
                Err(error @ TableError::Broken(_)) => {
                    count.why = Some(error);
                    return Ok(count);
                }
                Err(error) => return Err(error),
            }
        }
        count.whole = true;
        Ok(count)
    }
}

/// Reads small things one after the other with few reads.
struct Ahead<'a> {
    source: &'a Source,
    start: u64,
    bytes: Vec<u8>,
}

impl Ahead<'_> {
    fn get(&mut self, position: u64, length: u64) -> Result<&[u8], TableError> {
        let length = length.min(self.source.size().saturating_sub(position));
        let held = self.start + self.bytes.len() as u64;
        if position < self.start || position + length > held {
            // Where the last jump was far, what lies ahead is not of use.
            let near = position < held + AHEAD_BYTES;
            let ahead = if near { AHEAD_BYTES.max(length) } else { length };
            self.bytes = self.source.read(position, ahead)?;
            self.start = position;
        }
        let from = usize::try_from(position - self.start).unwrap_or(usize::MAX);
        let to = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        self.bytes
            .get(from..to)
            .ok_or_else(|| TableError::broken("the file ends in the middle of a block"))
    }

    /// The block that begins there, after a look at what follows it.
    fn block(&mut self, position: u64, header: &Header) -> Result<Block, TableError> {
        let size = self.source.size();
        let counts = self.get(position, COUNTS_BYTES)?;
        let (rows, first) = long(counts)?;
        let (bytes, second) = long(counts.get(first..).unwrap_or_default())?;
        let (Ok(rows), Ok(bytes)) = (u64::try_from(rows), u64::try_from(bytes)) else {
            return Err(TableError::broken("a block declares a negative size"));
        };
        let start = position + (first + second) as u64;
        let end = start.checked_add(bytes).filter(|end| end.saturating_add(SYNC_BYTES) <= size);
        let Some(end) = end else {
            return Err(TableError::broken("the file ends in the middle of a block"));
        };
        if self.get(end, SYNC_BYTES)? != header.sync {
            return Err(TableError::broken("a block does not end with the file's marker"));
        }
        Ok(Block { rows, position: start, bytes })
    }
}
