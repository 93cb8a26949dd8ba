//! State in a workspace: versions of keys, read and written through a [`Scope`].

use std::ops::ControlFlow;

use crate::call::{Call, Ended, Stop};
use crate::error::{Code, Situation, ToolError};
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::records::state::{Key, Stored, is_reserved};
use crate::workspace::{Kind, Scope, VERSIONS, VersionContent};

use super::omissions::{Omissions, unnameable};

/// How many versions of a key are kept, at least: these many newest.
pub const KEPT: u64 = 16;
/// Old versions are removed together, by the writer of each version that this divides.
const PRUNE_EVERY: u64 = 8;
/// Most versions of a key of which a reader tries whether they can be read.
const MAX_TRIED: usize = 32;
/// How often a reader begins anew when the version that it wants was removed meanwhile.
const READS: usize = 16;

/// What a reader of the newest version of a key gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Newest {
    /// The newest version that can be read.
    pub stored: Stored,
    /// The number after which the next version is written: of `stored`, or of a later version
    /// that cannot be read.
    pub number: u64,
    /// The later versions that cannot be read.
    pub omissions: Omissions,
}

/// The newest version of a key that can be read.
///
/// # Errors
/// [`Code::NotFound`] when there is none or policy hides it; [`Code::Io`], also when none of the
/// versions can be read.
pub fn newest(scope: &Scope, key: &Key, call: &Call) -> Result<Newest, ToolError> {
    if !scope.judge(Access::Read, key.path()).allowed {
        return Err(not_found(key));
    }
    for _ in 0..READS {
        call.check()?;
        let versions = match scope.versions(key.path()) {
            Err(error) if error.situation == Some(Situation::File) => Vec::new(),
            other => other?,
        };
        let Some(number) = versions.last().copied() else { return Err(not_found(key)) };
        call.touch(1);
        let mut omissions = Omissions::default();
        match newest_readable(scope, key, &versions, &mut omissions, call)? {
            // There is a newer one than these.
            Readable::Gone => {}
            Readable::Version(stored) if omissions.is_empty() => {
                return Ok(Newest { stored, number, omissions });
            }
            // What looked damaged may have been pruned while it was read.
            _ if number != newest_number(scope, key)? => {}
            Readable::Version(stored) => return Ok(Newest { stored, number, omissions }),
            Readable::None => return Err(unreadable(key, number, &omissions)),
        }
    }
    Err(ToolError::new(
        Code::Overloaded,
        format!("`{}` changes faster than it can be read", key.as_str()),
    )
    .hint("try again in a second"))
}

/// What of some versions can be read.
enum Readable {
    Version(Stored),
    Gone,
    None,
}

/// The newest of these versions that can be read.
fn newest_readable(
    scope: &Scope,
    key: &Key,
    versions: &[u64],
    omissions: &mut Omissions,
    call: &Call,
) -> Result<Readable, ToolError> {
    for version in versions.iter().rev().take(MAX_TRIED) {
        call.check()?;
        let problem = match scope.read_version(key.path(), *version)? {
            VersionContent::Gone => return Ok(Readable::Gone),
            VersionContent::Damaged(problem) => problem,
            VersionContent::Bytes(bytes) => match parse(*version, &bytes) {
                Ok(stored) => return Ok(Readable::Version(stored)),
                Err(problem) => problem,
            },
        };
        omissions.add(Omissions::MOST_IN_ANSWER, place(key, *version), problem);
    }
    Ok(Readable::None)
}

