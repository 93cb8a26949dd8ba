//! The reader of diffs: git's format, and plain unified diffs, more strictly than git reads them.
//!
//! Every name is a path of the workspace, all names of one file agree, every line is accounted
//! for, and nothing but regular files of mode 100644 or 100755 can come out: no links, no
//! submodules, no binary data, no copies, no file twice.

use std::collections::HashSet;

use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;

use super::hunks::{self, Lines, NO_NEWLINE, shorten};
use super::name::unquote;
use super::style::{Style, ambiguous, looks_prefixed, one_name};
use super::{ChangeKind, FileChange, FileMode, Tag};

/// Longest diff in bytes.
pub const MAX_PATCH_BYTES: usize = 1024 * 1024;
/// Most files in one diff.
pub const MAX_FILES: usize = 200;

/// Reads a diff. A Markdown fence around it is accepted. A text that ends within a line is not,
/// because it cannot be told from one that was cut off.
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
    read_text(unfenced(text)?)
}

/// Reads a diff that stands alone, of any size.
pub(super) fn read_text(text: &str) -> Result<Vec<FileChange>, ToolError> {
    let mut lines = Lines::new(text);
    if !text.is_empty() && !text.ends_with('\n') && lines.last() != Some(NO_NEWLINE) {
        return Err(ToolError::invalid("the patch ends in the middle of a line").hint(
            "end it with a newline; where the file has none, the next line is \
             `\\ No newline at end of file`",
        ));
    }
    let mut changes = Vec::new();
    let mut touched = HashSet::new();
    let (mut git, mut style) = (None, None);
    while let Some(line) = lines.peek() {
        if line.is_empty() {
            lines.skip();
            continue;
        }
        let at = lines.number();
        let is_git = line.starts_with("diff --git ");
        let (change, its_style) = match (is_git, git) {
            (true, None | Some(true)) => read_git(&mut lines)?,
            (false, None | Some(false)) if line.starts_with("--- ") => read_plain(&mut lines)?,
            _ => return Err(not_a_patch(at, line)),
        };
        git = Some(is_git);
        if *style.get_or_insert(its_style) != its_style {
            return Err(ToolError::invalid(format!(
                "line {at} of the patch: some names have `a/` and `b/`, and some have not"
            ))
            .hint("write `a/PATH` and `b/PATH` throughout"));
        }
        for path in std::iter::once(&change.path).chain(&change.old_path) {
            if !touched.insert(path.clone()) {
                return Err(twice(path));
            }
        }
        changes.push(change);
        if changes.len() > MAX_FILES {
            return Err(too_many_files());
        }
    }
    if changes.is_empty() {
        return Err(ToolError::invalid("the patch is empty")
            .hint("give a unified diff, as `git diff` prints it, or `edits`"));
    }
    Ok(changes)
}

pub(super) fn twice(path: &WorkspacePath) -> ToolError {
    ToolError::invalid(format!("`{path}` is in the patch twice"))
        .hint("put all hunks of a file under one header")
}

pub(super) fn too_many_files() -> ToolError {
    too_large(format!("the patch has more than {MAX_FILES} files"))
}

fn too_large(message: String) -> ToolError {
    ToolError::new(Code::TooLarge, message).hint("propose it in several parts")
}

/// The text within a Markdown fence, if one stands around all of it.
fn unfenced(text: &str) -> Result<&str, ToolError> {
    let trimmed = text.trim_start_matches(['\n', '\r']);
    let inside = trimmed
        .strip_prefix("```")
        .and_then(|rest| rest.split_once('\n'))
        .filter(|(language, _)| language.trim_end().chars().all(|c| c.is_ascii_alphanumeric()))
        .map(|(_, rest)| {
            let inside = rest.trim_end().strip_suffix("```")?;
            inside.ends_with('\n').then_some(inside)
        });
    match inside {
        Some(Some(inside)) => Ok(inside),
        Some(None) => Err(open_fence()),
        None => Ok(text),
    }
}

