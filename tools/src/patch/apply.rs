//! The applier: a hunk fits exactly, or it does not fit.
//!
//! A hunk goes where its header says. If the lines are not there it goes to the one place where
//! they are, which is reported; two such places are an error. As in git, a hunk that starts at
//! line 1 belongs to the start of the file, and one without context after its last change belongs
//! to the end. Such a rule alone never chooses between two places.

use std::ops::ControlFlow;

use crate::occurrences;
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
    let mut comparisons = Comparisons::new();
    for (index, hunk) in hunks.iter().enumerate() {
        let place = Place::of(hunk, ahead);
        let fail =
            |reason| Box::new(Mismatch::new(path, base, (index + 1, hunks.len()), hunk, reason));
        let start = locate(&file, hunk, place, done, &mut comparisons).map_err(fail)?;
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

/// Most comparisons of lines for one file, long ones counting more: that many are done in a moment.
const MAX_COMPARISONS: usize = 20_000_000;

/// How many more lines may be compared.
pub(super) struct Comparisons(usize);

impl Comparisons {
    pub(super) fn new() -> Comparisons {
        Comparisons(MAX_COMPARISONS)
    }

    /// Where these lines are, at most [`MAX_PLACES`]; none when it takes too long to look.
    fn places(&mut self, file: &[&[u8]], wanted: &[&[u8]]) -> Option<Vec<usize>> {
        let mut places = Vec::new();
        let mut equal = |one: &&[u8], other: &&[u8]| {
            let cost = 1 + one.len().min(other.len()) / 64;
            self.0 = self.0.checked_sub(cost).ok_or(())?;
            Ok::<bool, ()>(one == other)
        };
        occurrences::each(wanted, file, &mut equal, &mut |at| {
            places.push(at);
            if places.len() < MAX_PLACES {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })
        .ok()?;
        Some(places)
    }
}

/// The line, from 0, where the hunk fits.
fn locate(
    file: &[&[u8]],
    hunk: &Hunk,
    place: Place,
    done: usize,
    comparisons: &mut Comparisons,
) -> Result<usize, Reason> {
    let old = hunk.old_side();
    let allowed = |start: usize| {
        (!place.at_start || start == 0) && (!place.at_end || start + old.len() == file.len())
    };
    let fits = |start: usize| {
        file.get(start..start + old.len()).is_some_and(|there| there == old.as_slice())
    };
    let start = if place.believed && allowed(place.declared) && fits(place.declared) {
        place.declared
    } else {
        let line = place.declared + 1;
        let places = comparisons.places(file, &old).ok_or(Reason::Elsewhere { line })?;
        // A hunk that belongs to the start or the end is allowed in one place only.
        let last = file.len().saturating_sub(old.len());
        let fits_where_allowed = match (place.at_start, place.at_end) {
            (false, false) => !places.is_empty(),
            (true, _) => allowed(0) && fits(0),
            (false, true) => allowed(last) && fits(last),
        };
        match places.as_slice() {
            [only] if fits_where_allowed => *only,
            [_, ..] if fits_where_allowed => {
                return Err(Reason::Ambiguous { lines: places.iter().map(|at| at + 1).collect() });
            }
            [first, ..] if place.at_end => return Err(Reason::NotAtEnd { line: first + 1 }),
            [first, ..] => return Err(Reason::NotAtStart { line: first + 1 }),
            [] => return Err(differs(file, hunk, place.declared, comparisons)),
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

/// Why the hunk fits nowhere: the first line that differs where it fits best.
pub(super) fn differs(
    file: &[&[u8]],
    hunk: &Hunk,
    declared: usize,
    comparisons: &mut Comparisons,
) -> Reason {
    let (old, new) = (hunk.old_side(), hunk.new_side());
    let has = |start: usize, side: &[&[u8]]| file.get(start..start + side.len()) == Some(side);
    let starts = 0..file.len();
    // Few lines may be anywhere by chance, so they count only in their own place.
    let done = if !new.is_empty() && has(declared, &new) {
        Some(declared)
    } else if new.len() >= 3 {
        comparisons.places(file, &new).and_then(|places| places.first().copied())
    } else {
        None
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
