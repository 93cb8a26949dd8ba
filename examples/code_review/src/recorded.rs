//! The records that the agents of a run have written about their own work, whoever ran them.

use std::path::Path;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::workspace::Scope;

use crate::agents::{Agent, team};
use crate::merge::MergeError;
use crate::outcome::Outcome;
use crate::rights;

/// The outcomes in `output/runs/RUN/AGENT/summary.json` of the team's agents. One that is at work
/// or was killed has none, or that of its last pause.
///
/// # Errors
/// When they cannot be listed.
pub fn recorded(
    root: &Path,
    policy: &Policy,
    run: &Name,
    caller: &str,
) -> Result<Vec<Outcome>, MergeError> {
    let failed = |cause| MergeError::Workspace { run: run.clone(), cause };
    let (scope, call) = rights::scope(root, policy, caller)?;
    let team = team(policy.layout(), run);
    let directory = policy.layout().output.join("runs").and_then(|runs| runs.join(run.as_str()));
    let directory = directory.map_err(|error| failed(error.into()))?;
    let mut outcomes = Vec::new();
    for name in scope.record_names(&directory).map_err(failed)? {
        let Ok(name) = Name::parse(&name) else { continue };
        let Some(agent) = team.iter().find(|agent| agent.goes_by(&name)) else { continue };
        let agent = Agent { name, ..agent.clone() };
        outcomes.extend(one(&scope, &call, &directory, &agent).map_err(failed)?);
    }
    Ok(outcomes)
}

fn one(
    scope: &Scope,
    call: &Call,
    directory: &WorkspacePath,
    agent: &Agent,
) -> Result<Option<Outcome>, ToolError> {
    let path = directory.join(agent.name.as_str())?.join("summary.json")?;
    match scope.read_whole(&path, call) {
        Ok(text) => {
            let summary = serde_json::from_slice(&text).ok();
            Ok(summary.and_then(|summary| Outcome::of_summary(agent, &summary).ok()))
        }
        Err(error) if error.code == Code::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
