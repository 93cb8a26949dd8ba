//! Writes records, whole or not at all, and uses only what a network file system offers: exclusive
//! create, atomic rename and fsync, but no hard links and no locks.

use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::{Code, ToolError};
use crate::path::{MAX_PATH_BYTES, WorkspacePath};
use crate::policy::Access;

use super::Workspace;
use super::scope::{Scope, io_error};
use super::unfinished::unfinished_name;

/// Whether a record was published now or stood there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// This call published it.
    Created,
    /// Somebody had published that name before; nothing was changed.
    AlreadyThere,
}

/// What an S3 key may have in front of the workspace: the root directory of an access point.
const MAX_MOUNT_PREFIX: usize = 128;
/// Longest path of a record, including its unfinished names. S3 Files does not export a file whose
/// key is over 1,024 bytes, and reports that only where it is easily missed.
pub const MAX_RECORD_PATH: usize = MAX_PATH_BYTES - MAX_MOUNT_PREFIX;
/// An unfinished name and its separator.
pub(super) const UNFINISHED_BYTES: usize = 48;

/// Whether a rename that gave this has certainly not happened.
fn is_refusal(errno: Errno) -> bool {
    use Errno as E;
    [E::NOTDIR, E::ISDIR, E::NOSPC, E::DQUOT, E::ACCESS, E::PERM, E::ROFS, E::NAMETOOLONG]
        .contains(&errno)
}

/// How far publishing came before it failed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Failed {
    /// Nothing has its final name.
    Before(Errno),
    /// The rename itself failed, or the sync after it: the record may be there or not.
    Unsure(Errno),
}

impl Failed {
    pub(super) fn errno(self) -> Errno {
        match self {
            Failed::Before(errno) | Failed::Unsure(errno) => errno,
        }
    }

    /// What a caller is told of it.
    pub(super) fn told(self, path: &WorkspacePath) -> ToolError {
        let error = io_error("write", path, self.errno());
        match self {
            Failed::Before(_) => error,
            Failed::Unsure(_) => error.hint(
                "nothing is promised: it may be there, whole, or not. Look before you write it \
                 again; if this stays, tell the operator",
            ),
        }
    }
}

impl Scope {
    /// Publishes one file under its final name: written aside, synced, renamed. Readers see
    /// the whole file or none. A file of that name is replaced.
    ///
    /// # Errors
    /// [`Code::Denied`] without the right to write there, [`Code::Io`] when the file system
    /// fails; what was not acknowledged may still be there, whole.
    pub fn publish_file(&self, path: &WorkspacePath, bytes: &[u8]) -> Result<(), ToolError> {
        let (parent, name) = self.writable(path, UNFINISHED_BYTES)?;
        let rename = |disk: &Workspace, directory: &OwnedFd, temporary: &str| {
            disk.rename((directory, temporary), (directory, name))
        };
        self.once_more(path, || self.file(&parent, bytes, &rename)).map(drop)
    }

    /// Publishes one file under a name that is not published yet. When two writers do so at the
    /// same instant, exactly one gets [`Published::Created`] if the file system can rename without
    /// replacing. On NFS both can get it, and one whole file remains.
    ///
    /// # Errors
    /// As [`Scope::publish_file`].
    pub fn publish_new_file(
        &self,
        path: &WorkspacePath,
        bytes: &[u8],
    ) -> Result<Published, ToolError> {
        let (parent, name) = self.writable(path, UNFINISHED_BYTES)?;
        let rename = |disk: &Workspace, directory: &OwnedFd, temporary: &str| {
            disk.rename_new(directory, temporary, name)
        };
        self.once_more(path, || self.file(&parent, bytes, &rename))
    }

    fn file(
        &self,
        parent: &WorkspacePath,
        bytes: &[u8],
        rename: &dyn Fn(&Workspace, &OwnedFd, &str) -> Result<(), Errno>,
    ) -> Result<Published, Failed> {
        let disk = self.workspace();
        let directory = disk.directory_for_records(parent).map_err(Failed::Before)?;
        let temporary = unfinished_name();
        if let Err(errno) = disk.write_new(&directory, &temporary, bytes) {
            // The error that matters is the first one; what is left now is swept by age.
            let _ = disk.remove_file(&directory, &temporary);
            return Err(Failed::Before(errno));
        }
        let published = match rename(disk, &directory, &temporary) {
            Ok(()) => Published::Created,
            Err(errno) => {
                let _ = disk.remove_file(&directory, &temporary);
                if errno != Errno::EXIST {
                    return Err(Failed::Unsure(errno));
                }
                Published::AlreadyThere
            }
        };
        // Also for the record of another writer, who may not have come to this line.
        disk.sync_directory(&directory).map_err(Failed::Unsure)?;
        disk.sweep_now_and_then(&directory);
        Ok(published)
    }

    /// Publishes a directory with these files under its final name, exclusively: of any number
    /// of writers exactly one gets [`Published::Created`], and readers see all files or none.
    ///
    /// # Errors
    /// As [`Scope::publish_file`].
    pub fn publish_directory(
        &self,
        path: &WorkspacePath,
        files: &[(&str, &[u8])],
    ) -> Result<Published, ToolError> {
        let (parent, name) = self.writable(path, 0)?;
        for (file, _) in files {
            self.writable(&path.join(file)?, UNFINISHED_BYTES)?;
        }
        self.once_more(path, || self.directory(&parent, name, files))
    }

