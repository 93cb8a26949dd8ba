//! Files that agents leave for people and for each other: plain files at their paths, published
//! whole or not at all, new or in the place of exactly what was read.

use std::fs::File;
use std::io::Seek;

use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, fstat, openat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::claim::{Aside, Identity, Place, Placed, Unplaced};
use super::file_content::{BLOCK_BYTES, FileContent, Source, each_block};
use super::metadata::{Kind, Metadata};
use super::publish::{Failed, fits};
use super::scope::{Scope, read_error};
use crate::call::{Call, ProgressClock};
use crate::error::{Code, ToolError};
use crate::hex::hex;
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::version;

/// What a claim and unfinished names beside a file take of a path.
const LONGEST_BESIDE: usize = 96;
/// How often a file is written anew because what stood there was touched and not changed.
const ATTEMPTS: usize = 4;

/// A file that is to be written.
#[derive(Debug, Clone, Copy)]
pub struct FileWrite<'w> {
    /// Where.
    pub path: &'w WorkspacePath,
    /// What.
    pub content: FileContent<'w>,
    /// The version that is replaced, whole or its first digits, in lower case; none where nothing may
    /// stand there.
    pub expected: Option<&'w str>,
    /// Whether the content goes behind what stands there.
    pub append: bool,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrote {
    /// How.
    pub how: WroteHow,
    /// The version of what stands there now: the SHA-256 of its content, in hex.
    pub version: String,
    /// Its size in bytes.
    pub size: u64,
}

/// How a file was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WroteHow {
    /// Nothing stood there.
    Created,
    /// It took the place of the expected version.
    Replaced,
    /// It is the expected version with more at its end.
    Appended,
    /// What is to stand there stood there before.
    Unchanged,
}

/// What stands in the way of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing, where a version was expected.
    Nothing,
    /// A file of this version and size.
    File(String, u64),
    /// Something else than a file.
    Other(Kind),
}

/// A file as it was read whole.
struct Seen {
    file: File,
    identity: Identity,
    version: String,
    size: u64,
}

enum Found {
    Nothing,
    File(Seen),
    Other(Kind),
}

/// Why an attempt came to no end.
enum Unwritten {
    /// What stands there changed in the middle.
    Changed,
    Failed(Failed),
    Told(ToolError),
}

impl From<Failed> for Unwritten {
    fn from(failed: Failed) -> Self {
        Unwritten::Failed(failed)
    }
}

impl From<ToolError> for Unwritten {
    fn from(error: ToolError) -> Self {
        Unwritten::Told(error)
    }
}

/// Before the last step nothing has happened.
fn before(errno: Errno) -> Unwritten {
    Unwritten::Failed(Failed::Before(errno))
}

/// Tells the client how far a long copy is.
struct Progress<'c> {
    call: &'c Call,
    size: u64,
    done: u64,
    told: ProgressClock,
}

impl<'c> Progress<'c> {
    fn new(call: &'c Call, size: u64) -> Progress<'c> {
        Progress { call, size, done: 0, told: ProgressClock::default() }
    }

    fn add(&mut self, block: &[u8]) {
        self.done = self.done.saturating_add(block.len() as u64);
        if self.done < self.size && self.told.is_due(self.call) {
            let Progress { done, size, .. } = self;
            self.call.report(*done, &format!("{done} of {size} bytes written"));
        }
    }
}

impl Scope {
    /// Writes a file whole, or not at all. Of any number of writers that expect the same, whenever
    /// and wherever they run, one succeeds; the others get what stands there then.
    ///
    /// # Errors
    /// [`Code::Denied`] without the right to make files there, or beyond what the caller may leave,
    /// [`Code::NotFound`] for a content that the caller may not read, [`Code::TooLarge`],
    /// [`Code::Conflict`] when the content changes while it is copied, [`Code::Io`] when the file
    /// system fails; what was not acknowledged may still be there, whole.
    pub fn write_file(
        &self,
        write: &FileWrite<'_>,
        call: &Call,
    ) -> Result<Result<Wrote, Standing>, ToolError> {
        self.may_create(write.path)?;
        fits(write.path, LONGEST_BESIDE)?;
        let _drawn = self.memory().draw(2 * BLOCK_BYTES, call)?;
        let mut gone = 0;
        for _ in 0..ATTEMPTS {
            match self.attempt(write, call) {
                Ok(done) => return Ok(done),
                Err(Unwritten::Changed) => {}
                Err(Unwritten::Told(error)) => return Err(error),
                // A mount has gone by what it remembered of names that others have taken away.
                Err(Unwritten::Failed(Failed::Before(Errno::STALE | Errno::NOENT)))
                    if gone + 1 < ATTEMPTS =>
                {
                    gone += 1;
                }
                Err(Unwritten::Failed(failed)) => return Err(failed.told(write.path)),
            }
        }
        let path = write.path;
        Err(ToolError::new(Code::Conflict, format!("`{path}` is changed by others all the time"))
            .hint("nothing was written; try again in a second"))
    }

