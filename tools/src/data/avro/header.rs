//! The header of a file, and the rows of its blocks.

use super::blocks::{AHEAD_BYTES, Block, SYNC_BYTES};
use super::decode::{Decoder, long};
use super::schema::Schema;
use crate::data::codec::{Codec, at_most};
use crate::data::source::Source;
use crate::data::table::{Page, TableError};

/// Largest header, schema included.
const MAX_HEADER_BYTES: u64 = 4 * 1024 * 1024;
/// Largest block, in the file and in memory.
const MAX_BLOCK_BYTES: u64 = 64 * 1024 * 1024;

/// What a file says of itself before its blocks.
pub(super) struct Header {
    pub schema: Schema,
    codec: Option<Codec>,
    pub codec_name: String,
    pub sync: Vec<u8>,
    pub length: u64,
}

impl Header {
    pub(super) fn read(source: &Source) -> Result<Header, TableError> {
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
    pub(super) fn rows(
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
