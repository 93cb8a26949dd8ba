//! The search of one file, and which files are searched.

#[cfg(feature = "data")]
mod inner;

use std::fs::File;
use std::io::{self, Cursor, Read};

use encoding_rs_io::DecodeReaderBytesBuilder;

use super::collect::{Collector, Lines, Wanted};
use super::finder::{Finder, Halt};
use super::pattern::Compiled;
use super::scan::{Means, Scan};
use super::turns::Turns;
use super::{Mode, Question, spanning};
use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::memory::Memory;
use crate::path::WorkspacePath;
use crate::tool::selection::PathGlob;
use crate::workspace::Kind;
use crate::workspace::walk::{Entry, Selection, Visitor};

/// One read takes most files whole. No more of a file than this is in memory at a time, unless a
/// match may span lines.
const BUFFER_BYTES: usize = 128 * 1024;
/// Reads of the page cache end short in the middle of a file only after whole pages, when a
/// later page could not be read; so such a length does not prove the end.
const PAGE_BYTES: usize = 4_096;
/// Files that are open at once; a walk has no more threads.
const MAX_BUFFERS: usize = 64;
/// Matching takes the processor and not the file system, so few threads do it at once: at least and
/// at most so many.
const MATCHING: (usize, usize) = (4, 16);

/// What a search of one file gives.
#[derive(Debug)]
pub(super) enum Searched {
    /// Searched to its end, or until the page must be full.
    File(Lines),
    /// The text of a compressed file or a document, which broke off or went on too long.
    Cut(Lines),
    Binary,
    TooLarge,
    /// A line is too long for the pattern.
    LongLine,
    Unreadable,
    /// The call ended while it was searched.
    Interrupted,
    /// There is no memory for it.
    Failed(ToolError),
}

/// Searches files for one question; shared by the threads of a walk.
pub(super) struct Search {
    glob: Option<PathGlob>,
    types: Option<ignore::types::Types>,
    wanted: Wanted,
    pattern: Compiled,
    max_file_bytes: u64,
    /// Where the page begins inside a file.
    resume: Option<(String, u64)>,
    call: Call,
    memory: Memory,
    buffers: Turns<Vec<u8>>,
    finders: Turns<Finder>,
    /// Compressed files and documents, few at once.
    #[cfg(feature = "data")]
    inner: Turns<()>,
}

impl Search {
    pub(super) fn new(question: &Question, memory: &Memory, call: &Call) -> Search {
        let around = question.mode == Mode::Content;
        let pattern = question.search.clone();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // What is found in a file waits with its buffer's memory until its turn comes.
        let buffer_bytes = BUFFER_BYTES + 2 * call.answer_chars;
        Search {
            glob: question.glob.clone(),
            types: question.types.clone(),
            wanted: Wanted {
                mode: question.mode,
                most_matches: question.limit,
                most_chars: call.answer_chars,
                before: if around { question.before } else { 0 },
                after: if around { question.after as u64 } else { 0 },
            },
            max_file_bytes: question.max_file_bytes,
            resume: question
                .resume
                .as_ref()
                .and_then(|cursor| cursor.line.map(|line| (cursor.path.clone(), line))),
            call: call.clone(),
            memory: memory.clone(),
            buffers: Turns::new(MAX_BUFFERS, buffer_bytes, memory),
            #[cfg(feature = "data")]
            inner: Turns::new(inner::MOST, inner::BYTES, memory),
            finders: Turns::new(cores.clamp(MATCHING.0, MATCHING.1), pattern.bytes(), memory),
            pattern,
        }
    }

    /// Searches an opened file.
    pub(super) fn search(&self, path: &str, mut file: File) -> Searched {
        let searched = self.buffers.with(
            &self.call,
            || vec![0; BUFFER_BYTES],
            |buffer| self.search_with(buffer, path, &mut file),
        );
        match searched.map_err(Failed::from).flatten() {
            Ok((found, true)) => Searched::File(found),
            Ok((found, false)) => Searched::Cut(found),
            Err(Failed::Binary) => Searched::Binary,
            Err(Failed::TooLarge) => Searched::TooLarge,
            Err(Failed::LongLine) => Searched::LongLine,
            Err(Failed::Io) => Searched::Unreadable,
            Err(Failed::Interrupted) => Searched::Interrupted,
            Err(Failed::NoMemory(error)) => Searched::Failed(error),
        }
    }

