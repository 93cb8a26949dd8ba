//! The reader of diffs: git's format, and plain unified diffs, more strictly than git reads them.
//!
//! Every name is a path of the workspace, all names of one file agree, every line is accounted
//! for, and nothing but regular files of mode 100644 or 100755 can come out: no links, no
//! submodules, no binary data, no copies, no file twice.

use std::collections::HashSet;

use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;

use super::hunks::{self, Lines, shorten};
use super::name::unquote;
use super::{ChangeKind, FileChange, FileMode, Tag};

/// Longest diff in bytes.
pub const MAX_PATCH_BYTES: usize = 1024 * 1024;
/// Most files in one diff.
pub const MAX_FILES: usize = 200;

/// Reads a diff. A Markdown fence around it and a missing newline at its end are forgiven.
///
/// # Errors
/// [`Code::TooLarge`] over [`MAX_PATCH_BYTES`] or [`MAX_FILES`]; else
/// [`Code::InvalidArgument`] with the line of the diff and what is wrong there.
pub fn read(text: &str) -> Result<Vec<FileChange>, ToolError> {
    if text.len() > MAX_PATCH_BYTES {
        return Err(too_large(format!(
            "the patch has {} bytes; the limit is {MAX_PATCH_BYTES}",
            text.len()
        )));
    }
    let mut lines = Lines::new(unfenced(text));
    let mut changes = Vec::new();
    let mut touched = HashSet::new();
    let mut git = None;
    while let Some(line) = lines.peek() {
        if line.is_empty() {
            lines.skip();
            continue;
        }
        let at = lines.number();
        let is_git = line.starts_with("diff --git ");
        let change = match (is_git, git) {
            (true, None | Some(true)) => read_git(&mut lines)?,
            (false, None | Some(false)) if line.starts_with("--- ") => read_plain(&mut lines)?,
            _ => return Err(not_a_patch(at, line)),
        };
        git = Some(is_git);
        for path in std::iter::once(&change.path).chain(&change.old_path) {
            if !touched.insert(path.clone()) {
                return Err(ToolError::invalid(format!("`{path}` is in the patch twice"))
                    .hint("put all hunks of a file under one header"));
            }
        }
        changes.push(change);
        if changes.len() > MAX_FILES {
            return Err(too_large(format!("the patch has more than {MAX_FILES} files")));
        }
    }
    if changes.is_empty() {
        return Err(ToolError::invalid("the patch is empty")
            .hint("give a unified diff, as `git diff` prints it, or `edits`"));
    }
    Ok(changes)
}

fn too_large(message: String) -> ToolError {
    ToolError::new(Code::TooLarge, message).hint("propose it in several parts")
}

/// The text within a Markdown fence, if one stands around all of it.
fn unfenced(text: &str) -> &str {
    let trimmed = text.trim_start_matches(['\n', '\r']);
    let inside = trimmed
        .strip_prefix("```")
        .and_then(|rest| rest.split_once('\n'))
        .filter(|(language, _)| language.trim_end().chars().all(|c| c.is_ascii_alphanumeric()))
        .and_then(|(_, rest)| rest.trim_end().strip_suffix("\n```"));
    match inside {
        // The newline before the closing fence ends the last line of the diff.
        Some(inside) => inside,
        None => text,
    }
}

/// What a file's headers say.
#[derive(Default)]
struct Headers {
    old_mode: Option<FileMode>,
    new_mode: Option<FileMode>,
    created: Option<FileMode>,
    deleted: Option<FileMode>,
    rename_from: Option<String>,
    rename_to: Option<String>,
}

