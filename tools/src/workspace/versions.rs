//! Numbered versions of a record, published exclusively: `<record>/@/<number>/value.json`.
//!
//! A successor of version 7 is written aside *inside* of `@/7` and then renamed to `@/8`. So:
//! - `8` exists at most once: POSIX refuses to rename a directory over one that is not empty.
//! - Versions are removed from the lowest up, and each in place: when `@/8` is removed, `@/7` is
//!   gone, and with it everything that could be renamed to `@/8`. A writer that slept for days
//!   finds its work gone (ENOENT) and can never bring a number back.
//! - The first version comes with the directory `@` itself, which is never empty afterwards.
//!
//! So a version has the one before it, or content: pruning keeps far more than one. What somebody
//! else has put there with neither, or with a number over [`MAX_NUMBER`], is no version. A version
//! whose content is lost or damaged stays one: its number was given out, and the next is written
//! inside of it, so that the number never names another value.
//!
//! A version that this server's user may not enter stays one as well, since what is in there may be
//! a value. The next is then written aside in the newest before it that can be entered. Every number
//! from there on is taken, so removing from the lowest up still removes all that could be renamed to
//! a number before the number itself.

use std::io::Read;

use rustix::fd::OwnedFd;
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::{Code, Situation, ToolError};
use crate::path::WorkspacePath;
use crate::policy::Access;

use super::Workspace;
use super::metadata::Kind;
use super::publish::{Failed, Published, UNFINISHED_BYTES, fits};
use super::scope::{Scope, io_error, metadata_of, read_error};
use super::unfinished::unfinished_name;
use super::version_numbers::{is_there, numbers, stands_alone};

/// The directory of versions in that of a record; no part of a record's name may be this.
pub const VERSIONS: &str = "@";
/// Where the first version is written aside, where `@` was there before it.
const ROOM_OF_THE_FIRST: &str = "0";
/// The file of one version.
pub const VALUE: &str = "value.json";
/// Largest number of a version: the largest that every reader of JSON reads exactly. A writer of a
/// version each microsecond needs 285 years for it.
pub(super) const MAX_NUMBER: u64 = (1 << 53) - 1;
/// Largest file of one version in bytes; a larger one was not written here.
const MAX_BYTES: u64 = 1024 * 1024;
/// `/@/<20 digits>/`, an unfinished name, `value.json`.
const LONGEST_BELOW: usize = 3 + 21 + UNFINISHED_BYTES + 10;
/// Most versions that one call removes, and most that it looks at for that.
const MAX_PRUNED: usize = 32;
pub(super) const MAX_LOOKED_AT: usize = 512;

/// What is found of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionContent {
    /// Its file.
    Bytes(Vec<u8>),
    /// It was never there, or is removed.
    Gone,
    /// It is there, and its file is not what a writer leaves: this is wrong with it.
    Damaged(String),
}

impl Scope {
    /// The versions of a record that are kept, ascending, whatever their content is worth. There
    /// are none when nothing was written, or when policy hides the record.
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails, [`Code::Denied`] when it refuses to list them.
    pub fn versions(&self, record: &WorkspacePath) -> Result<Vec<u64>, ToolError> {
        if !self.knows_record(record) {
            return Ok(Vec::new());
        }
        let failed = |errno| io_error("list", record, errno);
        match self.open_versions(record) {
            Ok(Some(versions)) => numbers(&versions).map_err(failed),
            Ok(None) => Ok(Vec::new()),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(no_versions(record)),
            Err(errno) => Err(failed(errno)),
        }
    }

