//! The file operations of publishing, one by one. With the feature `fault-injection` a test can make
//! each of them fail, or end the process there.

use std::fs::File;
use std::io;
#[cfg(not(feature = "fault-injection"))]
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat, fchmod, fsync, linkat, mkdirat, openat};
use rustix::fs::{renameat, statat, unlinkat};
use rustix::io::Errno;

use super::Workspace;

/// An operation that a record is published by.
#[cfg_attr(
    not(feature = "fault-injection"),
    expect(unreachable_pub, reason = "named outside only where tests make operations fail")
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A directory is made.
    MakeDirectory,
    /// A directory is opened.
    OpenDirectory,
    /// A new file is opened, which must not be there.
    CreateFile,
    /// The first half of a file is written.
    #[cfg(feature = "fault-injection")]
    WriteFirstHalf,
    /// The rest of a file is written.
    #[cfg(feature = "fault-injection")]
    WriteSecondHalf,
    /// A file is forced to the disk.
    SyncFile,
    /// A directory is forced to the disk.
    SyncDirectory,
    /// Something gets its final name.
    Rename,
    /// Two names change places.
    Exchange,
    /// A file gets a second name, which must not be there.
    Link,
    /// A file is removed.
    RemoveFile,
    /// An empty directory is removed.
    RemoveDirectory,
}

/// Set once the file system has said that it cannot rename without replacing, or exchange.
#[derive(Debug, Default)]
pub(super) struct Abilities {
    no_exclusive_rename: AtomicBool,
    no_exchange: AtomicBool,
}

pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
pub(super) const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

#[cfg(not(feature = "fault-injection"))]
impl Workspace {
    pub(super) fn act<T>(
        &self,
        _: Operation,
        act: impl FnMut() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        rustix::io::retry_on_intr(act)
    }

    pub(super) fn write_content(&self, file: &mut File, bytes: &[u8]) -> Result<(), Errno> {
        file.write_all(bytes).map_err(|error| errno_of(&error))
    }
}

impl Workspace {
    pub(super) fn make_directory(&self, at: &OwnedFd, name: &str) -> Result<(), Errno> {
        self.act(Operation::MakeDirectory, || mkdirat(at, name, Mode::from_raw_mode(0o755)))
    }

    pub(super) fn open_directory(&self, at: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
        self.act(Operation::OpenDirectory, || openat(at, name, DIRECTORY, Mode::empty()))
    }

    /// Writes a file that must not be there, and forces it to the disk. The handle is closed
    /// when this returns, which is when a network file system sends what it holds.
    pub(super) fn write_new(&self, at: &OwnedFd, name: &str, bytes: &[u8]) -> Result<(), Errno> {
        self.write_new_with_mode(at, name, bytes, None)
    }

    /// The same, with exactly these permission bits whatever the umask is.
    pub(super) fn write_new_with_mode(
        &self,
        at: &OwnedFd,
        name: &str,
        bytes: &[u8],
        exactly: Option<Mode>,
    ) -> Result<(), Errno> {
        let mut file = self.create_new(at, name)?;
        if let Some(mode) = exactly {
            fchmod(&file, mode)?;
        }
        self.write_content(&mut file, bytes)?;
        self.sync_file(&file)
    }

    /// Makes a file that must not be there.
    pub(super) fn create_new(&self, at: &OwnedFd, name: &str) -> Result<File, Errno> {
        let mode = Mode::from_raw_mode(0o644);
        self.act(Operation::CreateFile, || openat(at, name, NEW_FILE, mode)).map(File::from)
    }

    /// Forces a file to the disk.
    pub(super) fn sync_file(&self, file: &File) -> Result<(), Errno> {
        self.act(Operation::SyncFile, || fsync(file))
    }

    /// Copies the rest of an open file to a new one, of whatever size it is.
    pub(super) fn copy_new(
        &self,
        at: &OwnedFd,
        name: &str,
        from: &mut File,
        mode: Mode,
    ) -> Result<(), Errno> {
        let handle = self.act(Operation::CreateFile, || openat(at, name, NEW_FILE, mode))?;
        let mut file = File::from(handle);
        io::copy(from, &mut file).map_err(|error| errno_of(&error))?;
        self.act(Operation::SyncFile, || fsync(&file))
    }

    /// Forces the names in a directory to the disk. A file system that has no such operation
    /// (EINVAL) keeps its names by itself.
    pub(super) fn sync_directory(&self, directory: &OwnedFd) -> Result<(), Errno> {
        self.act(Operation::SyncDirectory, || match fsync(directory) {
            Err(Errno::INVAL) => Ok(()),
            other => other,
        })
    }

    /// Renames. A file replaces a file, a directory only one that is empty.
    pub(super) fn rename(&self, from: (&OwnedFd, &str), to: (&OwnedFd, &str)) -> Result<(), Errno> {
        self.act(Operation::Rename, || renameat(from.0, from.1, to.0, to.1))
    }

