//! The memory that calls use together: one budget for the process, from which buffers are drawn
//! before they are made, and to which they return when they go.
//!
//! What is drawn is an estimate of what a piece of work holds at most. Small things (paths, answers)
//! are not counted: an answer is bounded, and so is the number of calls.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::call::Call;
use crate::error::{Code, ToolError};

/// How long a call waits for memory before it is told that the server is overloaded.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// How often a waiting call looks whether it was cancelled.
const TICK: Duration = Duration::from_millis(25);

/// The budget. Clones share it.
#[derive(Debug, Clone)]
pub struct Memory(Arc<Budget>);

#[derive(Debug)]
struct Budget {
    bytes: usize,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    /// Callers that hold memory or wait for it.
    callers: HashMap<Arc<str>, Share>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Share {
    held: usize,
    waiting: usize,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new(Memory::DEFAULT_BYTES)
    }
}

impl Memory {
    /// The budget of a process that was told none.
    pub const DEFAULT_BYTES: usize = 512 * 1024 * 1024;

    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Memory {
        Memory(Arc::new(Budget { bytes, state: Mutex::default(), freed: Condvar::new() }))
    }

    /// The whole budget in bytes.
    pub fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// What is drawn at this moment, in bytes.
    pub fn used(&self) -> usize {
        self.0.lock().used
    }

    /// What one caller can have at most: a quarter is always left to others.
    pub fn share(&self) -> usize {
        self.0.bytes / 4 * 3
    }

    /// Draws memory for a call. Where there is not enough, it waits for a while: who holds least
    /// comes first.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when others do not give back in time, [`Code::TooLarge`] for more than
    /// a caller can ever have, or the call's end.
    pub fn draw(&self, bytes: usize, call: &Call) -> Result<Drawn, ToolError> {
        let mut drawn = Drawn { memory: self.clone(), caller: Arc::clone(&call.caller), bytes: 0 };
        drawn.grow(bytes, call)?;
        Ok(drawn)
    }

    /// Adds to what was drawn, or begins to draw.
    ///
    /// # Errors
    /// As [`Memory::draw`].
    pub fn draw_more(
        &self,
        drawn: &mut Option<Drawn>,
        bytes: usize,
        call: &Call,
    ) -> Result<(), ToolError> {
        match drawn {
            Some(drawn) => drawn.grow(bytes, call),
            none => {
                *none = Some(self.draw(bytes, call)?);
                Ok(())
            }
        }
    }

    /// Draws memory if it is there at once and nobody waits who holds less.
    pub fn try_draw(&self, bytes: usize, call: &Call) -> Option<Drawn> {
        self.0.lock().take(&self.0, &call.caller, bytes).then(|| Drawn {
            memory: self.clone(),
            caller: Arc::clone(&call.caller),
            bytes,
        })
    }

    /// Takes `bytes` for a caller who keeps `kept` until it has them, so that waiting for more than
    /// its share of both would be in vain.
    fn wait(
        &self,
        caller: &Arc<str>,
        kept: usize,
        bytes: usize,
        call: &Call,
    ) -> Result<(), ToolError> {
        let budget = &*self.0;
        let all = kept.saturating_add(bytes);
        if all > self.share() {
            return Err(ToolError::new(
                Code::TooLarge,
                format!("this needs {all} bytes of memory, and a caller may use {}", self.share()),
            )
            .hint("ask for less; the operator can give the server more memory (--memory)"));
        }
        let begun = Instant::now();
        let mut state = budget.lock();
        if state.take(budget, caller, bytes) {
            return Ok(());
        }
        state.share_of(caller).waiting += 1;
        let waited = loop {
            let waited = begun.elapsed();
            if let Err(stop) = call.check() {
                break Err(stop.into());
            }
            if waited >= MAX_WAIT {
                break Err(ToolError::new(
                    Code::Overloaded,
                    format!("other calls use the server's memory: {bytes} bytes are not free"),
                )
                .hint("try again in a few seconds, or ask for less"));
            }
            let pause = TICK.min(MAX_WAIT - waited).min(call.time_left());
            state =
                budget.freed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
            if state.take(budget, caller, bytes) {
                break Ok(());
            }
        };
        state.share_of(caller).waiting -= 1;
        state.forget_if_done(caller);
        drop(state);
        // One that waits less no longer stands before others.
        budget.freed.notify_all();
        waited
    }
}

impl Budget {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn share_of(&mut self, caller: &Arc<str>) -> &mut Share {
        self.callers.entry(Arc::clone(caller)).or_default()
    }

