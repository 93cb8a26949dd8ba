//! A draft: files as they would be after a proposal, over files as they are.

use std::collections::BTreeMap;

use mcp_workspace_stop::StopSignal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::version::shown;

use super::meant::Meant;
use super::meant::place::{self, Unplaced};
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
    adjusted: Vec<String>,
}

struct File {
    content: Base,
    /// The path that it came from.
    origin: Option<WorkspacePath>,
}

/// Makes a file's new content of its content, and says what was adjusted.
type NewContent<'c> =
    dyn FnMut(&WorkspacePath, &[u8]) -> Result<(Vec<u8>, Vec<String>), ToolError> + 'c;

fn moves(path: &WorkspacePath, moved: &[Moved]) -> Vec<String> {
    let say = |Moved { hunk, from, to }: &Moved| {
        format!("hunk {hunk} of {path} says line {from} and was found at line {to}")
    };
    moved.iter().map(say).collect()
}

impl<'a> Draft<'a> {
    /// A draft without changes over the files that `load` reads.
    pub fn new(load: &'a mut Load<'a>) -> Self {
        Draft { load, bases: BTreeMap::new(), files: BTreeMap::new(), adjusted: Vec::new() }
    }

    /// Applies one file's part of a diff, exactly.
    ///
    /// # Errors
    /// [`Code::PatchDoesNotApply`] when it does not fit, [`Code::Conflict`] when a new path is
    /// taken, and those of the loader.
    pub fn apply(&mut self, change: &FileChange) -> Result<(), ToolError> {
        self.change(change, &mut |path, base| {
            let applied = apply(path, base, &change.hunks)?;
            Ok((applied.bytes, moves(path, &applied.moved)))
        })
    }

    /// Applies one file's part of a patch as it was meant: exactly, and where it does not fit so, at
    /// the only places that it can mean.
    ///
    /// # Errors
    /// As [`Draft::apply`], and when the call that it is done for must end.
    pub fn apply_meant(&mut self, meant: &Meant, stop: &StopSignal) -> Result<(), ToolError> {
        if meant.whole {
            return self.delete(&meant.change.path);
        }
        self.change(&meant.change, &mut |path, base| {
            let mismatch = match meant.exact_hunks().map(|hunks| apply(path, base, &hunks)) {
                Some(Ok(applied)) => return Ok((applied.bytes, moves(path, &applied.moved))),
                Some(Err(mismatch)) => Some(mismatch),
                None => None,
            };
            match (place::apply(path, base, &meant.hunks, stop), mismatch) {
                (Ok(placed), _) => Ok((placed.bytes, placed.adjusted)),
                (Err(Unplaced::Nowhere(_)), Some(mismatch)) => Err(mismatch.into()),
                (Err(Unplaced::Nowhere(error) | Unplaced::Told(error)), _) => Err(error),
            }
        })
    }

    /// Does what a diff says of one file; `content` makes the new content and says what was
    /// adjusted.
    fn change(
        &mut self,
        change: &FileChange,
        content: &mut NewContent<'_>,
    ) -> Result<(), ToolError> {
        let path = &change.path;
        let before = change.old_path.as_ref().unwrap_or(path);
        if change.kind == ChangeKind::Create {
            let bytes = change.hunks.iter().flat_map(|hunk| hunk.new_side()).flatten();
            let executable = change.new_mode == Some(super::FileMode::Executable);
            return self.create(path, Base { bytes: bytes.copied().collect(), executable });
        }
        let mut file = self.content(before)?.clone();
        if let Some(mode) = change.old_mode
            && mode != super::FileMode::of(file.executable)
        {
            return Err(ToolError::new(
                Code::PatchDoesNotApply,
                format!("`{before}` does not have mode {}", mode.as_str()),
            )
            .hint("leave the `old mode` and `new mode` lines out to keep its mode"));
        }
        let (bytes, adjusted) = content(before, &file.bytes)?;
        file.bytes = bytes;
        self.adjusted.extend(adjusted);
        if let Some(mode) = change.new_mode {
            file.executable = mode == super::FileMode::Executable;
        }
        match change.kind {
            ChangeKind::Delete if !file.bytes.is_empty() => Err(ToolError::new(
                Code::PatchDoesNotApply,
                format!("the patch deletes `{path}`, but not all of its lines"),
            )
            .hint("give `edits` with `delete`, which needs no lines")),
            ChangeKind::Delete => self.delete(path),
            ChangeKind::Rename => {
                self.replace(before, file)?;
                self.rename(before, path)
            }
            ChangeKind::Modify | ChangeKind::Create => self.replace(path, file),
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
                format!("`{path}` exists already; its version is {}", shown(&version)),
            )
            .hint("change the file that is there, or choose another name"));
        }
        Ok(())
    }

    /// Whether a file of this path is there, as the proposal has it so far.
    pub(super) fn has(&mut self, path: &WorkspacePath) -> Result<bool, ToolError> {
        self.touch(path)?;
        Ok(self.files.contains_key(path))
    }

    /// Notes how something was read that was not as it should be.
    pub(super) fn note(&mut self, adjusted: String) {
        self.adjusted.push(adjusted);
    }

    /// What the proposal does, by path, and what was adjusted for it.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] when it changes nothing, or makes a file and a directory of the
    /// same name.
    pub fn finish(self) -> Result<(Vec<Outcome>, Vec<String>), ToolError> {
        let Draft { bases, mut files, adjusted, .. } = self;
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
        Ok((outcomes, adjusted))
    }
}
