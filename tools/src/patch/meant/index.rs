//! The lines of a file by their content without the blanks at their ends, for finding the places of
//! many hunks without reading the file once for each.

use std::hash::{BuildHasher, RandomState};

use crate::error::ToolError;
use mcp_workspace_stop::StopSignal;

/// A line without its end and the blanks before it.
pub(super) fn bare(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    line.get(..end.map_or(0, |end| end + 1)).unwrap_or_default()
}

/// The lines of a file in the order of their hashes.
pub(super) struct LineIndex {
    hasher: RandomState,
    lines: Vec<(u64, usize)>,
}

impl LineIndex {
    pub(super) fn new(file: &[&[u8]]) -> LineIndex {
        let hasher = RandomState::new();
        let hash = |(at, line): (usize, &&[u8])| (hasher.hash_one(bare(line)), at);
        let mut lines: Vec<(u64, usize)> = file.iter().enumerate().map(hash).collect();
        lines.sort_unstable();
        LineIndex { hasher, lines }
    }

    /// Where lines like this one may be, from the first on.
    pub(super) fn of(&self, line: &[u8]) -> &[(u64, usize)] {
        let hash = self.hasher.hash_one(bare(line));
        let first = self.lines.partition_point(|(other, _)| *other < hash);
        let rest = self.lines.get(first..).unwrap_or_default();
        let count = rest.partition_point(|(other, _)| *other == hash);
        rest.get(..count).unwrap_or_default()
    }
}

/// What looking for places may cost: comparisons of lines, long ones counting more.
pub(super) struct Budget<'a> {
    left: usize,
    stop: &'a StopSignal,
    until_look: usize,
}

/// Comparisons that one file is worth.
const MAX_COMPARISONS: usize = 20_000_000;
/// Comparisons between two looks at the time.
const LOOK: usize = 100_000;

impl<'a> Budget<'a> {
    pub(super) fn new(stop: &'a StopSignal) -> Budget<'a> {
        Budget { left: MAX_COMPARISONS, stop, until_look: LOOK }
    }

    /// Pays for comparing a line.
    ///
    /// # Errors
    /// When the budget is used up or the call must end.
    pub(super) fn pay(&mut self, line: &[u8]) -> Result<(), ToolError> {
        let cost = 1 + line.len() / 64;
        self.left = self.left.checked_sub(cost).ok_or_else(|| {
            ToolError::new(
                crate::error::Code::PatchDoesNotApply,
                "there are too many places where the patch might fit",
            )
            .hint("give exact line numbers and counts, or `edits` with more of the text around")
        })?;
        self.until_look = match self.until_look.checked_sub(cost) {
            Some(left) => left,
            None => {
                self.stop.check()?;
                LOOK
            }
        };
        Ok(())
    }
}
