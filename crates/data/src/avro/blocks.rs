//! The blocks of a file, found by their headers and counted without being decoded; and the rows of
//! those that are wanted.
use mcp_workspace_stop::Stop;

use super::decode::{Decoder, long};
use super::header::{AHEAD_BYTES, Header, SYNC_BYTES};
use crate::cell::Detail;
use crate::codec::{Codec, at_most};
use crate::error::TableError;
use crate::source::Source;
use crate::table::{Page, Window};

/// Most blocks whose headers are read to count the rows.
const MAX_BLOCKS: usize = 100_000;
/// Largest block, in the file and in memory.
pub(super) const MAX_BLOCK_BYTES: u64 = 64 * 1024 * 1024;
/// What the header of a block takes at most.
const COUNTS_BYTES: u64 = 20;

/// Where rows lie.
pub(super) struct Block {
    pub rows: u64,
    pub position: u64,
    pub bytes: u64,
}

impl Block {
    /// What it contains, decompressed to at most so many bytes.
    pub(super) fn bytes(
        &self,
        source: &Source,
        header: &Header,
        most: u64,
    ) -> Result<Vec<u8>, TableError> {
        let Some(codec) = header.codec else {
            return Err(TableError::broken(format!(
                "its compression is `{}`, which is not understood here; deflate, snappy and \
                 zstandard are",
                header.codec_name
            )));
        };
        if self.bytes > MAX_BLOCK_BYTES {
            return Err(TableError::broken(format!(
                "a block has {} bytes; {MAX_BLOCK_BYTES} are the most",
                self.bytes
            )));
        }
        let stored = source.read_exact(self.position, self.bytes)?;
        // Snappy's checksum stands behind the block.
        let stored = match codec {
            Codec::Snappy => stored.split_last_chunk::<4>().map_or(&[][..], |(rest, _)| rest),
            _ => &stored,
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let bytes = at_most(codec, stored, most)?;
        source.decompress(bytes.len() as u64)?;
        Ok(bytes)
    }

    /// Decodes its rows, after the first `skip` of them, until the page is full.
    pub(super) fn rows(
        &self,
        source: &Source,
        header: &Header,
        skip: u64,
        page: &mut Page,
    ) -> Result<(), TableError> {
        let bytes = self.bytes(source, header, MAX_BLOCK_BYTES)?;
        let mut decoder = Decoder::new(&bytes, &header.schema, source.stop(), Detail::Shown);
        for _ in 0..skip {
            decoder.skip_row()?;
        }
        for _ in skip..self.rows {
            if page.is_full() || !page.push(decoder.row()?) {
                return Ok(());
            }
        }
        if !decoder.is_at_end() {
            return Err(TableError::broken("a block has more in it than its rows"));
        }
        Ok(())
    }
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
        let stop = source.stop();
        let patience = stop.time_left() / 2;
        let mut count = Count { blocks: Vec::new(), rows: 0, whole: false, why: None };
        let mut ahead = Ahead::new(source);
        let mut position = header.length;
        while position < source.size() {
            let reached = window.offset > 0 && count.rows >= window.offset.unsigned_abs();
            let tired = stop.time_left() < patience || count.blocks.len() >= MAX_BLOCKS;
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
pub(super) struct Ahead<'a> {
    source: &'a Source,
    start: u64,
    bytes: Vec<u8>,
}

impl Ahead<'_> {
    pub(super) fn new(source: &Source) -> Ahead<'_> {
        Ahead { source, start: 0, bytes: Vec::new() }
    }

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
    pub(super) fn block(&mut self, position: u64, header: &Header) -> Result<Block, TableError> {
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
