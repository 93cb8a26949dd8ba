//! Changes one source from what it is expected to be to what it shall be, whole or not at all, so
//! that no edit is lost that somebody makes at the same time.
//!
//! The new content is written aside and synced first, and the source is compared last. Then the two
//! names change places in one step, and what came out is compared as well. An edit that came out
//! is put back; where something newer is in its place, it is kept under a name that the error
//! tells. Nothing is removed but what has been compared.
//!
//! Where the file system cannot let names change places (NFS, so S3 Files), a rename replaces the
//! source right after the comparison. The file that was compared stays open, so an edit that was
//! written into it in that instant is kept as well. One that was renamed to its place in that
//! instant is lost; nothing but such an exchange could tell.

use std::fs::File;
use std::io::{Read, Seek};

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

use super::Workspace;
use super::decider::Decider;
use super::metadata::Kind;
use super::operations::errno_of;
use super::scope::{io_error, metadata_of};
use super::sources::{Source, parts, permissions};
use crate::error::{Code, ToolError};
use crate::patch::version;
use crate::path::WorkspacePath;
use crate::policy::UNFINISHED;

/// The permission bits that a source can get: no set-id and sticky bits, and nobody but its owner
/// writes it.
const GIVEN: u32 = 0o755;
/// Names that are tried for an edit that is kept.
const KEPT_NAMES: usize = 100;

/// One source on its way from one content to another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceChange<'c> {
    pub path: &'c WorkspacePath,
    /// What is there before; none when it is made.
    pub expected: Option<&'c Source>,
    /// What is there afterwards; none when it is removed.
    pub wanted: Option<&'c Source>,
    /// The proposal that it belongs to.
    pub proposal: &'c str,
    /// Its number in the proposal. Both name what is unfinished, so that whoever takes up an
    /// interrupted run finds it.
    pub index: usize,
}

/// What stands under a name.
enum Found {
    Nothing,
    File(Source, File),
    /// A directory, a link, or a file that is larger than both sides.
    Other,
}

impl Found {
    fn is(&self, side: Option<&Source>) -> bool {
        match (self, side) {
            (Found::Nothing, None) => true,
            (Found::File(found, _), Some(side)) => found.is_same_as(side),
            _ => false,
        }
    }

    fn told(&self) -> String {
        match self {
            Found::Nothing => "nothing".to_owned(),
            Found::File(found, _) => {
                let executable = if found.is_executable() { ", executable" } else { "" };
                format!("version {}{executable}", version(&found.bytes))
            }
            Found::Other => "something else".to_owned(),
        }
    }
}

/// A change in its directory.
struct Place<'c> {
    disk: &'c Workspace,
    change: SourceChange<'c>,
    directory: OwnedFd,
    name: &'c str,
    /// The new content while it is written; removed without a look.
    partial: String,
    /// The whole new content, and then what came out of the source's place.
    aside: String,
}

impl Decider {
    /// Changes a source. It is no error when it is already what it shall be.
    ///
    /// # Errors
    /// [`Code::Conflict`] when it is neither that nor what was expected; then it is as somebody
    /// else has left it, or the error tells where that is. [`Code::Denied`] when the caller may
    /// not decide about it, [`Code::Io`].
    pub(crate) fn change_source(&self, change: SourceChange<'_>) -> Result<(), ToolError> {
        self.may_decide(change.path)?;
        let makes = change.expected.is_none() && change.wanted.is_some();
        let Some(place) = self.place(change, makes)? else {
            return match change.expected {
                Some(_) if change.wanted.is_some() => Err(changed(&change, &Found::Nothing)),
                _ => Ok(()),
            };
        };
        match (change.expected, change.wanted) {
            (None, None) => Ok(()),
            (Some(_), None) => self.remove(&place),
            (_, Some(wanted)) => self.write(&place, wanted),
        }
    }

