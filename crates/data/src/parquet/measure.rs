//! What the encodings of a page declare, measured before a decoder makes room for it.
use bytes::Bytes;
use parquet::basic::Encoding;

use super::thrift::Reader;
use crate::error::TableError;

/// What follows the levels of a data page.
pub(super) fn after_levels(
    bytes: &Bytes,
    max: i16,
    encoding: i32,
    values: u32,
) -> Result<Bytes, TableError> {
    let length = match (encoding_of(encoding)?, bytes.first_chunk::<4>()) {
        (Encoding::RLE, Some(length)) => u64::from(u32::from_le_bytes(*length)) + 4,
        (Encoding::RLE, None) => u64::MAX,
        _ => (u64::from(values) * u64::from(16 - max.unsigned_abs().leading_zeros())).div_ceil(8),
    };
    match usize::try_from(length) {
        Ok(length) if length <= bytes.len() => Ok(bytes.slice(length..)),
        _ => Err(TableError::broken("the levels of a page reach beyond it")),
    }
}

/// Checks a run of packed differences, which may not have more than `most` numbers; where it ends.
pub(super) fn delta(bytes: &[u8], most: u32) -> Result<usize, TableError> {
    let wrong = |_| TableError::broken("packed differences are malformed");
    let mut reader = Reader::new(bytes);
    let block = reader.varint().map_err(wrong)?;
    let parts = reader.varint().map_err(wrong)?;
    let total = reader.varint().map_err(wrong)?;
    reader.zigzag().map_err(wrong)?;
    let sane = parts > 0
        && block <= 1 << 20
        && parts <= 1 << 12
        && block.is_multiple_of(128)
        && block.is_multiple_of(parts)
        && total <= u64::from(most);
    if !sane {
        return Err(TableError::broken("packed differences declare more than there can be"));
    }
    let (each, mut left) = (block / parts, total.saturating_sub(1));
    while left > 0 {
        reader.zigzag().map_err(wrong)?;
        let mut widths = Vec::new();
        for _ in 0..parts {
            widths.push(reader.byte().map_err(wrong)?);
        }
        for width in widths {
            if left == 0 {
                break;
            }
            if width > 64 || each == 0 {
                return Err(TableError::broken("packed differences are malformed"));
            }
            // The last part of all may be cut off.
            let length = each * u64::from(width) / 8;
            if reader.pass(length).is_err() {
                return if left <= each {
                    Ok(bytes.len())
                } else {
                    Err(TableError::broken("packed differences are malformed"))
                };
            }
            left = left.saturating_sub(each);
        }
    }
    Ok(reader.at())
}

pub(super) fn encoding_of(number: i32) -> Result<Encoding, TableError> {
    #[expect(deprecated, reason = "old files have it")]
    Ok(match number {
        0 => Encoding::PLAIN,
        2 => Encoding::PLAIN_DICTIONARY,
        3 => Encoding::RLE,
        4 => Encoding::BIT_PACKED,
        5 => Encoding::DELTA_BINARY_PACKED,
        6 => Encoding::DELTA_LENGTH_BYTE_ARRAY,
        7 => Encoding::DELTA_BYTE_ARRAY,
        8 => Encoding::RLE_DICTIONARY,
        9 => Encoding::BYTE_STREAM_SPLIT,
        other => return Err(TableError::broken(format!("encoding {other} is not known here"))),
    })
}
