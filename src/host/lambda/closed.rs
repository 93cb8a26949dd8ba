//! Events of kinds that the function does not answer.

use mcp_workspace_lambda::Diagnostic;
use mcp_workspace_lambda::event::Event;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::policy::Judgement;
use serde_json::Value;

use super::invocation::Invocation;
use crate::audit::Record;
use crate::caller::{Caller, Proof};
use crate::event::OpenEvents;
use crate::metrics::Metrics;
use crate::request::Request;

/// Why an event is not answered; none where its kind is open. The refusal is recorded, with the
/// caller that the event names.
pub(super) fn refusal(
    open: OpenEvents,
    event: &Event,
    invocation: &Invocation,
) -> Option<ToolError> {
    let kind = event.kind();
    if open.has(kind) {
        return None;
    }
    let message = format!("this function does not answer events of the kind `{kind}`");
    let error = ToolError::new(Code::Denied, message)
        .hint(format!(
            "to open it, the operator adds `{kind}` to the function's variable \
             MCP_WORKSPACE_EVENTS, which is `{open}`"
        ))
        .caused_by(format!("the kind of event `{kind}` is closed"));
    let (caller, tool) = event.claims();
    let request = Request {
        caller: caller.unwrap_or_else(|| Caller::new("", Proof::Iam)),
        host: "lambda",
        tool: tool.to_owned(),
        arguments: Value::Null,
        request_id: invocation.request_id.clone(),
        progress: None,
        deadline: Some(invocation.deadline),
        trace: invocation.trace.clone(),
    };
    let call = Call::new(&request.caller.id, std::time::Duration::ZERO);
    let mut record = Record::begin(&request, &call, Metrics::Off);
    record.judged(Judgement::refused("the kind of event is closed"));
    record.finish(&Err(error.clone()));
    Some(error)
}

/// The refusal as a fault of the invocation, for callers that are no client of HTTP.
pub(super) fn fault(error: &ToolError) -> Diagnostic {
    Diagnostic { error_type: "ClosedEventKind".to_owned(), error_message: error.to_text() }
}
