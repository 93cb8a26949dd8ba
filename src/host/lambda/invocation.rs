//! Reads from an invocation what the dispatcher needs.

use std::time::{Duration, Instant};

use mcp_workspace_lambda::Context;

use crate::trace::Trace;

/// Time kept back from Lambda's deadline to answer with what there is.
const TIME_TO_ANSWER: Duration = Duration::from_millis(1_500);

/// One invocation of the function.
#[derive(Debug, Clone)]
pub(super) struct Invocation {
    /// Lambda's id of it.
    pub request_id: String,
    /// When the answer should be ready: Lambda's deadline less the time to send it.
    pub deadline: Instant,
    /// X-Ray's trace of it.
    pub trace: Option<Trace>,
}

impl Invocation {
    /// Reads the invocation's context.
    pub(super) fn of(context: &Context) -> Invocation {
        let now = Instant::now();
        let left = mcp_workspace_lambda::deadline(context).saturating_duration_since(now);
        Invocation {
            request_id: context.request_id.clone(),
            deadline: now + left.saturating_sub(TIME_TO_ANSWER),
            trace: context.xray_trace_id.as_deref().and_then(Trace::from_xray),
        }
    }
}
