//! How often the workers of one process ask. Each answer that is throttled makes all of them ask
//! more seldom, and each that comes lets them ask a little more often, so that together they find
//! the rate that the account has.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::failure::Failure;

/// The time between two requests after the first throttling.
const FIRST: Duration = Duration::from_millis(50);
/// The longest.
const LONGEST: Duration = Duration::from_secs(20);
/// Below this there is no waiting.
const NONE: Duration = Duration::from_millis(5);

/// Shared by all workers of a process.
#[derive(Debug, Default)]
pub(crate) struct Pace(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Between two requests; nothing until the first throttling.
    interval: Duration,
    /// When the next one may be sent.
    next: Option<Instant>,
    /// When the interval became longer. Requests that were on their way together are throttled
    /// together, and count once.
    slowed: Option<Instant>,
}

impl Pace {
    /// How long to wait with the next request.
    pub(crate) fn turn(&self, now: Instant) -> Duration {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.interval.is_zero() {
            return Duration::ZERO;
        }
        let turn = state.next.map_or(now, |next| next.max(now));
        state.next = Some(turn + state.interval);
        turn.saturating_duration_since(now)
    }

    /// Learns from what came of a request.
    pub(crate) fn learn<T>(&self, answer: &Result<T, Failure>) {
        match answer {
            Ok(_) => self.answered(),
            Err(Failure::Busy(..)) => self.throttled(Instant::now()),
            Err(_) => {}
        }
    }

    /// An answer has come.
    fn answered(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.interval = state.interval.mul_f64(0.9);
        if state.interval < NONE {
            state.interval = Duration::ZERO;
        }
    }

    /// A request was throttled.
    fn throttled(&self, now: Instant) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let together = state.slowed.is_some_and(|slowed| now < slowed + state.interval);
        if !together {
            state.interval = state.interval.mul_f64(1.5).clamp(FIRST, LONGEST);
            state.slowed = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Workers ask as their turns come, in a service that answers once in so long; gives the time
    /// until all are answered, and how many were throttled.
    fn played(workers: usize, each: Duration) -> (Duration, usize) {
        let pace = Pace::default();
        let begun = Instant::now();
        let mut waiting: Vec<Instant> = vec![begun; workers];
        let (mut free, mut throttled, mut last) = (begun, 0, begun);
        for _ in 0..100_000 {
            waiting.sort_unstable();
            let Some(now) = waiting.first().copied() else { return (last - begun, throttled) };
            waiting.remove(0);
            if now >= free {
                free = now + each;
                last = now;
                pace.answered();
            } else {
                throttled += 1;
                pace.throttled(now);
                waiting.push(now + pace.turn(now).max(Duration::from_millis(1)));
            }
        }
        panic!("{} workers were never answered", waiting.len());
    }

    #[test]
    fn fifty_workers_share_one_answer_in_three_seconds() {
        let each = Duration::from_secs(3);
        let (took, throttled) = played(50, each);
        // No quicker than the service, and without wasting more than half of its time.
        assert!(took >= each * 49 && took < each * 49 * 2, "{took:?}");
        assert!(throttled < 500, "{throttled}");
    }

    #[test]
    fn nobody_waits_before_the_first_throttling_and_long_after_the_last() {
        let pace = Pace::default();
        let now = Instant::now();
        assert!((0..100).all(|_| pace.turn(now).is_zero()));
        pace.throttled(now);
        pace.turn(now);
        assert!(pace.turn(now) >= FIRST);
        (0..60).for_each(|_| pace.answered());
        assert!((0..100).all(|_| pace.turn(now).is_zero()));
    }
}
