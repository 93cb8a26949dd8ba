//! Lets one agent of the team work, in this process, until it is done, stopped or out of budget.

use std::path::Path;

use bedrock_agent::config::LimitOptions;
use bedrock_agent::{Assignment, Bedrock, Watch};
use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::Policy;
use tokio_util::sync::CancellationToken;

use crate::agents::Agent;
use crate::outcome::Outcome;

/// The model that agents think with.
pub struct Model<'a> {
    /// The connection.
    pub bedrock: &'a Bedrock,
    /// Model id, inference profile or ARN.
    pub id: &'a str,
    /// How far each agent may go.
    pub limits: &'a LimitOptions,
}

/// Why an agent could not work or could not record what it did. What is recorded stays.
#[derive(Debug, thiserror::Error)]
#[error("the agent `{agent}`: {reason}")]
pub struct WorkError {
    /// The agent.
    pub agent: Name,
    /// Why.
    pub reason: String,
}

/// Lets the agent work from where its run stands. An agent that is done is not asked again.
/// `interrupted` pauses the agent, and the same call continues.
///
/// # Errors
/// When it cannot begin, or a step cannot be recorded.
pub async fn work(
    root: &Path,
    policy: &Policy,
    agent: &Agent,
    run: &Name,
    model: &Model<'_>,
    watch: Watch,
    interrupted: CancellationToken,
) -> Result<Outcome, WorkError> {
    let failed = |reason: String| WorkError { agent: agent.name.clone(), reason };
    let assignment = Assignment {
        root,
        policy,
        role: &agent.role,
        agent: &agent.name,
        run,
        task: &agent.task,
        model: model.id,
        limits: model.limits,
        watch,
    };
    let worker = assignment.worker().map_err(|error| failed(format!("{error:#}")))?;
    let summary = worker
        .run(model.bedrock, interrupted)
        .await
        .map_err(|error| failed(format!("{error:#}")))?;
    let json = serde_json::to_value(&summary).map_err(|error| failed(error.to_string()))?;
    Outcome::of_summary(agent, &json).map_err(|error| failed(error.to_string()))
}