/// One version of a key.
///
/// # Errors
/// As [`newest`]; [`Code::NotFound`] names the versions that are kept.
pub fn at(scope: &Scope, key: &Key, version: u64, call: &Call) -> Result<Stored, ToolError> {
    call.touch(1);
    let damaged = |problem: &str| {
        let message =
            format!("version {version} of `{}` is damaged on disk: {problem}", key.as_str());
        ToolError::new(Code::Io, message)
            .hint("an earlier `version` may be readable; tell the operator")
    };
    match scope.read_version(key.path(), version)? {
        VersionContent::Bytes(bytes) => parse(version, &bytes).map_err(|problem| damaged(&problem)),
        VersionContent::Damaged(problem) => Err(damaged(&problem)),
        VersionContent::Gone => {
            let newest = newest(scope, key, call)?.number;
            let oldest = scope.versions(key.path())?.first().copied().unwrap_or(newest);
            Err(ToolError::new(
                Code::NotFound,
                format!("`{}` has no version {version}, or no longer", key.as_str()),
            )
            .hint(format!(
                "versions {oldest} to {newest} are kept; leave `version` out for the newest"
            )))
        }
    }
}

fn not_found(key: &Key) -> ToolError {
    ToolError::new(Code::NotFound, format!("no such key: {}", key.as_str()))
}

fn unreadable(key: &Key, newest: u64, omissions: &Omissions) -> ToolError {
    let first = omissions.named.first();
    let problem = first.map_or("it is damaged on disk", |first| first.problem.as_str());
    ToolError::new(
        Code::Io,
        format!("no version of `{}` can be read; of the newest, {newest}: {problem}", key.as_str()),
    )
    .hint(format!(
        "tell the operator; write_state with expected_version {newest} writes a new value"
    ))
}

fn place(key: &Key, version: u64) -> String {
    format!("{}/{VERSIONS}/{version}", key.path())
}

/// The record in the file of a version, or what is wrong with it.
fn parse(version: u64, bytes: &[u8]) -> Result<Stored, String> {
    let stored: Stored = serde_json::from_slice(bytes)
        .map_err(|error| format!("its file is no version of a key: {error}"))?;
    if stored.version != version {
        return Err(format!("it says that it is version {}", stored.version));
    }
    Ok(stored)
}

/// The newest version's number, 0 when there is none, to write after.
///
/// # Errors
/// [`Code::Io`].
pub fn newest_number(scope: &Scope, key: &Key) -> Result<u64, ToolError> {
    match scope.versions(key.path()) {
        // The first version takes the place of what is no directory, and of an empty one that
        // nobody may list. Where that is not empty, the file system refuses.
        Err(error) if error.situation == Some(Situation::File) || error.code == Code::Denied => {
            Ok(0)
        }
        versions => Ok(versions?.pop().unwrap_or_default()),
    }
}

/// [`newest_number`] for a writer who has seen version `seen`, which a mount may not know of yet:
/// a listing on a network file system can be older than what its reader was told.
///
/// # Errors
/// [`Code::Io`].
pub fn newest_number_after(scope: &Scope, key: &Key, seen: u64) -> Result<u64, ToolError> {
    let newest = newest_number(scope, key)?;
    if seen <= newest {
        return Ok(newest);
    }
    scope.make_record_directory(key.path())?;
    let newest = newest_number(scope, key)?;
    Ok(if seen > newest && scope.has_version(key.path(), seen)? { seen } else { newest })
}

/// Removes old versions after `version` was written.
pub fn prune(scope: &Scope, key: &Key, version: u64) {
    if version > KEPT && version.is_multiple_of(PRUNE_EVERY) {
        scope.prune_versions(key.path(), version, KEPT);
    }
}

/// What came of listing keys.
#[derive(Debug)]
pub struct Listed {
    /// How the listing ended.
    pub ended: Ended,
    /// What it left out on its way.
    pub omissions: Omissions,
}