pub(super) fn open_fence() -> ToolError {
    ToolError::invalid("the ``` fence around the patch is not closed")
        .hint("send the whole patch again; it may have been cut off")
}

/// What a file's headers say.
#[derive(Default)]
pub(super) struct Headers {
    old_mode: Option<FileMode>,
    new_mode: Option<FileMode>,
    pub(super) created: Option<FileMode>,
    pub(super) deleted: Option<FileMode>,
    pub(super) rename_from: Option<String>,
    pub(super) rename_to: Option<String>,
    index: Option<Index>,
}

impl Headers {
    /// Whether the `index` line says that content changes.
    pub(super) fn changes_content(&self) -> bool {
        self.index.as_ref().is_some_and(|index| index.changes_content)
    }
}

/// What an `index OLD..NEW MODE` line says. The server trusts none of it, but what contradicts it
/// is damaged.
struct Index {
    changes_content: bool,
    mode: Option<FileMode>,
}

/// The object id of an empty file.
const EMPTY_FILE: &str = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

impl Index {
    fn read(text: &str, at: usize) -> Result<Index, ToolError> {
        let (ids, mode) = match text.split_once(' ') {
            Some((ids, mode)) => (ids, Some(mode_of(mode, at)?)),
            None => (text, None),
        };
        let is_empty = |id: &str| id.bytes().all(|byte| byte == b'0') || EMPTY_FILE.starts_with(id);
        let changes_content = ids
            .split_once("..")
            .is_some_and(|(old, new)| old != new && !(is_empty(old) && is_empty(new)));
        Ok(Index { changes_content, mode })
    }
}

fn read_git(lines: &mut Lines<'_>) -> Result<(FileChange, Style), ToolError> {
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
    if style == Style::Plain && [&old, &new].into_iter().any(|name| looks_prefixed(name)) {
        return Err(ambiguous(at));
    }
    let mut change = change_of(&headers, (&old, &new), at)?;
    let kind = change.kind;
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
    } else if headers.changes_content() {
        return Err(invalid(
            "its `index` line says that content changes, but no hunk follows".to_owned(),
        )
        .hint("send the hunks as well, or leave the `index` line out"));
    }
    check_change(&change, at)?;
    Ok((change, style))
}

/// The change of a file with these headers and names, without its hunks.
pub(super) fn change_of(
    headers: &Headers,
    (old, new): (&str, &str),
    at: usize,
) -> Result<FileChange, ToolError> {
    let invalid = |what: String| ToolError::invalid(format!("line {at} of the patch: {what}"));
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
    let index_mode = headers.index.as_ref().and_then(|index| index.mode);
    let stated = [headers.old_mode, headers.new_mode, headers.created, headers.deleted];
    if index_mode.is_some() && stated.iter().flatten().any(|mode| Some(*mode) != index_mode) {
        return Err(invalid(
            "its `index` line has another mode than the lines above it".to_owned(),
        ));
    }
    let path = path_of(if kind == ChangeKind::Delete { old } else { new })?;
    let old_path = if kind == ChangeKind::Rename { Some(path_of(old)?) } else { None };
    Ok(FileChange {
        kind,
        path,
        old_path,
        old_mode: headers.old_mode,
        new_mode: headers.new_mode.or(headers.created),
        hunks: Vec::new(),
    })
}

