//! Numbered versions of a record, published exclusively: `<record>/@/<number>/value.json`.
//!
//! A successor of version 7 is written aside *inside* of `@/7` and then renamed to `@/8`. So:
//! - `8` exists at most once: POSIX refuses to rename a directory over one that is not empty.
//! - Versions are removed from the lowest up, and each in place: when `@/8` is removed, `@/7` is
//!   gone, and with it everything that could be renamed to `@/8`. A writer that slept for days
//!   finds its work gone (ENOENT) and can never bring a number back.
//! - The first version comes with the directory `@` itself, which is never empty afterwards.

use std::io::Read;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, OFlags, statat};
use rustix::io::Errno;

use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::policy::Access;

use super::metadata::Kind;
use super::publish::{Failed, Published, UNFINISHED_BYTES, fits};
use super::scope::{Scope, io_error, read_error};
use super::unfinished::unfinished_name;
use super::{Workspace, entries};

/// The directory of versions in that of a record; no part of a record's name may be this.
pub const VERSIONS: &str = "@";
/// The file of one version.
pub const VALUE: &str = "value.json";
/// Largest file of one version in bytes; a larger one was not written here.
const MAX_BYTES: u64 = 1024 * 1024;
/// `/@/<20 digits>/`, an unfinished name, `value.json`.
const LONGEST_BELOW: usize = 3 + 21 + UNFINISHED_BYTES + 10;
/// Most versions that one call removes.
const MAX_PRUNED: usize = 32;

impl Scope {
    /// The versions of a record that are kept, ascending. There are none when nothing was written,
    /// or when policy hides the record.
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails.
    pub fn versions(&self, record: &WorkspacePath) -> Result<Vec<u64>, ToolError> {
        if !self.knows_record(record) {
            return Ok(Vec::new());
        }
        let failed = |errno| io_error("list", record, errno);
        match self.open_versions(record) {
            Ok(Some(versions)) => numbers(&versions).map_err(failed),
            Ok(None) => Ok(Vec::new()),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Whether a version is there, asked for by its name: a listing may be older than that.
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails.
    pub fn has_version(&self, record: &WorkspacePath, version: u64) -> Result<bool, ToolError> {
        if !self.knows_record(record) {
            return Ok(false);
        }
        let path = record.join(VERSIONS)?.join(&version.to_string())?;
        match self.workspace().open(&path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(false),
            Err(errno) => Err(io_error("read", record, errno)),
        }
    }

    /// Makes the directory of a record if it is missing. A network mount may remember for a while
    /// that it was not there, and only making it asks the server.
    ///
    /// # Errors
    /// As [`Scope::publish_version`].
    pub fn make_record_directory(&self, record: &WorkspacePath) -> Result<(), ToolError> {
        if !self.grant().may(Access::Write, record) {
            return Ok(());
        }
        fits(record, LONGEST_BELOW)?;
        self.once_more(record, || self.made(record))
    }

    /// The file of one version, or none if it does not exist or is removed.
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails, [`Code::TooLarge`] for a file that no writer of
    /// versions has left.
    pub fn read_version(
        &self,
        record: &WorkspacePath,
        version: u64,
    ) -> Result<Option<Vec<u8>>, ToolError> {
        if !self.allows(Access::Read, record) {
            return Ok(None);
        }
        let path = record.join(VERSIONS)?.join(&version.to_string())?.join(VALUE)?;
        // What lies there may be no file of ours: never wait for the writer of a FIFO.
        let handle = match self.workspace().open(&path, OFlags::RDONLY | OFlags::NONBLOCK) {
            Ok(handle) => handle,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE) => return Ok(None),
            Err(errno) => return Err(io_error("read", record, errno)),
        };
        let mut bytes = Vec::new();
        match std::fs::File::from(handle).take(MAX_BYTES + 1).read_to_end(&mut bytes) {
            Ok(read) if read as u64 <= MAX_BYTES => Ok(Some(bytes)),
            Ok(_) => Err(ToolError::new(
                Code::TooLarge,
                format!("version {version} of `{record}` has more than {MAX_BYTES} bytes"),
            )),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::STALE) => Ok(None),
            Err(error) => Err(read_error(record, &error)),
        }
    }

    /// Publishes the version after `newest` (0 for the first), exclusively: of any number of
    /// writers at any time, exactly one ever gets [`Published::Created`] for a number.
    ///
    /// # Errors
    /// [`Code::Denied`] without the right to write there, [`Code::TooLarge`] for a name that
    /// leaves no room, [`Code::Io`] when the file system fails.
    pub fn publish_version(
        &self,
        record: &WorkspacePath,
        newest: u64,
        bytes: &[u8],
    ) -> Result<Published, ToolError> {
        if !self.allows(Access::Write, record) {
            let message = format!("this caller may not write `{record}`");
            return Err(ToolError::new(Code::Denied, message)
                .hint("the policy's `write` list of the caller's role decides; ask the operator"));
        }
        fits(record, LONGEST_BELOW)?;
        self.once_more(record, || {
            if newest == 0 { self.first(record, bytes) } else { self.next(record, newest, bytes) }
        })
    }

