//! The parts of a text that are a patch, with whatever stands around them.
//!
//! Text that is left out never looks like a part of a patch: a header whose line is broken is not
//! taken for prose, since its hunks would be lost.

use crate::error::ToolError;
use crate::patch::hunks::Lines;
use crate::patch::read::{
    DEV_NULL, MAX_FILES, change_of, check_change, not_a_patch, open_fence, read_headers,
    too_many_files,
};
use crate::patch::{ChangeKind, FileChange};

use super::body::{self, Text};
use super::names::{Names, without_stamp};
use super::{Header, Meant, Refusal, Surroundings, begin_patch};

/// More lines than there are kinds of headers between `diff --git` and `---`.
const MAX_HEADERS: usize = 20;

/// Starts of lines that belong to a patch. None is left out as prose.
const PATCH_LINES: [&str; 16] = [
    "@@",
    "--- ",
    "+",
    "*** ",
    "diff ",
    "\\ ",
    "rename from ",
    "rename to ",
    "copy from ",
    "copy to ",
    "new file mode ",
    "deleted file mode ",
    "old mode ",
    "new mode ",
    "GIT binary patch",
    "Binary files ",
];

/// Reads all parts, and says what was adjusted.
pub(super) fn read(
    text: &str,
    surroundings: Surroundings<'_>,
) -> Result<(Vec<Meant>, Vec<String>), Refusal> {
    let text = Text::new(text);
    let mut names = Names::new(surroundings);
    let mut changes = Vec::new();
    let mut adjusted = Vec::new();
    let mut at = 0;
    let mut left_out = 0_usize;
    // Whether parts with `diff --git` were there, and parts without.
    let (mut git, mut plain) = (false, false);
    // Whether a fence is open, and how many changes stood before it.
    let mut fence = None;
    while let Some(line) = text.head(at) {
        if changes.len() > MAX_FILES {
            return Err(too_many_files().into());
        }
        if line.starts_with("diff --git ") {
            git = true;
            changes.push(read_git(&text, &mut at, &mut names)?);
        } else if text.starts_file(at) {
            plain = true;
            changes.push(read_plain(&text, &mut at, &mut names)?);
        } else if begin_patch::starts(line) {
            adjusted.push("the `*** Begin Patch` form was read as a diff".to_owned());
            changes.extend(begin_patch::read(&text, &mut at, &mut names)?);
        } else if line.trim_start().starts_with("```") {
            fence = if fence.is_some() { None } else { Some(changes.len()) };
            at += 1;
        } else if line.starts_with("diff -") && text.starts_file(at + 1) {
            // The command that made the diff.
            left_out += 1;
            at += 1;
        } else if text.is_signature(at) {
            left_out += 2;
            at += 2;
        } else {
            refuse_what_is_no_prose(at, line, !changes.is_empty())?;
            left_out += usize::from(!line.trim().is_empty());
            at += 1;
        }
    }
    if changes.len() > MAX_FILES {
        return Err(too_many_files().into());
    }
    if fence.is_some_and(|before| changes.len() > before) {
        return Err(open_fence().into());
    }
    if git && plain {
        adjusted.push("parts with and without `diff --git` were read alike".to_owned());
    }
    if left_out > 0 {
        adjusted.push(format!("{} of text around the patch left out", counted(left_out, "line")));
    }
    if text.is_crlf {
        adjusted.push("the patch's own lines end in CRLF".to_owned());
    } else if text.has_crlf_headers {
        adjusted.push("some headers of the patch end in CRLF".to_owned());
    }
    if text.ends_within_a_line {
        adjusted.push("the patch was read as ending in a newline".to_owned());
    }
    adjusted.extend(names.adjusted);
    Ok((changes, adjusted))
}

/// A number and what it counts.
pub(super) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

fn refuse_what_is_no_prose(at: usize, line: &str, after_a_change: bool) -> Result<(), Refusal> {
    let of_a_patch = PATCH_LINES.iter().any(|start| line.starts_with(start))
        // A list before a patch may have dashes; behind one they may be lost lines.
        || line.starts_with('-')
            && (after_a_change || !line.starts_with("- ") && line.trim_end().trim_matches('-') != "");
    match of_a_patch {
        true if after_a_change => Err(not_a_patch(at + 1, line).into()),
        true => Err(Refusal::Unknown),
        false => Ok(()),
    }
}

