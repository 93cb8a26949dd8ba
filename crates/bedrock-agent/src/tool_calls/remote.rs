//! Tool calls through an MCP server elsewhere. They can do what its policy grants to whoever signs
//! the requests.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use mcp_workspace_remote::RemoteError;
use rmcp::RoleClient;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ResourceContents,
};
use rmcp::service::{Peer, ServiceError};
use serde_json::Value;
use tokio::sync::Mutex;

use super::session::{Session, begin, open};
use super::transport::{Link, LinkError, cause};
use super::{Outcome, Part, Unsent};
use crate::backoff::{self, Patience};
use crate::conversation::{Status, ToolUse};
use mcp_workspace_tools::name::Name;

/// Time for a goodbye.
const TIME_TO_CLOSE: Duration = Duration::from_secs(2);

/// The tools of a server elsewhere.
pub(crate) struct RemoteTools {
    link: Link,
    session: Mutex<Option<Session>>,
    patience: Patience,
    caller: String,
    tools: Vec<Value>,
    repeatable: HashSet<String>,
    left_out: Vec<String>,
}

/// Why a call has no result.
enum Trouble {
    /// It did not get to its tool, and later it may.
    Unsent(String),
    /// The server does not let us in.
    Refused(String),
    /// It may have been done, or not.
    Unknown(String),
    /// The server says what is wrong with it.
    Answered(String),
}

impl RemoteTools {
    /// Connects, and lists the tools.
    ///
    /// # Errors
    /// When the server cannot be reached, does not let us in, or speaks no MCP.
    pub(crate) async fn connect(
        remote: mcp_workspace_remote::Remote,
        role: &Name,
        patience: Patience,
    ) -> anyhow::Result<RemoteTools> {
        let url = remote.url().to_string();
        let link = Link(Arc::new(remote));
        let opened = tokio::time::timeout(patience.time, begin(&link, patience)).await;
        let opened = opened.map_err(|_| anyhow!("no answer in {} s", patience.time.as_secs()));
        let (session, offer) =
            opened.flatten().with_context(|| format!("cannot work through `{url}`"))?;
        Ok(RemoteTools {
            link,
            session: Mutex::new(Some(session)),
            patience,
            caller: format!("{role} through {url}"),
            tools: offer.tools,
            repeatable: offer.repeatable,
            left_out: offer.left_out,
        })
    }

    pub(super) fn caller(&self) -> &str {
        &self.caller
    }

    pub(super) fn tools(&self) -> &[Value] {
        &self.tools
    }

    pub(super) fn left_out(&self) -> &[String] {
        &self.left_out
    }

    pub(super) fn without_tools(&self) -> String {
        let mut text = format!(
            "`{}` offers no tools that a model can use; the server's policy must grant some to \
             the identity of these credentials",
            self.link.0.url()
        );
        for line in &self.left_out {
            text.push('\n');
            text.push_str(line);
        }
        text
    }

