//! Tool calls in this process: the dispatcher runs them under the role's caller id.

use std::time::Instant;

use mcp_workspace_call::caller::{Caller, Proof};
use mcp_workspace_call::dispatch::Dispatcher;
use mcp_workspace_call::request::Request;
use mcp_workspace_tools::answer::{Answer, Shown};
use mcp_workspace_tools::contract::converse;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Outcome, Part};
use crate::conversation::{Status, ToolUse};
use mcp_workspace_tools::name::Name;

/// What every caller id of a worker begins with; the role's name follows.
const CALLER_PREFIX: &str = "bedrock-worker:";

/// The tools of this process, for one caller.
pub(super) struct LocalTools {
    dispatcher: Dispatcher,
    caller: Caller,
    /// What request ids begin with: run and agent.
    request: String,
}

impl LocalTools {
    /// The calls of an agent with a role.
    pub(super) fn new(dispatcher: Dispatcher, role: &Name, run: &Name, agent: &Name) -> LocalTools {
        LocalTools {
            dispatcher,
            caller: Caller::new(&format!("{CALLER_PREFIX}{role}"), Proof::Process),
            request: format!("{run}/{agent}"),
        }
    }

    pub(super) fn caller(&self) -> &str {
        &self.caller.id
    }

    pub(super) fn tools(&self) -> Vec<Value> {
        self.dispatcher.tools_for(&self.caller).into_iter().map(converse::tool).collect()
    }

    pub(super) async fn run(&self, call: ToolUse, deadline: Option<Instant>) -> Outcome {
        let request = Request {
            caller: self.caller.clone(),
            host: "bedrock-agent",
            tool: call.name,
            arguments: call.input,
            request_id: format!("{}/{}", self.request, call.tool_use_id),
            progress: None,
            deadline,
            trace: None,
        };
        match self.dispatcher.dispatch(request, CancellationToken::new()).await {
            Ok(answer) => Outcome { parts: parts(answer), status: Status::Success },
            Err(error) => Outcome::error(error.to_text()),
        }
    }
}

fn parts(answer: Answer) -> Vec<Part> {
    match answer.shown {
        Shown::Text(text) => vec![Part::Text(text)],
        Shown::Json => vec![Part::Text(answer.json_text().to_owned())],
        Shown::Audio { note, .. } => {
            vec![Part::Text(format!("{note}\n(a sound; it cannot be shown here)"))]
        }
        Shown::Image { data, media_type, note } => {
            vec![Part::Text(note), Part::Image(data, media_type)]
        }
    }
}
