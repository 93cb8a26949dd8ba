//! The text of an edit where it is not in the file as it is written: with other line ends, other
//! blanks at the ends of lines, or indented by more or by less throughout.

use std::ops::Range;

use memchr::memmem::Finder;

use super::index::bare;
use crate::patch::apply::MAX_PLACES;
use crate::patch::lines;

/// Longest file and most lines compared for an indentation, so that hostile text costs little.
const MAX_COMPARISONS: usize = 2_000_000;

/// How the text of an edit can be read.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::patch) enum Reading {
    /// In one way.
    One {
        /// The bytes of the file that are replaced.
        at: Range<usize>,
        /// What comes instead.
        new: Vec<u8>,
        /// What was adjusted.
        adjusted: String,
    },
    /// At several places: their lines, from 1.
    Several(Vec<usize>),
    /// In none.
    Nowhere,
}

/// Reads an edit whose old text is not in the file.
pub(in crate::patch) fn read(base: &[u8], old: &str, new: &str) -> Reading {
    if old.trim().is_empty() {
        return Reading::Nowhere;
    }
    match but_for_blanks_at_ends(base, old, new) {
        Reading::Nowhere => but_for_indentation(base, old, new),
        reading => reading,
    }
}

/// The new text with the file's line ends, where the file has only CRLF, the old text no line end
/// at all, and the new text only LF.
pub(in crate::patch) fn with_ends_of(base: &[u8], old: &str, new: &str) -> Option<Vec<u8>> {
    let is_bare = !old.contains('\n') && new.contains('\n') && !new.contains('\r');
    let crlf = || lines(base).iter().filter(|line| line.ends_with(b"\n")).all(|l| is_crlf(l));
    (is_bare && base.contains(&b'\n') && crlf()).then(|| in_crlf(new.as_bytes()))
}

fn is_crlf(line: &[u8]) -> bool {
    line.ends_with(b"\r\n")
}

fn in_crlf(text: &[u8]) -> Vec<u8> {
    lines(text)
        .into_iter()
        .flat_map(|line| match line.strip_suffix(b"\n") {
            Some(text) => [text, b"\r\n"].concat(),
            None => line.to_vec(),
        })
        .collect()
}

fn but_for_blanks_at_ends(base: &[u8], old: &str, new: &str) -> Reading {
    let (there, wanted) = (without_blanks(base), without_blanks(old.as_bytes()));
    // Blanks at the end of the old text stand at the end of a line there.
    let ends_a_line = !old.ends_with('\n') && wanted.len() < old.len() && {
        let last = lines(old.as_bytes()).last().map_or(0, |line| line.len() - bare(line).len());
        last > 0
    };
    let finder = Finder::new(&wanted);
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(found) = there.get(from..).and_then(|rest| finder.find(rest)) {
        let at = from + found;
        from = at + 1;
        let after = there.get(at + wanted.len());
        if !ends_a_line || after.is_none_or(|byte| *byte == b'\n') {
            places.push(at);
        }
        if places.len() == MAX_PLACES {
            break;
        }
    }
    match places.as_slice() {
        [] => Reading::Nowhere,
        [at] => {
            let start = original(base, *at, true);
            let range = start..original(base, at + wanted.len(), false).max(start);
            let Some(ends) = ends(base, &range, old, new) else { return Reading::Nowhere };
            let adjusted = match ends {
                Some(_) => "line ends of `new_text` are those of the file",
                None => "blanks at the ends of lines were not compared",
            };
            let added = ends.unwrap_or_else(|| new.as_bytes().to_vec());
            let (at, new) = but_for_what_stays(base, range, old, new, &added);
            Reading::One { at, new, adjusted: adjusted.to_owned() }
        }
        several => Reading::Several(several.iter().map(|at| line_at(&there, *at)).collect()),
    }
}

/// Leaves out the first and the last lines that the new text has from the old one: they stay as the
/// file has them, with their blanks. `added` is the new text with other line ends.
fn but_for_what_stays(
    base: &[u8],
    at: Range<usize>,
    old: &str,
    new: &str,
    added: &[u8],
) -> (Range<usize>, Vec<u8>) {
    let (there, added) = (lines(base.get(at.clone()).unwrap_or_default()), lines(added));
    let (old, new) = (lines(old.as_bytes()), lines(new.as_bytes()));
    if there.len() != old.len() || added.len() != new.len() {
        return (at, added.concat());
    }
    let front = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let most = old.len().min(new.len()) - front;
    let back = old.iter().rev().zip(new.iter().rev()).take(most);
    let back = back.take_while(|(old, new)| old == new).count();
    let length = |lines: Option<&[&[u8]]>| -> usize {
        lines.unwrap_or_default().iter().map(|line| line.len()).sum()
    };
    let start = at.start + length(there.get(..front));
    let end = at.end - length(there.get(there.len() - back..));
    (start..end, added.get(front..added.len() - back).unwrap_or_default().concat())
}

/// The text without the blanks at the ends of its lines; each line ends in LF.
fn without_blanks(text: &[u8]) -> Vec<u8> {
    let mut without = Vec::with_capacity(text.len());
    for line in lines(text) {
        without.extend_from_slice(bare(line));
        if line.ends_with(b"\n") {
            without.push(b'\n');
        }
    }
    without
}

/// Where a byte of the text without blanks is in the text itself. What begins at a line's end begins
/// behind its blanks, and what ends there ends before them: they stay.
fn original(text: &[u8], at: usize, is_start: bool) -> usize {
    let (mut start, mut counted) = (0, 0);
    for line in lines(text) {
        let kept = bare(line).len();
        let inside = at - counted;
        if inside < kept || inside == kept && !is_start {
            return start + inside;
        }
        let has_end = line.ends_with(b"\n");
        if inside == kept && has_end {
            return start + line.len() - if is_crlf(line) { 2 } else { 1 };
        }
        if inside == kept {
            return start + kept;
        }
        counted += kept + usize::from(has_end);
        start += line.len();
    }
    text.len()
}

