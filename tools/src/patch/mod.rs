//! Patches: a strict reader, an exact applier, edits, readings of what is nearly right, and one
//! canonical writer.
//!
//! ```text
//! text of a diff --read--> [FileChange] --\
//! nearly a diff --read_meant--> [Meant] ---- apply to a Draft --> [Outcome] --write--> canonical diff
//! [Edit] ---------------------------------/
//! ```
//!
//! What is stored is read by [`read_stored`] and applied exactly.
//!
//! Everything here works on bytes in memory. Nothing opens a file.
//!
//! ```
//! use mcp_workspace_tools::patch::{apply, read};
//!
//! let diff = "\
//! --- a/greeting.txt
//! +++ b/greeting.txt
//! @@ -1 +1 @@
//! -hello
//! +good morning
//! ";
//! let changes = read(diff).unwrap();
//! let applied = apply(&changes[0].path, b"hello\n", &changes[0].hunks).unwrap();
//! assert_eq!(applied.bytes, b"good morning\n");
//!
//! // A patch fits exactly or not at all.
//! assert!(apply(&changes[0].path, b"Hello\n", &changes[0].hunks).is_err());
//! ```

mod apply;
mod draft;
mod edits;
mod hunks;
mod meant;
mod mismatch;
mod name;
mod read;
mod stored;
mod style;
mod write;

use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::path::WorkspacePath;

pub use apply::{Applied, Moved, apply};
pub use draft::{Base, Change, Draft, Load, Outcome};
pub use edits::Edit;
pub use meant::{Meant, Surroundings, read_meant};
pub use mismatch::{Mismatch, Reason};
pub use read::{MAX_FILES, MAX_PATCH_BYTES, read};
pub use stored::read_stored;
pub use write::{Written, write};

/// What a diff does with one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// The file must not exist, and does afterwards.
    Create,
    /// The file stays where it is.
    Modify,
    /// The file must exist, and does not afterwards.
    Delete,
    /// The file moves, with or without a change of its content.
    Rename,
}

/// The mode of a regular file, as git knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileMode {
    /// `100644`.
    Regular,
    /// `100755`.
    Executable,
}

impl FileMode {
    /// The mode as git writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            FileMode::Regular => "100644",
            FileMode::Executable => "100755",
        }
    }

    /// The mode of a file by its executable bit.
    pub fn of(executable: bool) -> FileMode {
        if executable { FileMode::Executable } else { FileMode::Regular }
    }
}

/// One file's part of a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// What happens to the file.
    pub kind: ChangeKind,
    /// The path afterwards; for a deletion the path before.
    pub path: WorkspacePath,
    /// The path before, of a rename.
    pub old_path: Option<WorkspacePath>,
    /// The mode before, when the diff changes it.
    pub old_mode: Option<FileMode>,
    /// The mode afterwards, when the diff sets it.
    pub new_mode: Option<FileMode>,
    /// The changes of content, in the order of the file.
    pub hunks: Vec<Hunk>,
}

/// One hunk. A line that has no newline at its end is the file's last, on its side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// The line, from 1, where the old side is said to start; 0 only when the old side is empty.
    pub old_start: usize,
    /// The same of the new side.
    pub new_start: usize,
    /// The lines with their ends.
    pub lines: Vec<(Tag, Vec<u8>)>,
}

/// Which side of a hunk a line is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// On both.
    Context,
    /// On the old side only.
    Delete,
    /// On the new side only.
    Insert,
}

impl Hunk {
    /// The lines that must be there.
    pub fn old_side(&self) -> Vec<&[u8]> {
        self.side(Tag::Insert)
    }

    /// The lines that are there afterwards.
    pub fn new_side(&self) -> Vec<&[u8]> {
        self.side(Tag::Delete)
    }

    fn side(&self, other: Tag) -> Vec<&[u8]> {
        self.lines
            .iter()
            .filter(|(tag, _)| *tag != other)
            .map(|(_, line)| line.as_slice())
            .collect()
    }
}

/// The version of a file's content: its SHA-256 in hex.
pub fn version(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The lines of a file with their ends; only `\n` ends a line, as in git.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}
