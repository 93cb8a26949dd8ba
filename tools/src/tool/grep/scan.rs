//! The lines of one file, as they go by in one buffer: numbered, searched, and given on with what
//! stands around a match. A line that is longer than the buffer is searched as it goes by.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::{ControlFlow, Range};

use memchr::{memchr, memchr_iter, memrchr};

use super::collect::{CUT_BYTES, Collector, Piece};
use super::finder::{Finder, Halt, without_end};
use super::pattern::Compiled;
use super::search::Failed;
use super::turns::Turns;
use crate::call::Call;
use crate::error::ToolError;

/// What is kept of a long line before the place where its search goes on.
const LOOK_BEHIND: usize = 512;

/// What is searched with, and for whom.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    pub pattern: &'a Compiled,
    pub finders: &'a Turns<Finder>,
    pub call: &'a Call,
    /// Lines around each match.
    pub before: usize,
    pub after: u64,
}

impl Means<'_> {
    /// Works with a finder, when one is free.
    pub(super) fn find<R>(self, work: impl FnOnce(&mut Finder) -> R) -> Result<R, ToolError> {
        self.finders.with(self.call, || Finder::new(self.pattern, self.call), work)
    }
}

/// A file as it goes by.
pub(super) struct Scan<'a, R> {
    means: Means<'a>,
    source: R,
    buffer: &'a mut [u8],
    /// The part of the buffer that was read and not searched yet.
    unread: Range<usize>,
    at_end: bool,
    /// The number of the line that begins at `counted`.
    number: u64,
    counted: usize,
    /// Where in the buffer the first line begins that was not given on.
    given: usize,
    /// Lines that are still to be given on after a match.
    after_left: u64,
    /// Lines before the buffer that may stand before a match.
    earlier: VecDeque<Earlier>,
}

/// A line that was passed by.
struct Earlier {
    number: u64,
    begin: Vec<u8>,
    length: u64,
}

impl Earlier {
    fn new(number: u64, bytes: &[u8], length: u64) -> Earlier {
        let begin = bytes.get(..CUT_BYTES).unwrap_or(bytes).to_owned();
        Earlier { number, begin, length }
    }

    fn piece(&self) -> Piece<'_> {
        Piece { length: self.length, ..Piece::whole(&self.begin) }
    }
}

/// A line that does not fit into the buffer.
#[derive(Default)]
struct LongLine {
    begin: Vec<u8>,
    place: Option<u64>,
    /// What is shown of it, and where that begins.
    shown: Vec<u8>,
    shown_from: u64,
}

type Flow = ControlFlow<()>;

