//! The places of running calls. A call holds its place until the last thread that works for it has
//! ended, also where its answer came before: a file system that hangs holds threads that nothing can
//! end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Calls that run at the same time; more wait for a place.
pub(crate) const MAX_RUNNING: usize = 32;
/// Of these, calls of one caller: the others' places are never taken by it.
const MAX_OF_A_CALLER: usize = 24;
/// Calls on the same path, or on files of the same directory, that may hang before no more are begun
/// there. Those on other paths go on.
const MAX_HANGING_AT: usize = 4;
/// How long threads may work for a call that is answered before they are taken to hang: nothing but a
/// file system holds them longer.
const HANGS_AFTER: Duration = Duration::from_secs(1);
/// How long a call waits for a place before it is told that the server is overloaded.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// How busy a dispatcher is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Calls that hold a place.
    pub running: usize,
    /// Of these, calls that were answered a while ago and for which threads still work.
    pub hanging: usize,
    /// Places in all.
    pub places: usize,
    /// The budget of memory, in bytes.
    pub memory_bytes: usize,
    /// What is drawn of it.
    pub memory_used: usize,
}

impl Load {
    /// Whether nothing can be answered until hanging calls end.
    pub fn is_stuck(&self) -> bool {
        self.hanging >= self.places
    }
}

/// The places of a dispatcher.
#[derive(Debug)]
pub(crate) struct Places {
    free: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    held: HashMap<u64, Held>,
    callers: HashMap<Arc<str>, Weak<Semaphore>>,
}

/// A call that holds a place.
#[derive(Debug)]
struct Held {
    caller: Arc<str>,
    /// The path that it is about.
    subject: String,
    answered: Option<Instant>,
}

impl Held {
    fn hangs(&self) -> bool {
        self.answered.is_some_and(|answered| answered.elapsed() >= HANGS_AFTER)
    }
}

/// A place; free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    id: u64,
    state: Arc<Mutex<State>>,
    _of_all: OwnedSemaphorePermit,
    _of_caller: OwnedSemaphorePermit,
}

impl Place {
    /// Says that the call has its answer, or that nobody waits for one any more.
    pub(crate) fn answered(&self) {
        if let Some(held) = lock(&self.state).held.get_mut(&self.id) {
            held.answered = Some(Instant::now());
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.state).held.remove(&self.id);
    }
}

impl Places {
    pub(crate) fn new() -> Places {
        Places { free: Arc::new(Semaphore::new(MAX_RUNNING)), state: Arc::default() }
    }

    /// Waits for a place for a call about this path.
    ///
    /// # Errors
    /// [`Code::Overloaded`]: no place becomes free, or too many calls hang there.
    pub(crate) async fn take(&self, call: &Call, subject: &str) -> Result<Arc<Place>, ToolError> {
        self.check_hanging(subject)?;
        let of_caller = lock(&self.state).places_of(&call.caller);
        let waiting = async {
            let of_caller = of_caller.acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.free).acquire_owned().await.ok()?;
            Some((of_caller, of_all))
        };
        let permits = tokio::time::timeout(MAX_WAIT.min(call.time_left()), waiting).await;
        let Ok(Some((of_caller, of_all))) = permits else {
            return Err(self.overloaded(call));
        };
        // While it waited others may have come to hang.
        self.check_hanging(subject)?;
        let mut state = lock(&self.state);
        let id = state.next;
        state.next += 1;
        let caller = Arc::clone(&call.caller);
        state.held.insert(id, Held { caller, subject: subject.to_owned(), answered: None });
        let state = Arc::clone(&self.state);
        Ok(Arc::new(Place { id, state, _of_all: of_all, _of_caller: of_caller }))
    }

    /// Calls that hold a place, and how many of these hang.
    pub(crate) fn count(&self) -> (usize, usize) {
        let state = lock(&self.state);
        (state.held.len(), state.held.values().filter(|held| held.hangs()).count())
    }

    fn check_hanging(&self, subject: &str) -> Result<(), ToolError> {
        let state = lock(&self.state);
        let there = |held: &&Held| {
            held.subject == subject
                || directory(subject).is_some_and(|parent| directory(&held.subject) == Some(parent))
        };
        let hanging = state.held.values().filter(there).filter(|held| held.hangs()).count();
        if hanging < MAX_HANGING_AT {
            return Ok(());
        }
        let shown = if subject.is_empty() { "." } else { subject };
        Err(ToolError::new(
            Code::Overloaded,
            format!("{hanging} calls on `{shown}` or beside it still wait for the file system"),
        )
        .hint(
            "other paths are served; this one is again when those calls have ended, and the \
               operator should check the mount",
        ))
    }

    fn overloaded(&self, call: &Call) -> ToolError {
        let state = lock(&self.state);
        let hanging = state.held.values().filter(|held| held.hangs()).count();
        let own = state.held.values().filter(|held| held.caller == call.caller).count();
        let mut message = if own >= MAX_OF_A_CALLER {
            format!("{own} calls of `{}` are running and none ended in time", call.caller)
        } else {
            format!("{MAX_RUNNING} calls are running and none ended in time")
        };
        if hanging > 0 {
            message.push_str(&format!("; {hanging} wait for a file system that does not answer"));
        }
        ToolError::new(Code::Overloaded, message).hint("try again in a few seconds")
    }
}

