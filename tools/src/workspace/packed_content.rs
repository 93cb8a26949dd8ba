//! The content of a compressed file (feature `data`).

use std::fs::File;
use std::io::{self, Read, Seek};

use mcp_workspace_data::{End, Packing, Stream};

use super::file_content::{Reader, Source, each_block};
use super::scope::{Scope, read_error};
use crate::call::Call;
use crate::error::ToolError;
use crate::memory::Drawn;
use crate::path::WorkspacePath;

/// What is held beside a decoder at most: the blocks around it.
const BLOCKS_BYTES: usize = 1024 * 1024;
/// The bytes by which a packing is recognized.
const HEAD_BYTES: u64 = 16;

/// A file while it is decompressed. What is cut off or damaged is an error, not an end.
pub(super) struct Packed {
    stream: Stream<File>,
    _drawn: Drawn,
}

impl Read for Packed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stream.read(buffer)? {
            0 if !buffer.is_empty() => match self.stream.end() {
                End::Broken(why) => {
                    let (bytes, _) = self.stream.progress();
                    let why =
                        format!("it is damaged or cut off after {bytes} bytes of its text: {why}");
                    Err(io::Error::new(io::ErrorKind::InvalidData, why))
                }
                // The next look at the call tells it.
                End::Stopped(_) => Err(io::ErrorKind::Interrupted.into()),
                End::Open | End::Whole | End::Limit => Ok(0),
            },
            read => Ok(read),
        }
    }
}

impl Scope {
    /// What is in a compressed file. It is decompressed once more before, since its size is charged
    /// before any of it is written.
    pub(super) fn packed_content<'c>(
        &self,
        path: &'c WorkspacePath,
        call: &Call,
    ) -> Result<Source<'c>, ToolError> {
        let opened = self.open_file(path, call)?;
        let failed = |error: io::Error| read_error(path, &error);
        let mut file = opened.file;
        let mut head = Vec::new();
        (&mut file).take(HEAD_BYTES).read_to_end(&mut head).map_err(failed)?;
        let packing = Packing::of(&head).ok_or_else(|| {
            ToolError::invalid(format!("`{path}` is not compressed, by its first bytes"))
                .hint("leave out `decompress` to copy it as it is")
        })?;
        let open = |mut file: File| -> Result<Packed, ToolError> {
            file.rewind().map_err(failed)?;
            let decoder = usize::try_from(packing.memory()).unwrap_or(usize::MAX);
            let drawn = self.memory().draw(decoder.saturating_add(BLOCKS_BYTES), call)?;
            let stream = Stream::new(packing, file, u64::MAX, call.stop_signal());
            Ok(Packed { stream, _drawn: drawn })
        };
        let once = file.try_clone().map_err(failed)?;
        let size = each_block(&mut open(once)?, u64::MAX, path, call, |_| Ok::<(), ToolError>(()))?;
        let reader = Reader::Packed(Box::new(open(file)?));
        Ok(Source { path: Some(path), size, reader })
    }
}
