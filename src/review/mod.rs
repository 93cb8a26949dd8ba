//! Where a command finds its findings and proposals: in a workspace on this machine, or behind the
//! URL of a function.

mod audited;
#[cfg(feature = "remote")]
mod remote;

#[cfg(not(feature = "remote"))]
use anyhow::bail;
use mcp_workspace_tools::review::Review;

use crate::caller::{Caller, Proof};
use crate::config::{UrlOptions, WorkspaceOptions};
use audited::AuditedReview;

/// The policy gives the caller no role.
#[derive(Debug, thiserror::Error)]
#[error("{policy} names no role for caller `{caller}`; see --caller and --policy")]
pub(crate) struct NoRole {
    policy: String,
    caller: String,
}

/// Opens the review that the options name. Audit records of decisions give `host` as their host.
///
/// # Errors
/// When the workspace or the policy cannot be had, the policy names no role for the caller, or
/// the URL is none.
pub(crate) fn open(
    url: &UrlOptions,
    workspace: &WorkspaceOptions,
    caller: &str,
    host: &'static str,
) -> anyhow::Result<Box<dyn Review>> {
    if let Some(place) = &url.url {
        return remote(place, url.region.as_deref());
    }
    let (dispatcher, opened) = workspace.dispatcher(workspace.root_or_current())?;
    let Some(review) = dispatcher.local_review(&Caller::new(caller, Proof::Process)) else {
        return Err(NoRole { policy: opened.policy, caller: caller.to_owned() }.into());
    };
    Ok(Box::new(AuditedReview::new(review, host)))
}

#[cfg(feature = "remote")]
fn remote(url: &str, region: Option<&str>) -> anyhow::Result<Box<dyn Review>> {
    Ok(Box::new(remote::RemoteReview::connect(url, region)?))
}

#[cfg(not(feature = "remote"))]
fn remote(_: &str, _: Option<&str>) -> anyhow::Result<Box<dyn Review>> {
    bail!("this build has no --url; install it with `cargo install --path . --features remote`")
}