fn read_plain(lines: &mut Lines<'_>) -> Result<(FileChange, Style), ToolError> {
    let at = lines.number();
    let invalid = |what: String| ToolError::invalid(format!("line {at} of the patch: {what}"));
    let old = read_name(lines, "--- ")?;
    let new = read_name(lines, "+++ ")?;
    let stripped = |name: &str, prefix| match name.strip_prefix(prefix) {
        Some(name) => (Style::Prefixed, name.to_owned()),
        None => (Style::Plain, name.to_owned()),
    };
    let (kind, (style, name)) = match (old.as_str(), new.as_str()) {
        (DEV_NULL, DEV_NULL) => return Err(invalid("both names are `/dev/null`".to_owned())),
        (DEV_NULL, new) => (ChangeKind::Create, stripped(new, "b/")),
        (old, DEV_NULL) => (ChangeKind::Delete, stripped(old, "a/")),
        (old, new) if old == new => (ChangeKind::Modify, (Style::Plain, new.to_owned())),
        (old, new) => match (old.strip_prefix("a/"), new.strip_prefix("b/")) {
            (Some(old), Some(new)) if old == new => {
                (ChangeKind::Modify, (Style::Prefixed, new.to_owned()))
            }
            _ => {
                return Err(invalid(format!("`{old}` and `{new}` are not the same file"))
                    .hint("write `--- a/PATH` and `+++ b/PATH`; for a rename use `edits`"));
            }
        },
    };
    if style == Style::Plain && looks_prefixed(&name) {
        return Err(ambiguous(at));
    }
    let path = path_of(&name)?;
    let hunks = hunks::read(lines, path.as_str())?;
    if hunks.is_empty() {
        return Err(invalid("no hunk follows `---` and `+++`".to_owned())
            .hint("a hunk starts with `@@ -START,COUNT +START,COUNT @@`"));
    }
    let change = FileChange { kind, path, old_path: None, old_mode: None, new_mode: None, hunks };
    check_change(&change, at)?;
    Ok((change, style))
}

pub(super) const DEV_NULL: &str = "/dev/null";

pub(super) fn read_headers(lines: &mut Lines<'_>) -> Result<Headers, ToolError> {
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
            headers.index.replace(Index::read(index, at)?).is_none()
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
    refuse_1970(rest.split_once('\t').map_or("", |(_, stamp)| stamp), at)?;
    if rest.starts_with('"') {
        let (name, after) = unquote(rest).ok_or_else(|| broken_name(rest, at))?;
        return match after.is_empty() || after.starts_with('\t') {
            true => Ok(name),
            false => Err(broken_name(rest, at)),
        };
    }
    Ok(rest.split_once('\t').map_or(rest, |(name, _)| name).to_owned())
}

/// git takes a file of that time for one that does not exist.
pub(super) fn refuse_1970(stamp: &str, at: usize) -> Result<(), ToolError> {
    if stamp.starts_with("1970-01-01") || stamp.starts_with("1969-12-31") {
        return Err(ToolError::invalid(format!("line {at} of the patch has a time stamp of 1970"))
            .hint("leave time stamps out, and write `/dev/null` for a file that is not there"));
    }
    Ok(())
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

pub(super) fn broken_name(text: &str, at: usize) -> ToolError {
    ToolError::invalid(format!("line {at} of the patch: `{}` is no file name", shorten(text)))
}

/// A path in the one spelling that names it, outside git's own directory.
pub(super) fn path_of(name: &str) -> Result<WorkspacePath, ToolError> {
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
    // git refuses what some file system takes for `.git`, so a patch of it would never apply.
    let is_git = |component: &str| {
        let name = component.split(':').next().unwrap_or_default().to_ascii_lowercase();
        matches!(name.trim_end_matches([' ', '.']), ".git" | "git~1")
    };
    if path.components().any(is_git) {
        return Err(ToolError::invalid(format!("`{path}` is inside a `.git` directory"))
            .hint("git's own files cannot be proposed"));
    }
    Ok(())
}

/// What holds whatever the format was.
pub(super) fn check_change(change: &FileChange, at: usize) -> Result<(), ToolError> {
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

pub(super) fn not_a_patch(at: usize, line: &str) -> ToolError {
    ToolError::invalid(format!("line {at} is not part of a patch: `{}`", shorten(line))).hint(
        "give only a unified diff: `diff --git a/PATH b/PATH` or `--- a/PATH`, then `+++ b/PATH` \
         and hunks; in hunks every line starts with a space, `+` or `-`",
    )
}
