//! MCP over stdin and stdout, as editors and desktop clients start servers.

mod lines;
mod transport;

use std::sync::Arc;

use anyhow::Context;
use rmcp::ServiceExt;

use crate::caller::{Caller, Proof};
use crate::dispatch::Dispatcher;
use crate::mcp::Handler;
use transport::Transport;

/// Serves until stdin ends.
///
/// # Errors
/// When the transport fails.
pub(crate) async fn serve(dispatcher: Arc<Dispatcher>, caller: &str) -> anyhow::Result<()> {
    let caller = Caller::new(caller, Proof::Process);
    let handler = Handler::new(dispatcher, "stdio", Some(caller));
    let (stdin, stdout) = rmcp::transport::io::stdio();
    let service = match handler.serve(Transport::new(stdin, stdout)).await {
        Ok(service) => service,
        // A client that leaves before it has said anything is no fault.
        Err(rmcp::service::ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
        Err(error) => return Err(error).context("the client did not begin with a valid message"),
    };
    service.waiting().await.context("the stdio transport failed")?;
    Ok(())
}
