//! The walk under `list_dir` and `grep`: a pool of I/O threads over directory handles.
//!
//! It is made for a network mount, where each operation is a round trip: kinds come from the
//! listing instead of a stat, a file is opened by its name in its directory's handle, and many
//! operations are under way at once. Entries come in the byte order of their whole paths
//! whatever the threads do. Work that has begun is never joined, so a call answers at its
//! deadline even when the file system hangs.
//!
//! The order: an entry `p` has the key `p`, the content of a directory `p` has the key `p/`.
//! Everything below `p` sorts at or after `p/`, so an entry may be given out as soon as its key
//! is less than every key that is still pending or running.

mod ignoring;
mod pool;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;

use crate::call::{Call, Ended};
use crate::error::{Situation, ToolError};
use crate::path::WorkspacePath;
use crate::policy::Access;

use super::Workspace;
use super::entries;
use super::metadata::{Kind, Metadata};
use super::names::{Names, Sorted, Unlisted};
use super::scope::{Directory, Scope, Start};

use ignoring::IgnoreRules;

/// Where to walk and what to leave out.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The directory to start in.
    pub start: WorkspacePath,
    /// How deep: 1 is the directory's own entries. None is without limit.
    pub depth: Option<usize>,
    /// Give only entries whose path is greater than this (or equal, with `inclusive`).
    pub after: Option<String>,
    /// Whether the entry `after` itself is given.
    pub inclusive: bool,
    /// Whether `.gitignore` and `.ignore` files in the workspace may leave entries out.
    pub ignore_files: bool,
}

/// What to do with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// Not wanted.
    Skip,
    /// Visit it at once; the visit does no I/O.
    Now,
    /// Visit it in the pool; the visit does I/O.
    Later,
}

/// What happens to the entries of a walk. Visits run in many threads at once.
pub trait Visitor: Send + Sync + 'static {
    /// What a visit gives.
    type Item: Send + 'static;
    /// Whether and how to visit; called once for each visible entry, in any order.
    fn select(&self, path: &WorkspacePath, kind: Kind) -> Selection;
    /// Visits one entry; none is left out silently.
    fn visit(&self, entry: &Entry<'_>) -> Option<Self::Item>;
    /// The bytes that an item holds beside its path: few wait for an earlier one when they are large.
    fn weight(_: &Self::Item) -> usize {
        0
    }
}

/// What a walk gives, in the order of paths.
#[derive(Debug)]
pub enum Found<I> {
    /// The result of a visit.
    Item(WorkspacePath, I),
    /// A directory that could not be read.
    Unreadable(WorkspacePath),
    /// An entry that ignore files leave out; nothing below it was visited.
    Ignored(WorkspacePath),
    /// Names in this directory that are not valid paths (not UTF-8, control characters), of those
    /// that the caller could read if they were.
    Unnameable(WorkspacePath, u64),
}

impl<I> Found<I> {
    /// Its place in the order of the walk; `after` this place the walk goes on behind it.
    pub fn place(&self) -> String {
        match self {
            Found::Item(path, _) | Found::Ignored(path) => path.as_str().to_owned(),
            Found::Unreadable(directory) | Found::Unnameable(directory, _) => below(directory),
        }
    }
}

/// One entry during its visit.
#[derive(Debug)]
pub struct Entry<'a> {
    /// Its path.
    pub path: &'a WorkspacePath,
    /// Its kind, from the listing.
    pub kind: Kind,
    directory: &'a DirectoryHandle,
}

