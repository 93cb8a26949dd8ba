//! When work must stop: a deadline and a cancellation. Every loop that may be long checks them.
//!
//! A blocking call cannot be stopped from outside, so whatever works for a call looks at its
//! [`StopSignal`] in between.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Why work stopped before it was complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The deadline has passed.
    Deadline,
    /// The client went away or asked to stop.
    Cancelled,
}

/// How work ended whose results up to then are worth having.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Ended {
    /// It was done, or whoever takes its results has enough of them.
    Complete,
    /// It was stopped before.
    Stopped(Stop),
}

impl From<Result<(), Stop>> for Ended {
    fn from(result: Result<(), Stop>) -> Ended {
        result.map_or_else(Ended::Stopped, |()| Ended::Complete)
    }
}

/// Says when to stop. Clones share the cancellation; each has a deadline of its own.
#[derive(Debug, Clone)]
pub struct StopSignal {
    deadline: Instant,
    cancelled: Arc<AtomicBool>,
}

impl StopSignal {
    /// For work that must end within `time`.
    pub fn new(time: Duration) -> StopSignal {
        StopSignal { deadline: Instant::now() + time, cancelled: Arc::default() }
    }

    /// Asks whatever holds this signal, or a clone of it, to stop at its next check.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the work may go on.
    ///
    /// # Errors
    /// [`Stop`] once the deadline has passed or the work was cancelled.
    pub fn check(&self) -> Result<(), Stop> {
        if self.cancelled.load(Ordering::Relaxed) {
            Err(Stop::Cancelled)
        } else if Instant::now() >= self.deadline {
            Err(Stop::Deadline)
        } else {
            Ok(())
        }
    }

    /// When the work must have ended.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Time left until the deadline.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Makes the deadline earlier; a later one changes nothing.
    pub fn end_by(&mut self, deadline: Instant) {
        self.deadline = self.deadline.min(deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_the_cancellation() {
        let signal = StopSignal::new(Duration::from_secs(60));
        let clone = signal.clone();
        assert_eq!(clone.check(), Ok(()));
        signal.cancel();
        assert_eq!(clone.check(), Err(Stop::Cancelled));
    }

    #[test]
    fn a_deadline_only_gets_earlier_and_only_for_one_clone() {
        let mut signal = StopSignal::new(Duration::from_secs(60));
        let clone = signal.clone();
        signal.end_by(signal.deadline() + Duration::from_secs(60));
        assert_eq!(signal.deadline(), clone.deadline());
        signal.end_by(Instant::now());
        assert_eq!(signal.check(), Err(Stop::Deadline));
        assert_eq!(signal.time_left(), Duration::ZERO);
        assert_eq!(clone.check(), Ok(()));
    }
}
