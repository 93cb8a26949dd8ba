//! `mcp-workspace review`: serves the web page on which a person looks at findings and proposals,
//! and decides.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use mcp_workspace_tools::call::Call;
use tokio::net::TcpListener;

use crate::config::ReviewOptions;
use crate::page::{self, PageAccess, Pages};
use crate::review;
use crate::terminal::{block, line};

/// Longest time for a page, and for finding out who the person is.
const PAGE_TIME: Duration = Duration::from_secs(60);
/// The same for a page that is asked for over a URL: a list may be many requests.
const PAGE_TIME_OVER_URL: Duration = Duration::from_secs(10 * 60);

/// Serves until the process is asked to stop.
///
/// # Errors
/// When the workspace, the policy or the address cannot be had, or the caller has no role.
pub(crate) async fn run(options: ReviewOptions) -> anyhow::Result<ExitCode> {
    if !options.listen.ip().is_loopback() {
        bail!(
            "refusing to listen on {}: who reaches the page decides about the sources. It listens \
             on loopback only; from another machine use a tunnel, such as ssh -L.",
            options.listen
        );
    }
    let (place, time) = match &options.decider.url.url {
        Some(url) => (url.clone(), PAGE_TIME_OVER_URL),
        None => {
            let root = options.decider.workspace.root_or_current();
            (root.display().to_string(), PAGE_TIME)
        }
    };
    let decider = options.decider;
    let (review, person) = tokio::task::spawn_blocking(move || {
        let review = review::open(&decider.url, &decider.workspace, &decider.caller, "review")?;
        // Behind a URL this is the first question, which tells who is not let in before any page.
        let person = review.person(&Call::new(&decider.caller, PAGE_TIME));
        anyhow::Ok((
            review,
            person.map_err(|error| anyhow!("{}", block(&error.to_text(), "").trim_end()))?,
        ))
    })
    .await??;
    let listener = TcpListener::bind(options.listen).await.with_context(|| {
        format!("cannot listen on {}; choose another with --listen", options.listen)
    })?;
    let address = listener.local_addr().context("cannot read the listener's address")?;
    let access = PageAccess::new(address)?;
    let mut out = std::io::stdout().lock();
    // A closed stdout must not end the page.
    let _ = writeln!(
        out,
        "Review of {} as `{}`:\n  http://{address}/enter?token={}\n\nCtrl-C stops it.",
        line(&place),
        line(&person),
        access.token()
    )
    .and_then(|()| out.flush());
    drop(out);
    page::serve(Pages::new(access, review, person, time), listener).await;
    Ok(ExitCode::SUCCESS)
}
