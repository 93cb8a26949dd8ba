//! `mcp-workspace review`: the page on which a person sees findings and proposals, and decides.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use tokio::net::TcpListener;

use crate::caller::{Caller, Proof};
use crate::config::ReviewOptions;
use crate::review::{self, Desk, Door};

/// Serves until the process is asked to stop.
///
/// # Errors
/// When the workspace, the policy or the address cannot be had, or the caller has no role.
pub async fn run(options: ReviewOptions) -> anyhow::Result<ExitCode> {
    if !options.listen.ip().is_loopback() {
        bail!(
            "refusing to listen on {}: who reaches the page decides about the sources. It listens \
             on loopback only; from another machine use a tunnel, such as ssh -L.",
            options.listen
        );
    }
    let root = options.decider.workspace.root_or_current();
    let (dispatcher, opened) = options.decider.workspace.dispatcher(root)?;
    let caller = Caller::new(&options.decider.caller, Proof::Process);
    let Some((scope, decider)) = dispatcher.for_person(&caller) else {
        bail!("the policy {} names no role for caller `{}`", opened.policy, options.decider.caller);
    };
    let listener = TcpListener::bind(options.listen).await.with_context(|| {
        format!("cannot listen on {}; choose another with --listen", options.listen)
    })?;
    let address = listener.local_addr().context("cannot read the listener's address")?;
    let door = Door::new(address)?;
    let mut out = std::io::stdout().lock();
    // A closed stdout must not end the page.
    let _ = writeln!(
        out,
        "Review of {} as `{}`:\n  http://{address}/enter?token={}\n\nCtrl-C stops it.",
        root.display(),
        options.decider.caller,
        door.token()
    )
    .and_then(|()| out.flush());
    drop(out);
    review::serve(Desk { door, scope, decider }, listener).await?;
    Ok(ExitCode::SUCCESS)
}