impl Entry<'_> {
    /// Opens the file for reading, by its name in its directory; a link that took its place
    /// is not followed.
    ///
    /// # Errors
    /// The file system's error.
    pub fn open(&self) -> std::io::Result<std::fs::File> {
        let flags =
            OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(self.directory.open(self.path, flags)?.into())
    }

    /// Size, time and kind: one operation on the file system.
    ///
    /// # Errors
    /// The file system's error.
    pub fn metadata(&self) -> std::io::Result<Metadata> {
        match &self.directory.handle {
            Some(handle) => {
                let name = self.path.file_name().unwrap_or(".");
                Ok(Metadata::from(&statat(handle, name, AtFlags::SYMLINK_NOFOLLOW)?))
            }
            None => Ok(self.directory.workspace.stat(self.path)?.ok_or(Errno::NOENT)?),
        }
    }

    /// Where a symbolic link points, as it is written.
    pub fn link_target(&self) -> Option<String> {
        let name = self.path.file_name()?;
        let directory = match &self.directory.handle {
            Some(_) => None,
            None => Some(
                self.directory
                    .workspace
                    .open(&self.path.parent()?, OFlags::RDONLY | OFlags::DIRECTORY)
                    .ok()?,
            ),
        };
        let handle = self.directory.handle.as_ref().or(directory.as_ref())?;
        let target = readlinkat(handle, name, Vec::new()).ok()?;
        Some(String::from_utf8_lossy(target.to_bytes()).into_owned())
    }
}

/// A directory whose entries are still to be visited. Where many are open already the handle
/// is given up, and entries are opened from the root again.
#[derive(Debug)]
struct DirectoryHandle {
    workspace: Arc<Workspace>,
    handle: Option<OwnedFd>,
}

/// Directory handles that all walks together keep open (the usual limit of a process is 1,024).
const MAX_OPEN_DIRECTORIES: usize = 384;

impl DirectoryHandle {
    fn keep(workspace: &Arc<Workspace>, handle: OwnedFd) -> DirectoryHandle {
        let open = workspace.open_directories.fetch_add(1, Ordering::Relaxed);
        let mut kept = DirectoryHandle { workspace: Arc::clone(workspace), handle: Some(handle) };
        if open >= MAX_OPEN_DIRECTORIES {
            kept.give_up();
        }
        kept
    }

    fn give_up(&mut self) {
        if self.handle.take().is_some() {
            self.workspace.open_directories.fetch_sub(1, Ordering::Relaxed);
        }
    }

    fn open(&self, path: &WorkspacePath, flags: OFlags) -> Result<OwnedFd, Errno> {
        match (&self.handle, path.file_name()) {
            // INVARIANT: the name is one component, so it cannot lead out of the handle.
            (Some(handle), Some(name)) => openat(handle, name, flags, Mode::empty()),
            _ => self.workspace.open(path, flags),
        }
    }
}

