//! Counts the files that one caller has left, and their bytes, by names alone: one listing, and no
//! file is asked for its size.
//!
//! In `<output>/.quota-<hash of the caller>/` each file has a small one that names it. Its own name
//! has the size of the file that it stands for. It is made before the file and is not forced to the
//! disk. No policy grants anything there.
//!
//! This is a brake as [`super::quota`] is one, with the same limits: calls of one caller that run
//! at the same instant see the same sums, so each may be the last that is allowed. A caller is
//! charged for what it wrote itself, until it is gone or somebody else has replaced it by a file of
//! another size; that is found out once a limit is reached.

use std::collections::HashMap;

use rustix::fd::OwnedFd;

use super::metadata::Kind;
use super::quota::{MAX_ASKED, digest, is_young, named_record, names};
use super::scope::Scope;
use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::policy::QUOTA;

/// What stands for a file among those that a caller has left.
#[derive(Debug)]
#[must_use]
pub(super) struct Charge(Option<Made>);

#[derive(Debug)]
struct Made {
    directory: OwnedFd,
    /// The name that stands for the file as it is to be; none where it was there before.
    name: Option<String>,
    /// Those that stand for it as it was.
    before: Vec<String>,
}

/// What stands for a file: the digest of its path, and its size.
fn parts(name: &str) -> Option<(&str, u64)> {
    let (path, size) = name.split_once('-')?;
    Some((path, u64::from_str_radix(size, 16).ok()?))
}

/// How many files there are among these, and how many bytes they have. Where several stand for one,
/// the largest counts.
fn sums<'n>(names: impl Iterator<Item = &'n String>) -> (u64, u64) {
    let mut largest: HashMap<&str, u64> = HashMap::new();
    for (path, size) in names.filter_map(|name| parts(name)) {
        let known = largest.entry(path).or_default();
        *known = size.max(*known);
    }
    (largest.len() as u64, largest.values().fold(0, |sum, size| sum.saturating_add(*size)))
}

impl Scope {
    /// Charges the caller for a file that is to have this size.
    ///
    /// # Errors
    /// [`Code::Denied`] when it has left as much as it may; the call's end.
    pub(super) fn charge(
        &self,
        path: &WorkspacePath,
        size: u64,
        call: &Call,
    ) -> Result<Charge, ToolError> {
        let disk = self.workspace();
        let of_caller = format!("{QUOTA}{}", digest(&call.caller));
        let directory = self.layout().output.join(&of_caller)?;
        let Ok(directory) = disk.directory_for_records(&directory) else {
            return Ok(Charge(None));
        };
        let own = digest(path.as_str());
        let (before, others): (Vec<String>, Vec<String>) = names(&directory, call)?
            .into_iter()
            .partition(|name| parts(name).is_some_and(|(path, _)| path == own));
        let limits = self.grant().limits();
        let fit = |(files, bytes): (u64, u64)| {
            files < limits.max_files && bytes.saturating_add(size) <= limits.max_bytes
        };
        if !fit(sums(others.iter())) {
            let kept = self.without_what_is_gone(&directory, others, call)?;
            let (files, bytes) = sums(kept.iter());
            if !fit((files, bytes)) {
                return Err(self.too_much(files, bytes, size, call));
            }
        }
        let name = format!("{own}-{size:x}");
        let is_new = !before.contains(&name);
        // What cannot be counted is written all the same.
        let made = is_new && disk.name_record(&directory, &name, path).is_ok();
        let before = before.into_iter().filter(|old| *old != name).collect();
        Ok(Charge(Some(Made { directory, name: made.then_some(name), before })))
    }

    fn without_what_is_gone(
        &self,
        directory: &OwnedFd,
        names: Vec<String>,
        call: &Call,
    ) -> Result<Vec<String>, ToolError> {
        let disk = self.workspace();
        let mut kept = Vec::new();
        for (index, name) in names.into_iter().enumerate() {
            call.check()?;
            let stands = |path: &WorkspacePath| match disk.stat(path) {
                Ok(Some(there)) => {
                    there.kind == Kind::File
                        && parts(&name).is_some_and(|(_, size)| size == there.size)
                }
                Ok(None) => false,
                Err(_) => true,
            };
            let is_gone = index < MAX_ASKED
                && !is_young(directory, &name)
                && !named_record(directory, &name).is_some_and(|path| stands(&path));
            if !(is_gone && disk.remove_file(directory, &name).is_ok()) {
                kept.push(name);
            }
        }
        Ok(kept)
    }

    fn too_much(&self, files: u64, bytes: u64, size: u64, call: &Call) -> ToolError {
        let limits = self.grant().limits();
        let caller = &call.caller;
        let (message, limit) = if files >= limits.max_files {
            let most = limits.max_files;
            let left = format!("caller `{caller}` has left {files} files");
            (format!("{left}; the limit is {most} (max_files)"), "max_files")
        } else {
            let most = limits.max_bytes;
            let left = format!("caller `{caller}` has left {bytes} bytes in files");
            (
                format!("{left}, and {size} more are over the limit of {most} (max_bytes)"),
                "max_bytes",
            )
        };
        ToolError::new(Code::Denied, message).hint(format!(
            "nothing was written; replace a file that you have left, or write less; the operator \
             can raise {limit} in the policy, or move old files away"
        ))
    }
}

impl Charge {
    /// The file is there as it was to be: what stands for it as it was goes.
    pub(super) fn settle(self, scope: &Scope) {
        let Some(made) = self.0 else { return };
        for name in &made.before {
            let _ = scope.workspace().remove_file(&made.directory, name);
        }
    }

    /// The file was not written by this call.
    pub(super) fn give_back(self, scope: &Scope) {
        if let Some(Made { directory, name: Some(name), .. }) = self.0 {
            let _ = scope.workspace().remove_file(&directory, &name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_how_many_files_there_are_and_how_large_they_are() {
        let names = ["aa-10", "aa-ff", "bb-0", "cc-1", "not one", "dd-xyz", "ee-"];
        let names: Vec<String> = names.map(str::to_owned).into();
        assert_eq!(sums(names.iter()), (3, 0x100));
        let huge: Vec<String> = (0..3).map(|n| format!("{n}-{:x}", u64::MAX)).collect();
        assert_eq!(sums(huge.iter()), (3, u64::MAX));
    }
}