fn line_at(text: &[u8], at: usize) -> usize {
    memchr::memchr_iter(b'\n', text.get(..at).unwrap_or_default()).count() + 1
}

/// The new text with the ends of the lines that are replaced. `Some(None)` where they are as the
/// edit has them, none where they do not say how lines shall end.
#[expect(clippy::option_option, reason = "not known, as they are, or other ones")]
fn ends(base: &[u8], at: &Range<usize>, old: &str, new: &str) -> Option<Option<Vec<u8>>> {
    let there = lines(base.get(at.clone()).unwrap_or_default());
    let ended = |lines: &[&[u8]]| -> Vec<bool> {
        lines.iter().filter(|line| line.ends_with(b"\n")).map(|line| is_crlf(line)).collect()
    };
    let (found, wanted) = (ended(&there), ended(&lines(old.as_bytes())));
    let added = ended(&lines(new.as_bytes()));
    if found == wanted {
        return Some(with_ends_of(base, old, new));
    }
    if added.is_empty() {
        return Some(None);
    }
    let (first, of_edit) = (*found.first()?, *wanted.first()?);
    let uniform = found.iter().all(|crlf| *crlf == first)
        && wanted.iter().chain(&added).all(|crlf| *crlf == of_edit)
        && first != of_edit;
    let other = || if first { in_crlf(new.as_bytes()) } else { new.replace("\r\n", "\n").into() };
    uniform.then(|| Some(other()))
}

/// More or less indentation, of each line.
#[derive(PartialEq, Eq, Clone, Copy)]
enum Shift<'a> {
    More(&'a [u8]),
    Less(&'a [u8]),
}

fn but_for_indentation(base: &[u8], old: &str, new: &str) -> Reading {
    let (file, wanted) = (lines(base), lines(old.as_bytes()));
    let longest = wanted.iter().enumerate().max_by_key(|(_, line)| line.trim_ascii().len());
    let Some((offset, anchor)) = longest else { return Reading::Nowhere };
    let anchor = anchor.trim_ascii();
    let mut left = MAX_COMPARISONS;
    let mut found = Vec::new();
    for (at, _) in file.iter().enumerate().filter(|(_, line)| line.trim_ascii() == anchor) {
        let Some(start) = at.checked_sub(offset) else { continue };
        let Some(there) = file.get(start..start + wanted.len()) else { continue };
        left = left.saturating_sub(wanted.len());
        if left == 0 {
            return Reading::Nowhere;
        }
        if let Some(shift) = shift_of(&wanted, there) {
            found.push((start, shift));
        }
    }
    let (start, shift) = match found.as_slice() {
        [] => return Reading::Nowhere,
        [only] => *only,
        several => {
            let lines = several.iter().take(MAX_PLACES).map(|(start, _)| start + 1);
            return Reading::Several(lines.collect());
        }
    };
    let length = |lines: &[&[u8]]| lines.iter().map(|line| line.len()).sum::<usize>();
    let first = length(file.get(..start).unwrap_or_default());
    let there = file.get(start..start + wanted.len()).unwrap_or_default();
    let last = match there.last() {
        // The last line's end is not a part of the text.
        Some(line) if !old.ends_with('\n') => line.len() - bare(line).len(),
        _ => 0,
    };
    let at = first..first + length(there) - last;
    let Some(shifted) = shifted(new, shift) else { return Reading::Nowhere };
    let Some(ends) = ends(base, &at, old, &shifted) else { return Reading::Nowhere };
    let (blanks, how) = match shift {
        Shift::More(blanks) => (blanks, "more"),
        Shift::Less(blanks) => (blanks, "less"),
    };
    let adjusted = format!(
        "the file has these lines indented by {} {how}, and so is `new_text`",
        super::sections::counted(
            blanks.len(),
            if blanks.contains(&b'\t') { "blank" } else { "space" }
        )
    );
    Reading::One { at, new: ends.unwrap_or_else(|| shifted.into_bytes()), adjusted }
}

/// By how much every line there is indented otherwise; none where it is not the same for all.
fn shift_of<'a>(wanted: &[&'a [u8]], there: &[&'a [u8]]) -> Option<Shift<'a>> {
    let mut shift = None;
    for (wanted, there) in wanted.iter().zip(there) {
        let (wanted, there) = (bare(wanted), bare(there));
        if wanted.trim_ascii() != there.trim_ascii() {
            return None;
        }
        if wanted.is_empty() {
            continue;
        }
        let this = match (there.strip_suffix(wanted), wanted.strip_suffix(there)) {
            (Some(more), _) => Shift::More(more),
            (None, Some(less)) => Shift::Less(less),
            (None, None) => return None,
        };
        if *shift.get_or_insert(this) != this {
            return None;
        }
    }
    shift
}

fn shifted(new: &str, shift: Shift<'_>) -> Option<String> {
    let mut shifted = String::with_capacity(new.len());
    for line in new.split_inclusive('\n') {
        match shift {
            _ if line.trim().is_empty() => shifted.push_str(line),
            Shift::More(blanks) => {
                shifted.push_str(std::str::from_utf8(blanks).ok()?);
                shifted.push_str(line);
            }
            Shift::Less(blanks) => {
                shifted.push_str(line.strip_prefix(std::str::from_utf8(blanks).ok()?)?);
            }
        }
    }
    Some(shifted)
}