    fn may_create(&self, path: &WorkspacePath) -> Result<(), ToolError> {
        let judgement = self.judge(Access::Create, path);
        if judgement.allowed {
            return Ok(());
        }
        let why = judgement.never().map(|why| format!(": {why}")).unwrap_or_default();
        let folders: Vec<_> =
            self.grant().folders_of_files().iter().map(|folder| format!("`{folder}`")).collect();
        let hint = if folders.is_empty() {
            "the policy's `create` list of the caller's role decides; ask the operator".to_owned()
        } else {
            format!("files can be made below {}; no name may begin with a dot", folders.join(", "))
        };
        let message = format!("this caller may not make a file `{path}`{why}");
        Err(ToolError::new(Code::Denied, message).hint(hint))
    }

    fn attempt(
        &self,
        write: &FileWrite<'_>,
        call: &Call,
    ) -> Result<Result<Wrote, Standing>, Unwritten> {
        let disk = self.workspace();
        let (parent, name) = write
            .path
            .parent()
            .zip(write.path.file_name())
            .ok_or_else(|| ToolError::invalid("the workspace itself is no file"))?;
        let opened = match write.expected {
            None => disk.directory_for_records(&parent),
            Some(_) => disk.open(&parent, OFlags::RDONLY | OFlags::DIRECTORY),
        };
        let directory = match opened {
            Err(Errno::NOENT) if write.expected.is_some() => return Ok(Err(Standing::Nothing)),
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(no_directory(&parent).into()),
            other => other.map_err(before)?,
        };
        let seen = match self.look(&directory, name, write.path, call)? {
            Found::Other(kind) => return Ok(Err(Standing::Other(kind))),
            Found::Nothing if write.expected.is_some() => return Ok(Err(Standing::Nothing)),
            Found::Nothing => None,
            Found::File(mut seen) => {
                if self.is_written(write, &mut seen, call)? {
                    let Seen { version, size, .. } = seen;
                    return Ok(Ok(Wrote { how: WroteHow::Unchanged, version, size }));
                }
                if !write.expected.is_some_and(|expected| version::is(expected, &seen.version)) {
                    return Ok(Err(Standing::File(seen.version, seen.size)));
                }
                Some(seen)
            }
        };
        self.write(write, (&directory, name), seen, call).map(Ok)
    }

    /// Charges the caller, writes aside, and puts in its place.
    fn write(
        &self,
        write: &FileWrite<'_>,
        (directory, name): (&OwnedFd, &str),
        mut seen: Option<Seen>,
        call: &Call,
    ) -> Result<Wrote, Unwritten> {
        let place = Place { directory, name, seen: seen.as_ref().map(|seen| seen.identity) };
        let mut content = self.content(write.content, call)?;
        let kept = seen.as_mut().filter(|_| write.append);
        let size = content.size.saturating_add(kept.as_ref().map_or(0, |kept| kept.size));
        let charge = self.charge(write.path, size, call)?;
        match self.put(write.path, place, (kept, &mut content), call) {
            Ok(version) => {
                charge.settle(self);
                let how = match (place.seen, write.append) {
                    (None, _) => WroteHow::Created,
                    (Some(_), false) => WroteHow::Replaced,
                    (Some(_), true) => WroteHow::Appended,
                };
                Ok(Wrote { how, version, size })
            }
            Err(error) => {
                // It may be there all the same where the file system has not said so.
                if !matches!(error, Unwritten::Failed(Failed::Unsure(_))) {
                    charge.give_back(self);
                }
                Err(error)
            }
        }
    }

