//! Stages sources into the workspace: `input/RUN`, whole or not at all.
//!
//! Sources are unpacked beside their place, under a name that begins with a dot and that policy
//! shows to no agent, and synced; then the directory is renamed. POSIX refuses to rename a
//! directory over one that is not empty, so of several that stage at once one wins. A record in
//! the staged directory says what was staged, so that the same call again is known as such, also
//! when sources have been changed since by what people approved.

mod aside;
mod bundle;
mod directory;
mod gather;
mod name;
mod tar;
mod zip;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::Layout;
use serde::{Deserialize, Serialize};

use aside::Aside;
use gather::{Gather, Gathered};

/// The record of a stage, in its directory. No source may have this name.
pub const RECORD: &str = ".mcp-workspace-stage.json";
/// The version of the record's form.
const FORMAT: u32 = 1;

/// Where sources come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// A directory of this machine. Version control's own directories are left out.
    Directory(PathBuf),
    /// A file ending in `.tar`, `.tar.gz`, `.tgz` or `.zip`.
    Archive(PathBuf),
    /// A file made by `git bundle create`; needs `git` on this machine.
    GitBundle(PathBuf),
}

impl Source {
    /// What lies at a path of this machine, by its kind and name.
    ///
    /// # Errors
    /// When nothing is there, or it is nothing that can be staged.
    pub fn at(path: &Path) -> Result<Source, StageError> {
        let metadata = fs::metadata(path).map_err(|cause| StageError::io("read", path, cause))?;
        let name = path.to_string_lossy().to_ascii_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        if metadata.is_dir() {
            Ok(Source::Directory(path.to_owned()))
        } else if ends(&[".tar", ".tar.gz", ".tgz", ".zip"]) {
            Ok(Source::Archive(path.to_owned()))
        } else if ends(&[".bundle"]) {
            Ok(Source::GitBundle(path.to_owned()))
        } else {
            Err(StageError::UnknownKind(path.display().to_string()))
        }
    }

    fn gather(&self, root: &Path, gather: &mut Gather<'_>) -> Result<(), StageError> {
        match self {
            Source::Directory(path) => directory::read(path, root, gather),
            Source::Archive(path) if zip::is_named(path) => zip::read(path, gather),
            Source::Archive(path) => tar::read(path, gather),
            Source::GitBundle(path) => bundle::read(path, gather),
        }
    }
}

/// How much may be staged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Files, directories and links.
    pub entries: u64,
    /// Bytes of all files, unpacked.
    pub bytes: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { entries: 100_000, bytes: 2 << 30, file_bytes: 256 << 20 }
    }
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

/// The record in a staged directory.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    format: u32,
    digest: String,
    files: u64,
    bytes: u64,
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
    /// What to stage is neither a directory nor a file of a known kind.
    #[error("`{0}` is no directory, and its name ends in none of .tar .tar.gz .tgz .zip .bundle")]
    UnknownKind(String),
    /// An archive cannot be read to its end.
    #[error("`{path}` cannot be unpacked: {reason}")]
    Archive {
        /// The archive.
        path: String,
        /// Why.
        reason: String,
    },
    /// A name leaves the stage or cannot be a name in a workspace.
    #[error("`{name}` cannot be staged: {reason}")]
    Name {
        /// The name, with what cannot be shown replaced.
        name: String,
        /// Why.
        reason: String,
    },
    /// A hard link, a device, a FIFO or a socket.
    #[error("`{path}` is {kind}, which is not staged; leave it out of the sources")]
    Kind {
        /// Where.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// A symbolic link to a place outside of the sources, or one whose target cannot be told.
    #[error("`{path}` is a symbolic link that leaves the sources: `{target}`")]
    Link {
        /// Where.
        path: String,
        /// Where it points.
        target: String,
    },
    /// One path is several things.
    #[error("`{0}` stands in the sources twice, or is both a file and a directory")]
    Twice(String),
    /// There are too many entries.
    #[error("the sources have more than {0} files, directories and links")]
    TooMany(u64),
    /// There are too many bytes.
    #[error("the sources have more than {0} bytes, unpacked")]
    TooLarge(u64),
    /// One file is too large.
    #[error("`{path}` has more than {limit} bytes")]
    FileTooLarge {
        /// Where.
        path: String,
        /// The limit.
        limit: u64,
    },
    /// The workspace lies within the sources.
    #[error("the workspace `{0}` lies in the sources; choose another directory for it")]
    WorkspaceWithin(String),
    /// Git cannot read the bundle.
    #[error("git cannot read `{path}`: {reason}")]
    Git {
        /// The bundle.
        path: String,
        /// What it said.
        reason: String,
    },
    /// Other sources are staged under the same run.
    #[error(
        "`{0}` holds other sources already; a run keeps what it was begun with: give another --run"
    )]
    OtherSources(String),
    /// Something that was not staged lies in the place.
    #[error("`{0}` is there and was not staged; remove it, or give another --run")]
    NotAStage(String),
    /// Somebody else staged the same run at the same time, and was first or swept this one's work.
    #[error("`{0}` was staged by somebody else at the same time; call again")]
    Swept(String),
}

