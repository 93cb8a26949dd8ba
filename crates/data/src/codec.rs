//! Decompresses one page or block, and never more than was declared.
use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder};
use ruzstd::decoding::StreamingDecoder;

use crate::error::TableError;

/// How a page or a block is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Snappy,
    Gzip,
    /// Without gzip's header, as Avro has it.
    Deflate,
    Zstd,
    /// One LZ4 block.
    Lz4,
}

/// Decompresses to exactly `size` bytes.
pub(crate) fn exactly(codec: Codec, bytes: &[u8], size: usize) -> Result<Vec<u8>, TableError> {
    let decompressed = at_most(codec, bytes, size)?;
    if decompressed.len() == size {
        Ok(decompressed)
    } else {
        Err(TableError::broken(format!(
            "a part decompresses to {} bytes where {size} are declared",
            decompressed.len()
        )))
    }
}

/// Decompresses to at most `most` bytes; more than that is an error.
pub(crate) fn at_most(codec: Codec, bytes: &[u8], most: usize) -> Result<Vec<u8>, TableError> {
    let limit = (most as u64).saturating_add(1);
    let mut decompressed = Vec::new();
    match codec {
        Codec::None => decompressed.extend_from_slice(bytes),
        Codec::Snappy => {
            let length = snap::raw::decompress_len(bytes).map_err(failed)?;
            if length > most {
                return Err(too_long(most));
            }
            decompressed = snap::raw::Decoder::new().decompress_vec(bytes).map_err(failed)?;
        }
        Codec::Gzip => {
            MultiGzDecoder::new(bytes)
                .take(limit)
                .read_to_end(&mut decompressed)
                .map_err(failed)?;
        }
        Codec::Deflate => {
            DeflateDecoder::new(bytes)
                .take(limit)
                .read_to_end(&mut decompressed)
                .map_err(failed)?;
        }
        Codec::Zstd => {
            StreamingDecoder::new(bytes)
                .map_err(failed)?
                .take(limit)
                .read_to_end(&mut decompressed)
                .map_err(failed)?;
        }
        Codec::Lz4 => {
            decompressed = lz4_flex::block::decompress(bytes, most).map_err(failed)?;
        }
    }
    if decompressed.len() > most { Err(too_long(most)) } else { Ok(decompressed) }
}

fn too_long(most: usize) -> TableError {
    TableError::broken(format!("a part decompresses to more than {most} bytes"))
}

fn failed(error: impl std::fmt::Display) -> TableError {
    TableError::broken(format!("a part does not decompress: {error}"))
}