    /// Takes `bytes` for a caller if they are free, and nobody waits who holds less.
    fn take(&mut self, budget: &Budget, caller: &Arc<str>, bytes: usize) -> bool {
        let held = self.callers.get(caller).map_or(0, |share| share.held);
        let free = budget.bytes.saturating_sub(self.used) >= bytes
            && held.saturating_add(bytes) <= budget.bytes / 4 * 3;
        let first = || {
            let mut others = self.callers.iter().filter(|(other, _)| *other != caller);
            others.all(|(_, share)| share.waiting == 0 || share.held >= held)
        };
        if !free || !first() {
            return false;
        }
        self.used += bytes;
        self.share_of(caller).held += bytes;
        true
    }

    fn forget_if_done(&mut self, caller: &Arc<str>) {
        if self.callers.get(caller).is_some_and(|share| share.held == 0 && share.waiting == 0) {
            self.callers.remove(caller);
        }
    }
}

/// Memory that was drawn; it returns to the budget when this is dropped.
#[derive(Debug)]
pub struct Drawn {
    memory: Memory,
    caller: Arc<str>,
    bytes: usize,
}

impl Drawn {
    /// How much it is, in bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Draws more.
    ///
    /// # Errors
    /// As [`Memory::draw`].
    pub fn grow(&mut self, more: usize, call: &Call) -> Result<(), ToolError> {
        self.memory.wait(&self.caller, self.bytes, more, call)?;
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Drawn {
    fn drop(&mut self) {
        let budget = &*self.memory.0;
        let mut state = budget.lock();
        state.used = state.used.saturating_sub(self.bytes);
        let share = state.share_of(&self.caller);
        share.held = share.held.saturating_sub(self.bytes);
        state.forget_if_done(&self.caller);
        drop(state);
        budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(caller: &str) -> Call {
        Call::new(caller, Duration::from_secs(30))
    }

    #[test]
    fn who_grows_beyond_its_own_share_hears_it_at_once_and_not_of_others() {
        let memory = Memory::new(4_000);
        let begun = Instant::now();
        let mut drawn = memory.draw(2_000, &call("a")).unwrap();
        drawn.grow(1_000, &call("a")).unwrap();
        let refused = drawn.grow(1, &call("a")).unwrap_err();
        assert_eq!(refused.code, Code::TooLarge, "{refused}");
        assert!(refused.message.contains("3001 bytes") && refused.message.contains("3000"));
        assert!(begun.elapsed() < MAX_WAIT, "it has waited");
    }

    #[test]
    fn what_is_dropped_can_be_drawn_again() {
        let memory = Memory::new(4_000);
        let one = memory.draw(2_000, &call("a")).unwrap();
        assert_eq!(memory.used(), 2_000);
        assert!(memory.try_draw(2_001, &call("b")).is_none());
        drop(one);
        assert_eq!(memory.used(), 0);
        assert!(memory.try_draw(2_001, &call("b")).is_some());
        assert!(memory.0.lock().callers.is_empty());
    }

    #[test]
    fn one_caller_leaves_a_quarter_and_never_gets_more() {
        let memory = Memory::new(4_000);
        let error = memory.draw(3_001, &call("a")).unwrap_err();
        assert_eq!(error.code, Code::TooLarge);
        assert!(error.message.contains("3001") && error.hint.unwrap().contains("--memory"));
        let most = memory.draw(3_000, &call("a")).unwrap();
        assert!(memory.try_draw(1, &call("a")).is_none());
        assert!(memory.try_draw(1_000, &call("b")).is_some());
        drop(most);
    }

    #[test]
    fn who_waits_gets_what_is_given_back_and_who_holds_least_comes_first() {
        let memory = Memory::new(4_000);
        let held = memory.draw(3_000, &call("greedy")).unwrap();
        let other = memory.draw(1_000, &call("other")).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| memory.draw(1_000, &call("modest")).map(drop));
            while memory.0.lock().callers.get("modest").is_none_or(|share| share.waiting == 0) {
                std::thread::yield_now();
            }
            // The greedy one gives back less than is waited for, and cannot take it again.
            let mut held = held;
            held.bytes -= 500;
            drop(Drawn { memory: memory.clone(), caller: "greedy".into(), bytes: 500 });
            assert!(memory.try_draw(500, &call("greedy")).is_none());
            drop(held);
            assert!(waiting.join().unwrap().is_ok());
        });
        drop(other);
        assert_eq!(memory.used(), 0);
    }

    #[test]
    fn who_waits_too_long_hears_of_its_end() {
        let memory = Memory::new(4_000);
        let _held = memory.draw(3_000, &call("a")).unwrap();
        let short = Call::new("b", Duration::from_millis(60));
        assert_eq!(memory.draw(2_000, &short).unwrap_err().code, Code::Deadline);
        let cancelled = call("b");
        cancelled.cancel();
        assert_eq!(memory.draw(2_000, &cancelled).unwrap_err().code, Code::Cancelled);
        let patient = memory.draw(2_000, &call("b")).unwrap_err();
        assert_eq!(patient.code, Code::Overloaded);
        assert!(patient.hint.is_some());
    }
}
