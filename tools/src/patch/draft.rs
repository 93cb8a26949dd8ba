//! A draft: files as they would be after a proposal, over files as they are.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;

use super::read::refuse_git_directory;
use super::{ChangeKind, FileChange, Moved, apply};

/// A file as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The content.
    pub bytes: Vec<u8>,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// What happens to a file in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// Its content or mode changes.
    Modified,
    /// It goes away.
    Deleted,
    /// It moves, perhaps with changes.
    Renamed,
}

/// One file of the proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What happens.
    pub change: Change,
    /// The path afterwards; of a deletion the path before.
    pub path: WorkspacePath,
    /// The path before, of a rename.
    pub old_path: Option<WorkspacePath>,
    /// The file before; none when it is new.
    pub base: Option<Base>,
    /// The file afterwards; none when it is deleted.
    pub result: Option<Base>,
}

/// Reads a file as it is; none when nothing is there. Refuses what the caller may not propose on.
pub type Load<'a> = dyn FnMut(&WorkspacePath) -> Result<Option<Base>, ToolError> + 'a;

/// The files that a proposal touches, as they are and as they would be.
pub struct Draft<'a> {
    load: &'a mut Load<'a>,
    bases: BTreeMap<WorkspacePath, Option<Base>>,
    files: BTreeMap<WorkspacePath, File>,
    notes: Vec<String>,
}

struct File {
    content: Base,
    /// The path that it came from.
    origin: Option<WorkspacePath>,
}

impl<'a> Draft<'a> {
    /// A draft without changes over the files that `load` reads.
    pub fn new(load: &'a mut Load<'a>) -> Self {
        Draft { load, bases: BTreeMap::new(), files: BTreeMap::new(), notes: Vec::new() }
    }

    /// Applies one file's part of a diff.
    ///
    /// # Errors
    /// [`Code::PatchDoesNotApply`] when it does not fit, [`Code::Conflict`] when a new path is
    /// taken, and those of the loader.
    pub fn apply(&mut self, change: &FileChange) -> Result<(), ToolError> {
        let path = &change.path;
        let before = change.old_path.as_ref().unwrap_or(path);
        if change.kind == ChangeKind::Create {
            let bytes = change.hunks.iter().flat_map(|hunk| hunk.new_side()).flatten();
            let executable = change.new_mode == Some(super::FileMode::Executable);
            return self.create(path, Base { bytes: bytes.copied().collect(), executable });
        }
        let mut content = self.content(before)?.clone();
        if let Some(mode) = change.old_mode
            && mode != super::FileMode::of(content.executable)
        {
            return Err(ToolError::new(
                Code::PatchDoesNotApply,
                format!("`{before}` does not have mode {}", mode.as_str()),
            )
            .hint("leave the `old mode` and `new mode` lines out to keep its mode"));
        }
        let applied = apply(before, &content.bytes, &change.hunks)?;
        self.note_moves(before, &applied.moved);
        content.bytes = applied.bytes;
        if let Some(mode) = change.new_mode {
            content.executable = mode == super::FileMode::Executable;
        }
        match change.kind {
            ChangeKind::Delete if !content.bytes.is_empty() => Err(ToolError::new(
                Code::PatchDoesNotApply,
                format!("the patch deletes `{path}`, but not all of its lines"),
            )
            .hint("give `edits` with `delete`, which needs no lines")),
            ChangeKind::Delete => self.delete(path),
            ChangeKind::Rename => {
                self.replace(before, content)?;
                self.rename(before, path)
            }
            ChangeKind::Modify | ChangeKind::Create => self.replace(path, content),
        }
    }

    /// The file as the proposal has it so far.
    pub(super) fn content(&mut self, path: &WorkspacePath) -> Result<&Base, ToolError> {
        self.touch(path)?;
        self.files.get(path).map(|file| &file.content).ok_or_else(|| {
            ToolError::new(Code::NotFound, format!("no such file: {path}"))
                .hint("it is not there, or an earlier part of this proposal took it away")
        })
    }

    pub(super) fn replace(&mut self, path: &WorkspacePath, content: Base) -> Result<(), ToolError> {
        self.content(path)?;
        if let Some(file) = self.files.get_mut(path) {
            file.content = content;
        }
        Ok(())
    }

