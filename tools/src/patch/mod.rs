//! Patches: a strict reader, an exact applier, one canonical writer. Nothing here touches files:
//! what lies in the workspace comes through [`Sources`].
//!
//! ```text
//! patch text ─ unwrap ─ sections ─ read ─┐
//!                                        ├─ plan (Sources) ─ FileChange … ─ write ─ canonical diff
//! edits ─────────────────────────────────┘
//! ```
//!
//! What is accepted is narrower than what `git apply --check` accepts: every name in every header
//! agrees with the others and is a plain workspace path, modes are 100644 and 100755, a hunk fits
//! exactly at its declared line or at the one place in the file where it fits, and no file is
//! named twice. Contents are never guessed.

mod apply;
pub mod edits;
mod misfit;
mod names;
mod plan;
mod read;
mod sections;
mod write;

use sha2::{Digest, Sha256};

use crate::error::ToolError;
use crate::path::WorkspacePath;

pub use crate::records::proposal::Change;
pub use plan::{from_edits, from_patch};
pub use write::{Canonical, FileStats, canonical};

/// Longest patch text in bytes.
pub const MAX_PATCH_BYTES: usize = 1024 * 1024;
/// Longest canonical patch in bytes; longer than the input's limit, since it holds whole files
/// that edits delete.
pub const MAX_CANONICAL_BYTES: usize = 8 * 1024 * 1024;
/// Most files in one proposal.
pub const MAX_FILES: usize = 200;
/// Most bytes of workspace files that one proposal may be based on.
pub const MAX_BASE_BYTES: usize = 128 * 1024 * 1024;

/// What a patch may ask of the files that it names. Each method answers for one caller.
pub trait Sources {
    /// The whole content of a regular file that must be there.
    ///
    /// # Errors
    /// `not_found` when nothing is there or policy hides it (the two are alike), `too_large`, or
    /// what else keeps it from being read.
    fn read(&self, path: &WorkspacePath) -> Result<Content, ToolError>;

    /// What lies at a path, if anything that the caller may see.
    ///
    /// # Errors
    /// When the file system fails.
    fn look(&self, path: &WorkspacePath) -> Result<Option<Found>, ToolError>;

    /// Whether a proposal may touch this path, which need not exist.
    ///
    /// # Errors
    /// `denied` when the path may be seen and not be touched; `not_found` when it is hidden.
    fn permit(&self, path: &WorkspacePath) -> Result<(), ToolError>;

    /// Asked between files and between edits.
    ///
    /// # Errors
    /// When the call is to end.
    fn check(&self) -> Result<(), ToolError>;
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link, a FIFO, a socket or a device.
    Other,
}

/// The content of a file and its mode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Whether it is executable.
    pub mode: Mode,
}

impl Content {
    /// The file's version: the SHA-256 of its bytes in 64 hex digits.
    pub fn version(&self) -> String {
        version(&self.bytes)
    }
}

/// The modes that a patch may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// `100644`.
    #[default]
    Regular,
    /// `100755`.
    Executable,
}

impl Mode {
    /// The six digits of git.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Regular => "100644",
            Mode::Executable => "100755",
        }
    }
}

/// What happens to one file, with its whole content before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The file; for a rename its new path.
    pub path: WorkspacePath,
    /// The path before a rename.
    pub old_path: Option<WorkspacePath>,
    /// Before; none for a file that is added.
    pub old: Option<Content>,
    /// After; none for a file that is deleted.
    pub new: Option<Content>,
}

impl FileChange {
    /// The kind of the change.
    pub fn change(&self) -> Change {
        match (&self.old, &self.new, &self.old_path) {
            (_, _, Some(_)) => Change::Renamed,
            (None, _, _) => Change::Added,
            (_, None, _) => Change::Deleted,
            _ => Change::Modified,
        }
    }
}

/// A proposal worked out against the files as they are, in the order of its paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The changes; never empty.
    pub files: Vec<FileChange>,
    /// What the caller should know: hunks that moved, line endings that differ.
    pub notes: Vec<String>,
}

/// The SHA-256 of some bytes in 64 hex digits.
pub fn version(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Lines with their `\n`; the last may lack it. A lone `\r` does not end a line, as in git.
fn lines_of(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split_inclusive(|byte| *byte == b'\n').collect()
}
