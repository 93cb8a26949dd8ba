//! The applier: a hunk fits exactly, or it does not fit.
//!
//! A hunk goes where its header says. If the lines are not there it goes to the one place where
//! they are, which is reported; two such places are an error. As in git, a hunk that starts at
//! line 1 belongs to the start of the file, and one without context after its last change belongs
//! to the end. Such a rule alone never chooses between two places.

use crate::path::WorkspacePath;

use super::mismatch::{Mismatch, Reason};
use super::{Hunk, Tag, lines};

/// A file after its hunks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The new content.
    pub bytes: Vec<u8>,
    /// The hunks that were not where their headers said.
    pub moved: Vec<Moved>,
}

/// A hunk that fitted at one other place only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// The hunk, from 1.
    pub hunk: usize,
    /// The line of its header.
    pub from: usize,
    /// The line where it fits.
    pub to: usize,
}

/// Applies hunks to a file's content, in order.
///
/// # Errors
/// A [`Mismatch`] for the first hunk that does not fit.
pub fn apply(path: &WorkspacePath, base: &[u8], hunks: &[Hunk]) -> Result<Applied, Box<Mismatch>> {
    let file = lines(base);
    let mut result = Vec::with_capacity(base.len());
    let mut moved = Vec::new();
    // The first line of the file that is still to be copied.
    let mut done = 0;
    // How far the new side is ahead by the headers alone.
    let mut ahead = 0_isize;
    for (index, hunk) in hunks.iter().enumerate() {
        let place = Place::of(hunk, ahead);
        let fail =
            |reason| Box::new(Mismatch::new(path, base, (index + 1, hunks.len()), hunk, reason));
        let start = locate(&file, hunk, place, done).map_err(fail)?;
        if start != place.declared {
            moved.push(Moved { hunk: index + 1, from: place.declared + 1, to: start + 1 });
        }
        let old_count = hunk.old_side().len();
        result.extend(file.get(done..start).unwrap_or_default().iter().copied().flatten());
        result.extend(hunk.new_side().into_iter().flatten());
        done = start + old_count;
        ahead += signed(hunk.new_side().len()) - signed(old_count);
    }
    result.extend(file.get(done..).unwrap_or_default().iter().copied().flatten());
    Ok(Applied { bytes: result, moved })
}

/// A count of lines as a number that can be taken from another.
pub(super) fn signed(count: usize) -> isize {
    isize::try_from(count).unwrap_or(isize::MAX)
}

/// Where a hunk says it belongs.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The line of the old side, from 0.
    declared: usize,
    /// Whether both sides of the header agree, so that the line can be believed.
    believed: bool,
    at_start: bool,
    at_end: bool,
}

impl Place {
    fn of(hunk: &Hunk, ahead: isize) -> Place {
        // A side without lines names the line before it.
        let first =
            |start: usize, side: usize| if side == 0 { start } else { start - start.min(1) };
        let declared = first(hunk.old_start, hunk.old_side().len());
        let new = first(hunk.new_start, hunk.new_side().len());
        Place {
            declared,
            believed: signed(new) - signed(declared) == ahead,
            at_start: hunk.old_start <= 1,
            at_end: hunk.lines.last().is_none_or(|(tag, _)| *tag != Tag::Context),
        }
    }
}

/// Most places that are named.
pub(super) const MAX_PLACES: usize = 10;

/// The line, from 0, where the hunk's header puts it, if its lines are exactly there. `ahead` is how
/// far the new side is ahead by the hunks before it.
pub(super) fn exactly_where_it_says(file: &[&[u8]], hunk: &Hunk, ahead: isize) -> Option<usize> {
    let place = Place::of(hunk, ahead);
    let old = hunk.old_side();
    let end = place.declared + old.len();
    let allowed = (!place.at_start || place.declared == 0) && (!place.at_end || end == file.len());
    (place.believed && allowed && file.get(place.declared..end)? == old.as_slice())
        .then_some(place.declared)
}

/// The line, from 0, where the hunk fits.
fn locate(file: &[&[u8]], hunk: &Hunk, place: Place, done: usize) -> Result<usize, Reason> {
    let old = hunk.old_side();
    let allowed = |start: usize| {
        (!place.at_start || start == 0) && (!place.at_end || start + old.len() == file.len())
    };
    let fits = |start: usize| {
        file.get(start..start + old.len()).is_some_and(|there| there == old.as_slice())
    };
    let places = || (0..=file.len().saturating_sub(old.len())).filter(|start| fits(*start));
    let start = if place.believed && allowed(place.declared) && fits(place.declared) {
        place.declared
    } else {
        let mut found = places().filter(|start| allowed(*start));
        match (found.next(), places().nth(1)) {
            (Some(only), None) => only,
            (Some(_), Some(_)) => {
                let lines = places().map(|at| at + 1).take(MAX_PLACES).collect();
                return Err(Reason::Ambiguous { lines });
            }
            (None, _) => {
                return Err(match places().next() {
                    Some(at) if place.at_end => Reason::NotAtEnd { line: at + 1 },
                    Some(at) => Reason::NotAtStart { line: at + 1 },
                    None => differs(file, hunk, place.declared),
                });
            }
        }
    };
    // Its first line would be joined to the last one of the file.
    if old.is_empty() && start > 0 && file.last().is_some_and(|line| !line.ends_with(b"\n")) {
        return Err(Reason::OpenEnd { line: file.len() });
    }
    if start < done {
        return Err(Reason::OutOfOrder { line: start + 1 });
    }
    Ok(start)
}

/// Most comparisons of lines that are spent on explaining a mismatch.
const MAX_COMPARISONS: usize = 20_000_000;

/// Why the hunk fits nowhere: the first line that differs where it fits best.
pub(super) fn differs(file: &[&[u8]], hunk: &Hunk, declared: usize) -> Reason {
    let (old, new) = (hunk.old_side(), hunk.new_side());
    let has = |start: usize, side: &[&[u8]]| file.get(start..start + side.len()) == Some(side);
    let starts = 0..file.len();
    // Few lines may be anywhere by chance, so they count only in their own place.
    let done = if !new.is_empty() && has(declared, &new) {
        Some(declared)
    } else {
        starts.clone().find(|start| new.len() >= 3 && has(*start, &new))
    };
    if let Some(at) = done {
        return Reason::AlreadyApplied { line: at + 1 };
    }
    let likeness = |start: usize| {
        let there = file.get(start..).unwrap_or_default();
        there.iter().zip(&old).filter(|(line, wanted)| line == wanted).count()
    };
    let best = if file.len().saturating_mul(old.len()) <= MAX_COMPARISONS {
        // Of equally good places the one nearest to the header's line.
        starts
            .map(|start| (likeness(start), std::cmp::Reverse(start.abs_diff(declared)), start))
            .max()
            .filter(|(likeness, ..)| *likeness > 0)
            .map_or(declared, |(.., start)| start)
    } else {
        declared
    };
    let best = best.min(file.len());
    let offset = old
        .iter()
        .enumerate()
        .position(|(offset, wanted)| file.get(best + offset) != Some(wanted))
        .unwrap_or(0);
    Reason::Differs {
        line: best + offset + 1,
        expected: old.get(offset).map(|line| line.to_vec()).unwrap_or_default(),
        found: file.get(best + offset).map(|line| line.to_vec()),
    }
}
