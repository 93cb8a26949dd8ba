//! Files of every kind, among them those that the file system refuses.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// What can lie at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A file with some text.
    File,
    /// A directory with a file in it.
    Directory,
    /// A symbolic link to a file.
    LinkToFile,
    /// A symbolic link to a directory.
    LinkToDirectory,
    /// A symbolic link to nothing.
    DanglingLink,
    /// A pipe, which nobody writes to.
    Fifo,
    /// A socket, which cannot be opened.
    Socket,
    /// A file that nobody may read.
    LockedFile,
    /// A directory that nobody may list or enter.
    LockedDirectory,
}

impl Thing {
    /// All of them.
    pub const ALL: [Thing; 9] = [
        Thing::File,
        Thing::Directory,
        Thing::LinkToFile,
        Thing::LinkToDirectory,
        Thing::DanglingLink,
        Thing::Fifo,
        Thing::Socket,
        Thing::LockedFile,
        Thing::LockedDirectory,
    ];

    /// Whether a listing calls it a directory.
    pub fn is_directory(self) -> bool {
        matches!(self, Thing::Directory | Thing::LockedDirectory)
    }

    /// Makes it, with the directories above it.
    pub fn make(self, path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match self {
            Thing::File | Thing::LockedFile => fs::write(path, "needle\n").unwrap(),
            Thing::Directory => {
                fs::create_dir(path).unwrap();
                fs::write(path.join("inside.txt"), "needle\n").unwrap();
            }
            Thing::LockedDirectory => fs::create_dir(path).unwrap(),
            Thing::LinkToFile => symlink("/etc/hostname", path).unwrap(),
            Thing::LinkToDirectory => symlink("/etc", path).unwrap(),
            Thing::DanglingLink => symlink("nothing", path).unwrap(),
            Thing::Fifo => {
                mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
            }
            // Made by its name: a listener takes none of over 107 bytes.
            Thing::Socket => {
                mknodat(CWD, path, FileType::Socket, Mode::from_raw_mode(0o600), 0).unwrap();
            }
        }
        if matches!(self, Thing::LockedFile | Thing::LockedDirectory) {
            lock(path);
        }
    }
}

/// Takes all permissions from what lies at `path`.
pub fn lock(path: &Path) {
    fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
}

/// Gives them back to the owner, so that a test can remove its tree.
pub fn unlock(path: &Path) {
    if path.symlink_metadata().is_ok_and(|there| !there.is_symlink()) {
        fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
    }
}

/// Runs `work` on a thread to which permissions apply also where the tests run as root. Threads
/// that it starts are like it.
pub fn under_permissions<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|threads| {
        let done = threads.spawn(|| {
            give_up_root();
            work()
        });
        done.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

#[cfg(target_os = "linux")]
fn give_up_root() {
    use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
    let mut sets = capabilities(None).unwrap();
    sets.effective -= CapabilitySet::DAC_OVERRIDE | CapabilitySet::DAC_READ_SEARCH;
    set_capabilities(None, sets).unwrap();
}

#[cfg(not(target_os = "linux"))]
fn give_up_root() {}
