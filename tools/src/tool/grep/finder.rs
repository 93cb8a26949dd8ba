//! Looks for lines that match, a slice of text at a time, and looks at the call in between.
//!
//! Nothing stops a regular expression in the middle of a text, and a byte of text can cost it a
//! thousand times what another one costs. So the text of one search is short: how short follows from
//! the time that the slices before have taken.

use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use grep_matcher::{LineMatchKind, Matcher};
use grep_regex::RegexMatcher;
use memchr::{memchr, memrchr};

use super::automaton::{Automaton, Walk};
use super::pattern::Compiled;
use crate::call::Call;

/// The slice that a search begins with, and the bounds between which it changes.
const FIRST_SLICE: usize = 8 * 1024;
const LEAST_SLICE: usize = 512;
const LARGEST_SLICE: usize = 128 * 1024;
/// The largest slice of a heavy pattern. Text that costs it nothing makes slices grow, and the next
/// byte can cost it everything.
const LARGEST_OF_HEAVY: usize = 8 * 1024;
/// A slice that takes less than this is followed by one of twice the size, and a slice that takes
/// more than that by a shorter one.
const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_millis(8);
/// A line whose search is expected to take less than this is searched at once where nothing else
/// searches it exactly.
const AT_ONCE: Duration = Duration::from_millis(200);
/// The longest match that is looked for in windows which overlap by as much.
const LONGEST_IN_WINDOWS: usize = 1_024;
/// Bytes behind a match that can decide about it: one character.
const LOOK_AHEAD: usize = 8;

/// Why a search ended before its text did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halt {
    /// The call has ended.
    Stopped,
    /// A line is too long for this pattern.
    LongLine,
}

/// A matcher of one thread.
pub(super) struct Finder {
    pattern: Compiled,
    matcher: RegexMatcher,
    call: Call,
    slice: usize,
    /// What the last slice took for each byte.
    nanos_a_byte: u64,
    walk: Option<(Arc<Automaton>, Walk)>,
    #[cfg(test)]
    unlooked: tests::Unlooked,
}

impl Finder {
    pub(super) fn new(pattern: &Compiled, call: &Call) -> Finder {
        Finder {
            pattern: pattern.clone(),
            matcher: pattern.matcher.clone(),
            call: call.clone(),
            slice: if pattern.heavy { LEAST_SLICE } else { FIRST_SLICE },
            nanos_a_byte: 0,
            walk: None,
            #[cfg(test)]
            unlooked: tests::Unlooked::default(),
        }
    }