impl Drop for DirectoryHandle {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// A unit of I/O.
enum Task {
    /// Read a directory: its path, its depth, its parent's handle (none for the start).
    List {
        path: WorkspacePath,
        depth: usize,
        parent: Option<Arc<DirectoryHandle>>,
        ignore: Option<Arc<IgnoreRules>>,
    },
    /// Visit an entry.
    Visit { path: WorkspacePath, kind: Kind, directory: Arc<DirectoryHandle> },
    /// Look at the entries of a listed directory from this one on: no I/O.
    GoOn { listed: Arc<Listed>, from: usize },
}

/// A directory whose names are known. Its entries become paths and tasks a batch at a time, so
/// that a directory with half a million costs no more than their names.
struct Listed {
    path: WorkspacePath,
    depth: usize,
    names: Names,
    directory: Arc<DirectoryHandle>,
    ignore: Option<Arc<IgnoreRules>>,
}

/// Entries of a directory that are looked at in one task.
const BATCH: usize = 512;

/// What a task leaves: results and more tasks, each with its key; or why the walk cannot go on.
struct Outcome<I> {
    found: Vec<(String, Found<I>)>,
    tasks: Vec<(String, Task)>,
    failed: Option<ToolError>,
}

impl<I> Default for Outcome<I> {
    fn default() -> Self {
        Outcome { found: Vec::new(), tasks: Vec::new(), failed: None }
    }
}

/// Walks from the directory that `options` names, and gives each find to `consume` in the order of paths until it breaks.
///
/// Where the call ends first, what was given until then is complete and in order.
///
/// # Errors
/// When the start is no directory that the caller may see, or a visit panicked.
pub fn walk<V: Visitor>(
    scope: &Scope,
    options: &Options,
    visitor: V,
    call: &Call,
    consume: &mut dyn FnMut(Found<V::Item>) -> ControlFlow<()>,
) -> Result<Ended, ToolError> {
    match scope.open_start(&options.start, call)? {
        Start::Directory(start) => walk_from(start, scope, options, visitor, call, consume),
        Start::File(_) => {
            Err(ToolError::invalid(format!("`{}` is a file, not a directory", options.start))
                .in_situation(Situation::File))
        }
    }
}

/// [`walk`] from a directory that was opened before.
///
/// # Errors
/// When a visit panicked.
pub fn walk_from<V: Visitor>(
    start: Directory,
    scope: &Scope,
    options: &Options,
    visitor: V,
    call: &Call,
    consume: &mut dyn FnMut(Found<V::Item>) -> ControlFlow<()>,
) -> Result<Ended, ToolError> {
    let Directory { path, handle } = start;
    let ignore = if options.ignore_files { IgnoreRules::above(scope, &path) } else { None };
    let walker =
        Walker { scope: scope.clone(), options: options.clone(), visitor, call: call.clone() };
    let first = walker.list_opened(&path, 1, handle, ignore);
    pool::run(Arc::new(walker), first, call, consume)
}

struct Walker<V: Visitor> {
    scope: Scope,
    options: Options,
    visitor: V,
    call: Call,
}

impl<V: Visitor> Walker<V> {
    fn perform(&self, key: &str, task: Task) -> Outcome<V::Item> {
        match task {
            Task::Visit { path, kind, directory } => {
                self.call.touch(1);
                let entry = Entry { path: &path, kind, directory: &directory };
                let item = self.visitor.visit(&entry);
                let found = item.map(|item| (key.to_owned(), Found::Item(path.clone(), item)));
                Outcome { found: found.into_iter().collect(), ..Outcome::default() }
            }
            Task::GoOn { listed, from } => self.go_on(&listed, from, Outcome::default()),
            Task::List { path, depth, parent, ignore } => {
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                self.call.touch(1);
                let opened = match &parent {
                    Some(parent) => parent.open(&path, flags),
                    None => self.scope.workspace().open(&path, flags),
                };
                drop(parent);
                match opened {
                    Ok(handle) => self.list_opened(&path, depth, handle, ignore),
                    Err(errno) => self.failed(key, path, errno),
                }
            }
        }
    }

    /// A directory that has gone is no fault; one that cannot be read is told.
    fn failed(&self, key: &str, path: WorkspacePath, errno: Errno) -> Outcome<V::Item> {
        let gone = matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP);
        let found = if gone { Vec::new() } else { vec![(key.to_owned(), Found::Unreadable(path))] };
        Outcome { found, ..Outcome::default() }
    }

    fn list_opened(
        &self,
        path: &WorkspacePath,
        depth: usize,
        handle: OwnedFd,
        above: Option<Arc<IgnoreRules>>,
    ) -> Outcome<V::Item> {
        let key = below(path);
        let mut child = key.clone();
        let mut rules = [false; IgnoreRules::NAMES.len()];
        let memory = self.scope.memory();
        let listed = Names::read(
            &handle,
            memory,
            &self.call,
            |name, kind| {
                if !path.can_join(name) {
                    return Sorted::Unnameable;
                }
                if let Some(kind) = IgnoreRules::NAMES.iter().position(|known| *known == name)
                    && let Some(there) = rules.get_mut(kind)
                {
                    *there = true;
                }
                child.truncate(key.len());
                child.push_str(name);
                let after = self.is_after(&child);
                let descends = kind == Kind::Directory && {
                    child.push('/');
                    self.descends(depth) && self.has_after(&child)
                };
                if after || descends { Sorted::Kept } else { Sorted::LeftOut }
            },
            |entry| entries::may_be_told(self.scope.grant(), path, entry),
        );
        let (names, unnameable) = match listed {
            Ok(listed) => listed,
            Err(Unlisted::Failed(errno)) => return self.failed(&key, path.clone(), errno),
            Err(Unlisted::Ended(error)) => {
                return Outcome { failed: Some(error), ..Outcome::default() };
            }
        };
        let directory = Arc::new(DirectoryHandle::keep(self.scope.workspace(), handle));
        let ignore = if self.options.ignore_files {
            IgnoreRules::of_directory(&self.scope, path, rules, &directory, above)
        } else {
            above
        };
        let mut outcome = Outcome::default();
        if unnameable > 0 && self.is_after(&key) {
            outcome.found.push((key, Found::Unnameable(path.clone(), unnameable)));
        }
        let listed = Listed { path: path.clone(), depth, names, directory, ignore };
        self.go_on(&Arc::new(listed), 0, outcome)
    }

