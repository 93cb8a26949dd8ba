//! The routes over a socket.

use std::sync::Arc;

use anyhow::Context;
use axum::Extension;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::connections::{self, MaxConnections};
use super::identity::{Identity, Proving};
use super::names::{Names, Own};
use super::router::router;
use super::served::Served;
use crate::caller::delegation::Delegation;
use crate::dispatch::Dispatcher;

/// Who may connect, and under which names the server is reached.
#[derive(Debug)]
pub(crate) struct Access {
    /// What every request needs.
    pub proving: Proving,
    /// Who may speak for others; nobody here has a proof that counts for it.
    pub delegation: Delegation,
    /// Names beside the loopback ones that a `Host` header may carry.
    pub allowed_hosts: Vec<String>,
    /// Origins beside the loopback ones that a browser's page may have.
    pub allowed_origins: Vec<String>,
    /// How many may be connected.
    pub most: MaxConnections,
}

/// Serves on `listener` until SIGINT or SIGTERM.
///
/// # Errors
/// When the listener fails.
pub(crate) async fn serve(
    dispatcher: Arc<Dispatcher>,
    listener: TcpListener,
    access: Access,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("cannot read the listener's address")?;
    let mut names =
        ["localhost", "127.0.0.1", "::1"].into_iter().fold(Names::default(), Names::host);
    if !address.ip().is_unspecified() {
        names = names.host(&address.ip().to_string());
    }
    let pages = ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"];
    names = access.allowed_hosts.iter().fold(names, |names, host| names.host(host));
    names = pages.into_iter().fold(names, Names::origin);
    names = access.allowed_origins.iter().fold(names, |names, origin| names.origin(origin));
    let own = Own { names: Arc::new(names), url: format!("http://{address}/mcp").into() };
    let stop = stop_when_asked();
    let served = Served {
        host: "http",
        dispatcher: Arc::clone(&dispatcher),
        mcp_at_root: false,
        reviewed: false,
        stop: stop.clone(),
    };
    let Access { proving, delegation, most, .. } = access;
    let app = router(served, Identity { proving, delegation, dispatcher }).layer(Extension(own));
    connections::serve(listener, app, most, stop).await;
    Ok(())
}

/// What is cancelled by SIGINT or SIGTERM.
pub(crate) fn stop_when_asked() -> CancellationToken {
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        asked_to_stop().await;
        asked.cancel();
    });
    stop
}

async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
