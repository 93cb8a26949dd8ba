//! Puts a file in its place, from which it may drive out another, so that each of any number of
//! writers, in whichever processes, replaces what it has read and nothing else.
//!
//! The new file is written into a private directory, its room. The room is renamed to the claim of
//! the path, a name beside it. POSIX refuses that while a claim with a file in it stands there, so
//! one writer has the path. It compares what stands there with what it has read, and renames the
//! file out of the claim to the path. That ends the claim: it is empty, and goes.
//!
//! INVARIANT: a file gets to the path only out of the claim, and what is compared is compared while
//! the file lies there. So between the comparison and the rename no other claim was made, and what
//! was compared is what is replaced.
//!
//! Who finds a claim looks at it for a while. If it stays, its writer is dead or asleep: its file
//! is moved out of the claim to a name where the writer finds it, if it wakes up. Each file has a
//! name of its own, so whatever a sleeper does later finds no file to do it with, and no clock is
//! needed for safety.
//!
//! People and programs that know nothing of claims are held off by the comparison alone, except
//! that a new file never takes the place of theirs where the file system renames without replacing.

use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, Stat, fstat, openat, statat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::Workspace;
use super::entries;
use super::publish::Failed;
use super::unfinished::unfinished_name;
use crate::call::{Call, Stop};
use crate::hex::hex;
use crate::policy::{CLAIM, UNFINISHED};

/// How long a claim may stay as it is while somebody looks. Its writer compares and renames within.
/// Tests that end writers at each step need not wait as long for each.
const PATIENCE: Duration =
    Duration::from_millis(if cfg!(feature = "fault-injection") { 20 } else { 500 });
/// Longest pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Which file this is, and in which state: another file has another number for as long as a handle
/// of this one is open, and a change of its content another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    number: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<&Stat> for Identity {
    #[allow(
        clippy::unnecessary_cast,
        clippy::cast_possible_wrap,
        reason = "the widths of these fields differ by platform"
    )]
    fn from(stat: &Stat) -> Identity {
        Identity {
            device: stat.st_dev as u64,
            number: stat.st_ino as u64,
            size: stat.st_size as i64,
            modified: (stat.st_mtime as i64, stat.st_mtime_nsec as i64),
            changed: (stat.st_ctime as i64, stat.st_ctime_nsec as i64),
        }
    }
}

impl Identity {
    pub(super) fn of(file: &File) -> Result<Identity, Errno> {
        Ok(Identity::from(&fstat(file)?))
    }

    /// Whether both are one file, whatever has become of it.
    fn is_file(&self, other: &Identity) -> bool {
        (self.device, self.number) == (other.device, other.number)
    }
}

/// Where a file is put.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'p> {
    pub directory: &'p OwnedFd,
    pub name: &'p str,
    /// What was read there; none where nothing was.
    pub seen: Option<Identity>,
}

/// A file that is written aside, in a room of its own.
#[derive(Debug)]
pub(super) struct Aside {
    pub room: String,
    /// Its name there, which no other file ever has.
    pub name: String,
    /// It itself.
    pub file: File,
}

/// Whether a file came to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placed {
    Done,
    /// Something else stands there than was seen. Nothing of the new file is left.
    Changed,
}

/// Why it is not known to be in its place.
#[derive(Debug)]
pub(super) enum Unplaced {
    Failed(Failed),
    Ended(Stop),
}

impl From<Failed> for Unplaced {
    fn from(failed: Failed) -> Self {
        Unplaced::Failed(failed)
    }
}

impl From<Stop> for Unplaced {
    fn from(stop: Stop) -> Self {
        Unplaced::Ended(stop)
    }
}

/// What is found of a claim that keeps others off.
enum Claimed {
    /// It is gone, or empty.
    Over,
    /// By a writer whose file has this name.
    By(OwnedFd, String),
    /// It cannot be entered, and is this one: nobody has made it who writes as this server does.
    Closed(String),
}

/// How the last step ended.
enum Moved {
    Done,
    Changed,
    /// Somebody has taken the claim away and left the file beside it.
    TakenAway,
}

impl Workspace {
    /// Makes a room in a directory and opens it.
    pub(super) fn make_room(&self, directory: &OwnedFd) -> Result<(String, OwnedFd), Errno> {
        let room = unfinished_name();
        self.make_directory(directory, &room)?;
        match self.open_directory(directory, &room) {
            Ok(inside) => Ok((room, inside)),
            Err(errno) => {
                let _ = self.remove_directory(directory, &room);
                Err(errno)
            }
        }
    }

