//! The lines of a file around a finding, read under the person's own grant.

use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::patch::version;
use crate::path::WorkspacePath;
use crate::records::finding::Location;
use crate::text::decode_whole;
use crate::workspace::Scope;

/// Lines before and after the region.
const AROUND: usize = 8;
/// Lines that are shown at most.
const MOST: usize = 400;

/// Lines of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The file.
    pub path: String,
    /// Whether the file has changed since the finding was written.
    pub changed: bool,
    /// The lines, in their order.
    pub lines: Vec<Line>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number, from 1.
    pub number: u64,
    /// Its text, without its end; at most [`Line::MAX_CHARS`] characters of it.
    pub text: String,
    /// Its length in bytes, where it was cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut_bytes: Option<u64>,
    /// Whether the finding is about it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub marked: bool,
}

impl Line {
    /// Characters of a line that are shown.
    pub const MAX_CHARS: usize = 2_000;

    /// The part of a line that is shown, and its whole length where that is not all.
    pub fn cut(text: &str) -> (&str, Option<u64>) {
        match text.char_indices().nth(Line::MAX_CHARS) {
            Some((end, _)) => (text.get(..end).unwrap_or_default(), Some(text.len() as u64)),
            None => (text, None),
        }
    }
}

impl Excerpt {
    /// The lines around a place.
    ///
    /// # Errors
    /// When the file cannot be read, or is no text.
    pub fn around(scope: &Scope, location: &Location, call: &Call) -> Result<Excerpt, ToolError> {
        let path = WorkspacePath::parse(&location.path)?;
        let bytes = scope.read_whole(&path, call)?;
        let changed = location.file_version.as_ref().is_some_and(|seen| *seen != version(&bytes));
        let _decoded = scope.memory().draw(bytes.len(), call)?;
        let Some((text, _)) = decode_whole(&bytes) else {
            return Err(ToolError::new(
                Code::InvalidArgument,
                format!("`{path}` is a binary file"),
            ));
        };
        let start = location.start_line.and_then(|line| usize::try_from(line).ok()).unwrap_or(0);
        let end = location.end_line.and_then(|line| usize::try_from(line).ok()).unwrap_or(start);
        let first = start.saturating_sub(AROUND).max(1);
        let last = end.max(start).saturating_add(AROUND).min(first.saturating_add(MOST));
        let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let wanted = numbered.skip(first - 1).take((last + 1).saturating_sub(first));
        let lines = wanted.map(|(number, whole)| {
            let (text, cut_bytes) = Line::cut(whole);
            let marked = (start..=end).contains(&number);
            Line { number: number as u64, text: text.to_owned(), cut_bytes, marked }
        });
        Ok(Excerpt { path: path.as_str().to_owned(), changed, lines: lines.collect() })
    }
}
