//! Avro object container files: rows are counted by the headers of their blocks, and only the
//! blocks of the window are decoded.

mod decode;
mod schema;

use self::decode::{Decoder, long};
use self::schema::Schema;
use super::codec::{Codec, at_most};
use super::source::Source;
use super::table::{Page, Rows, Table, TableError, Window, first_row};
use crate::call::Stop;

/// Largest header, schema included.
const MAX_HEADER_BYTES: u64 = 4 * 1024 * 1024;
/// Largest block, in the file and in memory.
const MAX_BLOCK_BYTES: u64 = 64 * 1024 * 1024;
/// Most blocks whose headers are read to count the rows.
const MAX_BLOCKS: usize = 100_000;
/// What is read at once while blocks are small.
const AHEAD_BYTES: u64 = 64 * 1024;
/// What the header of a block takes at most.
const COUNTS_BYTES: u64 = 20;
const SYNC_BYTES: u64 = 16;

/// Reads a window of rows.
pub(super) fn read(source: &Source, window: &Window) -> Result<Table, TableError> {
    let header = Header::read(source)?;
    let (fields, more_fields) = header.schema.shape().fields();
    let Count { blocks, rows: row_count, whole, why } = Count::of(source, &header, window)?;
    let first = match window.offset {
        offset if whole => first_row(offset, row_count)?,
        offset if offset > 0 && offset.unsigned_abs() <= row_count => offset.unsigned_abs(),
        _ => return Err(why.unwrap_or(TableError::NotReached(row_count))),
    };
    let mut page = Page::new(window, first);
    let mut notes = Vec::new();
    if let Some(why) = &why {
        notes.push(format!("after row {row_count} it is not readable: {why}"));
    }
    let mut before = 0_u64;
    for block in &blocks {
        let start = before;
        before = before.saturating_add(block.rows);
        let next = first.saturating_sub(1).saturating_add(page.len());
        if next < start || next >= before || page.is_full() {
            continue;
        }
        match header.rows(source, block, next - start, &mut page) {
            Ok(()) => {}
            Err(TableError::Stopped(Stop::Cancelled)) => return Err(Stop::Cancelled.into()),
            Err(error) if !page.is_empty() => {
                let row = first.saturating_add(page.len());
                notes.push(format!("it stops before row {row}: {error}"));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let last = first.saturating_sub(1).saturating_add(page.len());
    let more = !page.is_empty() && last < row_count;
    let about = vec![format!("{} block{}", blocks.len(), if blocks.len() == 1 { "" } else { "s" })];
    let about = about.into_iter().chain((header.codec_name != "null").then_some(header.codec_name));
    Ok(Table {
        fields,
        more_fields,
        row_count,
        counted: whole,
        about: about.collect(),
        rows: Rows { rows: page.rows(), first, more, notes },
    })
}

struct Header {
    schema: Schema,
    codec: Option<Codec>,
    codec_name: String,
    sync: Vec<u8>,
    length: u64,
}

impl Header {
    fn read(source: &Source) -> Result<Header, TableError> {
        let mut guess = AHEAD_BYTES;
        loop {
            let bytes = source.read(0, guess)?;
            let whole = bytes.len() as u64 >= source.size() || guess >= MAX_HEADER_BYTES;
            match Header::parse(&bytes) {
                Err(TableError::Broken(_)) if !whole => guess *= 8,
                Err(error) => return Err(error),
                Ok(header) => return Ok(header),
            }
        }
    }

    fn parse(bytes: &[u8]) -> Result<Header, TableError> {
        let malformed = || TableError::broken("its header is malformed");
        let mut at = 4;
        let (mut schema, mut codec) = (None, String::from("null"));
        let number = |at: &mut usize| -> Result<i64, TableError> {
            let rest = bytes.get(*at..).ok_or_else(malformed)?;
            let (value, length) = long(rest).map_err(|_| malformed())?;
            *at += length;
            Ok(value)
        };
        let text = |at: &mut usize| -> Result<&[u8], TableError> {
            let length = usize::try_from(number(at)?).map_err(|_| malformed())?;
            let end = at.checked_add(length).ok_or_else(malformed)?;
            let text = bytes.get(*at..end).ok_or_else(malformed)?;
            *at = end;
            Ok(text)
        };
        loop {
            let count = number(&mut at)?;
            if count == 0 {
                break;
            }
            if count < 0 {
                number(&mut at)?;
            }
            for _ in 0..count.unsigned_abs() {
                let (key, value) = (text(&mut at)?, text(&mut at)?);
                match key {
                    b"avro.schema" => schema = Some(value),
                    b"avro.codec" => codec = String::from_utf8_lossy(value).into_owned(),
                    _ => {}
                }
            }
        }
        let end = at + usize::try_from(SYNC_BYTES).unwrap_or(16);
        let sync = bytes.get(at..end).ok_or_else(malformed)?.to_vec();
        let schema = schema.ok_or_else(|| TableError::broken("it has no schema"))?;
        let codec_name: String = codec.chars().take(40).collect();
        Ok(Header {
            schema: Schema::parse(schema)?,
            codec: match codec.as_str() {
                "null" => Some(Codec::None),
                "deflate" => Some(Codec::Deflate),
                "snappy" => Some(Codec::Snappy),
                "zstandard" => Some(Codec::Zstd),
                _ => None,
            },
            codec_name,
            sync,
            length: end as u64,
        })
    }

    /// Decodes rows of a block, after the first `skip` of them, until the page is full.
    fn rows(
        &self,
        source: &Source,
        block: &Block,
        skip: u64,
        page: &mut Page,
    ) -> Result<(), TableError> {
        let Some(codec) = self.codec else {
            return Err(TableError::broken(format!(
                "its compression is `{}`, which is not understood here; deflate, snappy and \
                 zstandard are",
                self.codec_name
            )));
        };
        if block.bytes > MAX_BLOCK_BYTES {
            return Err(TableError::broken(format!(
                "a block has {} bytes; {MAX_BLOCK_BYTES} are the most",
                block.bytes
            )));
        }
        let stored = source.read_exact(block.position, block.bytes)?;
        // Snappy's checksum stands behind the block.
        let stored = match codec {
            Codec::Snappy => stored.split_last_chunk::<4>().map_or(&[][..], |(rest, _)| rest),
            _ => &stored,
        };
        let most = usize::try_from(MAX_BLOCK_BYTES).unwrap_or(usize::MAX);
        let bytes = at_most(codec, stored, most)?;
        source.decompress(bytes.len() as u64)?;
        let mut decoder = Decoder::new(&bytes, &self.schema, source.call());
        for _ in 0..skip {
            decoder.skip_row()?;
        }
        for _ in skip..block.rows {
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

struct Block {
    rows: u64,
    position: u64,
    bytes: u64,
}

/// The blocks of a file, as far as they were looked at.
struct Count {
    blocks: Vec<Block>,
    rows: u64,
    /// Whether that was to the end.
    whole: bool,
    /// Why not, where the file is damaged.
    why: Option<TableError>,
}

impl Count {
    fn of(source: &Source, header: &Header, window: &Window) -> Result<Count, TableError> {
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