    fn first(&self, record: &WorkspacePath, bytes: &[u8]) -> Result<Published, Failed> {
        let disk = self.workspace();
        let directory = disk.directory_for_records(record).map_err(Failed::Before)?;
        let temporary = unfinished_name();
        disk.make_directory(&directory, &temporary).map_err(Failed::Before)?;
        let written = disk.open_directory(&directory, &temporary).and_then(|inside| {
            disk.write_aside(&inside, "1", [(VALUE, bytes)])?;
            disk.sync_directory(&inside)
        });
        if let Err(errno) = written {
            let _ = disk.remove_tree(&directory, &temporary);
            return Err(Failed::Before(errno));
        }
        disk.rename_exclusively((&directory, &temporary), (&directory, VERSIONS))
    }

    fn next(&self, record: &WorkspacePath, newest: u64, bytes: &[u8]) -> Result<Published, Failed> {
        let Some(next) = newest.checked_add(1) else {
            return Err(Failed::Before(Errno::OVERFLOW));
        };
        let disk = self.workspace();
        let Some(versions) = self.open_versions(record).map_err(Failed::Before)? else {
            return Err(Failed::Before(Errno::NOENT));
        };
        // INVARIANT: a version that is not there any more has been succeeded.
        let room = match disk.open_directory(&versions, &newest.to_string()) {
            Err(Errno::NOENT) => return Ok(Published::AlreadyThere),
            other => other.map_err(Failed::Before)?,
        };
        let temporary = unfinished_name();
        match disk.write_aside(&room, &temporary, [(VALUE, bytes)]) {
            Err(Errno::NOENT) => return Ok(Published::AlreadyThere),
            other => other.map_err(Failed::Before)?,
        }
        match disk.rename_exclusively((&room, &temporary), (&versions, &next.to_string())) {
            Err(Failed::Unsure(Errno::NOENT)) => Ok(Published::AlreadyThere),
            other => other,
        }
    }

    /// Removes all versions but the `keep` newest. A version that cannot be removed stays.
    pub fn prune_versions(&self, record: &WorkspacePath, keep: u64) {
        if self.grant().may(Access::Write, record)
            && let Ok(Some(versions)) = self.open_versions(record)
        {
            let _ = self.workspace().prune(&versions, keep);
        }
    }

    /// The directories in that of a record, or in that of all records, sorted. Which of them the
    /// caller may see is for the caller of this to ask.
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails.
    pub(crate) fn directories(&self, record: &WorkspacePath) -> Result<Vec<String>, ToolError> {
        let failed = |errno| io_error("list", record, errno);
        let handle = match self.workspace().open(record, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(handle) => handle,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Vec::new()),
            Err(errno) => return Err(failed(errno)),
        };
        let all = entries::read(&handle).map_err(failed)?.entries.into_iter();
        let mut names: Vec<String> =
            all.filter(|entry| entry.kind == Kind::Directory).map(|entry| entry.name).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn open_versions(&self, record: &WorkspacePath) -> Result<Option<OwnedFd>, Errno> {
        let Ok(path) = record.join(VERSIONS) else { return Ok(None) };
        match self.workspace().open(&path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(handle) => Ok(Some(handle)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

impl Workspace {
    fn prune(&self, versions: &OwnedFd, keep: u64) -> Result<(), Errno> {
        let all = numbers(versions)?;
        let newest = all.last().copied().unwrap_or_default();
        for version in all.into_iter().take(MAX_PRUNED) {
            if version.saturating_add(keep) > newest {
                break;
            }
            // INVARIANT: nothing is left from which this number could be published again. The
            // listing says so; the name is asked for as well.
            if let Some(before) = version.checked_sub(1) {
                match statat(versions, before.to_string(), AtFlags::SYMLINK_NOFOLLOW) {
                    Err(Errno::NOENT) => {}
                    Ok(_) => break,
                    Err(errno) => return Err(errno),
                }
            }
            self.remove_tree(versions, &version.to_string())?;
        }
        Ok(())
    }
}

/// The numbers of the versions in a directory, ascending.
fn numbers(versions: &OwnedFd) -> Result<Vec<u64>, Errno> {
    let listing = entries::read(versions)?;
    let number = |name: &str| {
        let number: u64 = name.parse().ok()?;
        // `07` and `+7` are no names of versions.
        (number > 0 && number.to_string() == name).then_some(number)
    };
    let mut all: Vec<u64> =
        listing.entries.iter().filter_map(|entry| number(&entry.name)).collect();
    all.sort_unstable();
    Ok(all)
}
