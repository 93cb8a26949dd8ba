//! One record a call, as a JSON line through `tracing` on stderr. No file content, no tokens.

use std::sync::{Arc, Weak};
use std::time::Instant;

use mcp_workspace_tools::answer::Answer;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::policy::{Judgement, Judgements};
use mcp_workspace_tools::tool::Entry;

use crate::caller::{Caller, Proof};
use crate::metrics::{Measured, Metrics};
use crate::places::Place;
use crate::request::Request;
use crate::trace::Trace;

/// The `tracing` target of audit records.
pub const TARGET: &str = "audit";

/// What is known of a call. Recorded exactly once: by [`Record::finish`], or as cancelled when it
/// is dropped before, because the client went away.
pub struct Record {
    caller: Caller,
    host: &'static str,
    tool: String,
    /// What the call is about, in the caller's own words.
    subject: String,
    /// The judgement of the call as a whole, before any path of it was judged.
    judgement: Judgement,
    /// The tool, and what is judged while it runs.
    following: Option<(&'static Entry, Judgements)>,
    /// Whether the tool is one that exists, and no name that a client made up.
    known: bool,
    request_id: String,
    trace: Option<Trace>,
    metrics: Metrics,
    call: Call,
    /// The call's place; it is gone once nothing works for the call any more.
    place: Weak<Place>,
    began: Instant,
    recorded: bool,
}

/// Longest text of a call's own in a record, in characters.
const MAX_CHARS: usize = 512;
/// Longest list of paths in a record, in characters.
const MAX_PATHS_CHARS: usize = 16 * 1024;

impl Record {
    /// Begins the record of a call, as one that nobody has allowed.
    pub fn begin(request: &Request, call: &Call, metrics: Metrics) -> Record {
        let path = request.arguments.get("path").and_then(serde_json::Value::as_str);
        Record {
            caller: request.caller.clone(),
            host: request.host,
            tool: shorten(&request.tool),
            subject: shorten(path.unwrap_or_default()),
            judgement: Judgement::refused("nobody allowed it"),
            following: None,
            known: false,
            request_id: shorten(&request.request_id),
            trace: request.trace.clone(),
            metrics,
            call: call.clone(),
            place: Weak::new(),
            began: Instant::now(),
            recorded: false,
        }
    }

    /// Says what the call is about, in the caller's own words.
    pub fn about(&mut self, subject: Option<&str>) {
        self.subject = shorten(subject.unwrap_or_default());
    }

    /// Says that the call is one of those that exist, and may be counted under its name.
    pub fn mark_known(&mut self) {
        self.known = true;
    }

    /// Says which place the call has.
    pub(crate) fn in_place(&mut self, place: &Arc<Place>) {
        self.place = Arc::downgrade(place);
    }

    /// Whether threads still work for a call that is over. One that ended by itself sends its
    /// threads home, which takes moments.
    fn outlived(&self, outcome: &str) -> bool {
        let over = self.call.time_left().is_zero() || outcome == Code::Cancelled.as_str();
        over && self.place.strong_count() > 0
    }

    /// Takes the judgement of the call as a whole.
    pub fn judged(&mut self, judgement: Judgement) {
        self.judgement = judgement;
    }

    /// Records what a scope judges from now on: its judgements decide, the first refusal over all.
    pub fn follow(&mut self, entry: &'static Entry, judgements: Judgements) {
        self.following = Some((entry, judgements));
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
        record.judgement.allowed = true;
        record
    }

    /// Takes from an answer to a person which file it shows and which role has decided.
    pub fn learn(&mut self, json: &serde_json::Value) {
        let text = |at: &str| json.pointer(at).and_then(serde_json::Value::as_str);
        if let Some(path) = text("/path").or(text("/decision/proposal")) {
            self.subject = shorten(path);
        }
        if let Some(role) = text("/decision/role") {
            self.judgement.role = Some(role.to_owned());
        }
    }

    /// Takes the role that decided about a proposal, which is what the record is found by.
    pub fn decided(&mut self, role: &str, proposal: &str) {
        self.judgement.role = Some(role.to_owned());
        self.request_id = shorten(proposal);
    }

    /// Writes the record with what came of the call.
    pub fn finish(mut self, result: &Result<Answer, ToolError>) {
        self.recorded = true;
        match result {
            Ok(answer) => self.write("ok", None, answer.shown_bytes(), answer.partial),
            Err(error) => {
                self.write(error.code.as_str(), Some(error), error.to_text().len(), false)
            }
        }
    }

    /// The judgement that decided.
    fn deciding(&self) -> Judgement {
        let noted = self.following.as_ref().filter(|_| self.judgement.allowed);
        let noted = noted.and_then(|(entry, judgements)| judgements.deciding(entry.access));
        noted.unwrap_or_else(|| self.judgement.clone())
    }

    /// What the call was about: what it says itself, else every path that was judged.
    fn path(&self) -> String {
        match &self.following {
            Some((entry, judgements)) if !entry.has_subject() => {
                joined(&judgements.paths(entry.access))
            }
            _ => self.subject.clone(),
        }
    }

    fn write(&self, outcome: &str, error: Option<&ToolError>, bytes_out: usize, truncated: bool) {
        let judgement = self.deciding();
        // Rights that are no policy's, such as those of a file system, refuse as well.
        let refused = !judgement.allowed || error.is_some_and(|error| error.code == Code::Denied);
        let latency = self.began.elapsed();
        let trace_id = self.trace.as_ref().map(|trace| trace.id.as_str());
        tracing::info!(
            target: TARGET,
            caller = &*self.caller.id,
            proof = self.caller.proof.as_str(),
            host = self.host,
            tool = self.tool,
            path = self.path(),
            decision = if refused { "deny" } else { "allow" },
            role = judgement.role.as_deref(),
            rule = judgement.rule.as_deref(),
            outcome,
            cause = error.and_then(|error| error.source_for_log.as_deref()),
            bytes_out,
            files_touched = self.call.files_touched(),
            still_running = self.outlived(outcome).then_some(true),
            duration_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX),
            request_id = self.request_id,
            trace_id,
            parent_id = self.trace.as_ref().and_then(|trace| trace.parent.as_deref()),
            trace_state = self.trace.as_ref().and_then(|trace| trace.state.as_deref()),
            "call"
        );
        self.metrics.write(&Measured {
            tool: &self.tool,
            known: self.known,
            role: judgement.role.as_deref(),
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

/// Paths in one text, with how many there was no room for.
fn joined(paths: &[WorkspacePath]) -> String {
    let mut text = String::new();
    for (index, path) in paths.iter().enumerate() {
        if text.len() + path.as_str().len() > MAX_PATHS_CHARS {
            return format!("{text} and {} more", paths.len() - index);
        }
        if index > 0 {
            text.push(' ');
        }
        text.push_str(path.as_str());
    }
    text
}

fn shorten(text: &str) -> String {
    text.chars().take(MAX_CHARS).collect()
}
