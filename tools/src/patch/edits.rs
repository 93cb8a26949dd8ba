//! Exact edits: text that stands once in a file, and what is to stand in its place.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::ToolError;
use crate::path::WorkspacePath;

use super::misfit::{does_not_apply, listed, numbered, version_line};
use super::names::not_of_git;
use super::plan::{is_text, line_ending_note, must_be_free};
use super::{Content, FileChange, Mode, Sources, lines_of};

/// Most edits in one proposal.
pub const MAX_EDITS: usize = 500;

/// One edit: text replaced, or a file added, deleted or renamed. Edits of one file are applied
/// in their order, each to the result of the one before; a renamed file keeps its old name here.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file, relative to the workspace root.
    pub path: String,
    /// The text to replace: copied exactly from the file, with its white space and line endings
    /// and without line numbers. It must stand there exactly once; add lines around it if not.
    pub old_text: Option<String>,
    /// What stands there afterwards; with `create`, the whole new file.
    pub new_text: Option<String>,
    /// The file's new path, to rename it. May come with `old_text` and `new_text`.
    pub new_path: Option<String>,
    /// True to add a file with `new_text` as its content; nothing may be there yet.
    #[serde(default)]
    pub create: bool,
    /// True to delete the file.
    #[serde(default)]
    pub delete: bool,
}

/// The files that edits have touched so far, in the order of their first edit.
#[derive(Default)]
pub(super) struct Drafts(Vec<Draft>);

struct Draft {
    /// The path that edits use.
    path: WorkspacePath,
    new_path: Option<WorkspacePath>,
    old: Option<Content>,
    new: Option<Content>,
    added_lines: Vec<u8>,
}

impl Drafts {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Applies one edit. Gives the content that was read for it, if it is the file's first.
    pub(super) fn apply(
        &mut self,
        index: usize,
        edit: &Edit,
        sources: &dyn Sources,
    ) -> Result<Option<&Content>, ToolError> {
        let name = format!("edits[{index}]");
        let path = path(&name, "path", &edit.path)?;
        check_shape(&name, edit)?;
        let known = self.0.iter().position(|draft| draft.path == path);
        if self.0.iter().any(|draft| draft.new_path.as_ref() == Some(&path)) {
            return Err(ToolError::invalid(format!(
                "{name}: `{path}` is the new path of a file that an edit before renames"
            ))
            .hint("name the file by its old path in all its edits"));
        }
        if edit.create {
            let text = edit.new_text.clone().unwrap_or_default().into_bytes();
            if known.is_some() {
                return Err(ToolError::invalid(format!("{name}: `{path}` is edited before")));
            }
            must_be_free(&path, Some(&text), sources)?;
            let new = Some(Content { bytes: text, mode: Mode::Regular });
            self.0.push(Draft { path, new_path: None, old: None, new, added_lines: Vec::new() });
            return Ok(None);
        }
        let position = match known {
            Some(position) => position,
            None => {
                sources.permit(&path)?;
                let old = sources.read(&path)?;
                is_text(&path, &old.bytes)?;
                let (old, new) = (Some(old.clone()), Some(old));
                self.0.push(Draft { path, new_path: None, old, new, added_lines: Vec::new() });
                self.0.len() - 1
            }
        };
        let new_path = edit.new_path.as_ref().map(|new| self::path(&name, "new_path", new));
        if let Some(new_path) = new_path.transpose()? {
            self.rename(&name, position, new_path, sources)?;
        }
        let Some(draft) = self.0.get_mut(position) else { return Ok(None) };
        draft.change(&name, edit)?;
        Ok(if known.is_none() { draft.old.as_ref() } else { None })
    }

