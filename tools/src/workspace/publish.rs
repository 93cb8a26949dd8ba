//! Writing records: whole or not at all, with nothing but what a network file system gives
//! (exclusive create, atomic rename, fsync; no hard links, no locks).

use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, fsync, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;

use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::policy::Access;

use super::scope::{Scope, io_error};

/// Whether a directory of records was published now or stood there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// This call published it.
    Created,
    /// Somebody had published that name before; nothing was changed.
    AlreadyThere,
}

/// Unfinished work starts with this; readers ignore it.
const UNFINISHED: &str = ".unfinished-";

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

impl Scope {
    /// Publishes one file under its final name: written aside, synced, renamed. Readers see
    /// the whole file or none. A file of that name is replaced.
    ///
    /// # Errors
    /// [`Code::Denied`] without the right to write there, [`Code::Io`] when the file system
    /// fails; then nothing is left under the final name.
    pub fn publish_file(&self, path: &WorkspacePath, bytes: &[u8]) -> Result<(), ToolError> {
        let (parent, name) = self.writable(path)?;
        let failed = |errno| io_error("write", path, errno);
        let directory = self.directory_for_records(&parent).map_err(failed)?;
        let temporary = unfinished_name();
        let written = write_new(&directory, &temporary, bytes)
            .and_then(|()| renameat(&directory, &temporary, &directory, name));
        if let Err(errno) = written {
            // The error that matters is the first one; what is left is swept by age.
            let _ = unlinkat(&directory, &temporary, AtFlags::empty());
            return Err(failed(errno));
        }
        fsync(&directory).map_err(failed)
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
        let (parent, name) = self.writable(path)?;
        for (file, _) in files {
            self.writable(&path.join(file)?)?;
        }
        let failed = |errno| io_error("write", path, errno);
        let directory = self.directory_for_records(&parent).map_err(failed)?;
        let temporary = unfinished_name();
        mkdirat(&directory, &temporary, Mode::from_raw_mode(0o755)).map_err(failed)?;
        let published = openat(&directory, &temporary, DIRECTORY, Mode::empty())
            .and_then(|inside| {
                for (file, bytes) in files {
                    write_new(&inside, file, bytes)?;
                }
                fsync(&inside)
            })
            // POSIX refuses to rename over a directory that is not empty: one writer wins.
            .and_then(|()| renameat(&directory, &temporary, &directory, name));
        match published {
            Ok(()) => {
                fsync(&directory).map_err(failed)?;
                Ok(Published::Created)
            }
            Err(errno) => {
                if let Ok(inside) = openat(&directory, &temporary, DIRECTORY, Mode::empty()) {
                    for (file, _) in files {
                        let _ = unlinkat(&inside, *file, AtFlags::empty());
                    }
                }
                let _ = unlinkat(&directory, &temporary, AtFlags::REMOVEDIR);
                match errno {
                    Errno::NOTEMPTY | Errno::EXIST => Ok(Published::AlreadyThere),
                    other => Err(failed(other)),
                }
            }
        }
    }

    /// Makes the directory of a record if it is missing. Who looks for records before writing one
    /// does this first: a network mount may remember for a while that a directory was not there,
    /// and only making it asks the server.
    ///
    /// # Errors
    /// As [`Scope::publish_file`].
    pub fn make_directory_of(&self, record: &WorkspacePath) -> Result<(), ToolError> {
        let (parent, _) = self.writable(record)?;
        let made = self.directory_for_records(&parent);
        made.map(drop).map_err(|errno| io_error("write", record, errno))
    }

    fn writable<'p>(&self, path: &'p WorkspacePath) -> Result<(WorkspacePath, &'p str), ToolError> {
        let denied = || ToolError::new(Code::Denied, format!("this caller may not write `{path}`"));
        if !self.grant().may(Access::Write, path) {
            return Err(denied()
                .hint("the policy's `write` list of the caller's role decides; ask the operator"));
        }
        path.parent().zip(path.file_name()).ok_or_else(denied)
    }

    /// Opens the directory, creating what is missing on the way, one name at a time.
    fn directory_for_records(&self, path: &WorkspacePath) -> Result<OwnedFd, Errno> {
        match self.workspace().open(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Err(Errno::NOENT) => {}
            other => return other,
        }
        let mut directory =
            self.workspace().open(&WorkspacePath::root(), OFlags::RDONLY | OFlags::DIRECTORY)?;
        for component in path.components() {
            let next = match openat(&directory, component, DIRECTORY, Mode::empty()) {
                Err(Errno::NOENT) => {
                    match mkdirat(&directory, component, Mode::from_raw_mode(0o755)) {
                        Ok(()) => fsync(&directory)?,
                        Err(Errno::EXIST) => {}
                        Err(errno) => return Err(errno),
                    }
                    openat(&directory, component, DIRECTORY, Mode::empty())?
                }
                other => other?,
            };
            directory = next;
        }
        Ok(directory)
    }
}

fn write_new(directory: &OwnedFd, name: &str, bytes: &[u8]) -> Result<(), Errno> {
    let handle = openat(directory, name, NEW_FILE, Mode::from_raw_mode(0o644))?;
    let mut file = std::fs::File::from(handle);
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// A name that no other writer uses: the standard library's hash keys are random.
fn unfinished_name() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{UNFINISHED}{:016x}{:016x}", random(), std::process::id() as u64 ^ random())
}
