//! Ignore files of a workspace. They are foreign data: applied only when asked for, and every
//! entry that they leave out is counted.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::OFlags;

use crate::path::WorkspacePath;
use crate::policy::Access;

use super::DirectoryHandle;
use crate::workspace::Scope;
use crate::workspace::entries::Listing;

/// An ignore file longer than this is left unread.
const MAX_BYTES: u64 = 1 << 20;
/// The later one has the last word, as in ripgrep.
const NAMES: [&str; 2] = [".gitignore", ".ignore"];

/// The rules of one directory and of those above it.
#[derive(Debug)]
pub(super) struct IgnoreRules {
    own: Gitignore,
    above: Option<Arc<IgnoreRules>>,
}

impl IgnoreRules {
    /// Whether the rules leave `path` out; the nearest file that has an opinion decides.
    pub(super) fn ignores(&self, path: &WorkspacePath, is_directory: bool) -> bool {
        let absolute = format!("/{}", path.as_str());
        let mut rules = Some(self);
        while let Some(level) = rules {
            let verdict = level.own.matched(Path::new(&absolute), is_directory);
            if !verdict.is_none() {
                return verdict.is_ignore();
            }
            rules = level.above.as_deref();
        }
        false
    }

    /// The rules of the directories above `start`.
    pub(super) fn above(scope: &Scope, start: &WorkspacePath) -> Option<Arc<IgnoreRules>> {
        let mut rules = None;
        let root = WorkspacePath::root();
        let parents = start.ancestors_and_self().filter(|path| *path != start.as_str());
        let parents = parents.filter_map(|path| WorkspacePath::parse(path).ok());
        for directory in (!start.is_root()).then_some(root).into_iter().chain(parents) {
            let texts = NAMES.iter().filter_map(|name| {
                let path = directory.join(name).ok()?;
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
                let handle = scope.workspace().open(&path, flags).ok()?;
                scope.grant().may(Access::Read, &path).then(|| text_of(handle.into()))?
            });
            rules = IgnoreRules::build(&directory, texts.collect(), rules);
        }
        rules
    }

    /// The rules below `directory`: its own, opened only if the listing has them, and those above.
    pub(super) fn of_directory(
        scope: &Scope,
        directory: &WorkspacePath,
        listing: &Listing,
        handle: &DirectoryHandle,
        above: Option<Arc<IgnoreRules>>,
    ) -> Option<Arc<IgnoreRules>> {
        let mut texts = Vec::new();
        for name in NAMES {
            if !listing.entries.iter().any(|entry| entry.name == name) {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let text = directory
                .join(name)
                .ok()
                .filter(|path| scope.grant().may(Access::Read, path))
                .and_then(|path| handle.open(&path, flags).ok())
                .and_then(|file| text_of(file.into()));
            texts.extend(text);
        }
        IgnoreRules::build(directory, texts, above)
    }

    fn build(
        directory: &WorkspacePath,
        texts: Vec<String>,
        above: Option<Arc<IgnoreRules>>,
    ) -> Option<Arc<IgnoreRules>> {
        if texts.is_empty() {
            return above;
        }
        let mut builder = GitignoreBuilder::new(format!("/{}", directory.as_str()));
        for line in texts.iter().flat_map(|text| text.lines()) {
            // A line that is no glob rules nothing; git passes over it as well.
            let _ = builder.add_line(None, line);
        }
        match builder.build() {
            Ok(own) => Some(Arc::new(IgnoreRules { own, above })),
            Err(_) => above,
        }
    }
}

fn text_of(file: std::fs::File) -> Option<String> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= MAX_BYTES).then(|| String::from_utf8_lossy(&bytes).into_owned())
}
