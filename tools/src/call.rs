//! The circumstances of one call: its deadline, its cancellation, its byte budget, its progress.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mcp_workspace_stop::StopSignal;
pub use mcp_workspace_stop::{Ended, Stop};

use crate::adjusted::{self, Adjusted};
use crate::error::{Code, ToolError};

/// Longest answer in characters unless a caller asks for less: what MCP clients take whole.
pub const DEFAULT_ANSWER_CHARS: usize = 48_000;

/// Receives progress: how much is done, and a sentence about it.
pub type ProgressSink = dyn Fn(u64, &str) + Send + Sync;

/// What surrounds one tool call. Cheap to clone; clones share the counters and the cancellation.
#[derive(Clone)]
pub struct Call {
    /// Longest answer, in characters.
    pub answer_chars: usize,
    /// Who calls, as the host has proven it.
    pub caller: Arc<str>,
    stop: StopSignal,
    files_touched: Arc<AtomicU64>,
    adjusted: Adjusted,
    progress: Option<Arc<ProgressSink>>,
    held: Option<Arc<dyn Any + Send + Sync>>,
}

impl From<Stop> for ToolError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Deadline => ToolError::new(Code::Deadline, "the call ran out of time")
                .hint("ask for less: a narrower path or glob, a smaller limit"),
            Stop::Cancelled => ToolError::new(Code::Cancelled, "the call was cancelled"),
        }
    }
}

impl Call {
    /// A call by `caller` that must answer within `time`.
    pub fn new(caller: &str, time: Duration) -> Self {
        Call {
            answer_chars: DEFAULT_ANSWER_CHARS,
            caller: caller.into(),
            stop: StopSignal::new(time),
            files_touched: Arc::default(),
            adjusted: Adjusted::default(),
            progress: None,
            held: None,
        }
    }

    /// Holds something until the last clone of this call is gone: its place among the running ones.
    /// Whatever works for a call has a clone of it, so a call whose threads outlive its answer keeps
    /// its place as long as they do.
    #[must_use]
    pub fn holding(mut self, place: Arc<dyn Any + Send + Sync>) -> Self {
        self.held = Some(place);
        self
    }

    /// Sends progress to `sink`.
    #[must_use]
    pub fn with_progress(mut self, sink: Arc<ProgressSink>) -> Self {
        self.progress = Some(sink);
        self
    }

    /// Notes in `adjusted` how the call is read, and leaves room in its answer for what is noted.
    #[must_use]
    pub(crate) fn adjusting(mut self, adjusted: &Adjusted) -> Self {
        let line = adjusted::line(&adjusted.lines()).unwrap_or_default();
        self.answer_chars = self.answer_chars.saturating_sub(line.chars().count());
        self.adjusted = adjusted.clone();
        self
    }

    /// Names in the answer how something was read that was not written as the schema says.
    pub fn adjust(&self, how: String) {
        self.adjusted.note(how);
    }

    /// Asks the call to stop at its next check.
    pub fn cancel(&self) {
        self.stop.cancel();
    }

    /// To be asked in every loop that may be long: a blocking call cannot be stopped from outside.
    ///
    /// # Errors
    /// [`Stop`] once the deadline has passed or the call was cancelled.
    pub fn check(&self) -> Result<(), Stop> {
        self.stop.check()
    }

    /// What says when to stop, for work that knows nothing else of the call.
    pub fn stop_signal(&self) -> &StopSignal {
        &self.stop
    }

    /// When the answer must be ready.
    pub fn deadline(&self) -> Instant {
        self.stop.deadline()
    }

    /// Makes the deadline earlier; a later one changes nothing.
    pub fn end_by(&mut self, deadline: Instant) {
        self.stop.end_by(deadline);
    }

    /// Time left until the deadline.
    pub fn time_left(&self) -> Duration {
        self.stop.time_left()
    }

    /// Counts files that this call has opened, for the audit record.
    pub fn touch(&self, files: u64) {
        self.files_touched.fetch_add(files, Ordering::Relaxed);
    }

    /// Files opened so far.
    pub fn files_touched(&self) -> u64 {
        self.files_touched.load(Ordering::Relaxed)
    }

    /// Tells the client how far the work is.
    pub fn report(&self, done: u64, message: &str) {
        if let Some(sink) = &self.progress {
            sink(done, message);
        }
    }

    /// Where progress goes, for work that outlives or spans calls.
    pub fn progress(&self) -> Option<Arc<ProgressSink>> {
        self.progress.clone()
    }

    /// Whether anybody listens to progress.
    pub fn reports_progress(&self) -> bool {
        self.progress.is_some()
    }
}

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_millis(200);

/// When progress was told last, so that it is not told too often.
#[derive(Debug, Default)]
pub(crate) struct ProgressClock(Option<Instant>);

impl ProgressClock {
    /// Whether somebody listens and it is time to tell again, which then is to be done.
    pub(crate) fn is_due(&mut self, call: &Call) -> bool {
        let is_due =
            call.reports_progress() && self.0.is_none_or(|told| told.elapsed() >= PROGRESS_EVERY);
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}