    /// Renames a file within its directory to a name that no regular file may have. A link or a
    /// pipe there is replaced, and a directory gets an unfinished name.
    ///
    /// Where the file system cannot rename without replacing (NFS, so S3 Files), the name is
    /// looked up just before. Two writers at the same instant can then both succeed, and the
    /// later file stands.
    pub(super) fn rename_new(&self, at: &OwnedFd, from: &str, to: &str) -> Result<(), Errno> {
        if !self.abilities.no_exclusive_rename.load(Ordering::Relaxed) {
            match self.act(Operation::Rename, || exclusive_rename_to((at, from), (at, to))) {
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                    self.abilities.no_exclusive_rename.store(true, Ordering::Relaxed);
                }
                Err(Errno::EXIST) => {}
                other => return other,
            }
        }
        match statat(at, to, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if is(&stat, FileType::RegularFile) => Err(Errno::EXIST),
            Ok(stat) if is(&stat, FileType::Directory) => {
                self.set_aside(at, to)?;
                self.rename((at, from), (at, to))
            }
            Ok(_) | Err(Errno::NOENT) => self.rename((at, from), (at, to)),
            Err(errno) => Err(errno),
        }
    }

    /// Renames to a name under which nothing may be, of whatever kind, and does nothing where the
    /// file system cannot refuse that.
    pub(super) fn rename_without_replacing(
        &self,
        from: (&OwnedFd, &str),
        to: (&OwnedFd, &str),
    ) -> Result<(), Errno> {
        self.act(Operation::Rename, || exclusive_rename_to(from, to))
    }

    /// Lets two names change places in one step. Answers whether the file system can do that; where
    /// it cannot (NFS, so S3 Files), nothing has happened.
    pub(super) fn exchange(&self, at: &OwnedFd, one: &str, other: &str) -> Result<bool, Errno> {
        if self.abilities.no_exchange.load(Ordering::Relaxed) {
            return Ok(false);
        }
        match self.act(Operation::Exchange, || exchange_names(at, one, other)) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                self.abilities.no_exchange.store(true, Ordering::Relaxed);
                Ok(false)
            }
            other => other.map(|()| true),
        }
    }

    /// Renames to a name under which nothing may be, of whatever kind: without replacing, else by a
    /// second name, else by looking just before, where somebody may come in between.
    pub(super) fn rename_unless_there(
        &self,
        from: (&OwnedFd, &str),
        to: (&OwnedFd, &str),
    ) -> Result<(), Errno> {
        if !self.abilities.no_exclusive_rename.load(Ordering::Relaxed) {
            match self.act(Operation::Rename, || exclusive_rename_to(from, to)) {
                Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {
                    self.abilities.no_exclusive_rename.store(true, Ordering::Relaxed);
                }
                other => return other,
            }
        }
        match self.act(Operation::Link, || linkat(from.0, from.1, to.0, to.1, AtFlags::empty())) {
            Ok(()) => return self.remove_file(from.0, from.1),
            Err(Errno::PERM | Errno::NOSYS | Errno::NOTSUP | Errno::MLINK | Errno::INVAL) => {}
            Err(errno) => return Err(errno),
        }
        match statat(to.0, to.1, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => self.rename(from, to),
            Err(errno) => Err(errno),
        }
    }

    pub(super) fn remove_file(&self, at: &OwnedFd, name: &str) -> Result<(), Errno> {
        self.act(Operation::RemoveFile, || unlinkat(at, name, AtFlags::empty()))
    }

    pub(super) fn remove_directory(&self, at: &OwnedFd, name: &str) -> Result<(), Errno> {
        self.act(Operation::RemoveDirectory, || unlinkat(at, name, AtFlags::REMOVEDIR))
    }
}

pub(super) fn errno_of(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

#[allow(clippy::unnecessary_cast, reason = "the width of the field differs by platform")]
fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode as _) == kind
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exclusive_rename_to(from: (&OwnedFd, &str), to: (&OwnedFd, &str)) -> Result<(), Errno> {
    use rustix::fs::{RenameFlags, renameat_with};
    renameat_with(from.0, from.1, to.0, to.1, RenameFlags::NOREPLACE)
}

#[cfg(any(target_os = "linux", target_vendor = "apple"))]
fn exchange_names(at: &OwnedFd, one: &str, other: &str) -> Result<(), Errno> {
    use rustix::fs::{RenameFlags, renameat_with};
    renameat_with(at, one, at, other, RenameFlags::EXCHANGE)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exclusive_rename_to(_: (&OwnedFd, &str), _: (&OwnedFd, &str)) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
fn exchange_names(_: &OwnedFd, _: &str, _: &str) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}