fn read_git(lines: &mut Lines<'_>) -> Result<FileChange, ToolError> {
    let at = lines.number();
    let names = lines.take("diff --git ").unwrap_or_default();
    let headers = read_headers(lines)?;
    let invalid = |what: String| ToolError::invalid(format!("line {at} of the patch: {what}"));
    let (old, new) = match (&headers.rename_from, &headers.rename_to) {
        (Some(from), Some(to)) => (from.clone(), to.clone()),
        (None, None) => {
            let name = one_name(names).ok_or_else(|| {
                invalid(format!("`diff --git {}` does not name one file twice", shorten(names)))
                    .hint("write `diff --git a/PATH b/PATH`; a rename has `rename from` and `rename to` lines")
            })?;
            (name.clone(), name)
        }
        _ => return Err(invalid("`rename from` and `rename to` go together".to_owned())),
    };
    // All names of this file in one style: with `a/` and `b/`, or as they are.
    let style = Style::of(names, &old, &new)
        .ok_or_else(|| invalid(format!("its names are not `{old}` and `{new}` throughout")))?;
    let kind = match (headers.created, headers.deleted, headers.rename_from.is_some()) {
        (None, None, false) => ChangeKind::Modify,
        (Some(_), None, false) => ChangeKind::Create,
        (None, Some(_), false) => ChangeKind::Delete,
        (None, None, true) => ChangeKind::Rename,
        _ => return Err(invalid("creation, deletion and rename exclude each other".to_owned())),
    };
    if headers.old_mode.is_some() != headers.new_mode.is_some()
        || headers.old_mode.is_some() && matches!(kind, ChangeKind::Create | ChangeKind::Delete)
    {
        return Err(invalid("`old mode` and `new mode` go together, without others".to_owned()));
    }
    let path = path_of(if kind == ChangeKind::Delete { &old } else { &new })?;
    let old_path = if kind == ChangeKind::Rename { Some(path_of(&old)?) } else { None };
    let mut change = FileChange {
        kind,
        path,
        old_path,
        old_mode: headers.old_mode,
        new_mode: headers.new_mode.or(headers.created),
        hunks: Vec::new(),
    };
    if lines.peek().is_some_and(|line| line.starts_with("--- ")) {
        let expected = |null: bool, name: String| if null { DEV_NULL.to_owned() } else { name };
        let old = expected(kind == ChangeKind::Create, style.before(&old));
        let new = expected(kind == ChangeKind::Delete, style.after(&new));
        for (marker, expected) in [("--- ", old), ("+++ ", new)] {
            let at = lines.number();
            let found = read_name(lines, marker)?;
            if found != expected {
                return Err(ToolError::invalid(format!(
                    "line {at} of the patch names `{found}`, but the lines above it say `{expected}`"
                )));
            }
        }
        change.hunks = hunks::read(lines, change.path.as_str())?;
        if change.hunks.is_empty() {
            return Err(invalid("no hunk follows `---` and `+++`".to_owned()));
        }
    }
    check_change(&change, at)?;
    Ok(change)
}

fn read_plain(lines: &mut Lines<'_>) -> Result<FileChange, ToolError> {
    let at = lines.number();
    let invalid = |what: String| ToolError::invalid(format!("line {at} of the patch: {what}"));
    let old = read_name(lines, "--- ")?;
    let new = read_name(lines, "+++ ")?;
    let stripped = |name: &str, prefix| name.strip_prefix(prefix).unwrap_or(name).to_owned();
    let (kind, name) = match (old.as_str(), new.as_str()) {
        (DEV_NULL, DEV_NULL) => return Err(invalid("both names are `/dev/null`".to_owned())),
        (DEV_NULL, new) => (ChangeKind::Create, stripped(new, "b/")),
        (old, DEV_NULL) => (ChangeKind::Delete, stripped(old, "a/")),
        (old, new) if old == new => (ChangeKind::Modify, new.to_owned()),
        (old, new) => match (old.strip_prefix("a/"), new.strip_prefix("b/")) {
            (Some(old), Some(new)) if old == new => (ChangeKind::Modify, new.to_owned()),
            _ => {
                return Err(invalid(format!("`{old}` and `{new}` are not the same file"))
                    .hint("write `--- a/PATH` and `+++ b/PATH`; for a rename use `edits`"));
            }
        },
    };
    let path = path_of(&name)?;
    let hunks = hunks::read(lines, path.as_str())?;
    if hunks.is_empty() {
        return Err(invalid("no hunk follows `---` and `+++`".to_owned())
            .hint("a hunk starts with `@@ -START,COUNT +START,COUNT @@`"));
    }
    let change = FileChange { kind, path, old_path: None, old_mode: None, new_mode: None, hunks };
    check_change(&change, at)?;
    Ok(change)
}

