//! State in a workspace: versions of keys, read and written through a [`Scope`].

use std::ops::ControlFlow;

use crate::call::{Call, Ended, Stop};
use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::records::state::{Key, Stored, is_reserved};
use crate::workspace::Scope;

/// How many versions of a key are kept, at least: these many newest.
pub const KEPT: u64 = 16;
/// Old versions are removed together, by the writer of each version that this divides.
const PRUNE_EVERY: u64 = 8;
/// How often a reader begins anew when the version that it wants was removed meanwhile.
const READS: usize = 16;

/// The newest version of a key and its number.
///
/// # Errors
/// [`Code::NotFound`] when there is none or policy hides it; [`Code::Io`].
pub fn newest(scope: &Scope, key: &Key, call: &Call) -> Result<Stored, ToolError> {
    if !scope.judge(Access::Read, key.path()).allowed {
        return Err(not_found(key));
    }
    for _ in 0..READS {
        call.check()?;
        let Some(version) = scope.versions(key.path())?.pop() else { return Err(not_found(key)) };
        call.touch(1);
        if let Some(bytes) = scope.read_version(key.path(), version)? {
            return parse(key, version, &bytes);
        }
    }
    Err(ToolError::new(
        Code::Overloaded,
        format!("`{}` changes faster than it can be read", key.as_str()),
    )
    .hint("try again in a second"))
}

/// One version of a key.
///
/// # Errors
/// As [`newest`]; [`Code::NotFound`] names the versions that are kept.
pub fn at(scope: &Scope, key: &Key, version: u64, call: &Call) -> Result<Stored, ToolError> {
    call.touch(1);
    if let Some(bytes) = scope.read_version(key.path(), version)? {
        return parse(key, version, &bytes);
    }
    let newest = newest(scope, key, call)?;
    let all = scope.versions(key.path())?;
    let oldest = all.first().copied().unwrap_or(newest.version);
    Err(ToolError::new(
        Code::NotFound,
        format!("`{}` has no version {version}, or no longer", key.as_str()),
    )
    .hint(format!(
        "versions {oldest} to {} are kept; leave `version` out for the newest",
        newest.version
    )))
}

fn not_found(key: &Key) -> ToolError {
    ToolError::new(Code::NotFound, format!("no such key: {}", key.as_str()))
}

fn parse(key: &Key, version: u64, bytes: &[u8]) -> Result<Stored, ToolError> {
    let damaged = |cause: String| {
        ToolError::new(
            Code::Io,
            format!("version {version} of `{}` is damaged on disk", key.as_str()),
        )
        .hint("an earlier `version` may be readable; tell the operator")
        .caused_by(cause)
    };
    let stored: Stored =
        serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    if stored.version != version {
        return Err(damaged(format!("it says that it is version {}", stored.version)));
    }
    Ok(stored)
}

/// The newest version's number, 0 when there is none, to write after.
///
/// # Errors
/// [`Code::Io`].
pub fn newest_number(scope: &Scope, key: &Key) -> Result<u64, ToolError> {
    Ok(scope.versions(key.path())?.pop().unwrap_or_default())
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
        scope.prune_versions(key.path(), KEPT);
    }
}

/// Gives each key that the caller may read and that begins with `prefix` to `found`, with its
/// newest version: in the order of names level by level, a key before those below it, and only
/// keys after `after`.
///
/// # Errors
/// [`Code::InvalidArgument`] for a prefix that no key can have; [`Code::Io`].
pub fn list(
    scope: &Scope,
    prefix: &str,
    after: Option<&str>,
    call: &Call,
    found: &mut dyn FnMut(Key, u64) -> ControlFlow<()>,
) -> Result<Ended, ToolError> {
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
    let mut lister = Lister { scope, call, found };
    match lister.below(start, begins, after.unwrap_or_default()) {
        Ok(_) => Ok(Ended::Complete),
        Err(Break::Stop(stop)) => Ok(Ended::Stopped(stop)),
        Err(Break::Error(error)) => Err(error),
    }
}

struct Lister<'a> {
    scope: &'a Scope,
    call: &'a Call,
    found: &'a mut dyn FnMut(Key, u64) -> ControlFlow<()>,
}

enum Break {
    Stop(Stop),
    Error(ToolError),
}

impl Lister<'_> {
    /// The keys below a directory. Of the names before the first of `after` none is looked at,
    /// and below that name only what comes after the rest.
    fn below(
        &mut self,
        directory: &WorkspacePath,
        begins: &str,
        after: &[&str],
    ) -> Result<ControlFlow<()>, Break> {
        self.call.check().map_err(Break::Stop)?;
        for name in self.scope.directories(directory).map_err(Break::Error)? {
            let passed = after.first().is_some_and(|after| name.as_str() < *after);
            if passed || is_reserved(&name) || !name.starts_with(begins) {
                continue;
            }
            let Ok(path) = directory.join(&name) else { continue };
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
    ) -> Result<ControlFlow<()>, Break> {
        let grant = self.scope.grant();
        let readable = grant.may(Access::Read, path);
        if !readable && !grant.may(Access::Enter, path) {
            return Ok(ControlFlow::Continue(()));
        }
        if readable && !given {
            let key = Key::of_path(self.scope.layout(), path.clone());
            let version = newest_number(self.scope, &key).map_err(Break::Error)?;
            self.call.touch(1);
            if version > 0 && (self.found)(key, version).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        self.below(path, "", after)
    }
}
