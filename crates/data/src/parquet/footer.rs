//! The footer: found at the end of the file, checked, and then decoded.
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader};

use super::thrift::{Fault, I32, LIST, Reader, STRUCT};
use crate::error::TableError;
use crate::source::Source;
use crate::table::MAX_DEPTH;

/// Largest footer.
const MAX_FOOTER_BYTES: u64 = 16 * 1024 * 1024;
/// Most elements of a schema, leaves and groups.
const MAX_ELEMENTS: usize = 20_000;
/// How much of the end is read before the footer's length is known.
const GUESS_BYTES: u64 = 64 * 1024;

/// How long the footer is, in bytes, as the end of the file says.
pub(super) fn length(source: &Source) -> Result<u64, TableError> {
    let tail = source.read(source.size().saturating_sub(8), 8)?;
    length_in(tail.as_slice().try_into().map_err(|_| no_footer())?)
}

fn length_in(tail: &[u8; 8]) -> Result<u64, TableError> {
    let &[a, b, c, d, magic @ ..] = tail;
    match &magic {
        b"PAR1" => {}
        b"PARE" => return Err(TableError::broken("its footer is encrypted")),
        _ => return Err(no_footer()),
    }
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    if length > MAX_FOOTER_BYTES {
        return Err(TableError::broken(format!(
            "its footer has {length} bytes; {MAX_FOOTER_BYTES} are the most"
        )));
    }
    Ok(length)
}

/// The decoded footer.
pub(super) fn read(source: &Source) -> Result<ParquetMetaData, TableError> {
    let size = source.size();
    let guess = GUESS_BYTES.min(size);
    let end = source.read_exact(size - guess, guess)?;
    let Some((rest, tail)) = end.split_last_chunk::<8>() else { return Err(no_footer()) };
    let length = length_in(tail)?;
    // The file begins with four bytes that say what it is.
    let Some(start) = size.checked_sub(12 + length).map(|start| start + 4) else {
        return Err(TableError::broken("its footer is said to be longer than the file"));
    };
    let known = usize::try_from(length).unwrap_or(usize::MAX);
    match rest.len().checked_sub(known).and_then(|at| rest.get(at..)) {
        Some(footer) => decode(footer),
        None => decode(&source.read_exact(start, length)?),
    }
}

fn decode(footer: &[u8]) -> Result<ParquetMetaData, TableError> {
    check_schema(footer).map_err(|why| match why {
        Why::Fault => TableError::broken("its footer is malformed"),
        Why::TooMuch(what) => TableError::broken(what),
    })?;
    ParquetMetaDataReader::decode_metadata(footer)
        .map_err(|error| TableError::broken(format!("its footer is malformed: {error}")))
}

fn no_footer() -> TableError {
    TableError::broken("it begins like Parquet but has no footer: it is not complete")
}

enum Why {
    Fault,
    TooMuch(String),
}

impl From<Fault> for Why {
    fn from(_: Fault) -> Self {
        Why::Fault
    }
}

/// The decoder makes room for as many children as an element declares, and calls itself for each
/// level: so both are looked at first.
fn check_schema(footer: &[u8]) -> Result<(), Why> {
    let mut reader = Reader::new(footer);
    let mut last = 0;
    while let Some((kind, id)) = reader.field(&mut last)? {
        if id != 2 {
            reader.skip(kind)?;
            continue;
        }
        // Whatever type the field says it has, the decoder reads a list there.
        if kind != LIST {
            return Err(Fault::Malformed.into());
        }
        let (element, count) = reader.list()?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        if element != STRUCT || count > MAX_ELEMENTS {
            let what = format!("its schema has {count} elements; {MAX_ELEMENTS} are the most");
            return Err(Why::TooMuch(what));
        }
        // For each open group, how many children are still to come.
        let mut open: Vec<usize> = Vec::new();
        for at in 0..count {
            let children = children(&mut reader)?;
            if children > count - at - 1 {
                return Err(Why::TooMuch("its schema declares more children than it has".into()));
            }
            if children > 0 {
                open.push(children);
                if open.len() > MAX_DEPTH {
                    let what = format!("its schema nests deeper than {MAX_DEPTH} levels");
                    return Err(Why::TooMuch(what));
                }
                continue;
            }
            while let Some(left) = open.last_mut() {
                *left -= 1;
                if *left > 0 {
                    break;
                }
                open.pop();
            }
        }
    }
    Ok(())
}

fn children(reader: &mut Reader) -> Result<usize, Why> {
    let (mut children, mut last) = (0, 0);
    while let Some((kind, id)) = reader.field(&mut last)? {
        match (kind, id) {
            (I32, 5) => {
                children = usize::try_from(reader.i32()?)
                    .map_err(|_| Why::TooMuch("its schema declares negative counts".into()))?;
            }
            (_, 5) => return Err(Fault::Malformed.into()),
            _ => reader.skip(kind)?,
        }
    }
    Ok(children)
}