const DEV_NULL: &str = "/dev/null";

/// Whether names have git's `a/` and `b/`.
#[derive(Clone, Copy)]
enum Style {
    Prefixed,
    Plain,
}

impl Style {
    /// The style in which `diff --git <names>` names these two.
    fn of(names: &str, old: &str, new: &str) -> Option<Style> {
        [Style::Prefixed, Style::Plain].into_iter().find(|style| {
            let (old, new) = (style.before(old), style.after(new));
            let after = match unquote(names) {
                Some((name, after)) => (name == old).then_some(after),
                None => names.strip_prefix(old.as_str()),
            };
            after.and_then(|after| after.strip_prefix(' ')).is_some_and(|second| {
                match unquote(second) {
                    Some((name, after)) => name == new && after.is_empty(),
                    None => second == new,
                }
            })
        })
    }

    fn before(self, name: &str) -> String {
        self.name("a/", name)
    }

    fn after(self, name: &str) -> String {
        self.name("b/", name)
    }

    fn name(self, prefix: &str, name: &str) -> String {
        match self {
            Style::Prefixed => format!("{prefix}{name}"),
            Style::Plain => name.to_owned(),
        }
    }
}

/// The name that both halves of a `diff --git` line agree on.
fn one_name(names: &str) -> Option<String> {
    let (old, new) = match unquote(names) {
        Some((old, rest)) => (old, unquote(rest.strip_prefix(' ')?)?.0),
        // The halves are equally long, so names with spaces need no quoting.
        None => {
            let (old, rest) = names.split_at_checked(names.len() / 2)?;
            (old.to_owned(), rest.strip_prefix(' ')?.to_owned())
        }
    };
    match (old.strip_prefix("a/"), new.strip_prefix("b/")) {
        (Some(old), Some(new)) if old == new => Some(old.to_owned()),
        _ if old == new => Some(old),
        _ => None,
    }
}

fn read_headers(lines: &mut Lines<'_>) -> Result<Headers, ToolError> {
    let mut headers = Headers::default();
    while let Some(line) = lines.peek() {
        let at = lines.number();
        let fresh = if let Some(mode) = lines.take("old mode ") {
            headers.old_mode.replace(mode_of(mode, at)?).is_none()
        } else if let Some(mode) = lines.take("new mode ") {
            headers.new_mode.replace(mode_of(mode, at)?).is_none()
        } else if let Some(mode) = lines.take("new file mode ") {
            headers.created.replace(mode_of(mode, at)?).is_none()
        } else if let Some(mode) = lines.take("deleted file mode ") {
            headers.deleted.replace(mode_of(mode, at)?).is_none()
        } else if let Some(name) = lines.take("rename from ") {
            headers.rename_from.replace(bare_name(name, at)?).is_none()
        } else if let Some(name) = lines.take("rename to ") {
            headers.rename_to.replace(bare_name(name, at)?).is_none()
        } else if let Some(index) = lines.take("index ") {
            // The object ids say nothing that the server trusts; the mode names the kind of file.
            if let Some((_, mode)) = index.split_once(' ') {
                mode_of(mode, at)?;
            }
            true
        } else if lines.take("similarity index ").is_some()
            || lines.take("dissimilarity index ").is_some()
        {
            true
        } else if line.starts_with("copy from ") || line.starts_with("copy to ") {
            return Err(ToolError::invalid(format!("line {at} of the patch copies a file"))
                .hint("create the new file with its whole content instead"));
        } else if line.starts_with("GIT binary patch") || line.starts_with("Binary files ") {
            return Err(ToolError::invalid(format!("line {at} of the patch is a binary change"))
                .hint("only text files can be patched"));
        } else {
            break;
        };
        if !fresh {
            return Err(ToolError::invalid(format!(
                "line {at} of the patch repeats a header: `{}`",
                shorten(line)
            )));
        }
    }
    Ok(headers)
}

