//! A window of a file's lines: what is asked for, and what is found.

use std::io;

use super::encoding::Encoding;
use super::lines::LineEndings;
use crate::call::Stop;

/// Which lines are wanted, and at what cost.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The first line, from 1; a negative number counts from the end. Never 0.
    pub offset: i64,
    /// Most lines, at least 1.
    pub limit: u64,
    /// Up to this size the file is read whole, so that its version and its length are known.
    pub whole_bytes: u64,
    /// Characters that the window may cost; the first line is given whatever it costs.
    pub room: usize,
    /// What a line of that number costs of it.
    pub cost: fn(&str, i64) -> usize,
}

/// Lines of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Window {
    /// The lines with their ends, as one text.
    pub content: String,
    /// How the file is encoded.
    pub encoding: Encoding,
    /// Number of the first line; negative numbers count from the end.
    pub start_line: i64,
    /// Number of the last line; one below `start_line` when the file is empty.
    pub end_line: i64,
    /// Whether lines follow.
    pub more: bool,
    /// The line that follows.
    pub next_offset: Option<i64>,
    /// Lines of the file, where it was read whole.
    pub total_lines: Option<u64>,
    /// Lines of the window that were cut.
    pub lines_cut: u64,
    /// How the lines end that were read.
    pub endings: LineEndings,
    /// The size in bytes.
    pub size: u64,
    /// SHA-256 of the content, or why there is none.
    pub version: Version,
    /// Whether lines that were asked for lie too far from the end.
    pub short_tail: bool,
}

/// The SHA-256 of a content in hex, or why there is none.
pub type Version = Result<String, NoVersion>;

/// Why a file has no version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoVersion {
    /// It is too large to be read whole.
    TooLarge,
    /// Time ran out after the window was read.
    Deadline,
    /// The file changed between counting its lines and reading the last of them.
    Changed,
}

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// The window would begin after the last line.
    #[error("the file has {0} lines")]
    PastEnd(u64),
    /// The call ended.
    #[error("the call ended")]
    Stopped(Stop),
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl From<Stop> for WindowError {
    fn from(stop: Stop) -> Self {
        WindowError::Stopped(stop)
    }
}
