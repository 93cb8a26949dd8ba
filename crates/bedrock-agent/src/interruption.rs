//! Ctrl-C and SIGTERM end the process, but not the run: the same command continues it.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A token that is cancelled at the first Ctrl-C or SIGTERM.
///
/// # Errors
/// When the process cannot listen for signals.
pub fn interruption() -> std::io::Result<CancellationToken> {
    let token = CancellationToken::new();
    let interrupted = token.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        interrupted.cancel();
    });
    Ok(token)
}
