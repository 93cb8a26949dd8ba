//! Unfinished work: a record before it has its final name, and what is left of it when a writer
//! dies. Readers skip it, and later writers remove what is old.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, statat};
use rustix::io::Errno;

use crate::policy::{CLAIM, UNFINISHED};

use super::metadata::{Kind, Metadata};
use super::{Workspace, entries};

/// Older unfinished work is nobody's any more: no call runs that long.
const OLD: Duration = Duration::from_secs(60 * 60);
/// A process sweeps where it publishes its first record, and then at each of these many.
const EVERY: u64 = 64;
/// Most unfinished entries that one sweep looks at, and most that it removes.
const MAX_LOOKED_AT: usize = 64;
const MAX_REMOVED: usize = 16;
/// How deep unfinished directories are, at most, and how many entries are removed of each.
const MAX_DEPTH: usize = 3;
const MAX_ENTRIES: usize = 256;

/// A name that no other writer uses: the standard library's hash keys are random.
pub(super) fn unfinished_name() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{UNFINISHED}{:016x}{:016x}", random(), u64::from(std::process::id()) ^ random())
}

impl Workspace {
    /// Writes a directory of files under an unfinished name, all of it on the disk. When it
    /// fails, nothing is left.
    pub(super) fn write_aside<'f>(
        &self,
        at: &OwnedFd,
        name: &str,
        files: impl IntoIterator<Item = (&'f str, &'f [u8])>,
    ) -> Result<(), Errno> {
        self.make_directory(at, name)?;
        let written = self.open_directory(at, name).and_then(|inside| {
            for (file, bytes) in files {
                self.write_new(&inside, file, bytes)?;
            }
            self.sync_directory(&inside)
        });
        if written.is_err() {
            // The error that matters is the first one; what is left now is swept by age.
            let _ = self.remove_tree(at, name);
        }
        written
    }

    /// Removes unfinished work in `directory` that is old, now and then. What cannot be removed
    /// stays: the record that was written is there all the same.
    pub(super) fn sweep_now_and_then(&self, directory: &OwnedFd) {
        if self.published.fetch_add(1, Ordering::Relaxed).is_multiple_of(EVERY) {
            let _ = self.sweep(directory);
        }
    }

    fn sweep(&self, directory: &OwnedFd) -> Result<(), Errno> {
        let Some(before) = SystemTime::now().checked_sub(OLD) else { return Ok(()) };
        let is_left = |name: &[u8]| {
            name.starts_with(UNFINISHED.as_bytes()) || name.starts_with(CLAIM.as_bytes())
        };
        let listing = entries::read_where(directory, is_left)?;
        let old = listing.entries.iter().take(MAX_LOOKED_AT).filter(|entry| {
            statat(directory, entry.name.as_str(), AtFlags::SYMLINK_NOFOLLOW)
                .is_ok_and(|stat| Metadata::from(&stat).modified < before)
        });
        for entry in old.take(MAX_REMOVED) {
            // What refuses to go keeps none of the others.
            let _ = if entry.name.starts_with(CLAIM) {
                self.end_claim(directory, &entry.name)
            } else if entry.kind == Kind::Directory {
                // A writer may only have slept: a directory that is renamed away first cannot get
                // its final name with half of its files gone.
                self.set_aside(directory, &entry.name)
                    .and_then(|away| self.remove_tree(directory, &away))
            } else {
                self.remove_file(directory, &entry.name)
            };
        }
        Ok(())
    }

    /// Gives an entry an unfinished name, under which it is nobody's any more and is swept once it
    /// is old. This needs no right on the entry itself.
    pub(super) fn set_aside(&self, at: &OwnedFd, name: &str) -> Result<String, Errno> {
        let away = unfinished_name();
        self.rename((at, name), (at, &away))?;
        Ok(away)
    }

    /// Removes what stands under an unfinished name, or in a version that is pruned.
    pub(super) fn remove_tree(&self, at: &OwnedFd, name: &str) -> Result<(), Errno> {
        self.remove_below(at, name, MAX_DEPTH)
    }

    fn remove_below(&self, at: &OwnedFd, name: &str, depth: usize) -> Result<(), Errno> {
        let inside = match self.open_directory(at, name) {
            Err(Errno::NOENT) => return Ok(()),
            // An empty one can be removed by who may not enter it.
            Err(errno @ (Errno::ACCESS | Errno::PERM)) => {
                return self.remove_directory(at, name).map_err(|_| errno);
            }
            other => other?,
        };
        for entry in entries::read(&inside)?.entries.iter().take(MAX_ENTRIES) {
            let removed = match (entry.kind, depth.checked_sub(1)) {
                (Kind::Directory, Some(depth)) => self.remove_below(&inside, &entry.name, depth),
                (Kind::Directory, None) => Err(Errno::NOTEMPTY),
                _ => self.remove_file(&inside, &entry.name),
            };
            // Another sweeper may be quicker.
            match removed {
                Err(Errno::NOENT) => {}
                other => other?,
            }
        }
        match self.remove_directory(at, name) {
            Err(Errno::NOENT) => Ok(()),
            other => other,
        }
    }
}
