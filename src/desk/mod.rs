//! Whose findings and proposals a command is about: those of a workspace of this machine, or those
//! behind the URL of a function.

mod audited;
#[cfg(feature = "remote")]
mod there;

#[cfg(not(feature = "remote"))]
use anyhow::bail;
use mcp_workspace_tools::desk::Desk;

use crate::caller::{Caller, Proof};
use crate::config::{UrlOptions, WorkspaceOptions};
use audited::Audited;

/// Who is nobody sees and decides nothing.
#[derive(Debug, thiserror::Error)]
#[error("{policy} names no role for caller `{caller}`; see --caller and --policy")]
pub struct NoRole {
    policy: String,
    caller: String,
}

/// Opens the desk that the options name. `host` is what audit records of decisions say.
///
/// # Errors
/// When the workspace or the policy cannot be had, the policy names no role for the caller, or
/// the URL is none.
pub fn open(
    url: &UrlOptions,
    workspace: &WorkspaceOptions,
    caller: &str,
    host: &'static str,
) -> anyhow::Result<Box<dyn Desk>> {
    if let Some(place) = &url.url {
        return there(place, url.region.as_deref());
    }
    let (dispatcher, opened) = workspace.dispatcher(workspace.root_or_current())?;
    let Some(desk) = dispatcher.desk(&Caller::new(caller, Proof::Process)) else {
        return Err(NoRole { policy: opened.policy, caller: caller.to_owned() }.into());
    };
    Ok(Box::new(Audited::new(desk, host)))
}

#[cfg(feature = "remote")]
fn there(url: &str, region: Option<&str>) -> anyhow::Result<Box<dyn Desk>> {
    Ok(Box::new(there::There::connect(url, region)?))
}

#[cfg(not(feature = "remote"))]
fn there(_: &str, _: Option<&str>) -> anyhow::Result<Box<dyn Desk>> {
    bail!("this build has no --url; install it with `cargo install --path . --features remote`")
}
