//! A worker for programs that run several workers. It takes as values what the command line says
//! otherwise.

use std::path::Path;

use anyhow::Context;
use mcp_workspace_call::dispatch::Dispatcher;
use mcp_workspace_call::memory;
use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::workspace::Workspace;

use crate::config::LimitOptions;
use crate::journal::Journal;
use crate::progress::{Progress, Watch};
use crate::tool_calls::ToolRunner;
use crate::worker::Worker;

/// What one agent is to do, with the tools in this process.
pub struct Assignment<'a> {
    /// The workspace's directory.
    pub root: &'a Path,
    /// Says what the caller `bedrock-worker:ROLE` may do.
    pub policy: &'a Policy,
    /// The role.
    pub role: &'a Name,
    /// The agent's name within the run.
    pub agent: &'a Name,
    /// The run; one that has begun goes on.
    pub run: &'a Name,
    /// What the agent is told; a run that has begun keeps its task.
    pub task: &'a str,
    /// Model id, inference profile or ARN.
    pub model: &'a str,
    /// How far the agent may go.
    pub limits: &'a LimitOptions,
    /// Who sees each line of progress.
    pub watch: Watch,
}

impl Assignment<'_> {
    /// Puts the worker together, at the place where its run has stopped.
    ///
    /// # Errors
    /// When the workspace cannot be had, policy grants the role no tools, or the run has begun
    /// with another task.
    pub fn worker(self) -> anyhow::Result<Worker> {
        let Assignment { root, policy, role, agent, run, limits, .. } = self;
        let (journal, events) = Journal::open(root, policy.layout(), run, agent)?;
        let workspace = Workspace::open_with_ambient_authority(root)
            .with_context(|| format!("cannot open the workspace `{}`", root.display()))?
            .with_memory(memory::budget(None));
        let dispatcher = Dispatcher::new(workspace, policy.clone(), limits.time_for_a_call());
        let runner = ToolRunner::new(dispatcher, role, run, agent);
        let task = self.task.trim().to_owned();
        let orders = limits.orders(role.clone(), agent.clone(), run.clone(), task, self.model)?;
        Worker::new(orders, runner, journal, &events, Progress::watched(agent.as_str(), self.watch))
    }
}