    /// The next entries of a directory, and the task that goes on behind them.
    fn go_on(
        &self,
        listed: &Arc<Listed>,
        from: usize,
        mut outcome: Outcome<V::Item>,
    ) -> Outcome<V::Item> {
        let to = (from + BATCH).min(listed.names.len());
        for index in from..to {
            let Some((name, kind)) = listed.names.get(index) else { break };
            if let Ok(child) = listed.path.join(name) {
                self.entry(child, kind, listed, &mut outcome);
            }
        }
        if let Some((next, _)) = listed.names.get(to) {
            // INVARIANT: no key of a later entry is less than the path of the next one.
            let key = format!("{}{next}", below(&listed.path));
            outcome.tasks.push((key, Task::GoOn { listed: Arc::clone(listed), from: to }));
        }
        outcome
    }

    fn entry(
        &self,
        path: WorkspacePath,
        kind: Kind,
        listed: &Listed,
        outcome: &mut Outcome<V::Item>,
    ) {
        let Listed { depth, directory, ignore, .. } = listed;
        let grant = self.scope.grant();
        let is_directory = kind == Kind::Directory;
        let visible = if is_directory {
            grant.may(Access::Enter, &path)
        } else {
            grant.may(Access::Read, &path)
        };
        if !visible {
            return;
        }
        let wanted = self.is_after(path.as_str());
        let content = below(&path);
        let descend = is_directory && self.descends(*depth) && self.has_after(&content);
        if !wanted && !descend {
            return;
        }
        if ignore.as_ref().is_some_and(|rules| rules.ignores(&path, is_directory)) {
            if wanted {
                outcome.found.push((path.as_str().to_owned(), Found::Ignored(path)));
            }
            return;
        }
        if wanted {
            let key = path.as_str().to_owned();
            match self.visitor.select(&path, kind) {
                Selection::Skip => {}
                Selection::Now => {
                    let entry = Entry { path: &path, kind, directory };
                    if let Some(item) = self.visitor.visit(&entry) {
                        outcome.found.push((key, Found::Item(path.clone(), item)));
                    }
                }
                Selection::Later => {
                    let directory = Arc::clone(directory);
                    outcome.tasks.push((key, Task::Visit { path: path.clone(), kind, directory }));
                }
            }
        }
        if descend {
            let parent = Some(Arc::clone(directory));
            let ignore = ignore.clone();
            outcome.tasks.push((content, Task::List { path, depth: depth + 1, parent, ignore }));
        }
    }

    /// Whether the walk enters the directories of a directory at this depth.
    fn descends(&self, depth: usize) -> bool {
        self.options.depth.is_none_or(|most| depth < most)
    }

    fn is_after(&self, key: &str) -> bool {
        match self.options.after.as_deref() {
            None => true,
            Some(after) => key > after || self.options.inclusive && key == after,
        }
    }

    /// Whether anything that starts with `content` can come after the cursor.
    fn has_after(&self, content: &str) -> bool {
        self.options
            .after
            .as_deref()
            .is_none_or(|after| content > after || after.starts_with(content))
    }
}

/// The key of a directory's content.
fn below(path: &WorkspacePath) -> String {
    if path.is_root() { String::new() } else { format!("{}/", path.as_str()) }
}
