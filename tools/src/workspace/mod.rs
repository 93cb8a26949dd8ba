//! The workspace: the only code that touches files.
//!
//! Everything is opened relative to a directory handle that was opened once, at start. Nothing
//! resolves outside it, no symbolic link is followed, and no path is checked first and used later.

mod change;
mod charge;
mod claim;
mod content;
mod decider;
mod entries;
#[cfg(feature = "fault-injection")]
mod faults;
mod file_content;
mod files;
mod metadata;
mod names;
mod operations;
#[cfg(feature = "data")]
mod packed_content;
pub mod probe;
mod publish;
mod quota;
mod records;
mod resolve;
mod scope;
mod sources;
mod standing;
mod steps;
mod suggest;
mod unfinished;
mod version_numbers;
mod versions;
pub mod walk;

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize};

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags};

use crate::memory::Memory;
use crate::path::MOUNT_PREFIX;
pub(crate) use change::SourceChange;

pub use content::Content;
pub use decider::{Decider, Hold};
#[cfg(feature = "fault-injection")]
pub use faults::FaultPoint;
pub use file_content::FileContent;
pub use files::{FileWrite, Standing, Wrote, WroteHow};
pub use metadata::{Kind, Metadata, OpenFile};
#[cfg(feature = "fault-injection")]
pub use operations::Operation;
pub use publish::{MAX_RECORD_PATH, Published};
pub use quota::{Place, Quota};
pub use records::RecordListing;
pub use resolve::Resolution;
pub use scope::{Directory, Scope, Start, read_error};
pub use sources::Source;
pub use versions::{VALUE, VERSIONS, VersionContent};

/// A directory tree, held by a handle of its root.
#[derive(Debug)]
pub struct Workspace {
    root: OwnedFd,
    /// The root's path on this machine, for names that begin with it; empty where it is no text.
    own_path: String,
    resolution: Resolution,
    /// Directory handles and threads that walks hold at this moment, over all calls.
    open_directories: AtomicUsize,
    io_threads: AtomicUsize,
    /// Records published through this handle.
    published: AtomicU64,
    /// What its calls draw their buffers from.
    memory: Memory,
    abilities: operations::Abilities,
    #[cfg(feature = "fault-injection")]
    faults: faults::Faults,
}

impl Workspace {
    /// Turns a path of the machine into authority over the tree below it. Only composition
    /// calls this. The kernel is asked once whether it resolves paths beneath a handle
    /// (`openat2`); where it does not, or a seccomp filter forbids it, paths are walked
    /// component by component.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub fn open_with_ambient_authority(root: &Path) -> std::io::Result<Workspace> {
        let handle = open_root(root)?;
        let resolution = resolve::probe(&handle);
        Ok(Workspace::from_handle(handle, root, resolution))
    }

    /// Like [`Workspace::open_with_ambient_authority`], with the way of resolving paths chosen
    /// by the caller instead of probed.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub fn open_with_resolution(root: &Path, resolution: Resolution) -> std::io::Result<Workspace> {
        Ok(Workspace::from_handle(open_root(root)?, root, resolution))
    }

    fn from_handle(root: OwnedFd, path: &Path, resolution: Resolution) -> Workspace {
        let own_path = std::path::absolute(path).ok();
        let own_path = own_path.as_deref().and_then(Path::to_str).unwrap_or_default();
        Workspace {
            root,
            own_path: own_path.trim_end_matches('/').to_owned(),
            resolution,
            open_directories: AtomicUsize::new(0),
            io_threads: AtomicUsize::new(0),
            published: AtomicU64::new(0),
            memory: Memory::default(),
            abilities: operations::Abilities::default(),
            #[cfg(feature = "fault-injection")]
            faults: faults::Faults::default(),
        }
    }

    /// A name without the path of this root, or of the mount in production, in front of it.
    fn beneath_root<'n>(&self, name: &'n str) -> Option<&'n str> {
        let roots = [self.own_path.as_str(), MOUNT_PREFIX];
        let inside = |root: &str| name.strip_prefix(root)?.strip_prefix('/');
        roots.into_iter().filter(|root| !root.is_empty()).find_map(inside)
    }

    /// Lets its calls draw their buffers from this budget.
    #[must_use]
    pub fn with_memory(mut self, memory: Memory) -> Workspace {
        self.memory = memory;
        self
    }

    /// What its calls draw their buffers from.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// How paths are resolved on this machine.
    pub fn resolution(&self) -> Resolution {
        self.resolution
    }
}

fn open_root(root: &Path) -> std::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, root, flags, Mode::empty())?)
}
