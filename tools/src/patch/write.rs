//! The canonical writer: one git diff, made here from the contents before and after, so that a
//! stored proposal does not depend on how it was written by the caller.

use std::collections::HashMap;

use similar::{Algorithm, DiffOp};

use crate::error::{Code, ToolError};

use super::apply::apply;
use super::names::quoted;
use super::{Change, FileChange, MAX_CANONICAL_BYTES, lines_of, read};

/// Unchanged lines around a change, as in git.
const CONTEXT: usize = 3;

/// A canonical patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// The text, which `git apply` takes. Not UTF-8 where the files are not.
    pub bytes: Vec<u8>,
    /// One entry a file, in the same order.
    pub stats: Vec<FileStats>,
}

/// How many lines a change adds and removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FileStats {
    /// Lines added.
    pub additions: u64,
    /// Lines removed.
    pub deletions: u64,
}

/// Writes the canonical patch of some changes, in their order.
///
/// # Errors
/// `too_large` over [`MAX_CANONICAL_BYTES`]; `internal` if what was written does not lead to the
/// new contents, which would be a fault of this module.
pub fn canonical(files: &[FileChange]) -> Result<Canonical, ToolError> {
    let mut canonical = Canonical { bytes: Vec::new(), stats: Vec::with_capacity(files.len()) };
    for file in files {
        let stats = write_file(&mut canonical.bytes, file);
        canonical.stats.push(stats);
        if canonical.bytes.len() > MAX_CANONICAL_BYTES {
            return Err(ToolError::new(
                Code::TooLarge,
                format!("the proposal's patch would be over {MAX_CANONICAL_BYTES} bytes"),
            )
            .hint("propose it in parts"));
        }
    }
    verify(&canonical.bytes, files)?;
    Ok(canonical)
}

fn write_file(out: &mut Vec<u8>, file: &FileChange) -> FileStats {
    let new_name = file.path.as_str();
    let old_name = file.old_path.as_ref().map_or(new_name, |path| path.as_str());
    let (a, b) = (format!("a/{old_name}"), format!("b/{new_name}"));
    let mut header = format!("diff --git {} {}\n", quoted(&a), quoted(&b));
    match (&file.old, &file.new) {
        (None, Some(new)) => header.push_str(&format!("new file mode {}\n", new.mode.as_str())),
        (Some(old), None) => header.push_str(&format!("deleted file mode {}\n", old.mode.as_str())),
        (Some(old), Some(new)) if old.mode != new.mode => header.push_str(&format!(
            "old mode {}\nnew mode {}\n",
            old.mode.as_str(),
            new.mode.as_str()
        )),
        _ => {}
    }
    if file.change() == Change::Renamed {
        let (from, to) = (quoted(old_name), quoted(new_name));
        header.push_str(&format!("rename from {from}\nrename to {to}\n"));
    }
    let old = lines_of(file.old.as_ref().map_or(&[], |content| &content.bytes));
    let new = lines_of(file.new.as_ref().map_or(&[], |content| &content.bytes));
    if old != new {
        // git puts a tab after a name with a space, which ends the name for older tools.
        let side = |name: &str, there: bool| match (there, name.contains(' ')) {
            (false, _) => "/dev/null".to_owned(),
            (true, false) => quoted(name),
            (true, true) => format!("{}\t", quoted(name)),
        };
        header.push_str(&format!(
            "--- {}\n+++ {}\n",
            side(&a, file.old.is_some()),
            side(&b, file.new.is_some())
        ));
    }
    out.extend_from_slice(header.as_bytes());
    write_hunks(out, &old, &new)
}

fn write_hunks(out: &mut Vec<u8>, old: &[&[u8]], new: &[&[u8]]) -> FileStats {
    let mut stats = FileStats::default();
    for group in similar::group_diff_ops(diff(old, new), CONTEXT) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        let (old_from, old_to) = (first.old_range().start, last.old_range().end);
        let (new_from, new_to) = (first.new_range().start, last.new_range().end);
        let header = format!("@@ -{} +{} @@\n", range(old_from, old_to), range(new_from, new_to));
        out.extend_from_slice(header.as_bytes());
        for op in group {
            let (removed, added) = (op.old_range(), op.new_range());
            if let DiffOp::Equal { .. } = op {
                write_lines(out, b' ', old.get(removed).unwrap_or_default());
            } else {
                stats.deletions += removed.len() as u64;
                stats.additions += added.len() as u64;
                write_lines(out, b'-', old.get(removed).unwrap_or_default());
                write_lines(out, b'+', new.get(added).unwrap_or_default());
            }
        }
    }
    stats
}

/// The changes between two files, lines compared as numbers.
fn diff<'a>(old: &[&'a [u8]], new: &[&'a [u8]]) -> Vec<DiffOp> {
    let mut numbers: HashMap<&[u8], usize> = HashMap::new();
    let mut number = |lines: &[&'a [u8]]| -> Vec<usize> {
        lines
            .iter()
            .map(|line| {
                let next = numbers.len();
                *numbers.entry(line).or_insert(next)
            })
            .collect()
    };
    let (old, new) = (number(old), number(new));
    similar::capture_diff_slices(Algorithm::Myers, &old, &new)
}

/// `first,count` of lines from an index to another; git names the line before if there are none.
fn range(from: usize, to: usize) -> String {
    match to - from {
        0 => format!("{from},0"),
        1 => format!("{}", from + 1),
        count => format!("{},{count}", from + 1),
    }
}

fn write_lines(out: &mut Vec<u8>, mark: u8, lines: &[&[u8]]) {
    for line in lines {
        out.push(mark);
        out.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            out.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}

/// Reads what was written and applies it: a proposal is stored only if it leads from the files
/// as they are to the files as proposed, hunk by hunk at its declared place.
fn verify(bytes: &[u8], files: &[FileChange]) -> Result<(), ToolError> {
    let broken = |cause: String| {
        ToolError::new(Code::Internal, "the canonical patch does not lead to the proposed files")
            .caused_by(cause)
    };
    let patches = read::read(bytes, usize::MAX).map_err(|error| broken(error.message))?;
    if patches.len() != files.len() {
        return Err(broken("other number of files".to_owned()));
    }
    for (patch, file) in patches.iter().zip(files) {
        let old = file.old.as_ref().map_or(&[][..], |content| &content.bytes);
        let new = file.new.as_ref().map_or(&[][..], |content| &content.bytes);
        let applied = apply(old, &patch.hunks).map_err(|misfit| broken(format!("{misfit:?}")))?;
        let old_path = file.old.as_ref().map(|_| file.old_path.as_ref().unwrap_or(&file.path));
        let new_path = file.new.as_ref().map(|_| &file.path);
        if applied.bytes != new
            || !applied.moved.is_empty()
            || patch.old.as_ref() != old_path
            || patch.new.as_ref() != new_path
        {
            return Err(broken(format!("{} differs", file.path)));
        }
    }
    Ok(())
}