    /// Puts a file in its place if what was seen still stands there.
    pub(super) fn put_in_place(
        &self,
        place: Place<'_>,
        aside: &mut Aside,
        call: &Call,
    ) -> Result<Placed, Unplaced> {
        let claim = claim_of(place.name);
        let put = self.put(place, aside, &claim, call);
        let at = place.directory;
        if !matches!(put, Ok(Placed::Done)) {
            // Whatever was reached: without its file nothing can happen any more.
            if let Ok(inside) = self.open_directory(at, &claim) {
                let _ = self.remove_file(&inside, &aside.name);
            }
            let _ = self.remove_tree(at, &aside.room);
        }
        // Refused where another claim stands there by now.
        let _ = self.remove_directory(at, &claim);
        if matches!(put, Ok(Placed::Done)) {
            self.sync_directory(at).map_err(Failed::Unsure)?;
            self.sweep_now_and_then(at);
        }
        put
    }

    fn put(
        &self,
        place: Place<'_>,
        aside: &mut Aside,
        claim: &str,
        call: &Call,
    ) -> Result<Placed, Unplaced> {
        let mut watched: Option<(String, Instant)> = None;
        loop {
            call.check()?;
            if place.seen.is_some() && !place.stands().map_err(Failed::Before)? {
                return Ok(Placed::Changed);
            }
            if !self.claim(place.directory, &aside.room, claim).map_err(Failed::Before)? {
                self.wait_for(place.directory, claim, &mut watched, call)?;
                continue;
            }
            match self.move_out(place, aside, claim)? {
                Moved::Done => return Ok(Placed::Done),
                Moved::Changed => return Ok(Placed::Changed),
                Moved::TakenAway => {}
            }
        }
    }

    /// Claims the path; not where somebody else has.
    fn claim(&self, at: &OwnedFd, room: &str, claim: &str) -> Result<bool, Errno> {
        let renamed = match self.rename((at, room), (at, claim)) {
            // What somebody has put there is no claim, and holds nobody off.
            Err(Errno::NOTDIR) => {
                self.remove_file(at, claim)?;
                self.rename((at, room), (at, claim))
            }
            other => other,
        };
        match renamed {
            Ok(()) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(errno) => Err(errno),
        }
    }

    /// Whose claim stands there.
    fn look_into(&self, at: &OwnedFd, claim: &str) -> Result<Claimed, Errno> {
        let opened = self.open_directory(at, claim);
        match opened.and_then(|inside| Ok((entries::read(&inside)?, inside))) {
            Ok((listed, inside)) => {
                let there = listed.entries.into_iter().chain(listed.undecodable).next();
                Ok(there.map_or(Claimed::Over, |there| Claimed::By(inside, there.name)))
            }
            Err(Errno::NOENT | Errno::STALE) => Ok(Claimed::Over),
            Err(Errno::ACCESS | Errno::PERM) => {
                match statat(at, claim, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => Ok(Claimed::Closed(format!("{:?}", Identity::from(&stat)))),
                    Err(Errno::NOENT | Errno::STALE) => Ok(Claimed::Over),
                    Err(errno) => Err(errno),
                }
            }
            Err(errno) => Err(errno),
        }
    }

    /// Waits a moment for somebody else's claim to end, and takes it away where it does not.
    fn wait_for(
        &self,
        at: &OwnedFd,
        claim: &str,
        watched: &mut Option<(String, Instant)>,
        call: &Call,
    ) -> Result<(), Unplaced> {
        let (inside, there) = match self.look_into(at, claim).map_err(Failed::Before)? {
            Claimed::Over => return Ok(()),
            Claimed::By(inside, name) => (Some(inside), name),
            Claimed::Closed(which) => (None, which),
        };
        match watched {
            Some((name, since)) if *name == there => {
                if since.elapsed() >= PATIENCE {
                    let taken = match &inside {
                        Some(inside) => self.take_away(at, inside, &there),
                        None => self.set_aside(at, claim).map(drop),
                    };
                    taken.map_err(Failed::Before)?;
                    let _ = self.remove_directory(at, claim);
                    *watched = None;
                    return Ok(());
                }
            }
            _ => *watched = Some((there, Instant::now())),
        }
        let random = RandomState::new().build_hasher().finish();
        let pause = Duration::from_micros(1_000 + random % (PAUSE.as_micros() as u64));
        std::thread::sleep(pause.min(call.time_left()));
        Ok(())
    }

