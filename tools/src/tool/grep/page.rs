//! One page of a search: what is found in the order of paths, until it is full.

use std::ops::{ControlFlow, Range};

use serde::{Serialize, Serializer};

use super::collect::{Line, Lines};
use super::search::Searched;
use super::{FileWithMatches, Format, Match, Mode, Output, Question, Skipped};
use crate::call::{Call, Ended, ProgressClock, Stop};
use crate::error::ToolError;
use crate::path::WorkspacePath;
use crate::tool::page_end::Stopped;
use crate::workspace::walk::Found;

/// What the footer with its cursor, and the text or JSON around a file or a line, cost of the
/// answer's budget.
const FOOTER_CHARS: usize = 2_000;
const LINE_CHARS: usize = 12;
const MATCH_CHARS: usize = 64;

/// The page as it fills.
pub(super) struct Page {
    mode: Mode,
    format: Format,
    limit: usize,
    before: u64,
    after: u64,
    chars_left: usize,
    pub groups: Vec<Group>,
    pub matches: usize,
    files: Vec<FileWithMatches>,
    searched: u64,
    skipped: Skipped,
    stopped: Option<Stopped>,
    /// The last place that is dealt with: a path, or a line inside of it.
    place: Option<(String, Option<u64>)>,
    interrupted: bool,
    /// Why there is no page.
    pub failed: Option<ToolError>,
    reported: ProgressClock,
}

/// The lines of one file.
#[derive(Debug)]
pub(super) struct Group {
    pub path: String,
    pub lines: Vec<Line>,
}

impl Page {
    pub(super) fn new(question: &Question, answer_chars: usize) -> Page {
        Page {
            mode: question.mode,
            format: question.format,
            limit: question.limit,
            before: question.before as u64,
            after: question.after as u64,
            chars_left: answer_chars.saturating_sub(FOOTER_CHARS),
            groups: Vec::new(),
            matches: 0,
            files: Vec::new(),
            searched: 0,
            skipped: Skipped::default(),
            stopped: None,
            place: question.resume.as_ref().map(|cursor| (cursor.path.clone(), cursor.line)),
            interrupted: false,
            failed: None,
            reported: ProgressClock::default(),
        }
    }

    /// Takes the next find of a walk.
    pub(super) fn add(&mut self, found: Found<Searched>) -> ControlFlow<()> {
        let place = found.place();
        match found {
            Found::Item(path, searched) => return self.add_file(&path, searched),
            Found::Unreadable(_) => self.skipped.unreadable += 1,
            Found::Ignored(_) => self.skipped.ignored += 1,
            Found::Unnameable(_, count) => self.skipped.unreadable += count,
        }
        self.place = Some((place, None));
        ControlFlow::Continue(())
    }

    /// Takes the search of one file.
    pub(super) fn add_file(&mut self, path: &WorkspacePath, searched: Searched) -> ControlFlow<()> {
        match searched {
            Searched::File(lines) => return self.add_lines(path.as_str(), lines),
            Searched::Cut(lines) => {
                self.skipped.cut_off += 1;
                return self.add_lines(path.as_str(), lines);
            }
            Searched::Binary => self.skipped.binary += 1,
            Searched::TooLarge => self.skipped.too_large += 1,
            Searched::LongLine => self.skipped.long_lines += 1,
            Searched::Unreadable => self.skipped.unreadable += 1,
            Searched::Failed(error) => {
                self.failed = Some(error);
                return ControlFlow::Break(());
            }
            Searched::Interrupted => {
                self.interrupted = true;
                return ControlFlow::Break(());
            }
        }
        self.place = Some((path.as_str().to_owned(), None));
        ControlFlow::Continue(())
    }

    fn add_lines(&mut self, path: &str, found: Lines) -> ControlFlow<()> {
        if self.mode == Mode::Content {
            return self.add_matches(path, found);
        }
        if found.matches > 0 {
            let cost = path.len() + MATCH_CHARS;
            if cost > self.chars_left && !self.files.is_empty() {
                return self.stop(Stopped::Bytes);
            }
            self.chars_left = self.chars_left.saturating_sub(cost);
            let count = (self.mode == Mode::Count).then_some(found.matches);
            self.files.push(FileWithMatches { path: path.to_owned(), count });
            self.matches += usize::try_from(found.matches).unwrap_or(usize::MAX);
        }
        self.searched += 1;
        self.place = Some((path.to_owned(), None));
        if self.files.len() >= self.limit {
            self.stop(Stopped::Limit)
        } else {
            ControlFlow::Continue(())
        }
    }

