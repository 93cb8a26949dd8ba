//! Turns a [`WorkspacePath`] into a handle: with `openat2` where the kernel has it, else component
//! by component. The sandbox tests run on both ways.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use crate::path::WorkspacePath;

use super::Workspace;

/// How paths are resolved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    /// One `openat2` with `RESOLVE_BENEATH`, `RESOLVE_NO_SYMLINKS` and `RESOLVE_NO_MAGICLINKS`:
    /// the kernel refuses what leads outside.
    Openat2,
    /// One `openat` with `O_NOFOLLOW` for each component.
    Components,
}

impl Resolution {
    /// The name in logs and in `doctor`.
    pub fn as_str(self) -> &'static str {
        match self {
            Resolution::Openat2 => "openat2",
            Resolution::Components => "components",
        }
    }
}

/// Asks the kernel once. ENOSYS (old kernel, gVisor) and EPERM (seccomp) both mean no.
pub(super) fn probe(root: &OwnedFd) -> Resolution {
    match openat2_beneath(root.as_fd(), ".", OFlags::RDONLY | OFlags::DIRECTORY) {
        Ok(_) => Resolution::Openat2,
        Err(_) => Resolution::Components,
    }
}

/// `EAGAIN` means that a rename raced with the resolution; after this many the walk decides.
const RETRIES: usize = 4;

impl Workspace {
    /// Opens `path` with `flags`, following no symbolic link anywhere. The root itself opens
    /// as a directory.
    pub(super) fn open(&self, path: &WorkspacePath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        if self.resolution == Resolution::Openat2 {
            let name = if path.is_root() { "." } else { path.as_str() };
            for _ in 0..RETRIES {
                match openat2_beneath(self.root.as_fd(), name, flags) {
                    Err(Errno::AGAIN | Errno::INTR) => continue,
                    // A filter may have come after the probe; never fall back to a plain open.
                    Err(Errno::NOSYS | Errno::PERM) => break,
                    other => return other,
                }
            }
        }
        self.open_by_components(path, flags)
    }

    fn open_by_components(&self, path: &WorkspacePath, flags: OFlags) -> Result<OwnedFd, Errno> {
        let Some(parent) = path.parent() else {
            return openat(&self.root, ".", flags, Mode::empty());
        };
        let mut directory: Option<OwnedFd> = None;
        for component in parent.components() {
            let at = directory.as_ref().unwrap_or(&self.root);
            directory = Some(openat(at, component, STEP, Mode::empty())?);
        }
        // INVARIANT: a component of a WorkspacePath is one name, never `..` and never with `/`.
        let name = path.file_name().unwrap_or(".");
        openat(directory.as_ref().unwrap_or(&self.root), name, flags, Mode::empty())
    }
}

/// A directory on the way: only traversed where the kernel can say so.
#[cfg(target_os = "linux")]
const STEP: OFlags =
    OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const STEP: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

#[cfg(target_os = "linux")]
fn openat2_beneath(at: BorrowedFd<'_>, name: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
    use rustix::fs::{ResolveFlags, openat2};
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    openat2(at, name, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
}

#[cfg(not(target_os = "linux"))]
fn openat2_beneath(_: BorrowedFd<'_>, _: &str, _: OFlags) -> Result<OwnedFd, Errno> {
    Err(Errno::NOSYS)
}