    /// The last step: compares, and moves the file out of the claim into its place.
    fn move_out(
        &self,
        place: Place<'_>,
        aside: &mut Aside,
        claim: &str,
    ) -> Result<Moved, Unplaced> {
        let at = place.directory;
        // By its name: this writer's file is in it, or the claim is another's.
        let inside = match self.open_directory(at, claim) {
            Err(Errno::NOENT | Errno::STALE) => return self.find_again(place, aside, Errno::NOENT),
            other => other.map_err(Failed::Before)?,
        };
        let from = (&inside, aside.name.as_str());
        let moved = match place.seen {
            None => match self.rename_where_nothing_is(from, (at, place.name)) {
                Err(Errno::EXIST) => return Ok(Moved::Changed),
                other => other,
            },
            Some(_) => {
                if !place.stands().map_err(Failed::Before)? {
                    return Ok(Moved::Changed);
                }
                self.rename(from, (at, place.name))
            }
        };
        match moved {
            Ok(()) => Ok(Moved::Done),
            // Without its file, what is not done cannot happen any more.
            Err(errno) => match self.remove_file(&inside, &aside.name) {
                Ok(()) => Err(Failed::Before(errno).into()),
                Err(_) => self.find_again(place, aside, errno),
            },
        }
    }

    /// Finds a file that is not in its claim: in its place where the reply to the rename was lost,
    /// or beside the claim that somebody has taken away. There it gets a new room.
    fn find_again(
        &self,
        place: Place<'_>,
        aside: &mut Aside,
        errno: Errno,
    ) -> Result<Moved, Unplaced> {
        let own = Identity::of(&aside.file).map_err(Failed::Unsure)?;
        if place.look().is_ok_and(|there| there.is_some_and(|there| there.is_file(&own))) {
            return Ok(Moved::Done);
        }
        let at = place.directory;
        let (room, inside) = self.make_room(at).map_err(Failed::Unsure)?;
        match self.rename((at, &aside.name), (&inside, &aside.name)) {
            Ok(()) => {
                aside.room = room;
                Ok(Moved::TakenAway)
            }
            Err(_) => {
                let _ = self.remove_directory(at, &room);
                Err(Failed::Unsure(errno).into())
            }
        }
    }

    /// Renames a file to a name under which nothing may stand. Only whoever has claimed that name
    /// asks, so a file system that cannot refuse it is asked just before.
    fn rename_where_nothing_is(
        &self,
        from: (&OwnedFd, &str),
        to: (&OwnedFd, &str),
    ) -> Result<(), Errno> {
        // Always tried: where it is refused as unknown, the kernel has looked the name up anew for
        // it, and no longer goes by what it remembers.
        match self.rename_without_replacing(from, to) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            other => return other,
        }
        match statat(to.0, to.1, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => self.rename(from, to),
            Err(errno) => Err(errno),
        }
    }

    /// Moves a file out of a claim, beside it.
    fn take_away(&self, at: &OwnedFd, claim: &OwnedFd, name: &str) -> Result<(), Errno> {
        // The writer looks for its own name; what is no writer's gets a new one.
        let own = name.starts_with(UNFINISHED);
        let beside = if own { name.to_owned() } else { unfinished_name() };
        match self.rename((claim, name), (at, &beside)) {
            Ok(()) | Err(Errno::NOENT | Errno::STALE) => Ok(()),
            Err(errno) => Err(errno),
        }
    }

    /// Ends a claim whose writer is long gone. What is in it becomes unfinished work beside it.
    pub(super) fn end_claim(&self, at: &OwnedFd, claim: &str) -> Result<(), Errno> {
        // The claim itself never gets another name: a writer that has it open would go on in it.
        let inside = self.open_directory(at, claim)?;
        for entry in entries::read(&inside)?.entries {
            self.take_away(at, &inside, &entry.name)?;
        }
        self.remove_directory(at, claim)
    }
}

impl Place<'_> {
    /// What stands there, opened anew; none where nothing does.
    fn look(&self) -> Result<Option<Identity>, Errno> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened =
            rustix::io::retry_on_intr(|| openat(self.directory, self.name, flags, Mode::empty()));
        match opened {
            Ok(file) => Ok(Some(Identity::from(&fstat(&file)?))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Whether what was seen still stands there.
    fn stands(&self) -> Result<bool, Errno> {
        match self.look() {
            Ok(there) => Ok(there == self.seen),
            // A link, or what cannot be opened: no file that anybody has read.
            Err(Errno::LOOP | Errno::NXIO | Errno::NODEV) => Ok(false),
            Err(errno) => Err(errno),
        }
    }
}

/// The claim of a name, in the same directory: a rename into a directory shows a network mount what
/// others have changed in it.
fn claim_of(name: &str) -> String {
    // Some file systems take names that differ by case for one.
    let digest = Sha256::digest(name.to_lowercase());
    format!("{CLAIM}{}", hex(digest.get(..16).unwrap_or_default()))
}
