//! One record a call, as a JSON line through `tracing` on stderr. No file content, no tokens.

use std::time::Instant;

use mcp_workspace_tools::answer::{Answer, Shown};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};

use crate::caller::{Caller, Proof};
use crate::dispatch::Request;
use crate::metrics::{Measured, Metrics, is_truncated};
use crate::trace::Trace;

/// The `tracing` target of audit records.
pub const TARGET: &str = "audit";

/// What is known of a call before it runs. Recorded exactly once: by [`Record::finish`], or as
/// cancelled when it is dropped before, because the client went away.
pub struct Record {
    /// Who called.
    pub caller: Caller,
    /// The host that received the call.
    pub host: &'static str,
    /// The tool's name.
    pub tool: String,
    /// What the call was about.
    pub path: String,
    /// Whether policy allows the tool, and for a reading tool the path.
    pub allowed: bool,
    /// The rule that decided.
    pub rule: Option<String>,
    /// The role that decided.
    pub role: Option<String>,
    /// The host's id of the request.
    pub request_id: String,
    trace: Option<Trace>,
    metrics: Metrics,
    call: Call,
    began: Instant,
    recorded: bool,
}

/// Longest path or request id in a record.
const MAX_CHARS: usize = 512;

impl Record {
    /// Begins the record of a call.
    pub fn begin(request: &Request, call: &Call, metrics: Metrics) -> Record {
        let path = ["path", "file", "key"]
            .iter()
            .find_map(|name| request.arguments.get(name).and_then(serde_json::Value::as_str));
        Record {
            caller: request.caller.clone(),
            host: request.host,
            tool: shorten(&request.tool),
            path: shorten(path.unwrap_or_default()),
            allowed: false,
            rule: None,
            role: None,
            request_id: shorten(&request.request_id),
            trace: request.trace.clone(),
            metrics,
            call: call.clone(),
            began: Instant::now(),
            recorded: false,
        }
    }

    /// Begins the record of a person's decision about a proposal, taken in this process.
    pub fn of_decision(
        person: &str,
        host: &'static str,
        what: &str,
        proposal: &str,
        call: &Call,
    ) -> Record {
        let request = Request {
            caller: Caller::new(person, Proof::Process),
            host,
            tool: format!("proposals {what}"),
            arguments: serde_json::json!({ "path": proposal }),
            request_id: proposal.to_owned(),
            progress: None,
            deadline: None,
            trace: None,
        };
        let mut record = Record::begin(&request, call, Metrics::Off);
        record.allowed = true;
        record
    }

    /// Takes from an answer to a person which file it shows and which role has decided.
    pub fn learn(&mut self, json: &serde_json::Value) {
        let text = |at: &str| json.pointer(at).and_then(serde_json::Value::as_str);
        if let Some(path) = text("/path").or(text("/decision/proposal")) {
            self.path = shorten(path);
        }
        if let Some(role) = text("/decision/role") {
            self.role = Some(role.to_owned());
        }
    }

    /// Writes the record with what came of the call.
    pub fn finish(mut self, result: &Result<Answer, ToolError>) {
        self.recorded = true;
        match result {
            Ok(answer) => {
                if self.path.is_empty() && self.tool == "propose_patch" {
                    self.path = shorten(&files_of(&answer.json));
                }
                self.write("ok", None, bytes_of(answer), is_truncated(&answer.json));
            }
            Err(error) => {
                self.write(error.code.as_str(), Some(error), error.to_text().len(), false)
            }
        }
    }

    fn write(&self, outcome: &str, error: Option<&ToolError>, bytes_out: usize, truncated: bool) {
        let refused = !self.allowed || error.is_some_and(|error| error.code == Code::Denied);
        let latency = self.began.elapsed();
        let trace_id = self.trace.as_ref().map(|trace| trace.id.as_str());
        tracing::info!(
            target: TARGET,
            caller = &*self.caller.id,
            proof = self.caller.proof.as_str(),
            host = self.host,
            tool = self.tool,
            path = self.path,
            decision = if refused { "deny" } else { "allow" },
            role = self.role.as_deref(),
            rule = self.rule.as_deref(),
            outcome,
            cause = error.and_then(|error| error.source_for_log.as_deref()),
            bytes_out,
            files_touched = self.call.files_touched(),
            duration_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
            request_id = self.request_id,
            trace_id,
            parent_id = self.trace.as_ref().and_then(|trace| trace.parent.as_deref()),
            trace_state = self.trace.as_ref().and_then(|trace| trace.state.as_deref()),
            "call"
        );
        self.metrics.write(&Measured {
            tool: &self.tool,
            role: self.role.as_deref(),
            request_id: &self.request_id,
            trace_id,
            denied: refused,
            error: outcome != "ok" && !refused,
            truncated,
            latency,
            bytes_out,
        });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.recorded {
            self.call.cancel();
            self.write(Code::Cancelled.as_str(), None, 0, false);
        }
    }
}

/// The files that a proposal touches: its arguments name them inside of a patch.
fn files_of(answer: &serde_json::Value) -> String {
    let files = answer.get("files").and_then(serde_json::Value::as_array);
    let paths = files.into_iter().flatten().filter_map(|file| file.get("path")?.as_str());
    paths.collect::<Vec<_>>().join(" ")
}

fn bytes_of(answer: &Answer) -> usize {
    match &answer.shown {
        Shown::Text(text) => text.len(),
        Shown::Image { data, note, .. } | Shown::Audio { data, note, .. } => {
            data.len() + note.len()
        }
        Shown::Json => answer.json.to_string().len(),
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(MAX_CHARS).collect()
}
