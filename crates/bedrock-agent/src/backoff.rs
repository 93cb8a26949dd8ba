//! How long to wait before the next attempt: twice as long each time, with full jitter, so that
//! agents that were throttled together do not come back together.

use std::time::Duration;

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(60);

/// How long a call may take, and how often it is tried when it surely did nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Time for one call, with its waits.
    pub time: Duration,
    /// Attempts.
    pub attempts: u32,
    /// The longest wait after the first failed attempt.
    pub first_wait: Duration,
}

/// The wait after `failed` failed attempts: between nothing and `first` · 2^(failed - 1).
pub(crate) fn wait(first: Duration, failed: u32) -> Duration {
    longest(first, failed).mul_f64(fastrand::f64())
}

fn longest(first: Duration, failed: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failed.saturating_sub(1));
    first.saturating_mul(factor).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_limit() {
        let first = Duration::from_secs(1);
        let longest: Vec<u64> = (1..9).map(|failed| longest(first, failed).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!((1..40).all(|failed| wait(first, failed) <= LONGEST));
    }
}
