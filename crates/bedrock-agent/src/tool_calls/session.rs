//! The connection to an MCP server: which protocol it speaks, and what tools it lists.

use anyhow::{anyhow, bail};
use rmcp::RoleClient;
use rmcp::model::{
    ClientCapabilities, ClientConfig, ClientRequest, Implementation, ListToolsRequest,
    PaginatedRequestParams, ProtocolVersion, ServerResult, Tool,
};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, Peer, RunningService, ServiceError,
    serve_client_with_lifecycle,
};
use rmcp::transport::DynamicTransportError;
use rmcp::transport::streamable_http_client::{
    StreamableHttpClientTransport, StreamableHttpClientTransportConfig, StreamableHttpError,
};
use serde_json::Value;

use super::offer::Offer;
use super::transport::{Link, LinkError};
use crate::backoff::{self, Patience};

/// A connection.
pub(super) type Session = RunningService<RoleClient, ClientConfig>;

/// Pages of a list of tools.
const MAX_PAGES: usize = 50;
/// Calls that are under way at once; as many as an answer may make.
const MAX_AT_ONCE: usize = super::MAX_CALLS;

/// Connects and lists the tools. It tries again while the server is busy, because agents often
/// begin together.
pub(super) async fn begin(link: &Link, patience: Patience) -> anyhow::Result<(Session, Offer)> {
    let mut failed = 0;
    loop {
        let begun = async {
            let session = open(link).await?;
            let offer = list(session.peer()).await?;
            anyhow::Ok((session, offer))
        };
        let error = match begun.await {
            Ok(begun) => return Ok(begun),
            Err(error) => error,
        };
        failed += 1;
        let status = error.downcast_ref::<LinkError>();
        let busy = matches!(status, Some(LinkError::Status { status: 429 | 500.., .. }));
        if !busy || failed >= patience.attempts {
            return Err(error);
        }
        tokio::time::sleep(backoff::wait(patience.first_wait, failed)).await;
    }
}

/// Agrees on a version of the protocol: the newest without sessions, or an older one with them.
pub(super) async fn open(link: &Link) -> anyhow::Result<Session> {
    let newest = ClientLifecycleMode::Auto {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
        legacy_version: None,
    };
    let session = match open_as(link, newest).await {
        // It knows of the newest protocol, and does not speak it.
        Err(ClientInitializeError::NoCompatibleProtocolVersion { .. }) => {
            open_as(link, ClientLifecycleMode::Initialize).await
        }
        session => session,
    };
    session.map_err(|error| match error {
        ClientInitializeError::TransportError { error, .. } => sent(error),
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => match *fallback {
            ClientInitializeError::TransportError { error, .. } => sent(error),
            other => other.into(),
        },
        other => other.into(),
    })
}

async fn open_as(
    link: &Link,
    lifecycle: ClientLifecycleMode,
) -> Result<Session, ClientInitializeError> {
    let version = env!("CARGO_PKG_VERSION");
    let config = ClientConfig::new(
        ClientCapabilities::default(),
        Implementation::new("bedrock-agent", version),
    );
    let transport = StreamableHttpClientTransport::with_client(
        link.clone(),
        StreamableHttpClientTransportConfig::with_uri(link.0.url().as_str())
            .max_concurrent_requests(MAX_AT_ONCE),
    );
    serve_client_with_lifecycle(config, transport, lifecycle).await
}

/// What went wrong on the way, without the layers around it.
fn sent(error: DynamicTransportError) -> anyhow::Error {
    match error.error.downcast::<StreamableHttpError<LinkError>>() {
        Ok(error) => match *error {
            StreamableHttpError::Client(error) => error.into(),
            other => other.into(),
        },
        Err(other) => anyhow!(other),
    }
}

/// All pages of the list, as far as a model can be offered what is in them.
async fn list(peer: &Peer<RoleClient>) -> anyhow::Result<Offer> {
    let mut offer = Offer::default();
    let mut cursor = None;
    for _ in 0..MAX_PAGES {
        let page = PaginatedRequestParams::default().with_cursor(cursor.clone());
        let request = ListToolsRequest::with_param(page);
        let page = peer.send_request(ClientRequest::ListToolsRequest(request)).await;
        let page = page.map_err(|error| match error {
            ServiceError::TransportSend(error) => sent(error),
            other => other.into(),
        })?;
        let next = match page {
            ServerResult::ListToolsResult(page) => {
                page.tools.iter().for_each(|tool| offer.add(tool));
                page.next_cursor
            }
            // One tool that is none does not hide the others.
            ServerResult::CustomResult(page) => {
                let Some(tools) = page.0.get("tools").and_then(Value::as_array) else {
                    bail!("its list of tools cannot be understood");
                };
                for tool in tools {
                    match serde_json::from_value::<Tool>(tool.clone()) {
                        Ok(tool) => offer.add(&tool),
                        Err(error) => offer.leave_out(format!("a tool is left out: {error}")),
                    }
                }
                page.0.get("nextCursor").and_then(Value::as_str).map(str::to_owned)
            }
            _ => bail!("its list of tools cannot be understood"),
        };
        if next.is_none() {
            return Ok(offer.finish());
        }
        if offer.is_full() || next == cursor {
            break;
        }
        cursor = next;
    }
    offer
        .leave_out("the rest of the server's list of tools is left out: it is too long".to_owned());
    Ok(offer.finish())
}
