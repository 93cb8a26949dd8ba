//! Patches as they were meant: what the strict reader refuses, and only one meaning is possible of.
//!
//! ```text
//! text --read--> [Meant] --apply--> a Draft, in the file's own lines
//!        |                  |
//!        the strict reader  the place that a hunk's header names
//!        is asked first     is looked at first
//! ```
//!
//! A reading never chooses. Line numbers, counts and the order of hunks decide nothing: a hunk goes
//! to the one place in the whole file that has its lines, but for blanks at their ends, and where
//! there are two such places it goes nowhere. What is taken from the file (context, line ends) stays
//! as the file has it. What becomes of it is an ordinary [`Draft`](super::Draft), so the one writer
//! makes the diff that is stored.

mod begin_patch;
mod body;
pub(super) mod edit;
mod index;
mod names;
pub(super) mod place;
mod sections;

use std::collections::HashSet;

use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;

use super::hunks::Range;
use super::read::{read, twice};
use super::{FileChange, Hunk};

/// What a reader of names knows of the workspace.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// Whether the caller may read a file of this path, and it is there.
    pub exists: &'a dyn Fn(&WorkspacePath) -> bool,
    /// A name without the path of the workspace's root in front of it; none where that is not there.
    pub beneath_root: &'a dyn Fn(&str) -> Option<String>,
}

/// One file's part of a patch as it was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meant {
    /// What happens to the file. It has hunks itself only where the file is new.
    pub(super) change: FileChange,
    /// The changes of content.
    pub(super) hunks: Vec<MeantHunk>,
    /// Whether all of the file is deleted, whatever its lines are.
    pub(super) whole: bool,
}

/// A hunk whose place is still to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MeantHunk {
    /// The lines; its header's line numbers only where [`MeantHunk::header`] has them.
    pub hunk: Hunk,
    /// What the header says.
    pub header: Header,
    /// The lines that it lies below, from the outermost inwards.
    pub anchors: Vec<String>,
    /// Whether it ends with the file.
    pub at_end: bool,
    /// Whether its form cannot say that the last line of a file has no newline.
    pub unmarked_end: bool,
}

/// What a hunk's header says about its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Header {
    /// Line numbers, and the counts that the hunk has.
    Exact,
    /// Line numbers, and counts that the hunk has not.
    OtherCounts {
        /// What the header says.
        said: (Range, Range),
        /// What to say where the hunk may have been cut off, as it is unless the file ends there;
        /// none where it came to its end.
        cut_off: Option<ToolError>,
    },
    /// Nothing of the kind.
    Missing,
}

impl Meant {
    /// Its hunks, where all of their headers can be believed.
    pub(super) fn exact_hunks(&self) -> Option<Vec<Hunk>> {
        let exact = |meant: &MeantHunk| (meant.header == Header::Exact).then(|| meant.hunk.clone());
        self.hunks.iter().map(exact).collect()
    }

    fn has_hunks(&self) -> bool {
        !self.hunks.is_empty() || !self.change.hunks.is_empty()
    }

    /// The paths that it is about.
    pub fn paths(&self) -> impl Iterator<Item = &WorkspacePath> {
        std::iter::once(&self.change.path).chain(&self.change.old_path)
    }
}

impl From<FileChange> for Meant {
    fn from(mut change: FileChange) -> Meant {
        if change.kind == super::ChangeKind::Create {
            return Meant { change, hunks: Vec::new(), whole: false };
        }
        let exact = |hunk| MeantHunk {
            hunk,
            header: Header::Exact,
            anchors: Vec::new(),
            at_end: false,
            unmarked_end: false,
        };
        let hunks = std::mem::take(&mut change.hunks).into_iter().map(exact).collect();
        Meant { change, hunks, whole: false }
    }
}

/// Reads a patch: strictly, and where that fails, as it was meant. Answers what was adjusted beside
/// it.
///
/// # Errors
/// That of the strict reader where no meaning, or more than one, can be found; else what stands in
/// the way of the one that was.
pub fn read_meant(
    text: &str,
    surroundings: Surroundings<'_>,
) -> Result<(Vec<Meant>, Vec<String>), ToolError> {
    let strict = match read(text) {
        Ok(changes) => return Ok((changes.into_iter().map(Meant::from).collect(), Vec::new())),
        Err(error) if error.code == Code::TooLarge => return Err(error),
        Err(error) => error,
    };
    match read_loosely(text, surroundings) {
        Ok(read) => Ok(read),
        Err(Refusal::Unknown) => Err(strict),
        Err(Refusal::Told(error)) => Err(error),
    }
}

/// Why there is no reading.
enum Refusal {
    /// What the strict reader says is best.
    Unknown,
    /// This.
    Told(ToolError),
}

impl From<ToolError> for Refusal {
    fn from(error: ToolError) -> Refusal {
        Refusal::Told(error)
    }
}

fn read_loosely(
    text: &str,
    surroundings: Surroundings<'_>,
) -> Result<(Vec<Meant>, Vec<String>), Refusal> {
    let (changes, mut adjusted) = sections::read(text, surroundings)?;
    if changes.is_empty() {
        return Err(Refusal::Unknown);
    }
    let mut touched = HashSet::new();
    if let Some(path) = changes.iter().flat_map(Meant::paths).find(|path| !touched.insert(*path)) {
        return Err(twice(path).into());
    }
    let describes_itself = |meant: &MeantHunk| meant.header != Header::Exact;
    if adjusted.is_empty() && !changes.iter().flat_map(|one| &one.hunks).any(describes_itself) {
        adjusted.push("the patch was read as it was meant; git does not read it so".to_owned());
    }
    Ok((changes, adjusted))
}
