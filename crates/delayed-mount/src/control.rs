//! What a test sees and changes while a mount runs: counts, delay, faults.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;

use crate::fault::{Effect, Fault};
use crate::operation::Operation;

/// Most requests whose order is kept.
const MAX_IN_ORDER: usize = 10_000;

/// Shared by the threads of one mount and the test that looks on.
#[derive(Debug)]
pub(crate) struct Control {
    delay_nanoseconds: AtomicU64,
    counts: [AtomicU64; Operation::ALL.len()],
    /// The requests that were answered without an error, in the order of their answers.
    succeeded: Mutex<Vec<Operation>>,
    under_way: AtomicUsize,
    peak: AtomicUsize,
    /// Each fault with the requests that it has seen.
    faults: Mutex<Vec<(Fault, u64)>>,
    cleared: Condvar,
}

/// A request that is being worked on.
struct UnderWay<'a>(&'a AtomicUsize);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Control {
    pub(crate) fn new(delay: Duration) -> Control {
        let control = Control {
            delay_nanoseconds: AtomicU64::new(0),
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            succeeded: Mutex::default(),
            under_way: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            faults: Mutex::default(),
            cleared: Condvar::new(),
        };
        control.set_delay(delay);
        control
    }

    /// Counts a request, delays it, lets it fail if it is to fail, and else performs it.
    pub(crate) fn perform<T>(
        &self,
        operation: Operation,
        act: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        if let Some(count) = self.counts.get(operation.index()) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let now = self.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(now, Ordering::Relaxed);
        let _under_way = UnderWay(&self.under_way);
        let effect = self.effect(operation);
        let delay = Duration::from_nanos(self.delay_nanoseconds.load(Ordering::Relaxed));
        if operation.is_round_trip() && !delay.is_zero() {
            std::thread::sleep(delay);
        }
        match effect {
            Some(Effect::Refuse(errno)) => Err(errno),
            Some(Effect::LoseReply(errno)) => {
                // Whatever came of it, the caller does not learn it.
                let _ = act();
                Err(errno)
            }
            Some(Effect::Hang) | None => {
                let done = act();
                if done.is_ok() {
                    self.note(operation);
                }
                done
            }
        }
    }

    fn note(&self, operation: Operation) {
        let mut succeeded = self.order();
        if succeeded.len() < MAX_IN_ORDER {
            succeeded.push(operation);
        }
    }

    fn order(&self) -> MutexGuard<'_, Vec<Operation>> {
        self.succeeded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn succeeded(&self) -> Vec<Operation> {
        self.order().clone()
    }

    /// The effect on this request; waits where the effect is to hang.
    fn effect(&self, operation: Operation) -> Option<Effect> {
        let mut faults = self.faults();
        let mut effect = None;
        for (fault, seen) in faults.iter_mut().filter(|(fault, _)| fault.is_about(operation)) {
            *seen += 1;
            if effect.is_none() && fault.covers(*seen) {
                effect = Some(fault.effect);
            }
        }
        while effect == Some(Effect::Hang) && !faults.is_empty() {
            faults = self.cleared.wait(faults).unwrap_or_else(PoisonError::into_inner);
        }
        effect
    }

    fn faults(&self) -> MutexGuard<'_, Vec<(Fault, u64)>> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn fail(&self, fault: Fault) {
        self.faults().push((fault, 0));
    }

    pub(crate) fn clear_faults(&self) {
        self.faults().clear();
        self.cleared.notify_all();
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        let nanoseconds = u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX);
        self.delay_nanoseconds.store(nanoseconds, Ordering::Relaxed);
    }

    pub(crate) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    pub(crate) fn counts(&self) -> Counts {
        let each = Operation::ALL.iter().zip(&self.counts);
        Counts {
            each: each
                .map(|(operation, count)| (*operation, count.load(Ordering::Relaxed)))
                .filter(|(_, count)| *count > 0)
                .collect(),
            peak: self.peak.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn reset_counts(&self) {
        self.counts.iter().for_each(|count| count.store(0, Ordering::Relaxed));
        self.peak.store(0, Ordering::Relaxed);
        self.order().clear();
    }
}

/// Requests that a mount has seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    each: BTreeMap<Operation, u64>,
    /// The most requests that were under way at one time.
    pub peak: usize,
}

impl Counts {
    /// Requests of one operation.
    pub fn of(&self, operation: Operation) -> u64 {
        self.each.get(&operation).copied().unwrap_or(0)
    }

    /// Requests for which a network file system makes a round trip.
    pub fn round_trips(&self) -> u64 {
        let trips = self.each.iter().filter(|(operation, _)| operation.is_round_trip());
        trips.map(|(_, count)| count).sum()
    }

    /// The operations that were seen, each with its count.
    pub fn seen(&self) -> impl Iterator<Item = (Operation, u64)> + '_ {
        self.each.iter().map(|(operation, count)| (*operation, *count))
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (operation, count) in self.seen() {
            write!(formatter, "{} {count}, ", operation.name())?;
        }
        write!(formatter, "at most {} at once", self.peak)
    }
}
