//! The search of one file, and which files are searched.

use std::fs::File;
use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use grep_regex::RegexMatcher;
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder};

use super::collect::{Collector, Lines, Wanted};
use super::{Mode, Question};
use crate::call::Call;
use crate::path::WorkspacePath;
use crate::tool::selection::PathGlob;
use crate::workspace::Kind;
use crate::workspace::walk::{Entry, Selection, Visitor};

/// One read takes most files whole.
const BUFFER_BYTES: usize = 128 * 1024;
/// Reads of the page cache end short in the middle of a file only after whole pages, when a
/// later page could not be read; so such a length does not prove the end.
const PAGE_BYTES: usize = 4_096;
/// Files above this are searched by few threads at once, since a single line of theirs may have
/// to fit into memory.
const LARGE_BYTES: u64 = 1024 * 1024;
const LARGE_AT_ONCE: usize = 4;

/// What a search of one file gives.
#[derive(Debug)]
pub(super) enum Searched {
    /// Searched to its end, or until the page must be full.
    File(Lines),
    Binary,
    TooLarge,
    Unreadable,
    /// The call ended while it was searched.
    Interrupted,
}

/// Searches files for one question; shared by the threads of a walk.
pub(super) struct Search {
    glob: Option<PathGlob>,
    types: Option<ignore::types::Types>,
    wanted: Wanted,
    matcher: RegexMatcher,
    searcher: SearcherBuilder,
    max_file_bytes: u64,
    /// Where the page begins inside a file.
    resume: Option<(String, u64)>,
    call: Call,
    idle: Mutex<Vec<Worker>>,
    large: Arc<Gate>,
}

/// What a thread reuses from file to file.
struct Worker {
    searcher: Searcher,
    matcher: RegexMatcher,
    buffer: Vec<u8>,
}

impl Search {
    pub(super) fn new(question: &Question, call: &Call) -> Search {
        let mut searcher = SearcherBuilder::new();
        searcher
            .line_number(true)
            .multi_line(question.search.multiline)
            .before_context(question.before)
            .after_context(question.after)
            .binary_detection(BinaryDetection::quit(0))
            .heap_limit(usize::try_from(question.max_file_bytes.saturating_mul(2)).ok());
        if question.mode != Mode::Content {
            searcher.before_context(0).after_context(0);
        }
        Search {
            glob: question.glob.clone(),
            types: question.types.clone(),
            wanted: Wanted {
                mode: question.mode,
                most_matches: question.limit,
                most_chars: call.answer_chars,
                before: question.before,
                after: question.after as u64,
            },
            matcher: question.search.matcher.clone(),
            searcher,
            max_file_bytes: question.max_file_bytes,
            resume: question
                .resume
                .as_ref()
                .and_then(|cursor| cursor.line.map(|line| (cursor.path.clone(), line))),
            call: call.clone(),
            idle: Mutex::default(),
            large: Arc::default(),
        }
    }

    /// Searches an opened file.
    pub(super) fn search(&self, path: &str, mut file: File) -> Searched {
        if self.call.check().is_err() {
            return Searched::Interrupted;
        }
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut worker = idle.unwrap_or_else(|| Worker {
            searcher: self.searcher.build(),
            matcher: self.matcher.clone(),
            buffer: vec![0; BUFFER_BYTES],
        });
        let searched = self.search_with(&mut worker, path, &mut file);
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
        searched.unwrap_or_else(|failed| match failed {
            Failed::Interrupted => Searched::Interrupted,
            Failed::TooLarge => Searched::TooLarge,
            Failed::Io => Searched::Unreadable,
        })
    }

    fn search_with(
        &self,
        worker: &mut Worker,
        path: &str,
        file: &mut File,
    ) -> Result<Searched, Failed> {
        let (length, whole) = read_first(file, &mut worker.buffer)?;
        let start = worker.buffer.get(..length).unwrap_or_default();
        let utf16 = start.starts_with(&[0xFF, 0xFE]) || start.starts_with(&[0xFE, 0xFF]);
        if !utf16 && start.contains(&0) {
            return Ok(Searched::Binary);
        }
        let skip_to = self
            .resume
            .as_ref()
            .and_then(|(resumed, line)| (resumed == path).then_some(*line))
            .unwrap_or(0);
        let mut sink = Collector::new(&self.wanted, &worker.matcher, skip_to, &self.call);
        if whole {
            if length as u64 > self.max_file_bytes {
                return Ok(Searched::TooLarge);
            }
            worker.searcher.search_slice(&worker.matcher, start, &mut sink)?;
        } else {
            let size = file.metadata().map_err(|_| Failed::Io)?.len();
            if size > self.max_file_bytes {
                return Ok(Searched::TooLarge);
            }
            let _permit = (size > LARGE_BYTES).then(|| self.large.enter());
            let rest =
                Guarded { inner: start.chain(file), left: self.max_file_bytes, call: &self.call };
            worker.searcher.search_reader(&worker.matcher, rest, &mut sink)?;
        }
        Ok(if sink.binary { Searched::Binary } else { Searched::File(sink.found) })
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
enum Failed {
    Interrupted,
    TooLarge,
    Io,
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        match error.kind() {
            io::ErrorKind::TimedOut => Failed::Interrupted,
            // The searcher's heap limit, and a file that grew over the limit.
            io::ErrorKind::FileTooLarge | io::ErrorKind::Other => Failed::TooLarge,
            _ => Failed::Io,
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

/// Lets few threads through at a time.
#[derive(Debug, Default)]
struct Gate {
    inside: Mutex<usize>,
    left: Condvar,
}

impl Gate {
    fn enter(self: &Arc<Gate>) -> Permit {
        let inside = self.inside.lock().unwrap_or_else(PoisonError::into_inner);
        let mut inside = self
            .left
            .wait_while(inside, |inside| *inside >= LARGE_AT_ONCE)
            .unwrap_or_else(PoisonError::into_inner);
        *inside += 1;
        Permit(Arc::clone(self))
    }
}

struct Permit(Arc<Gate>);

impl Drop for Permit {
    fn drop(&mut self) {
        *self.0.inside.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.left.notify_one();
    }
}
