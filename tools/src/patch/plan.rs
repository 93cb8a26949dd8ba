//! From what a caller asks to the files before and after, with every rule about the workspace
//! checked: what must exist, what must not, and what the caller may touch.

use std::collections::BTreeSet;

use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;

use super::apply::apply;
use super::edits::{Drafts, Edit};
use super::misfit::{self, does_not_apply, version_line};
use super::read::{self, FilePatch, Side};
use super::{Content, FileChange, Found, MAX_BASE_BYTES, MAX_FILES, Mode, Plan, Sources, lines_of};

/// Works out a unified or git diff.
///
/// # Errors
/// `invalid_argument` for a text that is no acceptable diff, `patch_does_not_apply` where a file
/// is not as the patch says, and the errors of [`Sources`].
pub fn from_patch(text: &[u8], sources: &dyn Sources) -> Result<Plan, ToolError> {
    let patches = read::read_input(text)?;
    let mut notes = Vec::new();
    let mut files = Vec::with_capacity(patches.len());
    let mut total = 0;
    for patch in &patches {
        sources.check()?;
        let file = change_of(patch, sources, &mut notes)?;
        bound(&mut total, file.old.as_ref())?;
        files.push(file);
    }
    finish(files, notes, sources)
}

/// Works out exact edits, one after the other.
///
/// # Errors
/// As [`from_patch`].
pub fn from_edits(edits: &[Edit], sources: &dyn Sources) -> Result<Plan, ToolError> {
    let mut drafts = Drafts::default();
    let mut total = 0;
    for (index, edit) in edits.iter().enumerate() {
        sources.check()?;
        let read = drafts.apply(index, edit, sources)?;
        bound(&mut total, read)?;
        if drafts.len() > MAX_FILES {
            return Err(read::too_many_files(drafts.len()));
        }
    }
    let (files, notes) = drafts.into_changes();
    finish(files, notes, sources)
}

fn bound(total: &mut usize, read: Option<&Content>) -> Result<(), ToolError> {
    *total += read.map_or(0, |content| content.bytes.len());
    if *total > MAX_BASE_BYTES {
        return Err(ToolError::new(
            Code::TooLarge,
            format!("the files of the proposal have more than {MAX_BASE_BYTES} bytes together"),
        )
        .hint("propose it in parts"));
    }
    Ok(())
}

fn change_of(
    patch: &FilePatch,
    sources: &dyn Sources,
    notes: &mut Vec<String>,
) -> Result<FileChange, ToolError> {
    let old = match &patch.old {
        Some(path) => {
            sources.permit(path)?;
            let content = sources.read(path)?;
            is_text(path, &content.bytes)?;
            check_mode(path, patch.old_mode, content.mode, &content.bytes)?;
            Some(content)
        }
        None => None,
    };
    if let Some(path) = &patch.new
        && patch.old.as_ref() != Some(path)
    {
        let wanted = (patch.old.is_none()).then(|| added_bytes(patch));
        must_be_free(path, wanted.as_deref(), sources)?;
    }
    let base = old.as_ref().map_or(&[][..], |content| &content.bytes);
    let applied =
        apply(base, &patch.hunks).map_err(|misfit| misfit::error(patch, base, &misfit))?;
    let path = patch.path();
    for moved in &applied.moved {
        notes.push(format!(
            "hunk {} of `{path}` fits at line {}, not at line {} as declared; it was moved there",
            moved.hunk, moved.to, moved.from
        ));
    }
    if patch.new.is_none() && !applied.bytes.is_empty() {
        return Err(does_not_apply(format!(
            "`{path}` is to be deleted, but the patch leaves content in it\n{}",
            version_line(&path, base)
        ))
        .hint("a deletion removes every line of the file; `edits` with `delete` needs no lines"));
    }
    let added = patch.hunks.iter().flat_map(|hunk| &hunk.lines);
    let added = added.filter(|(side, _)| *side == Side::New).map(|(_, line)| *line);
    notes.extend(line_ending_note(&path, base, added));
    let mode = patch.new_mode.or(old.as_ref().map(|content| content.mode)).unwrap_or_default();
    Ok(FileChange {
        path: patch.new.clone().unwrap_or(path),
        old_path: patch.old.clone().filter(|old| patch.new.as_ref().is_some_and(|new| new != old)),
        old,
        new: patch.new.as_ref().map(|_| Content { bytes: applied.bytes, mode }),
    })
}

fn added_bytes(patch: &FilePatch) -> Vec<u8> {
    patch.hunks.iter().flat_map(|hunk| hunk.new_lines().concat()).collect()
}