    /// Makes a call. A call that surely did nothing is tried again; one whose answer was lost
    /// only if a second time does no harm, and once.
    pub(super) async fn run(
        &self,
        call: ToolUse,
        deadline: Option<Instant>,
    ) -> Result<Outcome, Unsent> {
        let end = Instant::now() + self.patience.time;
        let end = deadline.map_or(end, |deadline| deadline.min(end));
        let Value::Object(arguments) = call.input else {
            return Ok(Outcome::error("invalid_argument: the arguments must be a JSON object"));
        };
        let repeatable = self.repeatable.contains(&call.name);
        let name = call.name.clone();
        let request = CallToolRequestParams::new(call.name).with_arguments(arguments);
        let (mut failed, mut lost) = (0, false);
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let answer = tokio::time::timeout(left, self.once(request.clone())).await;
            let trouble = match answer {
                Ok(Ok(outcome)) => return Ok(outcome),
                Ok(Err(trouble)) => trouble,
                Err(_) => Trouble::Unknown("no answer in time".to_owned()),
            };
            failed += 1;
            let wait = backoff::wait(self.patience.first_wait, failed);
            let in_time = Instant::now() + wait < end;
            match trouble {
                Trouble::Answered(text) => return Ok(Outcome::error(text)),
                Trouble::Refused(text) => return Err(Unsent(text)),
                Trouble::Unsent(_) if in_time && failed < self.patience.attempts => {}
                // Whoever asks again later does no harm, although an attempt may have got through.
                Trouble::Unsent(text) => return Err(Unsent(text)),
                Trouble::Unknown(_) if in_time && repeatable && !lost => lost = true,
                Trouble::Unknown(text) if repeatable => {
                    return Ok(Outcome::error(format!(
                        "`{name}` got no answer: {text}. Try again."
                    )));
                }
                Trouble::Unknown(text) => return Ok(unknown(&name, &text)),
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Ends the session, where the server keeps one.
    pub(super) async fn close(&self) {
        if let Some(mut session) = self.session.lock().await.take() {
            // It ends by itself some time.
            let _ = session.close_with_timeout(TIME_TO_CLOSE).await;
        }
    }

    async fn once(&self, request: CallToolRequestParams) -> Result<Outcome, Trouble> {
        let peer = self.peer().await?;
        match peer.call_tool_once(request).await {
            Ok(CallToolResponse::Complete(result)) => Ok(outcome(result)),
            Ok(_) => Err(Trouble::Answered(
                "the server asks for something that nobody here can give; do without this tool"
                    .to_owned(),
            )),
            Err(error) => Err(trouble(&error)),
        }
    }

    /// The connection, made anew where it has ended.
    async fn peer(&self) -> Result<Peer<RoleClient>, Trouble> {
        let mut session = self.session.lock().await;
        if let Some(session) = &*session
            && !session.peer().is_transport_closed()
        {
            return Ok(session.peer().clone());
        }
        let fresh = open(&self.link).await;
        let fresh = fresh.map_err(|error| Trouble::Unsent(format!("{error:#}")))?;
        let peer = fresh.peer().clone();
        *session = Some(fresh);
        Ok(peer)
    }
}

fn outcome(result: CallToolResult) -> Outcome {
    let mut parts: Vec<Part> = Vec::new();
    let mut said_already = false;
    for block in result.content {
        parts.push(match block {
            ContentBlock::Text(text) => {
                // The same JSON comes as text for clients that know nothing else.
                said_already |= result.structured_content.is_some()
                    && serde_json::from_str(&text.text).ok() == result.structured_content;
                Part::Text(text.text)
            }
            ContentBlock::Image(image) => Part::Image(image.data, image.mime_type),
            ContentBlock::Audio(_) => Part::Text("(a sound; it cannot be shown here)".to_owned()),
            ContentBlock::Resource(resource) => Part::Text(match resource.resource {
                ResourceContents::TextResourceContents { uri, text, .. } => {
                    format!("{uri}\n{text}")
                }
                other => format!("(a file that is not text: {})", uri_of(&other)),
            }),
            ContentBlock::ResourceLink(link) => Part::Text(format!("(see {})", link.uri)),
            _ => Part::Text("(a kind of content that is not known here)".to_owned()),
        });
    }
    if let Some(json) = result.structured_content
        && !said_already
    {
        parts.push(Part::Text(json.to_string()));
    }
    let status = if result.is_error == Some(true) { Status::Error } else { Status::Success };
    Outcome { parts, status }
}

fn uri_of(contents: &ResourceContents) -> &str {
    match contents {
        ResourceContents::TextResourceContents { uri, .. }
        | ResourceContents::BlobResourceContents { uri, .. } => uri,
        _ => "",
    }
}

fn unknown(name: &str, reason: &str) -> Outcome {
    Outcome::error(format!(
        "it is not known whether `{name}` was done: {reason}. Look before you do it again."
    ))
}

/// Tells errors apart by what may have happened.
fn trouble(error: &ServiceError) -> Trouble {
    let ServiceError::TransportSend(sent) = error else {
        return match error {
            ServiceError::McpError(error) => Trouble::Answered(error.message.to_string()),
            other => Trouble::Unknown(other.to_string()),
        };
    };
    let Some(link) = cause(sent) else {
        return Trouble::Unknown(sent.error.to_string());
    };
    let text = link.to_string();
    match link {
        LinkError::Status { status: 429, .. } => Trouble::Unsent(text),
        LinkError::Status { status: 401 | 403, .. } => Trouble::Refused(text),
        LinkError::Status { status: 400..500, .. } => Trouble::Answered(text),
        LinkError::Status { .. } => Trouble::Unknown(text),
        LinkError::Remote(RemoteError::Transport { before_sending: true, .. }) => {
            Trouble::Unsent(text)
        }
        LinkError::Remote(RemoteError::Transport { .. } | RemoteError::TooLarge { .. }) => {
            Trouble::Unknown(text)
        }
        // The arguments went into a header that cannot be signed.
        LinkError::Remote(RemoteError::Signature(_)) => Trouble::Answered(text),
        LinkError::Remote(_) => Trouble::Refused(text),
    }
}
