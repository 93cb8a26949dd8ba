//! Ignore files of a workspace. They are not trusted: they apply only when a call asks for them,
//! and every entry that they leave out is counted.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use rustix::fs::OFlags;

use crate::path::WorkspacePath;
use crate::policy::Access;

use super::DirectoryHandle;
use crate::workspace::Scope;

/// An ignore file longer than this is left unread.
const MAX_BYTES: u64 = 1 << 20;

/// The rules of one directory and of those above it.
#[derive(Debug)]
pub(super) struct IgnoreRules {
    /// In the order of [`IgnoreRules::NAMES`].
    own: [Option<Gitignore>; 2],
    above: Option<Arc<IgnoreRules>>,
}

impl IgnoreRules {
    /// As in ripgrep, an `.ignore` at any level outweighs every `.gitignore`.
    pub(super) const NAMES: [&str; 2] = [".ignore", ".gitignore"];

    /// Whether the rules leave `path` out; of each kind of file the nearest one that has an
    /// opinion decides.
    pub(super) fn ignores(&self, path: &WorkspacePath, is_directory: bool) -> bool {
        let absolute = format!("/{}", path.as_str());
        let levels = || std::iter::successors(Some(self), |level| level.above.as_deref());
        let verdict = (0..Self::NAMES.len())
            .flat_map(|kind| levels().filter_map(move |level| level.own.get(kind)?.as_ref()))
            .map(|rules| rules.matched(Path::new(&absolute), is_directory))
            .find(|verdict| !verdict.is_none());
        verdict.is_some_and(|verdict| verdict.is_ignore())
    }

    /// The rules of the directories above `start`.
    pub(super) fn above(scope: &Scope, start: &WorkspacePath) -> Option<Arc<IgnoreRules>> {
        let mut rules = None;
        let root = WorkspacePath::root();
        let parents = start.ancestors_and_self().filter(|path| *path != start.as_str());
        let parents = parents.filter_map(|path| WorkspacePath::parse(path).ok());
        for directory in (!start.is_root()).then_some(root).into_iter().chain(parents) {
            let texts = Self::NAMES.map(|name| {
                let path = directory.join(name).ok()?;
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
                let handle = scope.workspace().open(&path, flags).ok()?;
                scope.grant().may(Access::Read, &path).then(|| text_of(handle.into()))?
            });
            rules = IgnoreRules::build(&directory, &texts, rules);
        }
        rules
    }

    /// The rules below `directory`: its own, opened only where the listing has them (in the order
    /// of [`IgnoreRules::NAMES`]), and those above.
    pub(super) fn of_directory(
        scope: &Scope,
        directory: &WorkspacePath,
        listed: [bool; Self::NAMES.len()],
        handle: &DirectoryHandle,
        above: Option<Arc<IgnoreRules>>,
    ) -> Option<Arc<IgnoreRules>> {
        let flags =
            OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut listed = listed.into_iter();
        let texts = Self::NAMES.map(|name| {
            listed.next().filter(|listed| *listed)?;
            let path = directory.join(name).ok()?;
            let file = || handle.open(&path, flags).ok();
            scope.grant().may(Access::Read, &path).then(file)?.and_then(|file| text_of(file.into()))
        });
        IgnoreRules::build(directory, &texts, above)
    }

    fn build(
        directory: &WorkspacePath,
        texts: &[Option<String>; 2],
        above: Option<Arc<IgnoreRules>>,
    ) -> Option<Arc<IgnoreRules>> {
        if texts.iter().all(Option::is_none) {
            return above;
        }
        let own = texts.each_ref().map(|text| {
            let mut builder = GitignoreBuilder::new(format!("/{}", directory.as_str()));
            let text = text.as_deref()?;
            for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
                // A line that is no glob rules nothing; git passes over it as well.
                let _ = builder.add_line(None, line);
            }
            builder.build().ok()
        });
        Some(Arc::new(IgnoreRules { own, above }))
    }
}

fn text_of(file: std::fs::File) -> Option<String> {
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= MAX_BYTES).then(|| String::from_utf8_lossy(&bytes).into_owned())
}