    /// Clears what an interrupted change of a source has left beside it. An edit among it is put
    /// back, or kept.
    ///
    /// # Errors
    /// [`Code::Conflict`] with the name of an edit that is kept, [`Code::Io`].
    pub(crate) fn clear_unfinished(&self, change: SourceChange<'_>) -> Result<(), ToolError> {
        self.may_decide(change.path)?;
        let Some(place) = self.place(change, false)? else { return Ok(()) };
        place.remove_if_there(&place.partial)?;
        let left = place.look(&place.aside)?;
        if matches!(left, Found::Nothing) {
            return Ok(());
        }
        if left.is(change.expected) || left.is(change.wanted) {
            return place.remove_if_there(&place.aside);
        }
        let there = place.look(place.name)?;
        let ours = [change.wanted, change.expected].into_iter().find(|side| there.is(*side));
        match ours {
            Some(ours) => self.give_back(&place, ours),
            None => self.keep(&place),
        }
    }

    fn place<'c>(
        &'c self,
        change: SourceChange<'c>,
        make: bool,
    ) -> Result<Option<Place<'c>>, ToolError> {
        let (parent, name) = parts(change.path)?;
        let disk = self.workspace();
        let opened = if make {
            disk.directory_for_records(&parent)
        } else {
            disk.open(&parent, OFlags::RDONLY | OFlags::DIRECTORY)
        };
        let directory = match opened {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) if !make => return Ok(None),
            other => other.map_err(|errno| io_error("write", change.path, errno))?,
        };
        let partial = format!("{UNFINISHED}{}-{}", change.proposal, change.index);
        let aside = format!("{partial}-whole");
        Ok(Some(Place { disk, change, directory, name, partial, aside }))
    }

    fn write(&self, place: &Place<'_>, wanted: &Source) -> Result<(), ToolError> {
        let change = &place.change;
        let before = place.look(place.name)?;
        if before.is(Some(wanted)) {
            return Ok(());
        }
        if !before.is(change.expected) {
            return Err(changed(change, &before));
        }
        place.write_aside(wanted, &before)?;
        // Last of all, after the sync, which takes its time.
        let last = place.look(place.name)?;
        if !last.is(change.expected) {
            place.remove_if_there(&place.aside)?;
            return Err(changed(change, &last));
        }
        if matches!(last, Found::Nothing) {
            return self.make(place);
        }
        match place.disk.exchange(&place.directory, &place.aside, place.name) {
            Ok(true) => {
                if place.look(&place.aside)?.is(change.expected) {
                    place.remove_if_there(&place.aside)?;
                    return place.sync();
                }
                self.give_back(place, Some(wanted))?;
                Err(changed(change, &place.look(place.name)?))
            }
            // To ask was a round trip as well, the first time.
            Ok(false) => match place.look(place.name)? {
                Found::File(now, compared)
                    if change.expected.is_some_and(|side| now.is_same_as(side)) =>
                {
                    self.replace(place, &now, compared)
                }
                other => {
                    place.remove_if_there(&place.aside)?;
                    Err(changed(change, &other))
                }
            },
            Err(Errno::NOENT) => {
                place.remove_if_there(&place.aside)?;
                Err(changed(change, &Found::Nothing))
            }
            // Whether it has happened is not known; who takes this up compares what is there.
            Err(errno) => Err(place.failed(errno)),
        }
    }

    /// Gives new content its name, under which nothing may be.
    fn make(&self, place: &Place<'_>) -> Result<(), ToolError> {
        let directory = &place.directory;
        let (from, to) = ((directory, place.aside.as_str()), (directory, place.name));
        match place.disk.rename_unless_there(from, to) {
            Ok(()) => place.sync(),
            Err(Errno::EXIST) => {
                place.remove_if_there(&place.aside)?;
                Err(changed(&place.change, &place.look(place.name)?))
            }
            Err(errno) => Err(place.failed(errno)),
        }
    }

    /// Replaces a source by a rename, where names cannot change places.
    fn replace(
        &self,
        place: &Place<'_>,
        expected: &Source,
        compared: File,
    ) -> Result<(), ToolError> {
        let (at, failed) = (&place.directory, |errno| place.failed(errno));
        place.disk.rename((at, &place.aside), (at, place.name)).map_err(failed)?;
        place.sync()?;
        // What was written into the old file until now is still there. A file that a network
        // server has removed cannot be read any more.
        let mut edit = compared;
        if still_holds(&mut edit, &expected.bytes).unwrap_or(true) {
            return Ok(());
        }
        let mode = Mode::from_raw_mode(expected.mode & GIVEN);
        place.remove_if_there(&place.partial)?;
        place.disk.copy_new(at, &place.partial, &mut edit, mode).map_err(failed)?;
        place.disk.rename((at, &place.partial), (at, &place.aside)).map_err(failed)?;
        self.keep(place)
    }

    fn remove(&self, place: &Place<'_>) -> Result<(), ToolError> {
        let change = &place.change;
        let before = place.look(place.name)?;
        if matches!(before, Found::Nothing) {
            return Ok(());
        }
        if !before.is(change.expected) {
            return Err(changed(change, &before));
        }
        let (at, aside) = (&place.directory, place.aside.as_str());
        match place.disk.rename((at, place.name), (at, aside)) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(()),
            Err(errno) => return Err(place.failed(errno)),
        }
        if place.look(aside)?.is(change.expected) {
            place.remove_if_there(aside)?;
            return place.sync();
        }
        self.give_back(place, None)?;
        Err(changed(change, &place.look(place.name)?))
    }

    /// Puts an edit back that came out of a source's place, where `ours` stands now.
    fn give_back(&self, place: &Place<'_>, ours: Option<&Source>) -> Result<(), ToolError> {
        let (at, aside) = (&place.directory, place.aside.as_str());
        match place.disk.rename_unless_there((at, aside), (at, place.name)) {
            Ok(()) => return place.sync(),
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(place.failed(errno)),
        }
        // What is there now and is not ours is newer, and stays.
        if ours.is_none() || !place.look(place.name)?.is(ours) {
            return self.keep(place);
        }
        let change_places = || place.disk.exchange(at, aside, place.name);
        if !change_places().map_err(|errno| place.failed(errno))? {
            return self.keep(place);
        }
        if place.look(aside)?.is(ours) {
            place.remove_if_there(aside)?;
            return place.sync();
        }
        // Somebody saved once more in between: that goes back, and the one before it is kept.
        change_places().map_err(|errno| place.failed(errno))?;
        self.keep(place)
    }

    /// Moves an edit to where no tool reads it, and tells where that is.
    fn keep(&self, place: &Place<'_>) -> Result<(), ToolError> {
        let change = &place.change;
        let (at, aside) = (&place.directory, place.aside.as_str());
        let folder = self.layout().decisions().join(change.proposal)?;
        let kept = place.disk.directory_for_records(&folder).ok().and_then(|directory| {
            (1..=KEPT_NAMES).find_map(|number| {
                // Tools read nothing of this ending there, as of what is saved for a revert.
                let name = format!("edit-{}-{number}.before", change.index);
                let moved = place.disk.rename_unless_there((at, aside), (&directory, &name));
                moved.ok().and_then(|()| {
                    place.disk.sync_directory(&directory).ok()?;
                    folder.join(&name).ok()
                })
            })
        });
        let kept = match kept {
            Some(kept) => kept,
            None => parts(change.path)?.0.join(aside)?,
        };
        place.sync()?;
        Err(ToolError::new(
            Code::Conflict,
            format!(
                "`{}` was edited in the middle, and that edit is kept in `{kept}`",
                change.path
            ),
        )
        .hint("compare the two by hand; nothing of either is lost"))
    }
}

