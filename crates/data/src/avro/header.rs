//! The header of a file.
use super::decode::long;
use super::schema::Schema;
use crate::codec::Codec;
use crate::error::TableError;
use crate::source::Source;

/// What is read at once while blocks are small.
pub(super) const AHEAD_BYTES: u64 = 64 * 1024;
/// The marker that ends the header and each block.
pub(super) const SYNC_BYTES: u64 = 16;
/// Largest header, schema included.
const MAX_HEADER_BYTES: u64 = 4 * 1024 * 1024;

/// What a file says of itself before its blocks.
pub(super) struct Header {
    pub schema: Schema,
    /// None where it is not understood here.
    pub codec: Option<Codec>,
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
}
