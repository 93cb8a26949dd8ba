//! Makes the tool calls of a model, all at the same time, in this process or through a server
//! elsewhere. It marks the results as data.

mod local;
mod offer;
mod remote;
mod session;
mod transport;

use std::sync::Arc;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mcp_workspace_call::dispatch::Dispatcher;
use serde_json::Value;
use tokio::task::JoinSet;

use local::LocalTools;
pub(crate) use remote::RemoteTools;

use crate::conversation::{Image, Shown, Source, Status, ToolResult, ToolUse};
use mcp_workspace_tools::name::Name;

/// Calls of one answer that are run; the model is told to ask for the others again.
const MAX_CALLS: usize = 32;
/// Images in one request, and bytes of one, as the service allows.
const MAX_IMAGES: usize = 20;
const MAX_IMAGE_BYTES: usize = 3_750_000;
/// Characters of one result; this server's own answers stay far below.
const MAX_CHARACTERS: usize = 200_000;

/// Runs the tool calls of one agent.
#[derive(Clone)]
pub(crate) struct ToolRunner {
    backend: Arc<Backend>,
    /// Around everything that tools return. It is random, so that no file can have it in it.
    fence: String,
}

/// Where the tools are.
enum Backend {
    Local(LocalTools),
    Remote(RemoteTools),
}

/// What came of a call.
struct Outcome {
    parts: Vec<Part>,
    status: Status,
}

/// A part of an answer, before it is marked as data.
enum Part {
    Text(String),
    /// Base64, and the media type.
    Image(String, String),
}

/// Why a call did not get to its tool. It may be made later.
struct Unsent(String);

/// Why no call of an answer could be made. The model cannot do anything about it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreachable(pub String);

impl ToolRunner {
    /// Runs the calls of an agent with a role in this process.
    pub(crate) fn new(dispatcher: Dispatcher, role: &Name, run: &Name, agent: &Name) -> ToolRunner {
        ToolRunner::of(Backend::Local(LocalTools::new(dispatcher, role, run, agent)))
    }

    /// Runs calls through a server.
    pub(crate) fn remote(remote: RemoteTools) -> ToolRunner {
        ToolRunner::of(Backend::Remote(remote))
    }

    fn of(backend: Backend) -> ToolRunner {
        ToolRunner { backend: Arc::new(backend), fence: format!("data-{:016x}", fastrand::u64(..)) }
    }

    /// The caller's id. Through a server elsewhere it is the role and the server, because that
    /// server has its own name for whoever signs.
    pub(crate) fn caller(&self) -> &str {
        match &*self.backend {
            Backend::Local(local) => local.caller(),
            Backend::Remote(remote) => remote.caller(),
        }
    }

    /// The tools that may be called, as Converse describes them.
    pub(crate) fn tools(&self) -> Vec<Value> {
        match &*self.backend {
            Backend::Local(local) => local.tools(),
            Backend::Remote(remote) => remote.tools().to_vec(),
        }
    }

    /// Why there are no tools, and what to do about it.
    pub(crate) fn without_tools(&self) -> String {
        match &*self.backend {
            Backend::Local(local) => format!(
                "policy grants the caller `{}` no tools; the role's `callers` must name it",
                local.caller()
            ),
            Backend::Remote(remote) => remote.without_tools(),
        }
    }

    /// Tools that the server lists and that cannot be offered: which and why.
    pub(crate) fn left_out(&self) -> &[String] {
        match &*self.backend {
            Backend::Local(_) => &[],
            Backend::Remote(remote) => remote.left_out(),
        }
    }

    /// Runs the calls, all at the same time, and gives their results in order. Dropping the
    /// future cancels those that are still running.
    ///
    /// # Errors
    /// When none of them could be made: making all of them later does no harm.
    pub(crate) async fn run(
        &self,
        calls: &[ToolUse],
        images_so_far: usize,
        deadline: Option<Instant>,
    ) -> Result<Vec<ToolResult>, Unreachable> {
        let mut running = JoinSet::new();
        for (index, call) in calls.iter().enumerate().take(MAX_CALLS) {
            let (backend, call) = (Arc::clone(&self.backend), call.clone());
            running.spawn(async move {
                let outcome = match &*backend {
                    Backend::Local(local) => Ok(local.run(call, deadline).await),
                    Backend::Remote(remote) => remote.run(call, deadline).await,
                };
                (index, outcome)
            });
        }
        let mut done: Vec<Option<Result<Outcome, Unsent>>> = Vec::new();
        done.resize_with(calls.len(), || None);
        while let Some(finished) = running.join_next().await {
            if let Ok((index, outcome)) = finished
                && let Some(place) = done.get_mut(index)
            {
                *place = Some(outcome);
            }
        }
        let mut made = done.iter().flatten();
        if let Some(Err(Unsent(reason))) = made.next()
            && made.all(Result::is_err)
        {
            return Err(Unreachable(reason.clone()));
        }
        let mut images = images_so_far;
        let mut results = Vec::new();
        for (call, outcome) in calls.iter().zip(done) {
            let (content, status) = match outcome {
                Some(Ok(outcome)) => (self.show(outcome.parts, &mut images), outcome.status),
                Some(Err(Unsent(reason))) => {
                    let text = format!("no answer: {reason}. Try again later.");
                    (vec![self.as_data(&text)], Status::Error)
                }
                None => {
                    let text = format!("not run: an answer may call {MAX_CALLS} tools at most");
                    (vec![Shown::Text(text)], Status::Error)
                }
            };
            results.push(ToolResult { tool_use_id: call.tool_use_id.clone(), content, status });
        }
        Ok(results)
    }

    /// Ends the session with the server.
    pub(crate) async fn close(&self) {
        if let Backend::Remote(remote) = &*self.backend {
            remote.close().await;
        }
    }

    fn show(&self, parts: Vec<Part>, images: &mut usize) -> Vec<Shown> {
        let (mut text, mut shown) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Part::Text(piece) => text.push(piece),
                Part::Image(data, media_type) => {
                    let format = media_type.strip_prefix("image/").unwrap_or_default();
                    let known = ["png", "jpeg", "gif", "webp"].contains(&format);
                    let bytes = STANDARD.decode(&data).map_or(0, |bytes| bytes.len());
                    let fits = (1..=MAX_IMAGE_BYTES).contains(&bytes) && *images < MAX_IMAGES;
                    if known && fits {
                        *images += 1;
                        let source = Source { bytes: data };
                        shown.push(Shown::Image(Image { format: format.to_owned(), source }));
                    } else {
                        text.push("(an image; it cannot be shown here)".to_owned());
                    }
                }
            }
        }
        if !text.is_empty() || shown.is_empty() {
            shown.insert(0, self.as_data(&text.join("\n")));
        }
        shown
    }

    /// What the system prompt calls data.
    fn as_data(&self, text: &str) -> Shown {
        let fence = &self.fence;
        let (text, cut) = match text.char_indices().nth(MAX_CHARACTERS) {
            Some((end, _)) => (text.get(..end).unwrap_or_default(), "\n(cut off here)"),
            None => (text, ""),
        };
        Shown::Text(format!("<{fence}>\n{text}{cut}\n</{fence}>"))
    }
}

impl Outcome {
    fn error(text: impl Into<String>) -> Outcome {
        Outcome { parts: vec![Part::Text(text.into())], status: Status::Error }
    }
}