/// Gives each key that the caller may read and that begins with `prefix` to `found`, with its
/// newest version: in the order of names level by level, a key before those below it, and only
/// keys after `after`. What cannot be read is left out and told, and the others are given.
///
/// # Errors
/// [`Code::InvalidArgument`] for a prefix that no key can have.
pub fn list(
    scope: &Scope,
    prefix: &str,
    after: Option<&str>,
    call: &Call,
    found: &mut dyn FnMut(Key, u64) -> ControlFlow<()>,
) -> Result<Listed, ToolError> {
    let (directory, begins) = match prefix.rsplit_once('/') {
        Some((directory, begins)) => (Some(directory), begins),
        None => (None, prefix),
    };
    // Only the last part of a prefix may be part of a name.
    let directory = directory.map(|directory| Key::parse(scope.layout(), directory)).transpose()?;
    let start = directory.as_ref().map_or(&scope.layout().state, Key::path);
    let after: Option<Vec<&str>> = after.map(|key| key.split('/').collect());
    let depth = directory.as_ref().map_or(0, |key| key.as_str().split('/').count());
    let after = after.as_ref().and_then(|after| after.get(depth..));
    let mut lister = Lister { scope, call, found, omissions: Omissions::default() };
    let ended = match lister.below(start, begins, after.unwrap_or_default()) {
        Ok(_) => Ended::Complete,
        Err(stop) => Ended::Stopped(stop),
    };
    Ok(Listed { ended, omissions: lister.omissions })
}

struct Lister<'a> {
    scope: &'a Scope,
    call: &'a Call,
    found: &'a mut dyn FnMut(Key, u64) -> ControlFlow<()>,
    omissions: Omissions,
}

impl Lister<'_> {
    /// The keys below a directory. Of the names before the first of `after` none is looked at,
    /// and below that name only what comes after the rest.
    fn below(
        &mut self,
        directory: &WorkspacePath,
        begins: &str,
        after: &[&str],
    ) -> Result<ControlFlow<()>, Stop> {
        self.call.check()?;
        // A page that begins within a directory has told on the page before what it leaves out.
        let is_told = after.is_empty();
        let listing = match self.scope.record_entries(directory, begins, self.call) {
            Ok(listing) => listing,
            Err(error) => {
                self.call.check()?;
                self.leave_out(directory, &error.message, is_told);
                return Ok(ControlFlow::Continue(()));
            }
        };
        if listing.unnameable > 0 {
            self.leave_out(directory, &unnameable(listing.unnameable), is_told);
        }
        for (name, kind) in listing.entries {
            let passed = after.first().is_some_and(|after| name.as_str() < *after);
            if passed || is_reserved(&name) {
                continue;
            }
            let Ok(path) = directory.join(&name) else { continue };
            if kind != Kind::Directory {
                self.leave_out(&path, "it is no folder, and keys are folders", true);
                continue;
            }
            let resumed = after.first().is_some_and(|after| name == *after);
            let rest = if resumed { after.get(1..).unwrap_or_default() } else { &[] };
            if self.key(&path, resumed, rest)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn key(
        &mut self,
        path: &WorkspacePath,
        given: bool,
        after: &[&str],
    ) -> Result<ControlFlow<()>, Stop> {
        let grant = self.scope.grant();
        let readable = grant.may(Access::Read, path);
        if !readable && !grant.may(Access::Enter, path) {
            return Ok(ControlFlow::Continue(()));
        }
        if readable && !given {
            self.call.check()?;
            self.call.touch(1);
            let key = Key::of_path(self.scope.layout(), path.clone());
            match self.scope.versions(path).map(|mut versions| versions.pop()) {
                Ok(Some(version)) if (self.found)(key, version).is_break() => {
                    return Ok(ControlFlow::Break(()));
                }
                Ok(_) => {}
                Err(error) => self.leave_out(path, &error.message, true),
            }
        }
        self.below(path, "", after)
    }

    fn leave_out(&mut self, path: &WorkspacePath, problem: &str, is_told: bool) {
        // A folder that is refused as a key is refused again as one of keys.
        let is_last = self.omissions.named.last().is_some_and(|last| last.path == path.as_str());
        if is_told && !is_last && self.scope.may_be_told_of(path) {
            self.omissions.add(Omissions::MOST_IN_ANSWER, path, problem);
        }
    }
}
