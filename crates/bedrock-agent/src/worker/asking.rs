//! Asks the model until there is an answer: patient with a service that is busy, less patient with
//! one that fails.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Worker;
use crate::backoff;
use crate::failure::Failure;
use crate::model::{Model, Reply};
use crate::question::Question;

/// What came of asking.
pub(super) enum Asked {
    /// The answer, and how many attempts it took.
    Answer(Reply, u32),
    TooLong,
    NoCache(String),
    /// Why, and whether the reason may pass by itself.
    Failed(String, bool),
    Pause(String),
}

impl Worker {
    /// Asks until there is an answer, or no use in asking. A service that is busy is asked for as
    /// long as there is time, and one that fails as often as the orders say.
    pub(super) async fn ask(
        &self,
        model: &impl Model,
        question: &Question<'_>,
        interrupted: &CancellationToken,
    ) -> Asked {
        let begun = Instant::now();
        let (mut failed, mut busy) = (0, 0);
        loop {
            if let Some(reason) = self.wait(model.turn(), interrupted).await {
                return Asked::Pause(reason);
            }
            let time = self.time_left().unwrap_or(self.orders.answer_time);
            if time.is_zero() {
                return Asked::Pause(OUT_OF_TIME.to_owned());
            }
            let time = time.min(self.orders.answer_time);
            let answer = tokio::select! {
                answer = tokio::time::timeout(time, model.ask(question)) => answer,
                () = interrupted.cancelled() => return Asked::Pause(INTERRUPTED.to_owned()),
            };
            let late = || format!("no answer within {} seconds", time.as_secs());
            let answer = answer.unwrap_or_else(|_| Err(Failure::Transient(late())));
            let (reason, wait) = match answer {
                Ok(reply) => return Asked::Answer(reply, failed + busy + 1),
                Err(Failure::TooLong(_)) => return Asked::TooLong,
                Err(Failure::Lasting(reason)) => return Asked::Failed(reason, false),
                Err(Failure::NoCache(reason)) => return Asked::NoCache(reason),
                Err(Failure::Busy(reason, after)) => {
                    busy += 1;
                    let waited = begun.elapsed();
                    if self.orders.until.is_none() && waited >= self.orders.patience {
                        let seconds = waited.as_secs();
                        return Asked::Pause(format!(
                            "Bedrock was busy for {seconds} seconds (--busy-seconds): {reason}"
                        ));
                    }
                    let wait = backoff::wait(self.orders.first_wait, busy);
                    (reason, wait.max(after.unwrap_or_default()))
                }
                Err(Failure::Transient(reason)) => {
                    failed += 1;
                    (reason, backoff::wait(self.orders.first_wait, failed))
                }
            };
            if self.is_late() {
                return Asked::Pause(OUT_OF_TIME.to_owned());
            }
            if failed >= self.orders.attempts {
                return Asked::Failed(format!("gave up after {failed} attempts: {reason}"), true);
            }
            self.progress.line(&format!("waits {:.1} s: {reason}", wait.as_secs_f64()));
            if let Some(reason) = self.wait(wait, interrupted).await {
                return Asked::Pause(reason);
            }
        }
    }

    /// Waits, or says why the run pauses: there is not so much time, or somebody wants it to.
    async fn wait(&self, time: Duration, interrupted: &CancellationToken) -> Option<String> {
        if time.is_zero() {
            return None;
        }
        if self.time_left().is_some_and(|left| time >= left) {
            return Some(OUT_OF_TIME.to_owned());
        }
        tokio::select! {
            () = tokio::time::sleep(time) => None,
            () = interrupted.cancelled() => Some(INTERRUPTED.to_owned()),
        }
    }
}

/// Why a run pauses.
pub(super) const OUT_OF_TIME: &str = "out of time (--max-seconds)";
pub(super) const INTERRUPTED: &str = "interrupted";