    /// The first of the lines in `text` that matches, with its end. The text is whole lines.
    pub(super) fn next_line(&mut self, text: &[u8]) -> Result<Option<Range<usize>>, Halt> {
        let mut at = 0;
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            self.check()?;
            let begin = rest.get(..self.slice).unwrap_or(rest);
            let whole = if begin.len() == rest.len() {
                Some(rest.len())
            } else {
                memrchr(b'\n', begin).map(|end| end + 1)
            };
            let found = match whole {
                Some(length) => {
                    let slice = rest.get(..length).unwrap_or(rest);
                    let found = self.timed(length, |matcher| line_of_slice(matcher, slice));
                    at += length;
                    found.map(|line| at - length + line.start..at - length + line.end)
                }
                None => {
                    let length = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
                    let line = rest.get(..length).unwrap_or(rest);
                    let matches = self.long_line_matches(without_end(line))?;
                    at += length;
                    matches.then_some(at - length..at)
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Where the first match of a line begins that is known to match.
    pub(super) fn place_in(&mut self, line: &[u8]) -> Result<usize, Halt> {
        match self.find(line, 0) {
            Ok(found) => Ok(found.map_or(0, |(start, _)| start)),
            // Then its beginning is shown.
            Err(Halt::LongLine) => Ok(0),
            Err(Halt::Stopped) => Err(Halt::Stopped),
        }
    }

    /// The first match at or after `from`: where it begins and ends.
    pub(super) fn find(
        &mut self,
        text: &[u8],
        from: usize,
    ) -> Result<Option<(usize, usize)>, Halt> {
        let length = text.len().saturating_sub(from);
        if length <= self.slice {
            self.check()?;
            return Ok(self.timed(length, |matcher| find_at(matcher, text, from)));
        }
        if self.longest().is_some() {
            return self.in_windows(text, from, text.len(), true);
        }
        let call = self.call.clone();
        let (automaton, walk) = self.walk()?;
        match walk.find(automaton, text, from, &call) {
            Err(Halt::LongLine) if self.is_cheap(length) => {
                Ok(self.timed(length, |matcher| find_at(matcher, text, from)))
            }
            found => found,
        }
    }

    /// The longest match, where it is so short that windows can overlap by it.
    pub(super) fn longest(&self) -> Option<usize> {
        self.pattern.longest.filter(|longest| *longest <= LONGEST_IN_WINDOWS)
    }

    /// How much text must follow a place before it is certain that no match begins there.
    pub(super) fn reach(&self) -> usize {
        self.longest().unwrap_or(0) + LOOK_AHEAD
    }

    /// The first match that begins in `from..before`, or at the text's end where this is the `last`
    /// of it. What begins there must end in `text`.
    pub(super) fn in_windows(
        &mut self,
        text: &[u8],
        from: usize,
        before: usize,
        last: bool,
    ) -> Result<Option<(usize, usize)>, Halt> {
        let reach = self.reach();
        let mut at = from;
        loop {
            self.check()?;
            let to = at.saturating_add(self.slice).min(before);
            let window = text.get(..to.saturating_add(reach)).unwrap_or(text);
            let length = window.len().saturating_sub(at);
            let found = self.timed(length, |matcher| find_at(matcher, window, at));
            let at_end = to >= before;
            // What begins behind the window was not seen whole.
            let found = found.filter(|(start, _)| *start < to || at_end && last);
            if found.is_some() || at_end {
                return Ok(found);
            }
            at = to;
        }
    }

    /// The automaton, and a walk over it.
    pub(super) fn walk(&mut self) -> Result<(&Automaton, &mut Walk), Halt> {
        if self.walk.is_none() {
            let automaton = self.pattern.automaton().ok_or(Halt::LongLine)?;
            let walk = automaton.walk();
            self.walk = Some((automaton, walk));
        }
        self.walk.as_mut().map(|(automaton, walk)| (&**automaton, walk)).ok_or(Halt::LongLine)
    }

    fn long_line_matches(&mut self, line: &[u8]) -> Result<bool, Halt> {
        if self.longest().is_some() {
            return Ok(self.in_windows(line, 0, line.len(), true)?.is_some());
        }
        let call = self.call.clone();
        let walked = self.walk().and_then(|(automaton, walk)| {
            walk.begin(automaton)?;
            Ok(walk.feed(automaton, line, &call)?.is_some() || walk.end(automaton)?)
        });
        match walked {
            Err(Halt::LongLine) if self.is_cheap(line.len()) => {
                Ok(self.timed(line.len(), |matcher| find_at(matcher, line, 0)).is_some())
            }
            walked => walked,
        }
    }

    #[cfg(test)]
    pub(super) fn slice_for_tests(&mut self, slice: usize) {
        self.slice = slice;
    }

    fn is_cheap(&self, bytes: usize) -> bool {
        let nanos = self.nanos_a_byte.saturating_mul(bytes as u64);
        bytes <= self.largest() && Duration::from_nanos(nanos) <= AT_ONCE
    }

    /// The most that is searched between two looks at the call, beside what a window reaches
    /// beyond its end.
    fn largest(&self) -> usize {
        if self.pattern.heavy { LARGEST_OF_HEAVY } else { LARGEST_SLICE }
    }

    fn check(&mut self) -> Result<(), Halt> {
        #[cfg(test)]
        self.unlooked.looked();
        self.call.check().map_err(|_| Halt::Stopped)
    }

    /// Searches a slice, and learns from the time that it took how long the next one may be.
    fn timed<T>(&mut self, bytes: usize, search: impl FnOnce(&RegexMatcher) -> T) -> T {
        #[cfg(test)]
        self.unlooked.searched(bytes);
        let begun = Instant::now();
        let found = search(&self.matcher);
        let took = begun.elapsed();
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.nanos_a_byte = nanos / (bytes as u64).max(1);
        if took > LONG {
            self.slice = (self.slice / 4).max(LEAST_SLICE);
        } else if took < SHORT && bytes >= self.slice / 2 {
            self.slice = (self.slice * 2).min(self.largest());
        }
        found
    }
}

/// A line without its end.
pub(super) fn without_end(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

/// The first line of a slice of whole lines that matches.
fn line_of_slice(matcher: &RegexMatcher, slice: &[u8]) -> Option<Range<usize>> {
    let mut at = 0;
    while let Some(rest) = slice.get(at..).filter(|rest| !rest.is_empty()) {
        // Without anchors of the whole text a match cannot span lines, and most lines are passed
        // over at once.
        let candidate = if matcher.line_terminator().is_some() {
            match matcher.find_candidate_line(rest) {
                Ok(Some(candidate)) => candidate,
                Ok(None) | Err(_) => return None,
            }
        } else {
            LineMatchKind::Candidate(0)
        };
        let (place, confirmed) = match candidate {
            LineMatchKind::Confirmed(place) => (place, true),
            LineMatchKind::Candidate(place) => (place, false),
        };
        // An empty match behind the last line is one of the next slice, if at all.
        if place == rest.len() && rest.ends_with(b"\n") {
            return None;
        }
        let before = rest.get(..place).unwrap_or_default();
        let start = at + memrchr(b'\n', before).map_or(0, |end| end + 1);
        let behind = slice.get(at + place..).unwrap_or_default();
        let end = memchr(b'\n', behind).map_or(slice.len(), |end| at + place + end + 1);
        let line = slice.get(start..end).unwrap_or_default();
        if confirmed || matcher.is_match(without_end(line)).unwrap_or(false) {
            return Some(start..end);
        }
        at = end;
    }
    None
}

fn find_at(matcher: &RegexMatcher, text: &[u8], from: usize) -> Option<(usize, usize)> {
    let found = matcher.find_at(text, from).ok().flatten();
    found.map(|found| (found.start(), found.end()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::pattern;
    use super::*;

    /// Bytes that were searched since the last look at the call, and the most that there were.
    #[derive(Debug, Default)]
    pub(super) struct Unlooked {
        now: usize,
        most: usize,
    }

    impl Unlooked {
        pub(super) fn looked(&mut self) {
            self.now = 0;
        }

        pub(super) fn searched(&mut self, bytes: usize) {
            self.now += bytes;
            self.most = self.most.max(self.now);
        }
    }

    /// The most that is searched of a text between two looks.
    fn most_unlooked(pattern: &str, text: &str) -> (usize, bool) {
        let arguments = json!({ "pattern": pattern });
        let compiled = pattern::compile(&serde_json::from_value(arguments).unwrap()).unwrap();
        let call = Call::new("test", Duration::from_secs(600));
        let mut finder = Finder::new(&compiled, &call);
        let mut at = 0;
        while let Ok(Some(line)) = finder.next_line(&text.as_bytes()[at..]) {
            at += line.end;
        }
        let _ = finder.find(text.as_bytes(), 0);
        (finder.unlooked.most, compiled.heavy)
    }

    #[test]
    fn between_two_looks_at_the_call_lies_one_slice_however_it_has_grown() {
        const HEAVY: &str = "(?:[a-m].{0,900}[n-z]){2}[0-9]";
        let letters = "the quick brown fox jumps over the lazy dog ".repeat(200);
        let cheap = "\n".repeat(100_000);
        let texts = [
            // Slices grow, and then a line is long.
            format!("{cheap}{letters}\n{letters}"),
            // No line ends, with and without characters that stop an automaton.
            " ".repeat(300_000) + &letters,
            format!("\u{e9}{}{letters}", " ".repeat(150_000)),
        ];
        for pattern in ["zzz", "z[0-9]{3}", "o.*0", r"\bo.*0", r"\bo\w*0", HEAVY] {
            for text in &texts {
                let (most, heavy) = most_unlooked(pattern, text);
                assert_eq!(heavy, pattern == HEAVY);
                let largest = if heavy { LARGEST_OF_HEAVY } else { LARGEST_SLICE };
                assert!(most <= largest + LONGEST_IN_WINDOWS + LOOK_AHEAD, "{pattern} {most}");
            }
        }
    }
}
