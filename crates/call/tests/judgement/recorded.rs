//! Calls through the dispatcher, with the audit records that they leave.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_workspace_call::caller::{Caller, Proof};
use mcp_workspace_call::dispatch::Dispatcher;
use mcp_workspace_call::request::Request;
use mcp_workspace_tools::answer::Answer;
use mcp_workspace_tools::error::ToolError;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// Where log lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What came of a call, and its audit record.
pub(crate) struct Recorded {
    pub result: Result<Answer, ToolError>,
    pub audit: Value,
}

/// Calls a tool as `caller`.
pub(crate) fn call(
    dispatcher: &Dispatcher,
    caller: &str,
    tool: &str,
    arguments: Value,
) -> Recorded {
    let lines = Lines::default();
    let to = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_writer(move || to.clone())
        .finish();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let request = Request {
        caller: Caller::new(caller, Proof::Process),
        host: "test",
        tool: tool.to_owned(),
        arguments,
        request_id: "1".to_owned(),
        progress: None,
        deadline: None,
        trace: None,
    };
    let result = tracing::subscriber::with_default(subscriber, || {
        runtime.block_on(dispatcher.dispatch(request, CancellationToken::new()))
    });
    runtime.shutdown_timeout(Duration::from_millis(100));
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let records: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut audits: Vec<Value> =
        records.into_iter().filter(|record| record["target"] == "audit").collect();
    assert_eq!(audits.len(), 1, "one record a call: {text}");
    Recorded { result, audit: audits.remove(0) }
}