impl Place<'_> {
    fn failed(&self, errno: Errno) -> ToolError {
        io_error("write", self.change.path, errno)
    }

    /// The size over which a file cannot be one of the sides.
    fn most(&self) -> u64 {
        let size = |side: Option<&Source>| side.map_or(0, |side| side.bytes.len());
        size(self.change.expected).max(size(self.change.wanted)) as u64
    }

    fn look(&self, name: &str) -> Result<Found, ToolError> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW;
        let opened = rustix::io::retry_on_intr(|| {
            openat(&self.directory, name, flags | OFlags::CLOEXEC, Mode::empty())
        });
        let handle = match opened {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            Err(Errno::LOOP | Errno::NXIO | Errno::NODEV) => return Ok(Found::Other),
            Err(errno) => return Err(self.failed(errno)),
        };
        let metadata = metadata_of(&handle).map_err(|errno| self.failed(errno))?;
        if metadata.kind != Kind::File {
            return Ok(Found::Other);
        }
        let mode = permissions(&handle).map_err(|errno| self.failed(errno))?;
        let mut file = File::from(handle);
        let mut bytes = Vec::new();
        let read = (&mut file).take(self.most() + 1).read_to_end(&mut bytes);
        read.map_err(|error| self.failed(errno_of(&error)))?;
        if bytes.len() as u64 > self.most() {
            return Ok(Found::Other);
        }
        Ok(Found::File(Source { bytes, mode }, file))
    }

    fn write_aside(&self, wanted: &Source, before: &Found) -> Result<(), ToolError> {
        let mode = match before {
            // The bits that people gave the file stay, but for what no source gets.
            Found::File(there, _) => with_executable(there.mode & GIVEN, wanted.is_executable()),
            _ => (wanted.mode & GIVEN) | 0o400,
        };
        self.remove_if_there(&self.partial)?;
        let written = self.write_partial(wanted, Mode::from_raw_mode(mode)).and_then(|()| {
            let (from, to) = ((&self.directory, &*self.partial), (&self.directory, &*self.aside));
            self.disk.rename(from, to).map_err(|errno| self.failed(errno))
        });
        if written.is_err() {
            // The error that matters is the first one; who takes this up removes what is left.
            let _ = self.disk.remove_file(&self.directory, &self.partial);
        }
        written
    }

    fn write_partial(&self, source: &Source, mode: Mode) -> Result<(), ToolError> {
        self.disk
            .write_new_with_mode(&self.directory, &self.partial, &source.bytes, Some(mode))
            .map_err(|errno| self.failed(errno))
    }

    fn remove_if_there(&self, name: &str) -> Result<(), ToolError> {
        match self.disk.remove_file(&self.directory, name) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(io_error("remove", self.change.path, errno)),
        }
    }

    fn sync(&self) -> Result<(), ToolError> {
        self.disk.sync_directory(&self.directory).map_err(|errno| self.failed(errno))
    }
}

/// The bits with or without the right to execute, for whom may read.
fn with_executable(mode: u32, executable: bool) -> u32 {
    match (executable, mode & 0o100 != 0) {
        (true, false) => mode | ((mode & 0o444) >> 2) | 0o100,
        (false, true) => mode & !0o111,
        _ => mode,
    }
}

/// Whether a file still has this content. Afterwards it stands at its start.
fn still_holds(file: &mut File, content: &[u8]) -> std::io::Result<bool> {
    let mut bytes = Vec::with_capacity(content.len());
    file.rewind()?;
    file.take(content.len() as u64 + 1).read_to_end(&mut bytes)?;
    file.rewind()?;
    Ok(bytes == content)
}

fn changed(change: &SourceChange<'_>, found: &Found) -> ToolError {
    let expected = match change.expected {
        Some(expected) => format!("version {}", version(&expected.bytes)),
        None => "nothing".to_owned(),
    };
    ToolError::new(
        Code::Conflict,
        format!(
            "a source changed in the middle:\n  `{}`: expected {expected}, found {}",
            change.path,
            found.told()
        ),
    )
}