    /// Writes aside and puts in its place. Gives the version.
    fn put(
        &self,
        path: &WorkspacePath,
        place: Place<'_>,
        parts: (Option<&mut Seen>, &mut Source<'_>),
        call: &Call,
    ) -> Result<String, Unwritten> {
        let disk = self.workspace();
        let (room, inside) = disk.make_room(place.directory).map_err(before)?;
        let (file, version) = match self.write_aside(&inside, &room, path, parts, call) {
            Ok(written) => written,
            Err(error) => {
                // The error that matters is the first one; what is left now is swept by age.
                let _ = disk.remove_tree(place.directory, &room);
                return Err(error);
            }
        };
        let mut aside = Aside { name: room.clone(), room, file };
        match disk.put_in_place(place, &mut aside, call) {
            Ok(Placed::Done) => Ok(version),
            Ok(Placed::Changed) => Err(Unwritten::Changed),
            Err(Unplaced::Failed(failed)) => Err(Unwritten::Failed(failed)),
            Err(Unplaced::Ended(stop)) => Err(Unwritten::Told(stop.into())),
        }
    }

    /// Writes what is kept of the old file, and the content behind it. Gives the file, all of it on
    /// the disk, and its version.
    fn write_aside(
        &self,
        room: &OwnedFd,
        name: &str,
        path: &WorkspacePath,
        (kept, content): (Option<&mut Seen>, &mut Source<'_>),
        call: &Call,
    ) -> Result<(File, String), Unwritten> {
        let disk = self.workspace();
        let mut file = disk.create_new(room, name).map_err(before)?;
        let mut hash = Sha256::new();
        if let Some(kept) = kept {
            kept.file.rewind().map_err(|error| read_error(path, &error))?;
            let (read, size) = (&mut kept.file, kept.size);
            let copied = each_block(read, size, path, call, |block| {
                hash.update(block);
                disk.write_content(&mut file, block).map_err(before)
            })?;
            // It was edited in its place.
            if copied != kept.size || hex(&hash.clone().finalize()) != kept.version {
                return Err(Unwritten::Changed);
            }
        }
        let (from, size) = (content.path.unwrap_or(path), content.size);
        let mut progress = Progress::new(call, size);
        let copied = each_block(&mut content.reader, size, from, call, |block| {
            hash.update(block);
            disk.write_content(&mut file, block).map_err(before)?;
            progress.add(block);
            Ok::<(), Unwritten>(())
        })?;
        content.ends_after(copied)?;
        disk.sync_file(&file).map_err(before)?;
        Ok((file, hex(&hash.finalize())))
    }

    /// What stands under a name, read whole.
    fn look(
        &self,
        directory: &OwnedFd,
        name: &str,
        path: &WorkspacePath,
        call: &Call,
    ) -> Result<Found, Unwritten> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = rustix::io::retry_on_intr(|| openat(directory, name, flags, Mode::empty()));
        let handle = match opened {
            Ok(handle) => handle,
            Err(Errno::NOENT) => return Ok(Found::Nothing),
            Err(Errno::LOOP) => return Ok(Found::Other(Kind::Symlink)),
            Err(Errno::NXIO | Errno::NODEV) => return Ok(Found::Other(Kind::Other)),
            Err(errno) => return Err(before(errno)),
        };
        call.touch(1);
        let stat = fstat(&handle).map_err(before)?;
        let kind = Metadata::from(&stat).kind;
        if kind != Kind::File {
            return Ok(Found::Other(kind));
        }
        let (identity, mut file) = (Identity::from(&stat), File::from(handle));
        let mut hash = Sha256::new();
        let size = each_block(&mut file, u64::MAX, path, call, |block| {
            hash.update(block);
            Ok::<(), ToolError>(())
        })?;
        Ok(Found::File(Seen { file, identity, version: hex(&hash.finalize()), size }))
    }

    /// Whether a file is what this write would make of it: the same call again changes nothing.
    fn is_written(
        &self,
        write: &FileWrite<'_>,
        seen: &mut Seen,
        call: &Call,
    ) -> Result<bool, Unwritten> {
        let mut content = self.content(write.content, call)?;
        let Some(first) = seen.size.checked_sub(content.size) else { return Ok(false) };
        let Some(expected) = write.expected.filter(|_| write.append) else {
            return Ok(first == 0 && content.digest(write.path, call)? == seen.version);
        };
        if version::is(expected, &seen.version) {
            return Ok(content.size == 0);
        }
        // What was expected may stand before the content, which then is at the end already.
        let wanted = content.digest(write.path, call)?;
        let mut hash = Sha256::new();
        seen.file.rewind().map_err(|error| read_error(write.path, &error))?;
        each_block(&mut seen.file, first, write.path, call, |block| {
            hash.update(block);
            Ok::<(), ToolError>(())
        })?;
        if !version::is(expected, &hex(&hash.finalize_reset())) {
            return Ok(false);
        }
        each_block(&mut seen.file, u64::MAX, write.path, call, |block| {
            hash.update(block);
            Ok::<(), ToolError>(())
        })?;
        Ok(hex(&hash.finalize()) == wanted)
    }
}

fn no_directory(parent: &WorkspacePath) -> ToolError {
    let message = format!("`{parent}` is no directory: a file or a link is in the way");
    ToolError::new(Code::Conflict, message).hint("choose another path; links are not followed")
}