    fn rename(
        &mut self,
        name: &str,
        position: usize,
        new_path: WorkspacePath,
        sources: &dyn Sources,
    ) -> Result<(), ToolError> {
        let taken = self
            .0
            .iter()
            .any(|draft| draft.path == new_path || draft.new_path.as_ref() == Some(&new_path));
        let Some(draft) = self.0.get_mut(position) else { return Ok(()) };
        if taken || draft.new_path.is_some() || draft.old.is_none() {
            return Err(ToolError::invalid(format!(
                "{name}: `{}` cannot be renamed to `{new_path}`: a file is renamed once, to a \
                 name that no other edit uses, and not in the proposal that adds it",
                draft.path
            )));
        }
        must_be_free(&new_path, None, sources)?;
        draft.new_path = Some(new_path);
        Ok(())
    }

    /// The changes, and notes about line endings.
    pub(super) fn into_changes(self) -> (Vec<FileChange>, Vec<String>) {
        let mut notes = Vec::new();
        let mut files = Vec::with_capacity(self.0.len());
        for draft in self.0 {
            if let Some(old) = &draft.old {
                let added = lines_of(&draft.added_lines).into_iter();
                notes.extend(line_ending_note(&draft.path, &old.bytes, added));
            }
            let (path, old_path) = match draft.new_path {
                Some(new_path) => (new_path, Some(draft.path)),
                None => (draft.path, None),
            };
            files.push(FileChange { path, old_path, old: draft.old, new: draft.new });
        }
        (files, notes)
    }
}

impl Draft {
    fn change(&mut self, name: &str, edit: &Edit) -> Result<(), ToolError> {
        let path = &self.path;
        let Some(content) = &mut self.new else {
            return Err(ToolError::invalid(format!("{name}: `{path}` is deleted before")));
        };
        if edit.delete {
            if self.old.as_ref() != Some(content) || self.new_path.is_some() {
                return Err(ToolError::invalid(format!("{name}: `{path}` is changed before"))
                    .hint("leave the other edits of the file out"));
            }
            self.new = None;
            return Ok(());
        }
        let (Some(old_text), Some(new_text)) = (&edit.old_text, &edit.new_text) else {
            return Ok(());
        };
        let places = occurrences(&content.bytes, old_text.as_bytes());
        let [at] = places.as_slice() else {
            let version = match &self.old {
                Some(old) => version_line(path, &old.bytes),
                None => format!("`{path}` is added by an edit before"),
            };
            return Err(match places.as_slice() {
                [] => not_found(name, path, &content.bytes, old_text, new_text, version),
                several => {
                    let lines: Vec<usize> =
                        several.iter().map(|at| line_number(&content.bytes, *at)).collect();
                    does_not_apply(format!(
                        "{name}: the `old_text` stands {} times in `{path}`: at lines {}\n{version}",
                        several.len(),
                        listed(&lines),
                    ))
                    .hint("add the lines before or after it to `old_text` and `new_text`")
                }
            });
        };
        content.bytes.splice(*at..*at + old_text.len(), new_text.bytes());
        self.added_lines.extend_from_slice(new_text.as_bytes());
        Ok(())
    }
}

fn path(name: &str, field: &str, text: &str) -> Result<WorkspacePath, ToolError> {
    let path = WorkspacePath::parse(text)
        .map_err(|error| ToolError::invalid(format!("{name}.{field}: {error}")))?;
    if path.is_root() {
        return Err(ToolError::invalid(format!("{name}.{field}: the path is empty")));
    }
    not_of_git(&path)?;
    Ok(path)
}

