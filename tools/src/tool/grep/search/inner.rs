//! The search inside of compressed files and documents: of the text that `read_file` shows of them,
//! whose lines have the same numbers there.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};

use mcp_workspace_data::document::{self, Question};
use mcp_workspace_data::{End, Packing, Stream, TableError};

use super::super::collect::Lines;
use super::super::scan::Scan;
use super::{BUFFER_BYTES, Failed, Search, decoded};
use crate::text::Family;

/// How many are searched at once, and what each holds at most.
pub(super) const MOST: usize = 2;
pub(super) const BYTES: usize = 64 * 1024 * 1024;
/// What of the beginning is looked at: as much as `read_file` looks at.
const HEAD_BYTES: usize = 64 * 1024;

impl Search {
    /// Searches inside of a file of which the first bytes are in the buffer; tells whether that was
    /// all of it. None for a file that is neither compressed nor a document.
    pub(super) fn search_inside(
        &self,
        buffer: &mut [u8],
        length: usize,
        whole: bool,
        path: &str,
        file: &mut File,
    ) -> Result<Option<(Lines, bool)>, Failed> {
        let head = buffer.get(..length.min(HEAD_BYTES)).unwrap_or_default();
        let size = if whole { length as u64 } else { file.metadata()?.len() };
        let Some(memory) = document::memory(path, head, size) else { return Ok(None) };
        if size > self.max_file_bytes {
            return Err(Failed::TooLarge);
        }
        let head = head.to_owned();
        let searched = self.inner.with(
            &self.call,
            || (),
            |()| {
                // A notebook is held whole, and xz has a large window.
                let more = usize::try_from(memory).unwrap_or(usize::MAX).saturating_sub(BYTES);
                let _drawn = self.memory.draw(more, &self.call)?;
                let found = self.search_text(buffer, &head, size, path, file)?;
                if found.is_none() {
                    // It is a text after all: the buffer has its beginning, and the rest follows.
                    file.seek(SeekFrom::Start(length as u64))?;
                }
                Ok(found)
            },
        );
        searched.map_err(Failed::from).flatten()
    }

    fn search_text(
        &self,
        buffer: &mut [u8],
        head: &[u8],
        size: u64,
        path: &str,
        file: &mut File,
    ) -> Result<Option<(Lines, bool)>, Failed> {
        let stop = self.call.stop_signal();
        let question =
            Question { name: path, head, size, part: None, whole_bytes: self.max_file_bytes, stop };
        match document::open(Box::new(file.try_clone()?), &question) {
            Ok(Some(document)) => self.search_stream(buffer, document.text, path).map(Some),
            Ok(None) => {
                file.seek(SeekFrom::Start(0))?;
                match Packing::of_file(path, head) {
                    Some(packing) => {
                        let source = file.try_clone()?;
                        let stream = Stream::new(packing, source, self.max_file_bytes, stop);
                        self.search_stream(buffer, stream, path).map(Some)
                    }
                    None => Ok(None),
                }
            }
            Err(TableError::Stopped(_)) => Err(Failed::Interrupted),
            Err(TableError::Io(_)) => Err(Failed::Io),
            Err(_) => Err(Failed::Binary),
        }
    }

    /// Searches a text that goes by.
    fn search_stream<R: Read>(
        &self,
        buffer: &mut [u8],
        mut stream: Stream<R>,
        path: &str,
    ) -> Result<(Lines, bool), Failed> {
        let mut filled = 0;
        while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
            match stream.read(room)? {
                0 => break,
                read => filled += read,
            }
        }
        let start = buffer.get(..filled).unwrap_or_default();
        let family = Family::of(start.get(..HEAD_BYTES).unwrap_or(start)).ok_or(Failed::Binary)?;
        let mut sink = self.collector(path);
        if self.pattern.multiline {
            let start = Cursor::new(start.to_owned());
            let most = usize::try_from(self.max_file_bytes).unwrap_or(usize::MAX);
            let utf16 = matches!(family, Family::Utf16 { .. });
            let most = if filled < buffer.len() { filled } else { most };
            self.search_spanning(start.chain(&mut stream), most, utf16, &mut sink)?;
        } else if matches!(family, Family::Utf16 { .. }) {
            let start = Cursor::new(start.to_owned());
            let text = decoded(start.chain(&mut stream));
            Scan::new(self.means(), text, buffer, 0..0, false).run(&mut sink)?;
        } else {
            let unread = family.mark_bytes()..filled;
            let ended = filled < BUFFER_BYTES;
            Scan::new(self.means(), &mut stream, buffer, unread, ended).run(&mut sink)?;
        }
        match stream.end() {
            // A search that has enough leaves the rest.
            End::Open | End::Whole => Ok((sink.into_found(), true)),
            End::Stopped(_) => Err(Failed::Interrupted),
            End::Limit | End::Broken(_) => Ok((sink.into_found(), false)),
        }
    }
}
