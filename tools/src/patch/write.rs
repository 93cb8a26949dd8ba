//! The writer: one canonical git diff of a proposal, whatever its author gave.

use std::time::Instant;

use similar::{Algorithm, DiffOp, capture_diff_slices_deadline, group_diff_ops};

use crate::error::ToolError;
use crate::path::WorkspacePath;

use super::name::quote;
use super::{Change, FileMode, Outcome, lines};

/// Unchanged lines about each change, as git has it.
const CONTEXT: usize = 3;

/// A canonical diff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The diff, which `git apply` takes.
    pub patch: Vec<u8>,
    /// Lines added and lines deleted, of each file in the order given.
    pub counts: Vec<(usize, usize)>,
}

/// Writes the diff of these files. After `deadline` the diff is still right but no longer the
/// smallest one, so a caller must not keep it then.
///
/// # Errors
/// [`Code::InvalidArgument`](crate::error::Code::InvalidArgument) for a change of binary content.
pub fn write(outcomes: &[Outcome], deadline: Instant) -> Result<Written, ToolError> {
    let mut written = Written { patch: Vec::new(), counts: Vec::new() };
    for outcome in outcomes {
        let counts = write_file(&mut written.patch, outcome, deadline)?;
        written.counts.push(counts);
    }
    Ok(written)
}

fn write_file(
    patch: &mut Vec<u8>,
    outcome: &Outcome,
    deadline: Instant,
) -> Result<(usize, usize), ToolError> {
    let path = &outcome.path;
    let old_path = outcome.old_path.as_ref().unwrap_or(path);
    let content = |side: &Option<super::Base>| side.as_ref().map(|base| base.bytes.clone());
    let old_bytes = content(&outcome.base).unwrap_or_default();
    let new_bytes = content(&outcome.result).unwrap_or_default();
    if old_bytes != new_bytes && (old_bytes.contains(&0) || new_bytes.contains(&0)) {
        return Err(ToolError::invalid(format!("`{path}` is binary"))
            .hint("only text can be proposed; leave the file out"));
    }
    let (old, new) = (lines(&old_bytes), lines(&new_bytes));
    let operations = capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(deadline));
    write_headers(patch, outcome, similarity(&operations, &old, &new));
    let mut counts = (0, 0);
    let groups = group_diff_ops(operations, CONTEXT);
    if groups.is_empty() {
        return Ok(counts);
    }
    let name = |side: &str, path: &WorkspacePath, exists: bool| match exists {
        true => with_tab(quote(&format!("{side}/{path}"))),
        false => "/dev/null".to_owned(),
    };
    let old_name = name("a", old_path, outcome.base.is_some());
    let new_name = name("b", path, outcome.result.is_some());
    patch.extend_from_slice(format!("--- {old_name}\n+++ {new_name}\n").as_bytes());
    for group in groups {
        write_hunk(patch, &group, &old, &new, &mut counts);
    }
    Ok(counts)
}

/// As git: a name with a space ends in a tab, so that no reader takes the rest for a time.
fn with_tab(name: String) -> String {
    if name.contains(' ') && !name.starts_with('"') { name + "\t" } else { name }
}

fn write_headers(patch: &mut Vec<u8>, outcome: &Outcome, similarity: usize) {
    let path = &outcome.path;
    let old_path = outcome.old_path.as_ref().unwrap_or(path);
    let mode = |side: &Option<super::Base>| side.as_ref().map(|base| FileMode::of(base.executable));
    let mut line = |text: String| {
        patch.extend_from_slice(text.as_bytes());
        patch.push(b'\n');
    };
    line(format!("diff --git {} {}", quote(&format!("a/{old_path}")), quote(&format!("b/{path}"))));
    match (mode(&outcome.base), mode(&outcome.result)) {
        (None, Some(new)) => line(format!("new file mode {}", new.as_str())),
        (Some(old), None) => line(format!("deleted file mode {}", old.as_str())),
        (Some(old), Some(new)) if old != new => {
            line(format!("old mode {}", old.as_str()));
            line(format!("new mode {}", new.as_str()));
        }
        _ => {}
    }
    if outcome.change == Change::Renamed {
        line(format!("similarity index {similarity}%"));
        line(format!("rename from {}", quote(old_path.as_str())));
        line(format!("rename to {}", quote(path.as_str())));
    }
}

/// How much of the larger side both have in common, in percent; 100 only when they are equal.
fn similarity(operations: &[DiffOp], old: &[&[u8]], new: &[&[u8]]) -> usize {
    let size = |lines: &[&[u8]]| lines.iter().map(|line| line.len()).sum::<usize>();
    let same: usize = operations
        .iter()
        .filter_map(|operation| match operation {
            DiffOp::Equal { .. } => old.get(operation.old_range()).map(size),
            _ => None,
        })
        .sum();
    match size(old).max(size(new)) {
        0 => 100,
        larger => same * 100 / larger,
    }
}

fn write_hunk(
    patch: &mut Vec<u8>,
    group: &[DiffOp],
    old: &[&[u8]],
    new: &[&[u8]],
    (additions, deletions): &mut (usize, usize),
) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
    let old_range = first.old_range().start..last.old_range().end;
    let new_range = first.new_range().start..last.new_range().end;
    let header = format!("@@ -{} +{} @@\n", range(&old_range), range(&new_range));
    patch.extend_from_slice(header.as_bytes());
    let mut side = |mark: u8, lines: Option<&[&[u8]]>| {
        for line in lines.unwrap_or_default() {
            patch.push(mark);
            patch.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                patch.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
    };
    for operation in group {
        if let DiffOp::Equal { .. } = operation {
            side(b' ', old.get(operation.old_range()));
        } else {
            side(b'-', old.get(operation.old_range()));
            side(b'+', new.get(operation.new_range()));
            *deletions += operation.old_range().len();
            *additions += operation.new_range().len();
        }
    }
}

fn range(lines: &std::ops::Range<usize>) -> String {
    match lines.len() {
        // Without lines, the line before.
        0 => format!("{},0", lines.start),
        1 => format!("{}", lines.start + 1),
        count => format!("{},{count}", lines.start + 1),
    }
}