fn mode_of(mode: &str, at: usize) -> Result<FileMode, ToolError> {
    let what = match mode {
        "100644" => return Ok(FileMode::Regular),
        "100755" => return Ok(FileMode::Executable),
        "120000" => "a symbolic link",
        "160000" => "a submodule",
        _ => "no mode of a regular file",
    };
    Err(ToolError::invalid(format!("line {at} of the patch: mode `{}` is {what}", shorten(mode)))
        .hint("only regular files can be proposed, with mode 100644 or 100755"))
}

/// Takes `--- NAME` or `+++ NAME`, without the time stamp that may follow a tab.
fn read_name(lines: &mut Lines<'_>, marker: &str) -> Result<String, ToolError> {
    let at = lines.number();
    let Some(rest) = lines.take(marker) else {
        return Err(ToolError::invalid(format!("line {at} of the patch should start `{marker}`"))
            .hint("a file's hunks follow `--- a/PATH` and `+++ b/PATH`"));
    };
    if rest.starts_with('"') {
        let (name, after) = unquote(rest).ok_or_else(|| broken_name(rest, at))?;
        return match after.is_empty() || after.starts_with('\t') {
            true => Ok(name),
            false => Err(broken_name(rest, at)),
        };
    }
    Ok(rest.split_once('\t').map_or(rest, |(name, _)| name).to_owned())
}

fn bare_name(text: &str, at: usize) -> Result<String, ToolError> {
    if !text.starts_with('"') {
        return Ok(text.to_owned());
    }
    match unquote(text) {
        Some((name, "")) => Ok(name),
        _ => Err(broken_name(text, at)),
    }
}

fn broken_name(text: &str, at: usize) -> ToolError {
    ToolError::invalid(format!("line {at} of the patch: `{}` is no file name", shorten(text)))
}

/// A path in the one spelling that names it, outside git's own directory.
fn path_of(name: &str) -> Result<WorkspacePath, ToolError> {
    let path = WorkspacePath::parse(name).map_err(|error| {
        let error = ToolError::from(error);
        if name.ends_with('\r') {
            error.hint("the patch's own header lines end in CRLF; end them in LF")
        } else {
            error
        }
    })?;
    if path.is_root() || path.as_str() != name {
        return Err(ToolError::invalid(format!("`{}` is no plain file name", shorten(name)))
            .hint(format!("write `a/{path}` and `b/{path}`")));
    }
    refuse_git_directory(&path)?;
    Ok(path)
}

/// Refuses what git itself would run or trust.
pub(super) fn refuse_git_directory(path: &WorkspacePath) -> Result<(), ToolError> {
    if path.components().any(|component| component.eq_ignore_ascii_case(".git")) {
        return Err(ToolError::invalid(format!("`{path}` is inside a `.git` directory"))
            .hint("git's own files cannot be proposed"));
    }
    Ok(())
}

/// What holds whatever the format was.
fn check_change(change: &FileChange, at: usize) -> Result<(), ToolError> {
    let path = &change.path;
    let invalid = |what: String| Err(ToolError::invalid(format!("line {at} of the patch: {what}")));
    let all = |tag| change.hunks.iter().flat_map(|hunk| &hunk.lines).all(|(line, _)| *line == tag);
    let changes_mode = change.old_mode.is_some() && change.old_mode != change.new_mode;
    match change.kind {
        ChangeKind::Create if !all(Tag::Insert) || change.hunks.len() > 1 => {
            invalid(format!("`{path}` is new, so it is one hunk of `+` lines"))
        }
        ChangeKind::Delete if !all(Tag::Delete) || change.hunks.len() > 1 => {
            invalid(format!("`{path}` is deleted, so it is one hunk of `-` lines"))
        }
        ChangeKind::Modify if change.hunks.is_empty() && !changes_mode => {
            invalid(format!("nothing of `{path}` is changed"))
        }
        _ => Ok(()),
    }
}

fn not_a_patch(at: usize, line: &str) -> ToolError {
    ToolError::invalid(format!("line {at} is not part of a patch: `{}`", shorten(line))).hint(
        "give only a unified diff: `diff --git a/PATH b/PATH` or `--- a/PATH`, then `+++ b/PATH` \
         and hunks; in hunks every line starts with a space, `+` or `-`",
    )
}