    fn add_matches(&mut self, path: &str, found: Lines) -> ControlFlow<()> {
        let mut lines = found.lines;
        let mut full = None;
        // What is shown of the lines, and the last match of it.
        let (mut from, mut to, mut last) = (0, 0, None);
        let matches = lines.iter().enumerate().filter(|(_, line)| line.is_match);
        for (index, line) in matches {
            if self.matches >= self.limit {
                full = Some(Stopped::Limit);
                break;
            }
            let near = |other: &Line| {
                other.last + self.before >= line.number && other.number <= line.last + self.after
            };
            let start = lines.iter().position(near).unwrap_or(index);
            let end = lines.iter().rposition(near).unwrap_or(index) + 1;
            // Text shows a line once; JSON gives each match its own copy.
            let first = if self.format == Format::Text { start.max(to) } else { start };
            let header = if self.format == Format::Json {
                path.len() + MATCH_CHARS
            } else if last.is_none() {
                path.len() + LINE_CHARS
            } else {
                0
            };
            let cost = header + lines.get(first..end).map_or(0, |new| self.cost(new));
            if cost > self.chars_left {
                if self.matches > 0 {
                    full = Some(Stopped::Bytes);
                    break;
                }
                // The first match always fits, with what there is room for around it: an answer
                // that never moves on helps nobody.
                let room = self.chars_left.saturating_sub(header);
                (from, to) = self.around(&lines, start..end, index, room);
                full = Some(Stopped::Bytes);
            } else {
                to = end;
                from = if last.is_none() { start } else { from };
            }
            self.chars_left = self.chars_left.saturating_sub(cost);
            self.matches += 1;
            last = Some(index);
            if full.is_some() {
                break;
            }
        }
        let more = last.map_or(0, |last| last + 1);
        let more = lines.get(more..).is_some_and(|rest| rest.iter().any(|line| line.is_match));
        if !more {
            full = found.cut.then_some(if self.matches >= self.limit {
                Stopped::Limit
            } else {
                Stopped::Bytes
            });
        }
        self.searched += 1;
        if let Some(last) = last {
            self.place = lines.get(last).map(|line| (path.to_owned(), Some(line.number)));
            // A match of the next page is here a line around the last one.
            lines.iter_mut().skip(last + 1).for_each(|line| line.is_match = false);
            lines.truncate(to);
            lines.drain(..from);
            self.groups.push(Group { path: path.to_owned(), lines });
        }
        if full.is_none() {
            self.place = Some((path.to_owned(), None));
        }
        match full {
            Some(stopped) => self.stop(stopped),
            None if self.matches >= self.limit => self.stop(Stopped::Limit),
            None => ControlFlow::Continue(()),
        }
    }

    fn cost(&self, lines: &[Line]) -> usize {
        let text = |line: &Line| match self.format {
            Format::Text => {
                let more = usize::try_from(line.last - line.number).unwrap_or(0);
                line.text.len() + more.saturating_mul(LINE_CHARS)
            }
            Format::Json => line.text.bytes().map(json_bytes).sum(),
        };
        lines.iter().map(|line| text(line) + LINE_CHARS).sum()
    }

    /// The lines around a match that fit into `room`, the nearest first.
    fn around(
        &self,
        lines: &[Line],
        all: Range<usize>,
        index: usize,
        room: usize,
    ) -> (usize, usize) {
        let (mut from, mut to) = (index, index + 1);
        let fits = |from, to| lines.get(from..to).is_some_and(|some| self.cost(some) <= room);
        loop {
            let earlier = from > all.start && fits(from - 1, to);
            from -= usize::from(earlier);
            let later = to < all.end && fits(from, to + 1);
            to += usize::from(later);
            if !earlier && !later {
                return (from, to);
            }
        }
    }

    fn stop(&mut self, stopped: Stopped) -> ControlFlow<()> {
        self.stopped = Some(stopped);
        ControlFlow::Break(())
    }

    /// Tells the client how far the search is, not too often.
    pub(super) fn report(&mut self, call: &Call) {
        if self.reported.is_due(call) {
            call.report(
                self.searched,
                &format!("{} files searched, {} matches", self.searched, self.matches),
            );
        }
    }

    /// The output but for its matches.
    pub(super) fn finish(
        &mut self,
        ended: Ended,
        question: &Question,
    ) -> Result<Output, ToolError> {
        match ended {
            Ended::Stopped(Stop::Cancelled) => return Err(Stop::Cancelled.into()),
            Ended::Stopped(Stop::Deadline) => self.interrupted |= self.stopped.is_none(),
            Ended::Complete => {}
        }
        if self.interrupted {
            self.stopped = Some(Stopped::Deadline);
            let Skipped { binary, too_large, long_lines, .. } = self.skipped;
            let moved = self.searched > 0 || binary + too_large + long_lines > 0;
            if !moved {
                return Err(Stop::Deadline.into());
            }
        }
        let next_cursor = match (&self.stopped, &self.place) {
            (Some(_), Some((path, line))) => Some(question.binding.at(path, *line)),
            _ => None,
        };
        Ok(Output {
            matches: None,
            files: (self.mode != Mode::Content).then(|| std::mem::take(&mut self.files)),
            files_searched: self.searched,
            files_skipped: self.skipped,
            stopped: self.stopped,
            next_cursor,
            shown: None,
        })
    }

    /// The matches, for whoever wants them as JSON.
    pub(super) fn into_matches(self) -> Matches {
        Matches { groups: self.groups, before: self.before, after: self.after }
    }
}

/// The matches of a page. Their JSON form, where each match has its own copy of the lines around
/// it, is made when it is written: a model that is shown text never needs it.
#[derive(Debug)]
pub(super) struct Matches {
    groups: Vec<Group>,
    before: u64,
    after: u64,
}

impl Serialize for Matches {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.list().serialize(to)
    }
}

impl Matches {
    fn list(&self) -> Vec<Match> {
        let mut matches = Vec::new();
        for Group { path, lines } in &self.groups {
            for (index, line) in lines.iter().enumerate().filter(|(_, line)| line.is_match) {
                let earlier = lines.get(..index).unwrap_or_default();
                let later = lines.get(index + 1..).unwrap_or_default();
                let before = earlier.iter().filter(|near| near.last + self.before >= line.number);
                let after = later.iter().filter(|near| near.number <= line.last + self.after);
                matches.push(Match {
                    path: path.clone(),
                    line: line.number,
                    text: line.text.clone(),
                    before: before.map(|near| near.text.clone()).collect(),
                    after: after.map(|near| near.text.clone()).collect(),
                });
            }
        }
        matches
    }
}

/// The length of a byte in a JSON string.
fn json_bytes(byte: u8) -> usize {
    match byte {
        b'"' | b'\\' | b'\n' | b'\t' | b'\r' => 2,
        0..0x20 => 6,
        _ => 1,
    }
}