impl StageError {
    fn io(what: &'static str, path: &Path, cause: std::io::Error) -> StageError {
        StageError::Io { what, path: path.display().to_string(), cause }
    }
}

/// Puts the sources into `input/RUN` of the workspace at `root`. Readers see nothing or all of
/// them. The same sources again change nothing; other sources under the same run are refused.
///
/// # Errors
/// When the sources cannot be read, are hostile or too large, or another stage has the name.
pub fn stage(
    root: &Path,
    layout: &Layout,
    run: &Name,
    source: &Source,
) -> Result<Staged, StageError> {
    stage_within(root, layout, run, source, &Limits::default())
}

/// [`stage`] with limits of one's own.
///
/// # Errors
/// As [`stage`].
pub fn stage_within(
    root: &Path,
    layout: &Layout,
    run: &Name,
    source: &Source,
    limits: &Limits,
) -> Result<Staged, StageError> {
    stage_observed(root, layout, run, source, limits, &|| {})
}

/// For tests: `moment` is called before each operation that changes the workspace.
///
/// # Errors
/// As [`stage`].
#[doc(hidden)]
pub fn stage_observed(
    root: &Path,
    layout: &Layout,
    run: &Name,
    source: &Source,
    limits: &Limits,
    moment: &(dyn Fn() + Sync),
) -> Result<Staged, StageError> {
    let place = Place {
        input: root.join(layout.input.as_str()),
        run,
        path: format!("{}/{run}", layout.input),
        moment,
    };
    aside::sweep(&place)?;
    if place.is_taken()? {
        let gathered =
            Gather::only_counting(&place.path, limits, |gather| source.gather(root, gather))?;
        return place.compare(&gathered);
    }
    let aside = Aside::create(&place)?;
    let gathered =
        Gather::writing(&aside, &place.path, limits, |gather| source.gather(root, gather))?;
    aside.publish(&place, gathered)
}

/// Where a run's sources lie.
struct Place<'a> {
    input: PathBuf,
    run: &'a Name,
    /// From the workspace's root.
    path: String,
    moment: &'a (dyn Fn() + Sync),
}

impl Place<'_> {
    fn directory(&self) -> PathBuf {
        self.input.join(self.run.as_str())
    }

    /// Whether something is staged there. An empty directory is nothing.
    fn is_taken(&self) -> Result<bool, StageError> {
        let directory = self.directory();
        match fs::read_dir(&directory) {
            Ok(mut entries) => Ok(entries.next().is_some()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(cause) => Err(StageError::io("list", &directory, cause)),
        }
    }

    /// What is staged there already, if it is the same.
    fn compare(&self, gathered: &Gathered) -> Result<Staged, StageError> {
        let file = self.directory().join(RECORD);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(StageError::NotAStage(self.path.clone()));
            }
            Err(cause) => return Err(StageError::io("read", &file, cause)),
        };
        let record: Option<Record> = serde_json::from_slice(&text).ok();
        let record = record.filter(|record| record.format == FORMAT);
        let Some(record) = record else { return Err(StageError::NotAStage(self.path.clone())) };
        if record.digest != gathered.digest {
            return Err(StageError::OtherSources(self.path.clone()));
        }
        Ok(self.staged(gathered, true))
    }

    fn staged(&self, gathered: &Gathered, already: bool) -> Staged {
        Staged {
            path: self.path.clone(),
            digest: gathered.digest.clone(),
            files: gathered.files,
            bytes: gathered.bytes,
            already,
        }
    }
}