impl<'a, R: Read> Scan<'a, R> {
    /// A scan of what stands in `unread` of the buffer, and then of `source`.
    pub(super) fn new(
        means: Means<'a>,
        source: R,
        buffer: &'a mut [u8],
        unread: Range<usize>,
        at_end: bool,
    ) -> Scan<'a, R> {
        Scan {
            counted: unread.start,
            given: unread.start,
            means,
            source,
            buffer,
            unread,
            at_end,
            number: 1,
            after_left: 0,
            earlier: VecDeque::new(),
        }
    }

    /// Gives on all that is wanted of the file.
    pub(super) fn run(&mut self, sink: &mut Collector<'_>) -> Result<(), Failed> {
        loop {
            let unread = self.text(self.unread.clone());
            let complete = if self.at_end {
                self.unread.end
            } else {
                memrchr(b'\n', unread).map_or(self.unread.start, |end| self.unread.start + end + 1)
            };
            if complete > self.unread.start {
                let flow = self.means.find(|finder| self.lines(complete, finder, sink))??;
                if flow.is_break() {
                    return Ok(());
                }
                self.unread.start = complete;
            }
            if self.at_end {
                return Ok(());
            }
            self.move_to_front(self.unread.start);
            if self.unread.len() == self.buffer.len() {
                let flow = self.means.find(|finder| self.long_line(finder, sink))??;
                if flow.is_break() {
                    return Ok(());
                }
            } else {
                self.fill()?;
            }
        }
    }

    fn text(&self, range: Range<usize>) -> &[u8] {
        self.buffer.get(range).unwrap_or_default()
    }

    /// Reads once.
    fn fill(&mut self) -> Result<(), Failed> {
        let room = self.buffer.get_mut(self.unread.end..).unwrap_or_default();
        let read = loop {
            match self.source.read(room) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        if memchr(0, room.get(..read).unwrap_or_default()).is_some() {
            return Err(Failed::Binary);
        }
        self.unread.end += read;
        self.at_end = read == 0;
        Ok(())
    }

    /// Makes room behind what is read, by forgetting what stands before `from`.
    fn move_to_front(&mut self, from: usize) {
        if from == 0 {
            return;
        }
        self.keep_earlier(from);
        self.number_at(from);
        self.buffer.copy_within(from..self.unread.end, 0);
        self.unread = self.unread.start.saturating_sub(from)..self.unread.end - from;
        self.counted = self.counted.saturating_sub(from);
        self.given = self.given.saturating_sub(from);
    }

    /// Keeps the lines that a match behind `end` may want before it.
    fn keep_earlier(&mut self, end: usize) {
        if self.means.before == 0 || self.given >= end {
            return;
        }
        let lines = self.lines_before(end);
        let first = self.number_at(end) - lines.len() as u64;
        for (number, line) in (first..).zip(lines.into_iter().rev()) {
            let bytes = without_end(self.text(line));
            let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
            let earlier = Earlier::new(number, bytes, bytes.len() as u64);
            self.remember(earlier);
        }
    }

    fn remember(&mut self, earlier: Earlier) {
        if self.earlier.len() >= self.means.before {
            self.earlier.pop_front();
        }
        if self.means.before > 0 {
            self.earlier.push_back(earlier);
        }
    }

    /// The lines before `end` that a match there wants and that were not given on, the last first.
    fn lines_before(&self, end: usize) -> Vec<Range<usize>> {
        let mut lines = Vec::new();
        let mut end = end;
        while lines.len() < self.means.before && end > self.given {
            let before = self.text(self.given..end - 1);
            let start = self.given + memrchr(b'\n', before).map_or(0, |end| end + 1);
            lines.push(start..end);
            end = start;
        }
        lines
    }

    /// The number of the line that begins at a place of the buffer.
    fn number_at(&mut self, place: usize) -> u64 {
        if place > self.counted {
            self.number += memchr_iter(b'\n', self.text(self.counted..place)).count() as u64;
            self.counted = place;
        }
        self.number
    }

    /// Searches the lines up to `end`.
    fn lines(
        &mut self,
        end: usize,
        finder: &mut Finder,
        sink: &mut Collector<'_>,
    ) -> Result<Flow, Failed> {
        let mut at = self.unread.start;
        loop {
            let found = finder.next_line(self.text(at..end))?;
            let line = found.map(|line| at + line.start..at + line.end);
            let passed = line.as_ref().map_or(end, |line| line.start);
            if self.give_after(at, passed, sink).is_break() {
                return Ok(Flow::Break(()));
            }
            let Some(line) = line else { return Ok(Flow::Continue(())) };
            if self.give_before(line.start, sink).is_break() {
                return Ok(Flow::Break(()));
            }
            let number = self.number_at(line.start);
            let bytes = self.text(line.clone());
            let place = if sink.wants_place(number, bytes.len()) {
                finder.place_in(without_end(bytes))? as u64
            } else {
                0
            };
            if !sink.matched(number, Piece { place, ..Piece::whole(bytes) }) {
                return Ok(Flow::Break(()));
            }
            self.given_on(line.end);
            at = line.end;
        }
    }

    fn given_on(&mut self, end: usize) {
        self.given = end;
        self.earlier.clear();
        self.after_left = self.means.after;
    }

    /// Gives on the lines between `from` and `to` that stand after a match.
    fn give_after(&mut self, from: usize, to: usize, sink: &mut Collector<'_>) -> Flow {
        let mut at = from;
        while self.after_left > 0 && at < to {
            let number = self.number_at(at);
            let rest = self.text(at..to);
            let length = memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            if !sink.context(number, Piece::whole(self.text(at..at + length))) {
                return Flow::Break(());
            }
            at += length;
            self.given = at;
            self.after_left -= 1;
        }
        Flow::Continue(())
    }

    /// Gives on the lines that stand before a match at `place`.
    fn give_before(&mut self, place: usize, sink: &mut Collector<'_>) -> Flow {
        if self.means.before == 0 {
            return Flow::Continue(());
        }
        let lines = self.lines_before(place);
        let missing = self.means.before - lines.len();
        let skipped = self.earlier.len().saturating_sub(missing);
        for earlier in self.earlier.iter().skip(skipped) {
            if !sink.context(earlier.number, earlier.piece()) {
                return Flow::Break(());
            }
        }
        let first = self.number_at(place) - lines.len() as u64;
        for (number, line) in (first..).zip(lines.into_iter().rev()) {
            if !sink.context(number, Piece::whole(self.text(line))) {
                return Flow::Break(());
            }
        }
        Flow::Continue(())
    }

    /// Searches a line of which the buffer holds nothing but its beginning.
    fn long_line(&mut self, finder: &mut Finder, sink: &mut Collector<'_>) -> Result<Flow, Failed> {
        let number = self.number_at(0);
        let before = self.text(0..self.buffer.len().min(CUT_BYTES)).to_owned();
        let mut long = LongLine { begin: before, ..LongLine::default() };
        if finder.longest().is_none() {
            let (automaton, walk) = finder.walk()?;
            walk.begin(automaton)?;
        }
        // Where in the line the buffer begins, where its search goes on, and up to where it is
        // known that it does not end.
        let (mut offset, mut from, mut looked) = (0_u64, 0, 0);
        loop {
            let end = memchr(b'\n', self.text(looked..self.unread.end)).map(|end| looked + end);
            let here = end.unwrap_or(self.unread.end);
            let last = end.is_some() || self.at_end;
            let text = self.text(0..here);
            if long.place.is_none() {
                let place;
                (place, from) = search_on(finder, text, from, last, self.means.call)?;
                long.place = place.map(|place| offset + place as u64);
                let shown_from = long.place.unwrap_or(0).saturating_sub(LOOK_BEHIND as u64 / 4);
                long.shown_from = shown_from.max(offset);
            }
            if long.place.is_some() {
                from = here;
                long.take(text, offset);
            }
            if last {
                // The line's end is no part of it.
                let content = text.strip_suffix(b"\r").unwrap_or(text);
                let length = offset + content.len() as u64;
                long.shown.truncate(usize::try_from(length - long.shown_from).unwrap_or(0));
                self.unread.start = end.map_or(here, |end| end + 1);
                return Ok(self.give_long(number, &long, length, sink));
            }
            // What lies before is not needed any more.
            let forgotten = from.saturating_sub(LOOK_BEHIND);
            self.buffer.copy_within(forgotten..self.unread.end, 0);
            self.unread.end -= forgotten;
            (offset, from, looked) =
                (offset + forgotten as u64, from - forgotten, here - forgotten);
            self.fill()?;
        }
    }

    /// Gives on a long line that ends where `unread` begins.
    fn give_long(
        &mut self,
        number: u64,
        long: &LongLine,
        length: u64,
        sink: &mut Collector<'_>,
    ) -> Flow {
        (self.counted, self.number, self.given) =
            (self.unread.start, number + 1, self.unread.start);
        let begin = Piece { length, ..Piece::whole(&long.begin) };
        if let Some(place) = long.place {
            for earlier in &self.earlier {
                if !sink.context(earlier.number, earlier.piece()) {
                    return Flow::Break(());
                }
            }
            let shown = Piece { bytes: &long.shown, from: long.shown_from, length, place };
            if !sink.matched(number, shown) {
                return Flow::Break(());
            }
            self.given_on(self.unread.start);
        } else if self.after_left > 0 {
            self.after_left -= 1;
            if !sink.context(number, begin) {
                return Flow::Break(());
            }
        } else {
            self.remember(Earlier::new(number, &long.begin, length));
        }
        Flow::Continue(())
    }
}

