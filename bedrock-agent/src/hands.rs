//! The hands of a model: its tool calls through the dispatcher, at the same time, under one
//! caller. The results are marked as data.

use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mcp_workspace::caller::{Caller, Proof};
use mcp_workspace::dispatch::{Dispatcher, Request};
use mcp_workspace_tools::answer;
use mcp_workspace_tools::contract::converse;
use mcp_workspace_tools::error::ToolError;
use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::conversation::{Image, Shown, Source, Status, ToolResult, ToolUse};
use crate::names::Name;

/// What every caller id of a worker begins with; the role's name follows.
const CALLER_PREFIX: &str = "bedrock-worker:";
/// Calls of one answer that are run; the model is told to ask for the others again.
const MAX_CALLS: usize = 32;
/// Images in one request, and bytes of one, as the service allows.
const MAX_IMAGES: usize = 20;
const MAX_IMAGE_BYTES: usize = 3_750_000;

/// Runs the tool calls of one agent.
#[derive(Clone)]
pub struct Hands {
    dispatcher: Arc<Dispatcher>,
    caller: Caller,
    /// What request ids begin with: run and agent.
    request: String,
    /// Around everything that tools return. It is random, so that no file can have it in it.
    fence: String,
}

impl Hands {
    /// The hands of an agent with a role.
    pub fn new(dispatcher: Dispatcher, role: &Name, run: &Name, agent: &Name) -> Hands {
        Hands {
            dispatcher: Arc::new(dispatcher),
            caller: Caller::new(&format!("{CALLER_PREFIX}{role}"), Proof::Process),
            request: format!("{run}/{agent}"),
            fence: format!("data-{:016x}", fastrand::u64(..)),
        }
    }

    /// The caller's id.
    pub fn caller(&self) -> &str {
        &self.caller.id
    }

    /// The tools that policy grants, as Converse describes them.
    pub fn tools(&self) -> Vec<Value> {
        self.dispatcher.tools_for(&self.caller).into_iter().map(converse::tool).collect()
    }

    /// Runs the calls, all at the same time, and gives their results in order. Dropping the
    /// future cancels those that are still running.
    pub async fn run(
        &self,
        calls: &[ToolUse],
        images_so_far: usize,
        deadline: Option<Instant>,
    ) -> Vec<ToolResult> {
        let mut running = JoinSet::new();
        for (index, call) in calls.iter().enumerate().take(MAX_CALLS) {
            let (hands, call) = (self.clone(), call.clone());
            running.spawn(async move { (index, hands.run_one(call, deadline).await) });
        }
        let mut done: Vec<Option<Result<answer::Answer, ToolError>>> = Vec::new();
        done.resize_with(calls.len(), || None);
        while let Some(finished) = running.join_next().await {
            if let Ok((index, result)) = finished
                && let Some(place) = done.get_mut(index)
            {
                *place = Some(result);
            }
        }
        let mut images = images_so_far;
        let mut results = Vec::new();
        for (call, result) in calls.iter().zip(done) {
            let (content, status) = match result {
                Some(Ok(answer)) => (self.show(answer, &mut images), Status::Success),
                Some(Err(error)) => (vec![self.as_data(&error.to_text())], Status::Error),
                None => {
                    let text = format!("not run: an answer may call {MAX_CALLS} tools at most");
                    (vec![Shown::Text(text)], Status::Error)
                }
            };
            results.push(ToolResult { tool_use_id: call.tool_use_id.clone(), content, status });
        }
        results
    }

    async fn run_one(
        &self,
        call: ToolUse,
        deadline: Option<Instant>,
    ) -> Result<answer::Answer, ToolError> {
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
        self.dispatcher.dispatch(request, CancellationToken::new()).await
    }

    fn show(&self, answer: answer::Answer, images: &mut usize) -> Vec<Shown> {
        match answer.shown {
            answer::Shown::Text(text) => vec![self.as_data(&text)],
            answer::Shown::Json => vec![self.as_data(&answer.json.to_string())],
            answer::Shown::Audio { note, .. } => {
                vec![self.as_data(&format!("{note}\n(a sound; it cannot be shown here)"))]
            }
            answer::Shown::Image { data, media_type, note } => {
                let format = media_type.strip_prefix("image/").unwrap_or_default();
                let known = ["png", "jpeg", "gif", "webp"].contains(&format);
                let bytes = STANDARD.decode(&data).map_or(usize::MAX, |bytes| bytes.len());
                if known && bytes <= MAX_IMAGE_BYTES && *images < MAX_IMAGES {
                    *images += 1;
                    let source = Source { bytes: data };
                    let image = Image { format: format.to_owned(), source };
                    vec![self.as_data(&note), Shown::Image(image)]
                } else {
                    vec![self.as_data(&format!("{note}\n(an image; it cannot be shown here)"))]
                }
            }
        }
    }

    /// What the system prompt calls data.
    fn as_data(&self, text: &str) -> Shown {
        let fence = &self.fence;
        Shown::Text(format!("<{fence}>\n{text}\n</{fence}>"))
    }
}
