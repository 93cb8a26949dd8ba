//! A caller's rights over the workspace under the policy, for steps that are not tools of an agent.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::policy::{Grant, Policy};
use mcp_workspace_tools::workspace::{Decider, Scope, Workspace};

/// Longest time for reading all records of a workspace.
const TIME: Duration = Duration::from_secs(60 * 60);

/// Why a step cannot touch the workspace.
#[derive(Debug, thiserror::Error)]
pub enum NoAccess {
    /// There is no such workspace.
    #[error("cannot open the workspace `{root}`: {cause}")]
    Workspace {
        /// The directory.
        root: String,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// Policy does not know the caller.
    #[error("the policy names no role for the caller `{0}`; add it to a role's `callers`")]
    NoRole(String),
}

fn open(root: &Path, policy: &Policy, caller: &str) -> Result<(Arc<Workspace>, Grant), NoAccess> {
    let grant = policy.grant(caller).ok_or_else(|| NoAccess::NoRole(caller.to_owned()))?;
    let workspace = Workspace::open_with_ambient_authority(root)
        .map_err(|cause| NoAccess::Workspace { root: root.display().to_string(), cause })?;
    Ok((Arc::new(workspace), grant))
}

/// What the caller may read and write.
pub fn scope(root: &Path, policy: &Policy, caller: &str) -> Result<(Scope, Call), NoAccess> {
    let (workspace, grant) = open(root, policy, caller)?;
    let layout = Arc::new(policy.layout().clone());
    Ok((Scope::new(workspace, grant.for_decisions(), layout), Call::new(caller, TIME)))
}

/// What the caller may decide.
pub fn decider(root: &Path, policy: &Policy, caller: &str) -> Result<Decider, NoAccess> {
    let (workspace, grant) = open(root, policy, caller)?;
    Ok(Decider::new(workspace, &grant, Arc::new(policy.layout().clone()), caller))
}
