//! Edits: exact, unique replacements, creations, deletions and renames, done in order.

use memchr::memmem::Finder;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::version::shown;

use super::meant::edit::{self as meant, Reading};
use super::mismatch::{around, has_crlf, numbered, same_but_blanks, visible};
use super::{Base, Draft, lines, version};

/// One edit, on the text that the ones before it left.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file.
    #[serde(alias = "file_path", alias = "filename", alias = "file")]
    pub path: String,
    /// What is replaced.
    #[serde(alias = "old_string", alias = "old_str", alias = "oldText", alias = "old")]
    pub old_text: Option<String>,
    /// What comes instead; with `create` the whole file.
    #[serde(alias = "new_string", alias = "new_str", alias = "newText", alias = "new")]
    pub new_text: Option<String>,
    /// Moves the file to this path.
    pub new_path: Option<String>,
    /// Makes a new file of `new_text`.
    #[serde(default)]
    pub create: bool,
    /// Deletes the file.
    #[serde(default)]
    pub delete: bool,
}

/// Most places named in an error.
const MAX_PLACES: usize = 10;

impl Draft<'_> {
    /// Does edit number `number`, from 1.
    ///
    /// # Errors
    /// [`Code::PatchDoesNotApply`] when the old text is not there exactly once,
    /// [`Code::InvalidArgument`] when the edit asks for nothing or for two things at once.
    pub fn edit(&mut self, number: usize, edit: &Edit) -> Result<(), ToolError> {
        let path = file_path(&edit.path)?;
        let invalid = |what: &str| {
            ToolError::invalid(format!("edit {number} of `{path}`: {what}")).hint(
                "give `old_text` and `new_text`, or `create` with `new_text`, or `delete`, or \
                 `new_path`",
            )
        };
        let new_path = edit.new_path.as_deref().map(file_path).transpose()?;
        match (edit.create, edit.delete, &edit.old_text, &edit.new_text) {
            (true, false, None, text) if new_path.is_none() => {
                let bytes = text.clone().unwrap_or_default().into_bytes();
                self.create(&path, Base { bytes, executable: false })
            }
            // Some fill in every field that there is.
            (true, false, Some(old), text) if old.is_empty() && new_path.is_none() => {
                let bytes = text.clone().unwrap_or_default().into_bytes();
                self.create(&path, Base { bytes, executable: false })
            }
            (true, ..) => Err(invalid("`create` goes only with `new_text`")),
            (false, true, None, None) if new_path.is_none() => self.delete(&path),
            (false, true, ..) => Err(invalid("`delete` goes with nothing else")),
            (false, false, None, None) => match new_path {
                Some(to) => self.rename(&path, &to),
                None => Err(invalid("nothing to do")),
            },
            (false, false, Some(old), Some(new)) => {
                if old.is_empty() {
                    if new_path.is_some() || self.has(&path)? {
                        return Err(invalid("`old_text` is empty"));
                    }
                    self.note(format!(
                        "edit {number}: `old_text` is empty and {path} is not there, so it is made"
                    ));
                    let bytes = new.clone().into_bytes();
                    return self.create(&path, Base { bytes, executable: false });
                }
                let content = self.content(&path)?;
                let (bytes, adjusted) = replace(number, &path, &content.bytes, old, new)?;
                let executable = content.executable;
                self.replace(&path, Base { bytes, executable })?;
                if let Some(adjusted) = adjusted {
                    self.note(format!("edit {number} of {path}: {adjusted}"));
                }
                new_path.map_or(Ok(()), |to| self.rename(&path, &to))
            }
            (false, false, Some(_), None) => {
                Err(invalid("`new_text` is missing; give \"\" to delete the text"))
            }
            (false, false, None, Some(_)) => Err(invalid("`old_text` is missing")),
        }
    }
}

fn file_path(text: &str) -> Result<WorkspacePath, ToolError> {
    let path = WorkspacePath::parse(text)?;
    if path.is_root() {
        return Err(ToolError::invalid(format!("`{text}` is the workspace root, not a file")));
    }
    Ok(path)
}

/// The content after the edit, and what was adjusted.
fn replace(
    number: usize,
    path: &WorkspacePath,
    base: &[u8],
    old: &str,
    new: &str,
) -> Result<(Vec<u8>, Option<String>), ToolError> {
    let wanted = old.as_bytes();
    let places: Vec<usize> = occurrences(base, wanted).take(MAX_PLACES).collect();
    match places.as_slice() {
        [at] => {
            let (new, adjusted) = match meant::with_ends_of(base, old, new) {
                Some(new) => {
                    let adjusted = "line ends of `new_text` are CRLF, as in the file";
                    (new, Some(adjusted.to_owned()))
                }
                None => (new.as_bytes().to_vec(), None),
            };
            Ok((spliced(base, *at..at + wanted.len(), &new), adjusted))
        }
        [] => match meant::read(base, old, new) {
            Reading::One { at, new, adjusted } => Ok((spliced(base, at, &new), Some(adjusted))),
            Reading::Several(lines) => Err(several(number, path, base, &lines, "but for blanks ")),
            Reading::Nowhere => Err(not_there(number, path, base, old, new)),
        },
        several_places => {
            let line = |at: &usize| {
                let before = base.get(..*at).unwrap_or_default();
                before.iter().filter(|byte| **byte == b'\n').count() + 1
            };
            let lines: Vec<usize> = several_places.iter().map(line).collect();
            Err(several(number, path, base, &lines, ""))
        }
    }
}

