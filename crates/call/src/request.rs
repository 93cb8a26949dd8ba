//! One call of a tool, as a host received it.

use std::sync::Arc;
use std::time::Instant;

use mcp_workspace_tools::call::ProgressSink;
use serde_json::Value;

use crate::caller::Caller;
use crate::trace::Trace;

/// One call of a tool, as a host received it.
pub struct Request {
    /// Who calls.
    pub caller: Caller,
    /// The host that received it, such as `stdio` or `function-url`.
    pub host: &'static str,
    /// The tool's name.
    pub tool: String,
    /// The arguments as they came.
    pub arguments: Value,
    /// The host's id of the request, for the audit record.
    pub request_id: String,
    /// Where progress goes, when the client asked for it.
    pub progress: Option<Arc<ProgressSink>>,
    /// When the host itself must answer, where it knows: no call goes on longer.
    pub deadline: Option<Instant>,
    /// The trace that it belongs to.
    pub trace: Option<Trace>,
}
