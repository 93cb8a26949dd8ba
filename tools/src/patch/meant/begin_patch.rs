//! The form that begins with `*** Begin Patch`, which some models write instead of a diff:
//!
//! ```text
//! *** Begin Patch
//! *** Add File: PATH                    every line with `+`
//! *** Delete File: PATH
//! *** Update File: PATH
//! *** Move to: PATH                     only below `Update File`
//! @@ a line above the hunk              several of them lead inwards
//!  context
//! -old
//! +new
//! *** End of File                       the hunk ends with the file
//! *** End Patch
//! ```

use crate::error::ToolError;
use crate::patch::hunks::{MAX_HUNKS, changes_nothing, shorten, too_many};
use crate::patch::{ChangeKind, FileChange, Hunk, Tag};

use super::body::{self, Text, anchor};
use super::names::Names;
use super::sections::new_file_in_crlf;
use super::{Header, Meant, MeantHunk, Refusal};

const BEGIN: &str = "*** Begin Patch";
const END: &str = "*** End Patch";
const END_OF_FILE: &str = "*** End of File";
const ADD: &str = "*** Add File:";
const DELETE: &str = "*** Delete File:";
const UPDATE: &str = "*** Update File:";
const MOVE: &str = "*** Move to:";

/// Whether a part in this form starts with this line.
pub(super) fn starts(line: &str) -> bool {
    line.trim_end() == BEGIN || [ADD, DELETE, UPDATE].iter().any(|start| line.starts_with(start))
}

/// Reads one part in this form.
pub(super) fn read(
    text: &Text<'_>,
    at: &mut usize,
    names: &mut Names<'_>,
) -> Result<Vec<Meant>, Refusal> {
    let begun = text.head(*at).is_some_and(|line| line.trim_end() == BEGIN);
    *at += usize::from(begun);
    let mut changes = Vec::new();
    while let Some(line) = text.head(*at) {
        let take = |start: &str| line.strip_prefix(start).map(str::trim);
        if line.trim_end() == END {
            *at += 1;
            return Ok(changes);
        } else if line.trim().is_empty() {
            *at += 1;
        } else if let Some(name) = take(ADD) {
            changes.push(added(text, at, names, name)?);
        } else if let Some(name) = take(DELETE) {
            let path = names.plain(name)?;
            changes.push(Meant {
                change: change(ChangeKind::Delete, path),
                hunks: Vec::new(),
                whole: true,
            });
            *at += 1;
        } else if let Some(name) = take(UPDATE) {
            changes.push(updated(text, at, names, name)?);
        } else if begun || line.starts_with(['+', '-', ' ', '@', '*']) {
            return Err(stray(*at, line).into());
        } else {
            break;
        }
    }
    if begun {
        return Err(ToolError::invalid(format!("the patch has `{BEGIN}`, and no `{END}`"))
            .hint("send the whole patch again; it may have been cut off")
            .into());
    }
    Ok(changes)
}

fn change(kind: ChangeKind, path: crate::path::WorkspacePath) -> FileChange {
    FileChange { kind, path, old_path: None, old_mode: None, new_mode: None, hunks: Vec::new() }
}

fn added(
    text: &Text<'_>,
    at: &mut usize,
    names: &mut Names<'_>,
    name: &str,
) -> Result<Meant, Refusal> {
    let path = names.plain(name)?;
    *at += 1;
    let mut body = body::read(text, at)?;
    body.lines.truncate(body.lines.len() - body.empty);
    let mut change = change(ChangeKind::Create, path);
    if let Some(line) = text.head(*at).filter(|line| !line.starts_with("*** ")) {
        return Err(stray(*at, line).into());
    }
    if body.lines.iter().any(|(tag, _)| *tag != Tag::Insert) {
        return Err(ToolError::invalid(format!(
            "`{}` is new, so each of its lines starts with `+`",
            change.path
        ))
        .hint(format!("write `{UPDATE} PATH` to change a file that is there"))
        .into());
    }
    if text.is_crlf {
        return Err(new_file_in_crlf(&change.path).into());
    }
    if !body.lines.is_empty() {
        change.hunks.push(Hunk { old_start: 0, new_start: 1, lines: body.lines });
    }
    Ok(Meant { change, hunks: Vec::new(), whole: false })
}

fn updated(
    text: &Text<'_>,
    at: &mut usize,
    names: &mut Names<'_>,
    name: &str,
) -> Result<Meant, Refusal> {
    let first = *at + 1;
    let mut change = change(ChangeKind::Modify, names.plain(name)?);
    *at += 1;
    if let Some(to) = text.head(*at).and_then(|line| line.strip_prefix(MOVE)) {
        let to = names.plain(to.trim())?;
        change.kind = ChangeKind::Rename;
        change.old_path = Some(std::mem::replace(&mut change.path, to));
        *at += 1;
    }
    let path = change.path.as_str().to_owned();
    let mut hunks: Vec<MeantHunk> = Vec::new();
    while let Some(line) = text.head(*at).filter(|line| !is_next(line)) {
        let number = hunks.len() + 1;
        if hunks.len() == MAX_HUNKS {
            return Err(too_many(&path).into());
        }
        let (start, mut anchors) = (*at + 1, Vec::new());
        while let Some(head) = text.head(*at).filter(|head| head.starts_with("@@")) {
            anchors.extend(anchor(head));
            *at += 1;
        }
        let mut body = body::read(text, at)?;
        body.lines.truncate(body.lines.len() - body.empty);
        let at_end = text.head(*at).is_some_and(|line| line.trim_end() == END_OF_FILE);
        *at += usize::from(at_end);
        let next = text.head(*at);
        if let Some(line) = next.filter(|line| !is_next(line) && !line.starts_with("@@")) {
            return Err(stray(*at, line).into());
        }
        if body.lines.iter().all(|(tag, _)| *tag == Tag::Context) {
            // Empty lines alone stand between two parts.
            if body.lines.is_empty() && line.trim().is_empty() {
                continue;
            }
            return Err(changes_nothing(&path, number, start).into());
        }
        hunks.push(MeantHunk {
            hunk: Hunk { old_start: 0, new_start: 0, lines: body.lines },
            header: Header::Missing,
            anchors,
            at_end,
            unmarked_end: true,
        });
    }
    if hunks.is_empty() && change.kind == ChangeKind::Modify {
        return Err(ToolError::invalid(format!(
            "line {first} of the patch: nothing of `{path}` is changed"
        ))
        .into());
    }
    Ok(Meant { change, hunks, whole: false })
}

/// Whether the next file, or the end, starts here.
fn is_next(line: &str) -> bool {
    line.trim_end() == END || starts(line)
}

fn stray(at: usize, line: &str) -> ToolError {
    ToolError::invalid(format!(
        "line {} of the patch is no part of it: `{}`",
        at + 1,
        shorten(line)
    ))
    .hint(
        "in the `*** Begin Patch` form every line of a hunk starts with a space, `+` or `-`, \
             and every line of a new file with `+`",
    )
}
