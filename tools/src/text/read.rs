//! Reads a window of a file's lines, in one pass and bounded memory.

use std::io::{self, Read, Seek};

use super::blocks::fill;
use super::encoding::{Family, HEAD_BYTES};
use super::pass::Pass;
use super::tail::{tail_of_large, tail_of_whole};
use super::window::{Request, Window, WindowError};
use crate::call::Call;

/// The beginning of a file: at most [`HEAD_BYTES`].
///
/// # Errors
/// What the source gives.
pub fn read_head(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = vec![0; HEAD_BYTES];
    let length = fill(source, &mut head)?;
    head.truncate(length);
    Ok(head)
}

/// Reads the lines of `request` from a file of `size` bytes that began with `head`, which has been
/// read from `source`. A file that grows or shrinks meanwhile gives what was found.
///
/// # Errors
/// [`WindowError`].
pub fn read_window(
    source: &mut (impl Read + Seek),
    size: u64,
    head: &[u8],
    family: Family,
    request: &Request,
    call: &Call,
) -> Result<Window, WindowError> {
    let from_end = (request.offset < 0).then(|| request.offset.unsigned_abs());
    if let Some(wanted) = from_end
        && size > request.whole_bytes
    {
        return tail_of_large(source, size, head, family, request, wanted, call);
    }
    let first = if from_end.is_some() { u64::MAX } else { request.offset.unsigned_abs() };
    let pass = Pass::run(source, size, head, family, first, request, call)?;
    match from_end {
        None => pass.window(size, request),
        Some(wanted) if pass.at_end => tail_of_whole(pass, source, request, wanted, call),
        // It grew beyond what is read whole.
        Some(wanted) => {
            let size = size.max(pass.scanned);
            tail_of_large(source, size, head, family, request, wanted, call)
        }
    }
}