    /// Searches a file; tells whether that was all of it.
    fn search_with(
        &self,
        buffer: &mut [u8],
        path: &str,
        file: &mut File,
    ) -> Result<(Lines, bool), Failed> {
        self.call.check().map_err(|_| Failed::Interrupted)?;
        let (length, whole) = read_first(file, buffer)?;
        #[cfg(feature = "data")]
        if let Some(found) = self.search_inside(buffer, length, whole, path, file)? {
            return Ok(found);
        }
        let start = buffer.get(..length).unwrap_or_default();
        let utf16 = start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]);
        if !utf16 && start.contains(&0) {
            return Err(Failed::Binary);
        }
        let size = if whole { length as u64 } else { file.metadata()?.len() };
        if size > self.max_file_bytes {
            return Err(Failed::TooLarge);
        }
        let mut sink = self.collector(path);
        let left = self.max_file_bytes.saturating_sub(length as u64);
        let mut rest = Guarded { inner: file, left, call: &self.call };
        if self.pattern.multiline {
            let start = start.to_owned();
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            self.search_spanning(Cursor::new(start).chain(rest), size, utf16, &mut sink)?;
        } else if utf16 {
            let start = Cursor::new(start.to_owned());
            let text = decoded(start.chain(rest));
            Scan::new(self.means(), text, buffer, 0..0, false).run(&mut sink)?;
        } else {
            let mark = if start.starts_with(&[0xEF, 0xBB, 0xBF]) { 3 } else { 0 };
            Scan::new(self.means(), &mut rest, buffer, mark..length, whole).run(&mut sink)?;
        }
        Ok((sink.into_found(), true))
    }

    fn collector(&self, path: &str) -> Collector<'_> {
        let resumed = self.resume.as_ref().filter(|(resumed, _)| resumed == path);
        Collector::new(&self.wanted, resumed.map_or(0, |(_, line)| *line))
    }

    /// Searches a file for matches that may span lines. All of it is in memory.
    fn search_spanning(
        &self,
        file: impl Read,
        size: usize,
        utf16: bool,
        sink: &mut Collector<'_>,
    ) -> Result<(), Failed> {
        // Two bytes of UTF-16 are at most three of UTF-8.
        let most = if utf16 { size.saturating_mul(2) } else { size }.saturating_add(BUFFER_BYTES);
        let _drawn = self.memory.draw(most, &self.call)?;
        let mut text = Vec::with_capacity(most);
        decoded(file).take(most as u64).read_to_end(&mut text)?;
        if text.contains(&0) {
            return Err(Failed::Binary);
        }
        if text.len() == most {
            return Err(Failed::TooLarge);
        }
        let around = (self.wanted.before, self.wanted.after);
        self.means().find(|finder| spanning::search(finder, &text, around, sink))??;
        Ok(())
    }

    fn means(&self) -> Means<'_> {
        Means {
            pattern: &self.pattern,
            finders: &self.finders,
            call: &self.call,
            before: self.wanted.before,
            after: self.wanted.after,
        }
    }
}

impl Visitor for Search {
    type Item = Searched;

    fn select(&self, path: &WorkspacePath, kind: Kind) -> Selection {
        let wanted = kind == Kind::File
            && self.glob.as_ref().is_none_or(|glob| glob.selects(path))
            && self.types.as_ref().is_none_or(|types| {
                path.file_name().is_some_and(|name| types.matched(name, false).is_whitelist())
            });
        if wanted { Selection::Later } else { Selection::Skip }
    }

    fn visit(&self, entry: &Entry<'_>) -> Option<Searched> {
        match entry.open() {
            Ok(file) => Some(self.search(entry.path.as_str(), file)),
            // It went, or something else took its place, since its directory was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(_) => Some(Searched::Unreadable),
        }
    }

    fn weight(searched: &Searched) -> usize {
        match searched {
            Searched::File(found) | Searched::Cut(found) => found.bytes,
            _ => 0,
        }
    }
}

/// UTF-8 of a file that may be UTF-16, without the mark at its beginning.
fn decoded<R: Read>(file: R) -> impl Read {
    DecodeReaderBytesBuilder::new()
        .bom_override(true)
        .utf8_passthru(true)
        .strip_bom(true)
        .build(file)
}

/// Fills the buffer from the file's start; tells the length and whether that is the whole file.
fn read_first(file: &mut File, buffer: &mut [u8]) -> Result<(usize, bool), Failed> {
    let mut length = 0;
    loop {
        let Some(room) = buffer.get_mut(length..).filter(|room| !room.is_empty()) else {
            return Ok((length, false));
        };
        let asked = room.len();
        match file.read(room) {
            Ok(0) => return Ok((length, true)),
            Ok(read) => {
                length += read;
                if read < asked && !length.is_multiple_of(PAGE_BYTES) {
                    return Ok((length, true));
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Err(Failed::Io),
        }
    }
}

/// Why a search failed.
#[derive(Debug)]
pub(super) enum Failed {
    Interrupted,
    Binary,
    TooLarge,
    LongLine,
    Io,
    NoMemory(ToolError),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        match error.kind() {
            io::ErrorKind::TimedOut => Failed::Interrupted,
            // A file that grew over the limit.
            io::ErrorKind::FileTooLarge => Failed::TooLarge,
            _ => Failed::Io,
        }
    }
}

impl From<Halt> for Failed {
    fn from(halt: Halt) -> Failed {
        match halt {
            Halt::Stopped => Failed::Interrupted,
            Halt::LongLine => Failed::LongLine,
        }
    }
}

impl From<ToolError> for Failed {
    fn from(error: ToolError) -> Failed {
        match error.code {
            Code::Deadline | Code::Cancelled => Failed::Interrupted,
            // This file alone is more than a caller may have in memory.
            Code::TooLarge => Failed::TooLarge,
            _ => Failed::NoMemory(error),
        }
    }
}

/// Ends a long read when the call has ended or the file has grown over the limit.
struct Guarded<'a, R> {
    inner: R,
    left: u64,
    call: &'a Call,
}

impl<R: Read> Read for Guarded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.call.check().is_err() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}
