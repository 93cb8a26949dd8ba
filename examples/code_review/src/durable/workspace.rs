//! The effects in production: the crate's plain functions over the mount, and a function for each
//! role of an agent.

use std::path::PathBuf;
use std::sync::Arc;

use aws_durable_execution_sdk::{BoxError, DurableContext};
use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::Policy;
use serde_json::Value;

use super::approval::Decisions;
use super::callbacks::{self, Waiting};
use super::effects::{Effects, Totals};
use super::functions::Functions;
use super::request::Request;
use crate::ORCHESTRATOR;
use crate::agents::{self, Agent};
use crate::outcome::Outcome;
use crate::recorded::recorded;
use crate::{apply, decisions, merge, stage};

/// A workspace that is mounted, and who may do what in it.
#[derive(Debug, Clone)]
pub struct OnMount {
    /// The mount.
    pub root: PathBuf,
    /// The policy.
    pub policy: Arc<Policy>,
    /// `s3://BUCKET/PREFIX/` of the workspace's objects.
    pub objects: Option<String>,
    /// The workers.
    pub functions: Functions,
}

impl OnMount {
    /// Runs what waits for the mount where nothing else waits for it.
    async fn blocking<T, F>(&self, work: F) -> Result<T, BoxError>
    where
        T: Send + 'static,
        F: FnOnce(&OnMount) -> Result<T, BoxError> + Send + 'static,
    {
        let this = self.clone();
        tokio::task::spawn_blocking(move || work(&this)).await?
    }
}

impl Effects for OnMount {
    async fn stage(&self, request: &Request) -> Result<u64, BoxError> {
        let Request { run, source, .. } = request.clone();
        self.blocking(move |this| {
            let source = source.source(&this.root, this.objects.as_deref())?;
            Ok(stage::stage(&this.root, this.policy.layout(), &run, &source)?.files)
        })
        .await
    }

    fn team(&self, run: &Name) -> Vec<Agent> {
        agents::team(self.policy.layout(), run)
    }

    async fn ask(
        &self,
        context: &DurableContext,
        name: String,
        agent: &Agent,
        event: Value,
    ) -> Result<Value, BoxError> {
        self.functions.ask(context, name, agent, event).await
    }

    async fn findings(&self, run: &Name) -> Result<Option<String>, BoxError> {
        let run = run.clone();
        self.blocking(move |this| Ok(merge::digest(&this.root, &this.policy, &run, ORCHESTRATOR)?))
            .await
    }

    async fn merge(&self, run: &Name, outcomes: &[Outcome]) -> Result<Totals, BoxError> {
        let (run, mut outcomes) = (run.clone(), outcomes.to_vec());
        self.blocking(move |this| {
            // What was remedied before more was found has cost money as well.
            for earlier in recorded(&this.root, &this.policy, &run, ORCHESTRATOR)? {
                if !outcomes.iter().any(|known| known.agent == earlier.agent) {
                    outcomes.push(earlier);
                }
            }
            let merged = merge::merge(&this.root, &this.policy, &run, ORCHESTRATOR, &outcomes)?;
            Ok(Totals { findings: merged.findings, proposals: merged.proposals })
        })
        .await
    }

    async fn publish(&self, run: &Name, waiting: &Waiting) -> Result<(), BoxError> {
        let (run, waiting) = (run.clone(), waiting.clone());
        self.blocking(move |this| {
            Ok(callbacks::publish(&this.root, this.policy.layout(), &run, &waiting)?)
        })
        .await
    }

    async fn decisions(&self, run: &Name) -> Result<Decisions, BoxError> {
        let run = run.clone();
        self.blocking(move |this| {
            let standing = decisions::standing(&this.root, &this.policy, &run, ORCHESTRATOR)?;
            // A proposal that cannot be read could be anybody's, and nobody can apply it.
            Ok(Decisions {
                open: standing.proposed.len(),
                approved: standing.approved.len() + standing.applied.len(),
                rejected: standing.rejected.len(),
            })
        })
        .await
    }

    async fn apply(&self, run: &Name) -> Result<usize, BoxError> {
        let run = run.clone();
        self.blocking(move |this| {
            let applied = apply::apply(&this.root, &this.policy, &run, ORCHESTRATOR)?;
            Ok(applied.applied.len())
        })
        .await
    }
}