impl LongLine {
    /// Takes of a text that begins at `offset` what is shown of the line.
    fn take(&mut self, text: &[u8], offset: u64) {
        let next = (self.shown_from + self.shown.len() as u64).saturating_sub(offset);
        let next = usize::try_from(next).unwrap_or(usize::MAX);
        let new = text.get(next..).unwrap_or_default();
        let room = (CUT_BYTES + LOOK_BEHIND).saturating_sub(self.shown.len());
        self.shown.extend_from_slice(new.get(..room).unwrap_or(new));
    }
}

/// Searches on in a line from `from`. Tells where a match begins, or stands near, and where the
/// search goes on.
fn search_on(
    finder: &mut Finder,
    text: &[u8],
    from: usize,
    last: bool,
    call: &Call,
) -> Result<(Option<usize>, usize), Halt> {
    if finder.longest().is_some() {
        let before = if last { text.len() } else { text.len().saturating_sub(finder.reach()) };
        let found = finder.in_windows(text, from, before.max(from), last)?;
        return Ok((found.map(|(start, _)| start), before.max(from)));
    }
    let (automaton, walk) = finder.walk()?;
    let fed = walk.feed(automaton, text.get(from..).unwrap_or_default(), call)?;
    let end = match fed {
        Some(end) => Some(from + end),
        None => (last && walk.end(automaton)?).then_some(text.len()),
    };
    // Where the match begins is not known, only that it has ended here.
    Ok((end.map(|end| end.saturating_sub(LOOK_BEHIND / 2)), text.len()))
}
