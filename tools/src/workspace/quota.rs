//! Counts what one caller has left in a folder, by names alone: no record is read for it.
//!
//! Beside the records, in `<folder>/.quota-<hash of the caller>/`, each record has a small file
//! that names it. It is made before the record and is not forced to the disk. No policy grants
//! anything there.
//!
//! The count is a brake for agents that go astray, not a lock. Calls of one caller that run at the
//! same instant, in whichever processes, see the same count: each may be the last that is allowed.
//! After a crash a file may be missing, or stand for a record that was never made; the latter is
//! found out once the limit is reached. Where nobody can count, because somebody else has taken
//! the place of that directory, records are written all the same.

use std::io::Read;
use std::time::{Duration, SystemTime};

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, openat, statat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::hex::hex;
use crate::path::{MAX_PATH_BYTES, WorkspacePath};
use crate::policy::QUOTA;

use super::metadata::{Kind, Metadata};
use super::operations::Operation;
use super::publish::fits;
use super::scope::Scope;
use super::{Workspace, entries};

/// A file that is younger may be of a record that is being written.
const YOUNG: Duration = Duration::from_secs(60 * 60);
/// What a record may have below it, so that nothing is made here for one that is refused.
const LONGEST_BELOW: usize = 80;
/// Most files that are asked for their records, each time that a limit is reached.
pub(super) const MAX_ASKED: usize = 1_000;

/// What a caller may leave in a folder.
#[derive(Debug, Clone, Copy)]
pub struct Quota<'q> {
    /// The folder of records.
    pub folder: &'q WorkspacePath,
    /// Most records.
    pub most: u64,
    /// What they are called.
    pub what: &'q str,
    /// The name of the limit in a policy.
    pub limit: &'q str,
}

/// The place of a record among those that a caller may leave.
#[derive(Debug)]
#[must_use]
pub struct Place(Option<(OwnedFd, String)>);

impl Place {
    /// Gives it back: the record was not made by this call.
    pub fn give_back(self, scope: &Scope) {
        if let Some((directory, name)) = self.0 {
            let _ = scope.workspace().remove_file(&directory, &name);
        }
    }
}

impl Scope {
    /// Takes the place of a new record, a directory. A record that is there already needs none,
    /// nor does one that this caller has a place for.
    ///
    /// # Errors
    /// [`Code::Denied`] when the caller has left as much as it may; the call's end.
    pub fn take_place(
        &self,
        quota: Quota<'_>,
        record: &WorkspacePath,
        call: &Call,
    ) -> Result<Place, ToolError> {
        let disk = self.workspace();
        if matches!(disk.stat(record), Ok(Some(there)) if there.kind == Kind::Directory) {
            return Ok(Place(None));
        }
        fits(record, LONGEST_BELOW)?;
        let of_caller = format!("{QUOTA}{}", digest(&call.caller));
        let directory = quota.folder.join(&of_caller)?;
        let Ok(handle) = disk.directory_for_records(&directory) else { return Ok(Place(None)) };
        let name = digest(record.as_str());
        if statat(&handle, name.as_str(), AtFlags::SYMLINK_NOFOLLOW).is_ok() {
            return Ok(Place(None));
        }
        let names = names(&handle, call)?;
        let mut count = names.len() as u64;
        if count >= quota.most {
            count = count.saturating_sub(disk.forget_what_is_gone(&handle, names, call)?);
        }
        if count >= quota.most {
            let Quota { most, what, limit, .. } = quota;
            return Err(ToolError::new(
                Code::Denied,
                format!(
                    "caller `{}` has left {count} {what}; the limit is {most} ({limit})",
                    call.caller
                ),
            )
            .hint(format!(
                "nothing was written; the operator can raise {limit} in the policy, or move old \
                 {what} out of `{}`",
                quota.folder
            )));
        }
        let is_taken = disk.name_record(&handle, &name, record).is_ok();
        Ok(Place(is_taken.then_some((handle, name))))
    }
}

impl Workspace {
    pub(super) fn name_record(
        &self,
        directory: &OwnedFd,
        name: &str,
        record: &WorkspacePath,
    ) -> Result<(), Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        let handle = self.act(Operation::CreateFile, || openat(directory, name, flags, mode))?;
        let mut file = std::fs::File::from(handle);
        self.write_content(&mut file, record.as_str().as_bytes())
    }

    /// Removes the files of records that are not there, and says of how many.
    fn forget_what_is_gone(
        &self,
        directory: &OwnedFd,
        names: Vec<String>,
        call: &Call,
    ) -> Result<u64, ToolError> {
        let mut forgotten = 0_u64;
        for name in names.into_iter().take(MAX_ASKED) {
            call.check()?;
            if is_young(directory, &name) {
                continue;
            }
            let is_gone = named_record(directory, &name)
                .is_none_or(|record| matches!(self.stat(&record), Ok(None)));
            if is_gone && self.remove_file(directory, &name).is_ok() {
                forgotten = forgotten.saturating_add(1);
            }
        }
        Ok(forgotten)
    }
}

/// Whether what a file stands for may still be being written.
pub(super) fn is_young(directory: &OwnedFd, name: &str) -> bool {
    let Some(before) = SystemTime::now().checked_sub(YOUNG) else { return true };
    statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .map_or(true, |stat| Metadata::from(&stat).modified > before)
}

pub(super) fn digest(text: &str) -> String {
    hex(Sha256::digest(text).get(..16).unwrap_or_default())
}

/// The names in the directory of a caller.
pub(super) fn names(directory: &OwnedFd, call: &Call) -> Result<Vec<String>, ToolError> {
    let mut names = Vec::new();
    let listed = entries::each(directory, |name, _| {
        if names.len().is_multiple_of(1_024) {
            call.check().map_err(|_| Errno::CANCELED)?;
        }
        names.extend(std::str::from_utf8(name).ok().map(str::to_owned));
        Ok::<(), Errno>(())
    });
    call.check()?;
    // What cannot be listed cannot be counted.
    Ok(listed.map(|()| names).unwrap_or_default())
}

/// The record that a file names; none if it is no file of a quota.
pub(super) fn named_record(directory: &OwnedFd, name: &str) -> Option<WorkspacePath> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = openat(directory, name, flags, Mode::empty()).ok()?;
    let mut text = String::new();
    let file = std::fs::File::from(handle);
    file.take(MAX_PATH_BYTES as u64 + 1).read_to_string(&mut text).ok()?;
    WorkspacePath::parse(&text).ok()
}
