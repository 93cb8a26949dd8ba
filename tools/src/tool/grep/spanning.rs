//! The search of a text for matches that may span lines.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;

use grep_matcher::{Match, Matcher, NoCaptures};
use grep_searcher::{Searcher, SearcherBuilder, Sink, SinkContext, SinkMatch};

use super::collect::{Collector, Piece};
use super::finder::{Finder, Halt};

/// Searches a whole text, with so many lines around each match.
pub(super) fn search(
    finder: &mut Finder,
    text: &[u8],
    (before, after): (usize, u64),
    sink: &mut Collector<'_>,
) -> Result<(), Halt> {
    let mut searcher = SearcherBuilder::new()
        .line_number(true)
        .multi_line(true)
        .before_context(before)
        .after_context(usize::try_from(after).unwrap_or(usize::MAX))
        .build();
    let spanning = Spanning { finder: RefCell::new(finder), halted: Cell::new(None) };
    let searched = searcher.search_slice(&spanning, text, Given { sink, spanning: &spanning });
    match (searched, spanning.halted.get()) {
        (_, Some(halt)) => Err(halt),
        // Nothing else fails: the text is in memory.
        (Ok(()) | Err(_), None) => Ok(()),
    }
}

/// A matcher that looks at the call.
struct Spanning<'a> {
    finder: RefCell<&'a mut Finder>,
    halted: Cell<Option<Halt>>,
}

/// Says that the search was halted; why stands in [`Spanning`].
#[derive(Debug)]
struct Halted;

impl fmt::Display for Halted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the search was halted")
    }
}

impl Spanning<'_> {
    fn noting<T>(&self, result: Result<T, Halt>) -> Result<T, Halted> {
        result.map_err(|halt| {
            self.halted.set(Some(halt));
            Halted
        })
    }
}

impl Matcher for Spanning<'_> {
    type Captures = NoCaptures;
    type Error = Halted;

    fn find_at(&self, text: &[u8], at: usize) -> Result<Option<Match>, Halted> {
        let found = self.noting(self.finder.borrow_mut().find(text, at))?;
        Ok(found.map(|(start, end)| Match::new(start, end)))
    }

    fn new_captures(&self) -> Result<NoCaptures, Halted> {
        Ok(NoCaptures::new())
    }
}

/// Gives on to the collector what the searcher finds.
struct Given<'a, 'c, 's> {
    sink: &'a mut Collector<'c>,
    spanning: &'a Spanning<'s>,
}

impl Sink for Given<'_, '_, '_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        let number = found.line_number().unwrap_or(0);
        let bytes = found.bytes();
        let place = if self.sink.wants_place(number, bytes.len()) {
            let place = self.spanning.finder.borrow_mut().place_in(bytes);
            self.spanning.noting(place).map_err(|_| io::ErrorKind::Other)? as u64
        } else {
            0
        };
        Ok(self.sink.matched(number, Piece { place, ..Piece::whole(bytes) }))
    }

    fn context(&mut self, _: &Searcher, context: &SinkContext<'_>) -> io::Result<bool> {
        let number = context.line_number().unwrap_or(0);
        Ok(self.sink.context(number, Piece::whole(context.bytes())))
    }
}