fn read_git(text: &Text<'_>, at: &mut usize, names: &mut Names<'_>) -> Result<Meant, Refusal> {
    let first = *at + 1;
    let line = text.head(*at).unwrap_or_default();
    let both = line.strip_prefix("diff --git ").unwrap_or_default();
    let mut lines = Lines::below(first, text.heads(first, MAX_HEADERS));
    let headers = read_headers(&mut lines)?;
    *at = lines.number() - 1;
    let named = if text.starts_file(*at) { Some(two_names(text, at, names)?) } else { None };
    let named = named.as_ref().map(|(old, new)| (old.as_str(), new.as_str()));
    let (old, new) = names.of_git(both, &headers, named).ok_or(Refusal::Unknown)?;
    let change = change_of(&headers, (&old, &new), first)?;
    let has_names = named.is_some();
    let meant = with_hunks(text, at, change, names)?;
    if has_names != meant.has_hunks() || !has_names && headers.changes_content() {
        return Err(Refusal::Unknown);
    }
    if !meant.has_hunks() {
        check_change(&meant.change, first)?;
    }
    Ok(meant)
}

fn read_plain(text: &Text<'_>, at: &mut usize, names: &mut Names<'_>) -> Result<Meant, Refusal> {
    let first = *at + 1;
    let (old, new) = two_names(text, at, names)?;
    let path = names.of_pair(&old, &new).ok_or(Refusal::Unknown)?;
    let kind = match (old.as_str(), new.as_str()) {
        (DEV_NULL, _) => ChangeKind::Create,
        (_, DEV_NULL) => ChangeKind::Delete,
        _ => ChangeKind::Modify,
    };
    let change = FileChange {
        kind,
        path,
        old_path: None,
        old_mode: None,
        new_mode: None,
        hunks: Vec::new(),
    };
    let meant = with_hunks(text, at, change, names)?;
    if meant.has_hunks() { Ok(meant) } else { Err(Refusal::Unknown) }
}

/// Takes `--- NAME` and `+++ NAME`.
fn two_names(
    text: &Text<'_>,
    at: &mut usize,
    names: &mut Names<'_>,
) -> Result<(String, String), ToolError> {
    let mut name = |marker: &str| {
        let line = text.head(*at).unwrap_or_default();
        *at += 1;
        without_stamp(line.strip_prefix(marker).unwrap_or_default(), *at)
    };
    let ((old, old_stamp), (new, new_stamp)) = (name("--- ")?, name("+++ ")?);
    if old_stamp || new_stamp {
        names.say("what stands behind the names was left out".to_owned());
    }
    Ok((old, new))
}

/// Reads the hunks that follow.
fn with_hunks(
    text: &Text<'_>,
    at: &mut usize,
    mut change: FileChange,
    names: &mut Names<'_>,
) -> Result<Meant, Refusal> {
    let first = *at + 1;
    let hunks = body::hunks(text, at, change.path.as_str())?;
    change.hunks = hunks.iter().map(|meant| meant.hunk.clone()).collect();
    if !hunks.is_empty() {
        check_change(&change, first)?;
    }
    if change.kind != ChangeKind::Create {
        change.hunks.clear();
        return Ok(Meant { change, hunks, whole: false });
    }
    if text.is_crlf {
        return Err(new_file_in_crlf(&change.path).into());
    }
    let path = &change.path;
    match hunks.into_iter().next().map(|meant| (meant.header, meant.hunk.lines.len())) {
        Some((Header::OtherCounts { cut_off: Some(error), .. }, _)) => return Err(error.into()),
        Some((Header::OtherCounts { said: ((_, old), (_, new)), .. }, has)) => names.say(format!(
            "the hunk of {path} says {old} old and {new} new lines and has 0 and {has}"
        )),
        Some((Header::Missing, has)) => {
            names.say(format!(
                "the hunk of {path} has no line numbers; {path} is new, with {has} lines"
            ));
        }
        Some((Header::Exact, _)) | None => {}
    }
    Ok(Meant { change, hunks: Vec::new(), whole: false })
}

/// A new file has no line ends that could stay.
pub(super) fn new_file_in_crlf(path: &crate::path::WorkspacePath) -> ToolError {
    ToolError::invalid(format!(
        "every line of the patch ends in CRLF, so it is not known how those of the new file \
         `{path}` shall end"
    ))
    .hint("end the patch's own lines in LF, or give `edits` with `create` and `new_text`")
}