fn spliced(base: &[u8], at: std::ops::Range<usize>, new: &[u8]) -> Vec<u8> {
    let before = base.get(..at.start).unwrap_or_default();
    [before, new, base.get(at.end..).unwrap_or_default()].concat()
}

fn several(
    number: usize,
    path: &WorkspacePath,
    base: &[u8],
    lines: &[usize],
    but: &str,
) -> ToolError {
    let all: Vec<String> = lines.iter().map(usize::to_string).collect();
    let mut message = format!(
        "edit {number}: {but}`old_text` is in `{path}` more than once, at lines {}",
        all.join(", ")
    );
    for line in lines.iter().take(2) {
        message.push_str(&format!("\nlines of the file at line {line}:"));
        message.push_str(&numbered(&around(base, *line)));
    }
    ToolError::new(Code::PatchDoesNotApply, message)
        .hint("add lines before or after it until it is unique")
}

/// Where the bytes are, overlapping places included.
fn occurrences<'b>(base: &'b [u8], wanted: &'b [u8]) -> impl Iterator<Item = usize> + 'b {
    let finder = Finder::new(wanted);
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + finder.find(base.get(from..).filter(|_| !wanted.is_empty())?)?;
        from = at + 1;
        Some(at)
    })
}

fn not_there(number: usize, path: &WorkspacePath, base: &[u8], old: &str, new: &str) -> ToolError {
    let mut message = format!("edit {number}: `old_text` is not in `{path}`");
    // Short texts may be anywhere by chance.
    if new.len() >= 8 && occurrences(base, new.as_bytes()).next().is_some() {
        message.push_str(", and `new_text` is there already");
    }
    let mut hint = "read the file again and copy the text exactly; nothing was stored".to_owned();
    if has_crlf(base) && old.contains('\n') && !old.contains("\r\n") {
        hint =
            "the file has CRLF line ends: write `\\r\\n` in `old_text` and `new_text`".to_owned();
    }
    if let Some((at, wanted, found)) = nearest(base, old) {
        if same_but_blanks(wanted, found) {
            message.push_str(&format!(
                "; line {} differs in white space only (· space, → tab, ␍␊ line end)\nexpected: \
                 `{}`\nfound:    `{}`",
                at,
                visible(wanted),
                visible(found)
            ));
        } else {
            message.push_str(&format!("; the nearest place is line {at}"));
        }
        message.push_str("\nlines of the file as it is:");
        message.push_str(&numbered(&around(base, at)));
    }
    message.push_str(&format!("\nversion of the file: {}", shown(&version(base))));
    ToolError::new(Code::PatchDoesNotApply, message).hint(hint)
}

/// Longest file, in bytes, that is searched for the nearest place.
const MAX_SEARCHED: usize = 4 * 1024 * 1024;

/// The first line that is not as wanted where the text fits best: its number, what was wanted
/// and what is there.
fn nearest<'b>(base: &'b [u8], old: &'b str) -> Option<(usize, &'b [u8], &'b [u8])> {
    if base.len() > MAX_SEARCHED {
        return None;
    }
    let (file, wanted) = (lines(base), lines(old.as_bytes()));
    let trimmed = |line: &'b [u8]| line.trim_ascii();
    // An anchor is a line with something in it; the most telling one is the longest.
    let (offset, anchor) = wanted
        .iter()
        .map(|line| trimmed(line))
        .enumerate()
        .max_by_key(|(_, line)| line.len())
        .filter(|(_, line)| !line.is_empty())?;
    let place =
        file.iter().position(|line| trimmed(line) == anchor).or_else(|| closest(&file, anchor))?;
    let start = place.saturating_sub(offset);
    let (index, wanted) = wanted
        .iter()
        .enumerate()
        .find(|(index, line)| file.get(start + index) != Some(line))
        .unwrap_or((offset, &anchor));
    let found = file.get(start + index).copied()?;
    Some((start + index + 1, wanted, found))
}

/// The line most like `anchor`, if one is rather like it.
fn closest(file: &[&[u8]], anchor: &[u8]) -> Option<usize> {
    let anchor = String::from_utf8_lossy(anchor);
    file.iter()
        .take(20_000)
        .enumerate()
        .map(|(index, line)| {
            let line = String::from_utf8_lossy(line.trim_ascii());
            // Lines of very different length are not alike, and long ones are costly.
            let near = line.len().abs_diff(anchor.len()) * 2 <= anchor.len() && line.len() <= 1000;
            (if near { strsim::normalized_levenshtein(&line, &anchor) } else { 0.0 }, index)
        })
        .filter(|(likeness, _)| *likeness > 0.6)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, index)| index)
}
