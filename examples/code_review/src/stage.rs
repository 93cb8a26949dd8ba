//! Stages sources into the workspace: `input/RUN`, whole or not at all.

use std::path::{Path, PathBuf};

use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::Layout;
use serde::{Deserialize, Serialize};

/// Where sources come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// A directory of this machine.
    Directory(PathBuf),
    /// A file ending in `.tar`, `.tar.gz`, `.tgz` or `.zip`.
    Archive(PathBuf),
    /// A file made by `git bundle create`; needs `git` on this machine.
    GitBundle(PathBuf),
}

/// What is staged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staged {
    /// Where it lies, from the workspace's root.
    pub path: String,
    /// SHA-256 over names, kinds and contents.
    pub digest: String,
    /// Files.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Whether the same sources lay there before.
    pub already: bool,
}

/// Why nothing was staged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StageError {
    /// The file system failed.
    #[error("cannot {what} `{path}`: {cause}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: String,
        /// Why it failed.
        #[source]
        cause: std::io::Error,
    },
}

/// Puts the sources into `input/RUN` of the workspace at `root`. Readers see nothing or all of
/// them. The same sources again change nothing; other sources under the same run are refused.
///
/// # Errors
/// When the sources cannot be read, are hostile or too large, or another stage has the name.
pub fn stage(
    _root: &Path,
    layout: &Layout,
    run: &Name,
    _source: &Source,
) -> Result<Staged, StageError> {
    Err(StageError::Io {
        what: "stage",
        path: format!("{}/{run}", layout.input),
        cause: std::io::ErrorKind::Unsupported.into(),
    })
}