    /// Whether a version is there, asked for by its name: a listing may be older than that.
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails.
    pub fn has_version(&self, record: &WorkspacePath, version: u64) -> Result<bool, ToolError> {
        if !self.knows_record(record) || !(1..=MAX_NUMBER).contains(&version) {
            return Ok(false);
        }
        match self.open_versions(record) {
            Ok(Some(versions)) => is_there(&versions, version)
                .and_then(|there| Ok(there && (version == 1 || stands_alone(&versions, version)?)))
                .map_err(|errno| io_error("read", record, errno)),
            Ok(None) | Err(Errno::NOTDIR | Errno::LOOP) => Ok(false),
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

    /// The file of one version.
    ///
    /// # Errors
    /// [`Code::Io`] when the file system fails in a way that may pass.
    pub fn read_version(
        &self,
        record: &WorkspacePath,
        version: u64,
    ) -> Result<VersionContent, ToolError> {
        if !self.allows(Access::Read, record) {
            return Ok(VersionContent::Gone);
        }
        let damaged = |what: &str| Ok(VersionContent::Damaged(what.to_owned()));
        let path = record.join(VERSIONS)?.join(&version.to_string())?.join(VALUE)?;
        // What lies there may be no file of ours: never wait for the writer of a FIFO.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = self.workspace().open(&path, flags);
        let handle = match opened.and_then(|handle| Ok((metadata_of(&handle)?.kind, handle))) {
            Ok((Kind::File, handle)) => handle,
            Ok(_) | Err(Errno::LOOP | Errno::NXIO | Errno::NODEV) => {
                return damaged("its file is no regular file");
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::STALE) => {
                return match self.has_version(record, version)? {
                    true => damaged("it is empty"),
                    false => Ok(VersionContent::Gone),
                };
            }
            Err(Errno::ACCESS | Errno::PERM) => {
                return damaged("the file system refuses it (permission denied)");
            }
            Err(errno) => return Err(io_error("read", record, errno)),
        };
        let mut bytes = Vec::new();
        match std::fs::File::from(handle).take(MAX_BYTES + 1).read_to_end(&mut bytes) {
            Ok(0) => damaged("its file is empty"),
            Ok(read) if read as u64 <= MAX_BYTES => Ok(VersionContent::Bytes(bytes)),
            Ok(_) => damaged(&format!("its file has more than {MAX_BYTES} bytes")),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::STALE) => {
                Ok(VersionContent::Gone)
            }
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
        if newest >= MAX_NUMBER {
            return Err(ToolError::new(
                Code::Io,
                format!("`{record}` has version {newest}, after which there is none"),
            )
            .hint("no writer made that; the operator can remove the directory of that version"));
        }
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
        match disk.rename_exclusively((&directory, &temporary), (&directory, VERSIONS))? {
            Published::AlreadyThere => self.first_among_others(record, bytes),
            Published::Created => Ok(Published::Created),
        }
    }

    /// The first version where somebody else has put something else into the directory of
    /// versions. It is written aside inside of `@/0`, as any other in the version before it.
    fn first_among_others(
        &self,
        record: &WorkspacePath,
        bytes: &[u8],
    ) -> Result<Published, Failed> {
        let disk = self.workspace();
        let Some(versions) = self.open_versions(record).map_err(Failed::Before)? else {
            return Ok(Published::AlreadyThere);
        };
        if !numbers(&versions).map_err(Failed::Before)?.is_empty() {
            return Ok(Published::AlreadyThere);
        }
        match disk.make_directory(&versions, ROOM_OF_THE_FIRST) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(Failed::Before(errno)),
        }
        let room = match disk.open_directory(&versions, ROOM_OF_THE_FIRST) {
            // It was pruned already.
            Err(Errno::NOENT) => return Ok(Published::AlreadyThere),
            other => other.map_err(Failed::Before)?,
        };
        // INVARIANT: once there was a version there always is one, so none after the room was
        // opened means that number 1 was never given out. Later it can be given out once: pruning
        // removes the room, with what was written aside in it, before it removes version 1.
        if !numbers(&versions).map_err(Failed::Before)?.is_empty() {
            return Ok(Published::AlreadyThere);
        }
        disk.publish_from(&versions, &room, 1, bytes)
    }

    fn next(&self, record: &WorkspacePath, newest: u64, bytes: &[u8]) -> Result<Published, Failed> {
        let disk = self.workspace();
        let Some(versions) = self.open_versions(record).map_err(Failed::Before)? else {
            return Err(Failed::Before(Errno::NOENT));
        };
        // INVARIANT: a version that is not there any more has been succeeded.
        let room = match disk.open_directory(&versions, &newest.to_string()) {
            Err(Errno::NOENT) => return Ok(Published::AlreadyThere),
            Err(errno @ (Errno::ACCESS | Errno::PERM)) => {
                match disk.room_below(&versions, newest, errno).map_err(Failed::Before)? {
                    Some(room) => room,
                    None => return Ok(Published::AlreadyThere),
                }
            }
            other => other.map_err(Failed::Before)?,
        };
        disk.publish_from(&versions, &room, newest.saturating_add(1), bytes)
    }

    /// Removes the versions that are `keep` or more older than `newest`. A version that cannot be
    /// removed stays.
    pub fn prune_versions(&self, record: &WorkspacePath, newest: u64, keep: u64) {
        if self.grant().may(Access::Write, record)
            && let Ok(Some(versions)) = self.open_versions(record)
        {
            let _ = self.workspace().prune(&versions, newest, keep);
        }
    }

    fn open_versions(&self, record: &WorkspacePath) -> Result<Option<OwnedFd>, Errno> {
        let Ok(path) = record.join(VERSIONS) else { return Ok(None) };
        match self.workspace().open(&path, OFlags::RDONLY | OFlags::DIRECTORY) {
            Ok(handle) => Ok(Some(handle)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }
}

impl Workspace {
    /// The room of the version after `newest`, which cannot be entered: the newest version before
    /// it that can, or the room of the first. None when `newest` has been succeeded meanwhile.
    ///
    /// # Errors
    /// `refused`, when none of those that are looked at can be entered.
    fn room_below(
        &self,
        versions: &OwnedFd,
        newest: u64,
        refused: Errno,
    ) -> Result<Option<OwnedFd>, Errno> {
        let is_newest = || Ok::<bool, Errno>(numbers(versions)?.last() == Some(&newest));
        for number in (0..newest).rev().take(MAX_LOOKED_AT) {
            if number == 0 {
                match self.make_directory(versions, ROOM_OF_THE_FIRST) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(errno) => return Err(errno),
                }
            }
            match self.open_directory(versions, &number.to_string()) {
                // INVARIANT: the room was opened before the next number was given out, so it is
                // gone before that number is.
                Ok(room) => return Ok(is_newest()?.then_some(room)),
                Err(Errno::ACCESS | Errno::PERM) => {}
                // Nothing says that what lies behind a gap is removed before the number.
                Err(_) => break,
            }
        }
        if is_newest()? { Err(refused) } else { Ok(None) }
    }

    /// Publishes a version that is written aside in the room of the one before it.
    fn publish_from(
        &self,
        versions: &OwnedFd,
        room: &OwnedFd,
        version: u64,
        bytes: &[u8],
    ) -> Result<Published, Failed> {
        let temporary = unfinished_name();
        match self.write_aside(room, &temporary, [(VALUE, bytes)]) {
            Err(Errno::NOENT) => return Ok(Published::AlreadyThere),
            other => other.map_err(Failed::Before)?,
        }
        match self.rename_exclusively((room, &temporary), (versions, &version.to_string())) {
            Err(Failed::Unsure(Errno::NOENT)) => Ok(Published::AlreadyThere),
            other => other,
        }
    }

    fn prune(&self, versions: &OwnedFd, newest: u64, keep: u64) -> Result<(), Errno> {
        let mut removed = 0;
        let all = numbers(versions)?;
        if newest > keep && is_there(versions, 0)? {
            let _ = self.remove_tree(versions, ROOM_OF_THE_FIRST);
        }
        for version in all.into_iter().take(MAX_LOOKED_AT) {
            if version.saturating_add(keep) > newest || removed >= MAX_PRUNED {
                break;
            }
            // INVARIANT: nothing is left from which this number could be published again. The
            // listing says so; the name is asked for as well.
            if let Some(before) = version.checked_sub(1)
                && is_there(versions, before)?
            {
                continue;
            }
            // What somebody else has put there may refuse to go. It keeps those after it, and no
            // others.
            removed += usize::from(self.remove_tree(versions, &version.to_string()).is_ok());
        }
        Ok(())
    }
}

fn no_versions(record: &WorkspacePath) -> ToolError {
    ToolError::new(
        Code::Io,
        format!("`{record}/{VERSIONS}` is a link or a file, and the versions should be there"),
    )
    .hint("a write of the key replaces what is there")
    .in_situation(Situation::File)
}
