//! The threads of a walk and the order of what they find.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::call::{Call, Ended, Stop};
use crate::error::{Code, ToolError};

use super::{Found, Outcome, Task, Visitor, Walker};

/// Operations under way at once in one walk. Measured on a mount with 1 ms an operation, more
/// than 64 gain little; Linux NFS clients queue above about that many.
const MAX_THREADS: usize = 64;
/// Threads of all walks of a process together; above it each walk keeps at least one.
const MAX_THREADS_IN_ALL: usize = 256;
/// A walk takes at most this part of the threads that are left, so that walks whose threads hang
/// never take the last ones from others.
const PART_OF_FREE: usize = 4;
/// Finds that wait for an earlier one before threads pause, and what they may hold together: the
/// bound on memory.
const MAX_READY: usize = 2_048;
const MAX_READY_BYTES: usize = 1024 * 1024;
/// How often a waiting consumer looks whether the call was cancelled.
const TICK: Duration = Duration::from_millis(25);
/// What a thread takes of memory, with what the allocator keeps for it. A walk has at least one thread,
/// and more as long as the budget has memory for them.
const THREAD_BYTES: usize = 512 * 1024;
/// Regex engines and the searcher need little; thousands of threads must stay cheap.
const STACK_BYTES: usize = 512 * 1024;

struct State<I> {
    /// Tasks that nobody has begun, by key.
    pending: BTreeMap<String, Task>,
    /// Keys of tasks that a thread works on.
    running: BTreeSet<String>,
    /// Finds that wait for their turn, each with the bytes that it holds.
    ready: BTreeMap<String, (usize, Found<I>)>,
    ready_bytes: usize,
    threads: usize,
    idle: usize,
    stopped: bool,
    /// Why the walk cannot go on.
    failed: Option<ToolError>,
}

struct Shared<V: Visitor> {
    walker: Arc<Walker<V>>,
    state: Mutex<State<V::Item>>,
    work: Condvar,
    news: Condvar,
}

/// Works off `first` and all that comes of it.
pub(super) fn run<V: Visitor>(
    walker: Arc<Walker<V>>,
    first: Outcome<V::Item>,
    call: &Call,
    consume: &mut dyn FnMut(Found<V::Item>) -> ControlFlow<()>,
) -> Result<Ended, ToolError> {
    let shared = Arc::new(Shared {
        walker,
        state: Mutex::new(State {
            pending: BTreeMap::new(),
            running: BTreeSet::new(),
            ready: BTreeMap::new(),
            ready_bytes: 0,
            threads: 0,
            idle: 0,
            stopped: false,
            failed: None,
        }),
        work: Condvar::new(),
        news: Condvar::new(),
    });
    shared.add(&mut shared.lock(), first);
    let running = Running(Arc::clone(&shared));
    Shared::spawn(&shared);
    let ended = shared.consume(call, consume);
    drop(running);
    match (ended, shared.lock().failed.take()) {
        (Ok(ControlFlow::Continue(())), Some(error)) => Err(error),
        (ended, _) => Ok(ended.map(|_| ()).into()),
    }
}

/// Sends the threads home when the walk ends, however it does.
struct Running<V: Visitor>(Arc<Shared<V>>);

impl<V: Visitor> Drop for Running<V> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.stopped = true;
        let (pending, ready) =
            (std::mem::take(&mut state.pending), std::mem::take(&mut state.ready));
        drop(state);
        self.0.work.notify_all();
        drop((pending, ready));
    }
}

