//! What a file is to contain: bytes of the caller, or another file, read block by block, and
//! decompressed on the way where that is asked for.

use std::fs::File;
use std::io::Read;

use sha2::{Digest, Sha256};

use super::scope::{Scope, read_error};
use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::hex::hex;
use crate::path::WorkspacePath;

/// What is read at once between two looks at the call.
pub(super) const BLOCK_BYTES: usize = 256 * 1024;

/// What a file is to contain.
#[derive(Debug, Clone, Copy)]
pub enum FileContent<'c> {
    /// These bytes.
    Bytes(&'c [u8]),
    /// What this file contains, of whatever size; it is judged as one that is read.
    File(&'c WorkspacePath),
    /// What this compressed file contains (feature `data`).
    Packed(&'c WorkspacePath),
}

/// Where a content comes from, from its start.
pub(super) struct Source<'c> {
    /// The file that it is the content of.
    pub path: Option<&'c WorkspacePath>,
    pub size: u64,
    pub reader: Reader<'c>,
}

pub(super) enum Reader<'c> {
    Bytes(&'c [u8]),
    File(File),
    #[cfg(feature = "data")]
    Packed(Box<super::packed_content::Packed>),
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Reader::Bytes(bytes) => bytes.read(buffer),
            Reader::File(file) => file.read(buffer),
            #[cfg(feature = "data")]
            Reader::Packed(packed) => packed.read(buffer),
        }
    }
}

impl Source<'_> {
    /// The digest of the whole content.
    pub(super) fn digest(
        &mut self,
        path: &WorkspacePath,
        call: &Call,
    ) -> Result<String, ToolError> {
        let mut hash = Sha256::new();
        let from = self.path.unwrap_or(path);
        each_block(&mut self.reader, self.size, from, call, |block| {
            hash.update(block);
            Ok::<(), ToolError>(())
        })?;
        Ok(hex(&hash.finalize()))
    }

    /// Refuses a content that has become shorter or longer while it was read.
    pub(super) fn ends_after(&mut self, copied: u64) -> Result<(), ToolError> {
        let Some(path) = self.path else { return Ok(()) };
        let more = self.reader.read(&mut [0; 1]).map_err(|error| read_error(path, &error))?;
        if copied == self.size && more == 0 {
            return Ok(());
        }
        Err(ToolError::new(Code::Conflict, format!("`{path}` changed while it was copied"))
            .hint("nothing was written; copy it once nobody writes it any more"))
    }
}

impl Scope {
    /// A content from its start, judged where it is a file's.
    pub(super) fn content<'c>(
        &self,
        content: FileContent<'c>,
        call: &Call,
    ) -> Result<Source<'c>, ToolError> {
        Ok(match content {
            FileContent::Bytes(bytes) => {
                Source { path: None, size: bytes.len() as u64, reader: Reader::Bytes(bytes) }
            }
            FileContent::File(path) => {
                let opened = self.open_file(path, call)?;
                Source { path: Some(path), size: opened.size, reader: Reader::File(opened.file) }
            }
            #[cfg(feature = "data")]
            FileContent::Packed(path) => self.packed_content(path, call)?,
            #[cfg(not(feature = "data"))]
            FileContent::Packed(_) => {
                return Err(ToolError::invalid(
                    "`decompress` is not possible here: this server is built without formats of data",
                )
                .hint("copy the file as it is, or ask the operator for a build with the feature `data`"));
            }
        })
    }
}

/// Gives the next `most` bytes by blocks, and says how many there were.
pub(super) fn each_block<E: From<ToolError>>(
    from: &mut impl Read,
    most: u64,
    path: &WorkspacePath,
    call: &Call,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<u64, E> {
    let room = usize::try_from(most).unwrap_or(usize::MAX).min(BLOCK_BYTES);
    let mut block = vec![0; room];
    let mut from = from.take(most);
    let mut total = 0_u64;
    loop {
        call.check().map_err(ToolError::from)?;
        match from.read(&mut block) {
            Ok(0) => return Ok(total),
            Ok(read) => {
                total = total.saturating_add(read as u64);
                each(block.get(..read).unwrap_or_default())?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // What a decoder refuses.
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Err(ToolError::new(Code::Io, format!("`{path}`: {error}"))
                    .hint("nothing was written; copy it without `decompress` to keep it as it is")
                    .into());
            }
            Err(error) => return Err(read_error(path, &error).into()),
        }
    }
}
