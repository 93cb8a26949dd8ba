//! The pattern as an automaton that is walked a byte at a time, for text that is too long to be
//! matched at once: a line that does not fit into memory, or a file where a match may span lines.
//!
//! Its states are made as they are needed and forgotten when their cache is full, so its memory is
//! bounded. It never gives up, however large the pattern is, and between two bytes it can stop.

use regex_automata::hybrid::{LazyStateID, dfa, regex::Cache, regex::Regex};
use regex_automata::nfa::thompson;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

use super::finder::Halt;
use crate::call::Call;

/// So many bytes are walked between two looks at the call. A byte costs at most a few milliseconds,
/// where the pattern is as large as it may be.
const CHECK_EVERY: usize = 256;

/// The pattern, in both directions.
#[derive(Debug)]
pub(super) struct Automaton(Regex);

/// What a walk needs: its cache, and where a walk over pieces of a text stands.
#[derive(Debug)]
pub(super) struct Walk {
    cache: Cache,
    /// None when nothing can match any more.
    state: Option<LazyStateID>,
}

impl Automaton {
    /// Compiles a pattern to at most `compiled_bytes`, whose caches take `cache_bytes` in each
    /// direction. None for a pattern that is no pattern, or too large.
    pub(super) fn new(
        pattern: &str,
        ignore_case: bool,
        compiled_bytes: usize,
        cache_bytes: usize,
    ) -> Option<Automaton> {
        let syntax = syntax::Config::new()
            .utf8(false)
            .multi_line(true)
            .octal(false)
            .case_insensitive(ignore_case);
        let thompson = thompson::Config::new().utf8(false).nfa_size_limit(Some(compiled_bytes));
        let dfa = dfa::Config::new()
            .cache_capacity(cache_bytes)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(None)
            // Where such a boundary stands beside a character beyond ASCII, it stops.
            .unicode_word_boundary(true);
        Regex::builder()
            .syntax(syntax)
            .thompson(thompson)
            .dfa(dfa)
            .build(pattern)
            .ok()
            .map(Automaton)
    }

    pub(super) fn walk(&self) -> Walk {
        Walk { cache: self.0.create_cache(), state: None }
    }
}

impl Walk {
    /// Begins at the beginning of a text.
    pub(super) fn begin(&mut self, automaton: &Automaton) -> Result<(), Halt> {
        let start = Input::new("");
        let state = automaton.0.forward().start_state_forward(self.cache.forward_mut(), &start);
        self.state = Some(state.map_err(|_| Halt::LongLine)?);
        Ok(())
    }

    /// Walks over the next piece. Tells where in it the first match has ended.
    pub(super) fn feed(
        &mut self,
        automaton: &Automaton,
        piece: &[u8],
        call: &Call,
    ) -> Result<Option<usize>, Halt> {
        let forward = automaton.0.forward();
        let Some(mut state) = self.state else { return Ok(None) };
        for (at, byte) in piece.iter().enumerate() {
            if at.is_multiple_of(CHECK_EVERY) {
                call.check().map_err(|_| Halt::Stopped)?;
            }
            state = step(forward, self.cache.forward_mut(), state, *byte)?;
            if state.is_match() {
                // A match is told one byte after its end.
                return Ok(Some(at));
            }
            if state.is_dead() {
                self.state = None;
                return Ok(None);
            }
        }
        self.state = Some(state);
        Ok(None)
    }

    /// Whether a match ends with the text.
    pub(super) fn end(&mut self, automaton: &Automaton) -> Result<bool, Halt> {
        let Some(state) = self.state else { return Ok(false) };
        let end = automaton.0.forward().next_eoi_state(self.cache.forward_mut(), state);
        Ok(end.map_err(|_| Halt::LongLine)?.is_match())
    }

    /// The first match at or after `from`: where it begins and ends.
    pub(super) fn find(
        &mut self,
        automaton: &Automaton,
        text: &[u8],
        from: usize,
        call: &Call,
    ) -> Result<Option<(usize, usize)>, Halt> {
        let Some(end) = self.find_end(automaton, text, from, call)? else { return Ok(None) };
        let reverse = automaton.0.reverse();
        let cache = self.cache.reverse_mut();
        let input = Input::new(text).range(from..end).anchored(Anchored::Yes);
        let mut state = reverse.start_state_reverse(cache, &input).map_err(|_| Halt::LongLine)?;
        let mut start = end;
        let before = text.get(from..end).unwrap_or_default();
        for (at, byte) in before.iter().enumerate().rev() {
            if at.is_multiple_of(CHECK_EVERY) {
                call.check().map_err(|_| Halt::Stopped)?;
            }
            state = step(reverse, cache, state, *byte)?;
            if state.is_match() {
                start = from + at + 1;
            } else if state.is_dead() {
                return Ok(Some((start, end)));
            }
        }
        let last = match from.checked_sub(1).and_then(|before| text.get(before)) {
            Some(byte) => step(reverse, cache, state, *byte)?,
            None => reverse.next_eoi_state(cache, state).map_err(|_| Halt::LongLine)?,
        };
        Ok(Some((if last.is_match() { from } else { start }, end)))
    }

    /// Where the first match at or after `from` ends.
    fn find_end(
        &mut self,
        automaton: &Automaton,
        text: &[u8],
        from: usize,
        call: &Call,
    ) -> Result<Option<usize>, Halt> {
        let forward = automaton.0.forward();
        let cache = self.cache.forward_mut();
        let input = Input::new(text).range(from..);
        let mut state = forward.start_state_forward(cache, &input).map_err(|_| Halt::LongLine)?;
        let mut end = None;
        for (at, byte) in text.get(from..).unwrap_or_default().iter().enumerate() {
            if at.is_multiple_of(CHECK_EVERY) {
                call.check().map_err(|_| Halt::Stopped)?;
            }
            state = step(forward, cache, state, *byte)?;
            if state.is_match() {
                end = Some(from + at);
            } else if state.is_dead() {
                return Ok(end);
            }
        }
        let last = forward.next_eoi_state(cache, state).map_err(|_| Halt::LongLine)?;
        Ok(if last.is_match() { Some(text.len()) } else { end })
    }
}

fn step(
    dfa: &dfa::DFA,
    cache: &mut dfa::Cache,
    state: LazyStateID,
    byte: u8,
) -> Result<LazyStateID, Halt> {
    let next = dfa.next_state(cache, state, byte).map_err(|_| Halt::LongLine)?;
    if next.is_quit() { Err(Halt::LongLine) } else { Ok(next) }
}
