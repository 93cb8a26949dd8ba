//! The source directory behind a mount: files by the numbers that the kernel uses, listings, and
//! what is set of attributes.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use fuser::{FileAttr, FileHandle, INodeNo, Notifier, OpenFlags, TimeOrNow};
use rustix::fd::OwnedFd;
use rustix::fs::{
    AtFlags, Dir, Mode, OFlags, Stat, Timestamps, chmodat, fchmod, fstat, ftruncate, futimens,
    openat, statat, utimensat,
};
use rustix::io::Errno;

use crate::attributes::{attributes, timespec};
use crate::control::Control;
use crate::nodes::Nodes;
use crate::operation::Operation;

/// An entry of a directory as it was listed.
pub(crate) struct Listed {
    pub(crate) name: OsString,
    pub(crate) path: PathBuf,
    pub(crate) stat: Stat,
}

/// A directory that is open.
#[derive(Clone, Default)]
pub(crate) struct OpenDirectory {
    listed: Arc<Mutex<Arc<Vec<Listed>>>>,
}

/// The file system of one mount.
pub(crate) struct PassThrough {
    pub(crate) source: OwnedFd,
    pub(crate) control: Arc<Control>,
    pub(crate) remembered: Duration,
    pub(crate) nodes: Mutex<Nodes>,
    pub(crate) files: Mutex<HashMap<u64, Arc<File>>>,
    pub(crate) directories: Mutex<HashMap<u64, OpenDirectory>>,
    next_handle: AtomicU64,
    pub(crate) notifier: Arc<OnceLock<Notifier>>,
}

pub(crate) fn refusal(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno.raw_os_error())
}

pub(crate) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PassThrough {
    pub(crate) fn new(source: OwnedFd, control: Arc<Control>, remembered: Duration) -> PassThrough {
        PassThrough {
            source,
            control,
            remembered,
            nodes: Mutex::new(Nodes::new()),
            files: Mutex::default(),
            directories: Mutex::default(),
            next_handle: AtomicU64::new(1),
            notifier: Arc::default(),
        }
    }

    pub(crate) fn path(&self, number: INodeNo) -> Result<PathBuf, Errno> {
        lock(&self.nodes).path(number.0)
    }

    pub(crate) fn child(&self, parent: INodeNo, name: &OsStr) -> Result<PathBuf, Errno> {
        Ok(self.path(parent)?.join(name))
    }

    pub(crate) fn stat(&self, path: &Path) -> Result<Stat, Errno> {
        statat(&self.source, path, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The file behind a number; stale when its name stands for another file by now.
    pub(crate) fn stat_number(&self, number: INodeNo) -> Result<Stat, Errno> {
        let path = self.path(number)?;
        let stat = self.stat(&path).map_err(|errno| match errno {
            Errno::NOENT => Errno::STALE,
            other => other,
        })?;
        if lock(&self.nodes).is_same(number.0, &stat) { Ok(stat) } else { Err(Errno::STALE) }
    }

    pub(crate) fn entry(
        &self,
        parent: INodeNo,
        name: &OsStr,
        path: &Path,
    ) -> Result<FileAttr, Errno> {
        let stat = self.stat(path)?;
        let number = lock(&self.nodes).remember(parent.0, name, &stat);
        Ok(attributes(number, &stat))
    }

    pub(crate) fn new_handle(&self) -> u64 {
        self.next_handle.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn file(&self, handle: FileHandle) -> Result<Arc<File>, Errno> {
        lock(&self.files).get(&handle.0).cloned().ok_or(Errno::BADF)
    }

    pub(crate) fn open_file(&self, number: INodeNo, flags: OpenFlags) -> Result<File, Errno> {
        let path = self.path(number)?;
        let access = OFlags::from_bits_retain(flags.0 as u32) & OFlags::RWMODE;
        let more = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let opened = openat(&self.source, &path, access | more, Mode::empty());
        let file = File::from(opened.map_err(|errno| match errno {
            Errno::NOENT => Errno::STALE,
            other => other,
        })?);
        let stat = fstat(&file)?;
        if !lock(&self.nodes).is_same(number.0, &stat) {
            return Err(Errno::STALE);
        }
        // Close-to-open: who opens a file learns its size anew.
        if lock(&self.nodes).tell(number.0, &stat)
            && let Some(notifier) = self.notifier.get()
        {
            // The kernel may have dropped the file in the meantime; then there is nothing to tell.
            let _ = notifier.inval_inode(number, -1, 0);
        }
        Ok(file)
    }

    pub(crate) fn list(&self, number: INodeNo) -> Result<Vec<Listed>, Errno> {
        let path = self.path(number)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = openat(&self.source, &path, flags, Mode::empty())?;
        let mut all = Vec::new();
        for entry in Dir::read_from(&opened)? {
            let entry = entry?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes()).to_owned();
            // What goes while it is listed is not listed.
            let own = if name == ".." { path.clone() } else { path.join(&name) };
            if let Ok(stat) = self.stat(&own) {
                all.push(Listed { name, path: own, stat });
            }
        }
        Ok(all)
    }

    /// The listing of an open directory; made anew when it is read from its start.
    pub(crate) fn listing(
        &self,
        number: INodeNo,
        handle: FileHandle,
        offset: u64,
    ) -> Result<Arc<Vec<Listed>>, Errno> {
        let directory = lock(&self.directories).get(&handle.0).cloned().ok_or(Errno::BADF)?;
        if offset == 0 {
            let listed = self.control.perform(Operation::Readdir, || self.list(number))?;
            *lock(&directory.listed) = Arc::new(listed);
        }
        let listed = Arc::clone(&lock(&directory.listed));
        Ok(listed)
    }

    pub(crate) fn set(
        &self,
        number: INodeNo,
        handle: Option<FileHandle>,
        set: &Set,
    ) -> Result<Stat, Errno> {
        let times = Timestamps {
            last_access: timespec(set.accessed),
            last_modification: timespec(set.modified),
        };
        let timed = set.accessed.is_some() || set.modified.is_some();
        if let Some(file) = handle.and_then(|handle| self.file(handle).ok()) {
            if let Some(size) = set.size {
                ftruncate(&file, size)?;
            }
            if let Some(mode) = set.mode {
                fchmod(&file, Mode::from_raw_mode(mode & 0o7777))?;
            }
            if timed {
                futimens(&file, &times)?;
            }
            return fstat(&file);
        }
        let path = self.path(number)?;
        if let Some(size) = set.size {
            let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            ftruncate(openat(&self.source, &path, flags, Mode::empty())?, size)?;
        }
        if let Some(mode) = set.mode {
            chmodat(&self.source, &path, Mode::from_raw_mode(mode & 0o7777), AtFlags::empty())?;
        }
        if timed {
            utimensat(&self.source, &path, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        self.stat_number(number)
    }
}

/// What `setattr` sets.
pub(crate) struct Set {
    pub(crate) mode: Option<u32>,
    pub(crate) size: Option<u64>,
    pub(crate) accessed: Option<TimeOrNow>,
    pub(crate) modified: Option<TimeOrNow>,
}