impl<V: Visitor> Shared<V> {
    fn lock(&self) -> MutexGuard<'_, State<V::Item>> {
        // A panic inside the lock would be in a collection of the standard library.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, state: &mut State<V::Item>, outcome: Outcome<V::Item>) {
        state.pending.extend(outcome.tasks);
        for (key, found) in outcome.found {
            let bytes = match &found {
                Found::Item(_, item) => V::weight(item),
                _ => 0,
            };
            state.ready_bytes += bytes;
            state.ready.insert(key, (bytes, found));
        }
        if state.failed.is_none() {
            state.failed = outcome.failed;
        }
    }

    /// Gives out what is found, until there is no more or `consume` breaks.
    fn consume(
        &self,
        call: &Call,
        consume: &mut dyn FnMut(Found<V::Item>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Stop> {
        let mut batch = Vec::new();
        loop {
            {
                let mut state = self.lock();
                loop {
                    state.take_ready(&mut batch);
                    if !batch.is_empty() {
                        break;
                    }
                    if state.is_finished() {
                        return Ok(ControlFlow::Continue(()));
                    }
                    call.check()?;
                    let wait = TICK.min(call.time_left());
                    state = self
                        .news
                        .wait_timeout(state, wait)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
            }
            self.work.notify_all();
            for found in batch.drain(..) {
                if consume(found).is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            call.check()?;
        }
    }

    /// Starts threads for the tasks that wait, up to the limits.
    fn spawn(shared: &Arc<Self>) {
        let Walker { scope, call, .. } = &*shared.walker;
        let workspace = scope.workspace();
        let mut memory = Vec::new();
        {
            let mut state = shared.lock();
            let free = MAX_THREADS.saturating_sub(state.threads);
            let wanted = state.pending.len().saturating_sub(state.idle).min(free);
            let in_all = workspace.io_threads.load(Ordering::Relaxed);
            let allowed = MAX_THREADS_IN_ALL.saturating_sub(in_all) / PART_OF_FREE;
            let least = usize::from(state.threads == 0);
            while memory.len() < wanted.min(allowed.max(least)) {
                let drawn = scope.memory().try_draw(THREAD_BYTES, call);
                if drawn.is_none() && memory.len() >= least {
                    break;
                }
                memory.push(drawn);
            }
            state.threads += memory.len();
            workspace.io_threads.fetch_add(memory.len(), Ordering::Relaxed);
        }
        for drawn in memory {
            let own = Arc::clone(shared);
            let thread = std::thread::Builder::new().name("walk".into()).stack_size(STACK_BYTES);
            let work = move || {
                Shared::work(&own);
                drop(drawn);
            };
            if thread.spawn(work).is_err() {
                shared.leave();
            }
        }
    }

    fn leave(&self) {
        self.walker.scope.workspace().io_threads.fetch_sub(1, Ordering::Relaxed);
        let mut state = self.lock();
        state.threads -= 1;
        // With nobody left to work, the consumer must not wait for ever.
        if state.threads == 0 && !state.pending.is_empty() && state.failed.is_none() {
            state.failed = Some(
                ToolError::new(Code::Overloaded, "the server cannot start another thread")
                    .hint("try again in a few seconds"),
            );
        }
        drop(state);
        self.news.notify_all();
    }

    fn work(shared: &Arc<Self>) {
        while let Some((key, task)) = shared.next_task() {
            let performed = catch_unwind(AssertUnwindSafe(|| shared.walker.perform(&key, task)));
            let mut state = shared.lock();
            state.running.remove(&key);
            match performed {
                Ok(outcome) if !state.stopped => shared.add(&mut state, outcome),
                Ok(_) => {}
                Err(_) => {
                    state.failed = Some(
                        ToolError::new(Code::Internal, "a worker of the walk failed")
                            .hint("tell the operator; a narrower path may avoid it"),
                    );
                }
            }
            let more = state.pending.len() > state.idle && state.threads < MAX_THREADS;
            let waiting = state.idle > 0 && !state.pending.is_empty();
            let news = state.has_news();
            drop(state);
            if waiting {
                shared.work.notify_all();
            }
            if news {
                shared.news.notify_one();
            }
            if more {
                Shared::spawn(shared);
            }
        }
        shared.leave();
    }

    fn next_task(&self) -> Option<(String, Task)> {
        let mut state = self.lock();
        loop {
            if state.stopped || state.failed.is_some() {
                return None;
            }
            if state.may_begin()
                && let Some((key, task)) = state.pending.pop_first()
            {
                state.running.insert(key.clone());
                return Some((key, task));
            }
            if state.pending.is_empty() && state.running.is_empty() {
                self.work.notify_all();
                return None;
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

impl<I> State<I> {
    /// The least key that is not settled yet.
    fn unsettled(&self) -> Option<&String> {
        match (self.pending.first_key_value().map(|(key, _)| key), self.running.first()) {
            (Some(pending), Some(running)) => Some(pending.min(running)),
            (one, other) => one.or(other),
        }
    }

    /// New work is begun while there is room for finds, or when everything waits for it.
    fn may_begin(&self) -> bool {
        self.ready.len() < MAX_READY && self.ready_bytes < MAX_READY_BYTES
            || match (self.pending.first_key_value(), self.running.first()) {
                (Some((pending, _)), Some(running)) => pending < running,
                _ => true,
            }
    }

    fn has_news(&self) -> bool {
        self.is_finished()
            || self
                .ready
                .first_key_value()
                .is_some_and(|(key, _)| self.unsettled().is_none_or(|unsettled| key < unsettled))
    }

    fn take_ready(&mut self, batch: &mut Vec<Found<I>>) {
        while let Some(first) = self.ready.first_entry() {
            let settled = match (self.pending.first_key_value(), self.running.first()) {
                (Some((pending, _)), Some(running)) => {
                    first.key() < pending && first.key() < running
                }
                (Some((pending, _)), None) => first.key() < pending,
                (None, Some(running)) => first.key() < running,
                (None, None) => true,
            };
            if !settled {
                break;
            }
            let (bytes, found) = first.remove();
            self.ready_bytes -= bytes;
            batch.push(found);
        }
    }

    fn is_finished(&self) -> bool {
        self.failed.is_some()
            || self.ready.is_empty() && self.pending.is_empty() && self.running.is_empty()
    }
}