fn check_mode(
    path: &WorkspacePath,
    declared: Option<Mode>,
    real: Mode,
    bytes: &[u8],
) -> Result<(), ToolError> {
    match declared {
        Some(declared) if declared != real => Err(does_not_apply(format!(
            "the patch says that `{path}` has mode {}, and it has {}\n{}",
            declared.as_str(),
            real.as_str(),
            version_line(path, bytes)
        ))
        .hint("write the mode that the file has, or leave the mode lines out")),
        _ => Ok(()),
    }
}

/// Refuses a target that may not be touched or where something lies. `wanted` is the content that is to be added there.
pub(super) fn must_be_free(
    path: &WorkspacePath,
    wanted: Option<&[u8]>,
    sources: &dyn Sources,
) -> Result<(), ToolError> {
    // Whether policy hides a path or forbids to touch it, the answer is the same, and it does
    // not depend on what lies there.
    sources.permit(path).map_err(|_| {
        ToolError::new(Code::Denied, format!("this caller may not propose a file at `{path}`"))
            .hint("the policy's `read` and `propose` lists of the caller's role decide")
    })?;
    let what = match sources.look(path)? {
        None => return Ok(()),
        Some(Found::File) => {
            let there = sources.read(path)?;
            if wanted == Some(&there.bytes) {
                return Err(does_not_apply(format!(
                    "`{path}` exists already with exactly this content: already applied\n{}",
                    version_line(path, &there.bytes)
                ))
                .hint("leave the file out"));
            }
            return Err(does_not_apply(format!(
                "`{path}` is to be added or renamed to, but it exists already\n{}",
                version_line(path, &there.bytes)
            ))
            .hint("change the file that is there, or choose another name"));
        }
        Some(Found::Directory) => "a directory",
        Some(Found::Other) => "no regular file",
    };
    Err(does_not_apply(format!("`{path}` exists already and is {what}"))
        .hint("choose another name"))
}

/// Refuses content that a text patch cannot carry.
pub(super) fn is_text(path: &WorkspacePath, bytes: &[u8]) -> Result<(), ToolError> {
    if bytes.contains(&0) {
        return Err(ToolError::invalid(format!(
            "`{path}` is binary (it has NUL bytes); proposals change text"
        ))
        .hint("describe the change in the `rationale` of a proposal or in a finding"));
    }
    Ok(())
}

/// A note when new lines end otherwise than all lines of the file.
pub(super) fn line_ending_note<'a>(
    path: &WorkspacePath,
    old: &[u8],
    added: impl Iterator<Item = &'a [u8]>,
) -> Option<String> {
    let crlf = |line: &[u8]| line.ends_with(b"\r\n");
    let finished: Vec<&[u8]> =
        lines_of(old).into_iter().filter(|line| line.ends_with(b"\n")).collect();
    let first = crlf(finished.first()?);
    if finished.iter().any(|line| crlf(line) != first) {
        return None;
    }
    let (is, are) = if first { ("LF", "CRLF") } else { ("CRLF", "LF") };
    added
        .filter(|line| line.ends_with(b"\n"))
        .any(|line| crlf(line) != first)
        .then(|| format!("new lines of `{path}` end in {is}, while the file's lines end in {are}"))
}

/// The rules about the proposal as a whole.
fn finish(
    mut files: Vec<FileChange>,
    notes: Vec<String>,
    sources: &dyn Sources,
) -> Result<Plan, ToolError> {
    files.sort_by(|a, b| a.path.cmp(&b.path));
    if files.is_empty() {
        return Err(ToolError::invalid("the proposal changes nothing"));
    }
    let added: BTreeSet<&str> = files
        .iter()
        .filter(|file| file.new.is_some() && (file.old.is_none() || file.old_path.is_some()))
        .map(|file| file.path.as_str())
        .collect();
    for file in &files {
        if file.old == file.new && file.old_path.is_none() {
            return Err(ToolError::invalid(format!(
                "the proposal would not change `{}`",
                file.path
            ))
            .hint("leave the file out"));
        }
        if let Some(new) = &file.new {
            is_text(&file.path, &new.bytes)?;
        }
        if added.contains(file.path.as_str()) {
            parents_are_directories(&file.path, &added, sources)?;
        }
    }
    Ok(Plan { files, notes })
}

fn parents_are_directories(
    path: &WorkspacePath,
    added: &BTreeSet<&str>,
    sources: &dyn Sources,
) -> Result<(), ToolError> {
    for above in path.ancestors_and_self().filter(|above| *above != path.as_str()) {
        let found = sources.look(&WorkspacePath::parse(above)?)?;
        if added.contains(above) || !matches!(found, None | Some(Found::Directory)) {
            return Err(does_not_apply(format!(
                "`{path}` cannot be there, since `{above}` is no directory"
            ))
            .hint("choose another name"));
        }
    }
    Ok(())
}
