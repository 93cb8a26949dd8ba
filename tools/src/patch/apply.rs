//! Puts hunks onto a file, exactly. A hunk goes to its declared place if it fits there, else to
//! the one place in the file where it fits; anything else is a [`Misfit`].
//!
//! As in git, a hunk that starts at line 1 fits only at the start of the file, and one without
//! context after its last change fits only at the end: context that is missing could be anything.
//! A hunk without any old line, which has nothing to be recognised by, therefore fits an empty
//! file, or as an addition after the last line if it declares exactly that place.

use super::lines_of;
use super::read::Hunk;

/// Most hunks of one file that are searched for in the whole file.
const MAX_SEARCHES: usize = 200;

/// A file with its hunks applied.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) bytes: Vec<u8>,
    /// Hunks that fit elsewhere than declared.
    pub(super) moved: Vec<Moved>,
}

/// A hunk that fits elsewhere than declared; numbers from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) hunk: usize,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// Why a hunk does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// The position of the hunk among its file's hunks, from 0.
    pub(super) hunk: usize,
    pub(super) reason: Reason,
}

/// Lines are numbers in the file as it is, from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Nowhere in the file.
    Differs,
    /// At several places, and not at the declared one.
    Ambiguous(Vec<usize>),
    /// Declares line 1, but its lines are at these ones.
    NotAtStart(Vec<usize>),
    /// Has no context at its end, but its lines are at these ones and not at the file's end.
    NotAtEnd(Vec<usize>),
    /// Only before the place of the hunk before it.
    OutOfOrder(usize),
    /// Adds lines without context at a place that only context can tell.
    NoContext,
    /// More than [`MAX_SEARCHES`] hunks of the file are not where they say.
    TooManyMoved,
    /// Adds lines after a last line that has no newline.
    UnfinishedLastLine,
}

/// Applies hunks in their order.
pub(super) fn apply(old: &[u8], hunks: &[Hunk]) -> Result<Applied, Misfit> {
    let file = lines_of(old);
    let mut bytes = Vec::with_capacity(old.len());
    let mut moved = Vec::new();
    // Lines of the file that earlier hunks have taken; they lie in order.
    let mut taken: Vec<std::ops::Range<usize>> = Vec::new();
    let mut done = 0;
    let mut shift = 0_isize;
    let mut searches = 0;
    for (index, hunk) in hunks.iter().enumerate() {
        let (old_lines, new_lines) = (hunk.old_lines(), hunk.new_lines());
        let place = place(&file, hunk, &old_lines, &new_lines, &taken, shift, &mut searches)
            .map_err(|reason| Misfit { hunk: index, reason })?;
        let declared = declared(hunk, &old_lines);
        if place != declared {
            moved.push(Moved { hunk: index + 1, from: declared + 1, to: place + 1 });
        }
        extend(&mut bytes, file.get(done..place).unwrap_or_default());
        extend(&mut bytes, &new_lines);
        done = place + old_lines.len();
        taken.push(place..done);
        // Both are numbers of lines in memory.
        shift += new_lines.len().cast_signed() - old_lines.len().cast_signed();
    }
    extend(&mut bytes, file.get(done..).unwrap_or_default());
    Ok(Applied { bytes, moved })
}

fn extend(bytes: &mut Vec<u8>, lines: &[&[u8]]) {
    for line in lines {
        bytes.extend_from_slice(line);
    }
}

/// The index of the line where the hunk says that it belongs.
pub(super) fn declared(hunk: &Hunk, old_lines: &[&[u8]]) -> usize {
    // Without old lines the header names the line before.
    if old_lines.is_empty() { hunk.old_start } else { hunk.old_start.saturating_sub(1) }
}

/// Every index where these lines stand in the file.
pub(super) fn places(file: &[&[u8]], lines: &[&[u8]]) -> Vec<usize> {
    if lines.is_empty() {
        return Vec::new();
    }
    file.windows(lines.len())
        .enumerate()
        .filter(|(_, window)| *window == lines)
        .map(|(at, _)| at)
        .collect()
}

fn place(
    file: &[&[u8]],
    hunk: &Hunk,
    old_lines: &[&[u8]],
    new_lines: &[&[u8]],
    taken: &[std::ops::Range<usize>],
    shift: isize,
    searches: &mut usize,
) -> Result<usize, Reason> {
    let declared = declared(hunk, old_lines);
    let floor = taken.last().map_or(0, |range| range.end);
    if old_lines.is_empty() {
        return match (file.is_empty(), hunk.old_start) {
            (true, 0 | 1) => Ok(0),
            (false, 2..) if declared == file.len() && floor <= declared => {
                match file.last().is_some_and(|line| line.ends_with(b"\n")) {
                    true => Ok(declared),
                    false => Err(Reason::UnfinishedLastLine),
                }
            }
            _ => Err(Reason::NoContext),
        };
    }
    // git goes by the new line number; where the two contradict each other, neither is trusted.
    let new_declared =
        if new_lines.is_empty() { hunk.new_start } else { hunk.new_start.saturating_sub(1) };
    let agree = declared.cast_signed() + shift == new_declared.cast_signed();
    let end = declared + old_lines.len();
    if agree
        && declared >= floor
        && file.get(declared..end) == Some(old_lines)
        && (hunk.trailing_context() > 0 || end == file.len())
    {
        return Ok(declared);
    }
    if *searches >= MAX_SEARCHES {
        return Err(Reason::TooManyMoved);
    }
    *searches += 1;
    let anywhere = places(file, old_lines);
    if anywhere.is_empty() {
        return Err(Reason::Differs);
    }
    let numbers = |places: &[usize]| places.iter().map(|at| at + 1).collect::<Vec<_>>();
    let at_start = hunk.old_start <= 1;
    let at_end = hunk.trailing_context() == 0;
    if at_start && !anywhere.contains(&0) {
        return Err(Reason::NotAtStart(numbers(&anywhere)));
    }
    if at_end && !anywhere.iter().any(|at| at + old_lines.len() == file.len()) {
        return Err(Reason::NotAtEnd(numbers(&anywhere)));
    }
    let free: Vec<usize> = anywhere
        .iter()
        .copied()
        .filter(|at| !at_start || *at == 0)
        .filter(|at| !at_end || at + old_lines.len() == file.len())
        .filter(|at| {
            taken.iter().all(|range| at + old_lines.len() <= range.start || range.end <= *at)
        })
        .collect();
    match free.as_slice() {
        [only] if *only >= floor => Ok(*only),
        [only] => Err(Reason::OutOfOrder(only + 1)),
        [] if at_start => Err(Reason::NotAtStart(numbers(&anywhere))),
        [] if at_end => Err(Reason::NotAtEnd(numbers(&anywhere))),
        [] => Err(Reason::OutOfOrder(anywhere.first().map_or(0, |at| at + 1))),
        several => Err(Reason::Ambiguous(numbers(several))),
    }
}
