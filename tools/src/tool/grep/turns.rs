//! Things that the threads of one search use by turns: few, because each takes memory.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::call::Call;
use crate::error::ToolError;
use crate::memory::{Drawn, Memory};

/// How often a waiting thread looks whether the call has ended.
const TICK: Duration = Duration::from_millis(25);

/// At most so many things of a kind. Only the first is waited for: where memory is short, the others
/// are not made, and the search goes on with fewer.
pub(super) struct Turns<T> {
    most: usize,
    bytes: usize,
    memory: Memory,
    state: Mutex<State<T>>,
    returned: Condvar,
}

struct State<T> {
    idle: Vec<(T, Drawn)>,
    made: usize,
}

/// What a thread gets.
enum Next<T> {
    Idle((T, Drawn)),
    New(Drawn),
}

impl<T> Turns<T> {
    /// At most `most`, each of which takes so many `bytes`.
    pub(super) fn new(most: usize, bytes: usize, memory: &Memory) -> Turns<T> {
        Turns {
            most,
            bytes,
            memory: memory.clone(),
            state: Mutex::new(State { idle: Vec::new(), made: 0 }),
            returned: Condvar::new(),
        }
    }

    /// Works with one of them, when one is free.
    ///
    /// # Errors
    /// That there is no memory, or the call's end.
    pub(super) fn with<R>(
        &self,
        call: &Call,
        make: impl FnOnce() -> T,
        work: impl FnOnce(&mut T) -> R,
    ) -> Result<R, ToolError> {
        let (mut one, drawn) = match self.idle_or_memory(call)? {
            Next::Idle(one) => one,
            Next::New(drawn) => (make(), drawn),
        };
        let result = work(&mut one);
        self.lock().idle.push((one, drawn));
        self.returned.notify_one();
        Ok(result)
    }

    fn idle_or_memory(&self, call: &Call) -> Result<Next<T>, ToolError> {
        let mut state = self.lock();
        loop {
            if let Some(one) = state.idle.pop() {
                return Ok(Next::Idle(one));
            }
            if state.made == 0 {
                state.made = 1;
                drop(state);
                let drawn = self.memory.draw(self.bytes, call);
                if drawn.is_err() {
                    self.lock().made -= 1;
                    self.returned.notify_all();
                }
                return drawn.map(Next::New);
            }
            if state.made < self.most
                && let Some(drawn) = self.memory.try_draw(self.bytes, call)
            {
                state.made += 1;
                return Ok(Next::New(drawn));
            }
            call.check()?;
            let pause = TICK.min(call.time_left());
            let waited = self.returned.wait_timeout(state, pause);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