    pub(super) fn create(&mut self, path: &WorkspacePath, content: Base) -> Result<(), ToolError> {
        self.vacant(path)?;
        self.files.insert(path.clone(), File { content, origin: None });
        Ok(())
    }

    pub(super) fn delete(&mut self, path: &WorkspacePath) -> Result<(), ToolError> {
        self.content(path)?;
        self.files.remove(path);
        Ok(())
    }

    pub(super) fn rename(
        &mut self,
        from: &WorkspacePath,
        to: &WorkspacePath,
    ) -> Result<(), ToolError> {
        self.content(from)?;
        self.vacant(to)?;
        if let Some(mut file) = self.files.remove(from) {
            let is_old = self.bases.get(from).is_some_and(Option::is_some);
            if file.origin.is_none() && is_old {
                file.origin = Some(from.clone());
            }
            self.files.insert(to.clone(), file);
        }
        Ok(())
    }

    /// Loads the file once.
    fn touch(&mut self, path: &WorkspacePath) -> Result<(), ToolError> {
        if self.bases.contains_key(path) {
            return Ok(());
        }
        refuse_git_directory(path)?;
        let base = (self.load)(path)?;
        if let Some(content) = base.clone() {
            self.files.insert(path.clone(), File { content, origin: None });
        }
        self.bases.insert(path.clone(), base);
        Ok(())
    }

    fn vacant(&mut self, path: &WorkspacePath) -> Result<(), ToolError> {
        self.touch(path)?;
        if let Some(file) = self.files.get(path) {
            let version = super::version(&file.content.bytes);
            return Err(ToolError::new(
                Code::Conflict,
                format!("`{path}` exists already; its version is {version}"),
            )
            .hint("change the file that is there, or choose another name"));
        }
        Ok(())
    }

    fn note_moves(&mut self, path: &WorkspacePath, moved: &[Moved]) {
        self.notes.extend(moved.iter().map(|Moved { hunk, from, to }| {
            format!("hunk {hunk} of {path} says line {from} and was found at line {to}")
        }));
    }

    /// What the proposal does, by path, and notes for the caller.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] when it changes nothing, or makes a file and a directory of the
    /// same name.
    pub fn finish(self) -> Result<(Vec<Outcome>, Vec<String>), ToolError> {
        let Draft { bases, mut files, notes, .. } = self;
        let kept: Vec<WorkspacePath> = files.keys().cloned().collect();
        for (path, file) in &mut files {
            // A rename has one file before and one after: a path that is used again has not
            // moved away, and nothing moves over a file that was there.
            let over = bases.get(path).is_some_and(Option::is_some);
            if over || file.origin.as_ref().is_some_and(|origin| kept.contains(origin)) {
                file.origin = None;
            }
        }
        for path in &kept {
            if let Some(above) = path
                .ancestors_and_self()
                .find(|above| *above != path.as_str() && kept.iter().any(|p| p.as_str() == *above))
            {
                return Err(ToolError::invalid(format!(
                    "`{above}` would be a file, and a directory for `{path}`"
                )));
            }
        }
        let origins: Vec<WorkspacePath> =
            files.values().filter_map(|file| file.origin.clone()).collect();
        let mut outcomes = Vec::new();
        for (path, base) in &bases {
            let (change, old_path, base, result) = match (base.clone(), files.remove(path)) {
                (None, None) => continue,
                (Some(_), None) if origins.contains(path) => continue,
                (Some(base), Some(file)) if base == file.content => continue,
                (Some(base), None) => (Change::Deleted, None, Some(base), None),
                (Some(base), Some(file)) => {
                    (Change::Modified, None, Some(base), Some(file.content))
                }
                (None, Some(File { content, origin: None })) => {
                    (Change::Added, None, None, Some(content))
                }
                (None, Some(File { content, origin: Some(origin) })) => {
                    let base = bases.get(&origin).cloned().flatten();
                    (Change::Renamed, Some(origin), base, Some(content))
                }
            };
            outcomes.push(Outcome { change, path: path.clone(), old_path, base, result });
        }
        if outcomes.is_empty() {
            return Err(ToolError::invalid("the proposal changes nothing")
                .hint("every file would be as it is; nothing was stored"));
        }
        Ok((outcomes, notes))
    }
}