impl State {
    fn places_of(&mut self, caller: &Arc<str>) -> Arc<Semaphore> {
        if let Some(places) = self.callers.get(caller).and_then(Weak::upgrade) {
            return places;
        }
        self.callers.retain(|_, places| places.strong_count() > 0);
        let places = Arc::new(Semaphore::new(MAX_OF_A_CALLER));
        self.callers.insert(Arc::clone(caller), Arc::downgrade(&places));
        places
    }
}

/// The directory that holds a path; none for what lies in the root.
fn directory(path: &str) -> Option<&str> {
    path.trim_end_matches('/').rsplit_once('/').map(|(directory, _)| directory)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(caller: &str) -> Call {
        Call::new(caller, Duration::from_secs(60))
    }

    /// Takes a place for a call that is answered and still has it long after.
    async fn hang(places: &Places, caller: &str, subject: &str) -> Arc<Place> {
        let place = places.take(&call(caller), subject).await.unwrap();
        place.answered();
        tokio::time::advance(HANGS_AFTER).await;
        place
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_is_held_as_long_as_any_thread_of_the_call() {
        let places = Places::new();
        let call = call("a");
        let place = places.take(&call, "").await.unwrap();
        let of_a_thread = call.holding(Arc::<Place>::clone(&place));
        place.answered();
        drop(place);
        assert_eq!(places.count(), (1, 0));
        tokio::time::advance(HANGS_AFTER).await;
        assert_eq!(places.count(), (1, 1));
        drop(of_a_thread);
        assert_eq!(places.count(), (0, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn one_caller_leaves_places_to_others() {
        let places = Places::new();
        let mut held = Vec::new();
        for number in 0..MAX_OF_A_CALLER {
            held.push(places.take(&call("greedy"), &format!("d{number}/f")).await.unwrap());
        }
        let error = places.take(&call("greedy"), "").await.unwrap_err();
        assert_eq!(error.code, Code::Overloaded);
        assert!(error.message.contains("calls of `greedy`"), "{error}");
        held.push(places.take(&call("other"), "").await.unwrap());
        held.clear();
        assert!(places.take(&call("greedy"), "").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_path_that_hangs_is_refused_and_others_are_served() {
        let places = Places::new();
        let mut held = Vec::new();
        for number in 0..MAX_HANGING_AT {
            held.push(hang(&places, "a", &format!("dead/{number}")).await);
        }
        for subject in ["dead/0", "dead/new"] {
            let error = places.take(&call("a"), subject).await.unwrap_err();
            assert_eq!(error.code, Code::Overloaded);
            assert!(error.message.contains(subject), "{error}");
            assert!(error.hint.unwrap().contains("other paths"));
        }
        for subject in ["alive/0", "", "file", "dead"] {
            assert!(places.take(&call("a"), subject).await.is_ok(), "{subject}");
        }
        held.pop();
        assert!(places.take(&call("a"), "dead/new").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_hears_how_many_hang() {
        let places = Places::new();
        let mut held = Vec::new();
        for number in 0..MAX_RUNNING {
            held.push(hang(&places, &format!("{}", number % 2), &format!("d{number}/f")).await);
        }
        assert_eq!(places.count(), (MAX_RUNNING, MAX_RUNNING));
        let error = places.take(&call("a"), "new").await.unwrap_err();
        assert!(error.message.contains("32 wait for a file system"), "{error}");
    }
}