/// Refuses combinations that have no meaning.
fn check_shape(name: &str, edit: &Edit) -> Result<(), ToolError> {
    let replaces = edit.old_text.is_some();
    let wrong = match (edit.create, edit.delete) {
        (true, true) => Some("`create` and `delete` exclude each other"),
        (true, false) if replaces || edit.new_path.is_some() => {
            Some("`create` takes `path` and `new_text` alone")
        }
        (true, false) => None,
        (false, true) if replaces || edit.new_text.is_some() || edit.new_path.is_some() => {
            Some("`delete` takes `path` alone")
        }
        (false, true) => None,
        (false, false) if replaces != edit.new_text.is_some() => {
            Some("`old_text` and `new_text` come together; to add a file, set `create` to true")
        }
        (false, false) if !replaces && edit.new_path.is_none() => {
            Some("nothing to do: give `old_text` and `new_text`, `create`, `delete` or `new_path`")
        }
        (false, false) if edit.old_text.as_deref() == Some("") => {
            Some("`old_text` is empty; give the text to replace, or `create` to add a file")
        }
        (false, false) if replaces && edit.old_text == edit.new_text => {
            Some("`old_text` and `new_text` are equal")
        }
        (false, false) => None,
    };
    match wrong {
        Some(what) => Err(ToolError::invalid(format!("{name}: {what}"))),
        None => Ok(()),
    }
}

/// Where a text stands; overlapping occurrences count too.
fn occurrences(bytes: &[u8], text: &[u8]) -> Vec<usize> {
    let Some((first, rest)) = text.split_first() else { return Vec::new() };
    let starts = bytes.iter().enumerate().filter(|(_, byte)| *byte == first);
    starts
        .filter(|(at, _)| bytes.get(at + 1..).is_some_and(|after| after.starts_with(rest)))
        .map(|(at, _)| at)
        .take(1000)
        .collect()
}

fn line_number(bytes: &[u8], at: usize) -> usize {
    bytes.get(..at).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count() + 1
}

fn not_found(
    name: &str,
    path: &WorkspacePath,
    bytes: &[u8],
    old_text: &str,
    new_text: &str,
    version: String,
) -> ToolError {
    let error = |why: String| {
        does_not_apply(format!("{name}: the `old_text` is not in `{path}`: {why}\n{version}"))
    };
    if !new_text.is_empty() && occurrences(bytes, new_text.as_bytes()).len() == 1 {
        return error("the `new_text` is, so the edit may be already applied".to_owned())
            .hint("leave the edit out if so");
    }
    let crlf = old_text.replace("\r\n", "\n").replace('\n', "\r\n");
    if crlf != old_text && !occurrences(bytes, crlf.as_bytes()).is_empty() {
        return error("the file has CRLF line endings (`\\r\\n`) and `old_text` has LF".to_owned())
            .hint("write `\\r\\n` in `old_text` and `new_text`");
    }
    let lf = old_text.replace("\r\n", "\n");
    if lf != old_text && !occurrences(bytes, lf.as_bytes()).is_empty() {
        return error("the file has LF line endings (`\\n`) and `old_text` has CRLF".to_owned())
            .hint("write `\\n` in `old_text` and `new_text`");
    }
    let lines = lines_of(bytes);
    let solid = |line: &[u8]| -> Vec<u8> {
        line.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
    };
    // The line that tells most: the longest of what was looked for.
    let wanted: Vec<Vec<u8>> = old_text.lines().map(|line| solid(line.as_bytes())).collect();
    let telling = wanted.iter().max_by_key(|line| line.len()).filter(|line| line.len() > 2);
    let near = telling.and_then(|telling| lines.iter().position(|line| solid(line) == *telling));
    match near {
        Some(at) => {
            let before = wanted.iter().position(|line| Some(line) == telling).unwrap_or(0);
            let start = at.saturating_sub(before);
            let there = lines.get(start..start + wanted.len()).unwrap_or_default();
            let white = there.iter().map(|line| solid(line)).eq(wanted.iter().cloned());
            let why = if white { "only white space differs" } else { "the nearest text differs" };
            error(format!("{why}, at line {}\nthere now:\n{}", at + 1, numbered(&lines, at)))
                .hint("copy `old_text` exactly from the lines above, without their numbers")
        }
        None => error("no line of it is there".to_owned())
            .hint("read the file again; copy `old_text` exactly, without line numbers"),
    }
}