    fn directory(
        &self,
        parent: &WorkspacePath,
        name: &str,
        files: &[(&str, &[u8])],
    ) -> Result<Published, Failed> {
        let disk = self.workspace();
        let directory = disk.directory_for_records(parent).map_err(Failed::Before)?;
        let temporary = unfinished_name();
        disk.write_aside(&directory, &temporary, files.iter().copied()).map_err(Failed::Before)?;
        disk.rename_exclusively((&directory, &temporary), (&directory, name))
    }

    /// Makes the directory of a record if it is missing. A writer that looks for records first
    /// calls this before it looks: a network mount may remember for a while that a directory did
    /// not exist, and only making it asks the server.
    ///
    /// # Errors
    /// As [`Scope::publish_file`].
    pub fn make_directory_of(&self, record: &WorkspacePath) -> Result<(), ToolError> {
        let (parent, _) = self.writable(record, UNFINISHED_BYTES)?;
        self.once_more(record, || self.made(&parent))
    }

    /// The directory is there, or is made.
    pub(super) fn made(&self, directory: &WorkspacePath) -> Result<(), Failed> {
        let made = self.workspace().directory_for_records(directory);
        made.map(drop).map_err(Failed::Before)
    }

    /// A file or directory on the server of a network file system can be replaced under an open
    /// handle (ESTALE). Where nothing has its final name yet, all is opened anew, once.
    pub(super) fn once_more<T>(
        &self,
        path: &WorkspacePath,
        mut attempt: impl FnMut() -> Result<T, Failed>,
    ) -> Result<T, ToolError> {
        let done = match attempt() {
            Err(Failed::Before(Errno::STALE)) => attempt(),
            other => other,
        };
        done.map_err(|failed| failed.told(path))
    }

    fn writable<'p>(
        &self,
        path: &'p WorkspacePath,
        more: usize,
    ) -> Result<(WorkspacePath, &'p str), ToolError> {
        let denied = || ToolError::new(Code::Denied, format!("this caller may not write `{path}`"));
        if !self.allows(Access::Write, path) {
            return Err(denied()
                .hint("the policy's `write` list of the caller's role decides; ask the operator"));
        }
        fits(path, more)?;
        path.parent().zip(path.file_name()).ok_or_else(denied)
    }
}

/// Whether a record's path leaves room for `more` bytes on its way.
///
/// # Errors
/// [`Code::TooLarge`], before anything is written.
pub(super) fn fits(path: &WorkspacePath, more: usize) -> Result<(), ToolError> {
    let longest = path.as_str().len() + more;
    if longest <= MAX_RECORD_PATH {
        return Ok(());
    }
    Err(ToolError::new(
        Code::TooLarge,
        format!(
            "the record's path needs {longest} bytes; the limit is {MAX_RECORD_PATH}: `{path}`"
        ),
    )
    .hint("use a shorter name; the operator can shorten the policy's [layout]"))
}

impl Workspace {
    /// The last step of exclusive publishing: POSIX refuses to rename a directory over one that
    /// is not empty, so one writer wins.
    pub(super) fn rename_exclusively(
        &self,
        from: (&OwnedFd, &str),
        to: (&OwnedFd, &str),
    ) -> Result<Published, Failed> {
        let renamed = match self.rename(from, to) {
            // A file or a link is no record that anybody published, and cannot become one.
            Err(Errno::NOTDIR) => self.remove_file(to.0, to.1).and_then(|()| self.rename(from, to)),
            other => other,
        };
        let published = match renamed {
            Ok(()) => Published::Created,
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                let _ = self.remove_tree(from.0, from.1);
                Published::AlreadyThere
            }
            Err(errno) => {
                // Else the reply may be what was lost. A network mount then still knows the
                // unfinished name, and what is opened by it is the published record: nothing is
                // removed. If it is unfinished after all, it is swept by age.
                if is_refusal(errno) {
                    let _ = self.remove_tree(from.0, from.1);
                }
                return Err(Failed::Unsure(errno));
            }
        };
        self.sync_directory(to.0).map_err(Failed::Unsure)?;
        self.sweep_now_and_then(from.0);
        Ok(published)
    }

    /// Opens the directory, creating what is missing on the way, one name at a time.
    pub(super) fn directory_for_records(&self, path: &WorkspacePath) -> Result<OwnedFd, Errno> {
        match self.open(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let mut directory =
            self.open(&WorkspacePath::root(), OFlags::RDONLY | OFlags::DIRECTORY)?;
        for component in path.components() {
            let next = match self.open_directory(&directory, component) {
                Err(Errno::NOENT) => {
                    match self.make_directory(&directory, component) {
                        Ok(()) => self.sync_directory(&directory)?,
                        Err(Errno::EXIST) => {}
                        Err(errno) => return Err(errno),
                    }
                    self.open_directory(&directory, component)?
                }
                other => other?,
            };
            directory = next;
        }
        Ok(directory)
    }
}
