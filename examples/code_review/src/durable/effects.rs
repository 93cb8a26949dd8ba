//! The effects of the workflow, one method each. Each may be called again after a kill that came
//! before its checkpoint, and must then give the same result.

use std::future::Future;

use aws_durable_execution_sdk::{BoxError, DurableContext};
use mcp_workspace_tools::name::Name;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::approval::Decisions;
use super::callbacks::Waiting;
use super::request::Request;
use crate::agents::Agent;
use crate::outcome::Outcome;

/// What a run's agents have left, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Findings, each counted once however many agents have it.
    pub findings: usize,
    /// Proposals.
    pub proposals: usize,
}

/// The workflow's effects. Results are recorded by the service, which takes 256 KB at most: they
/// are counts and names, and what they count lies in the workspace.
pub trait Effects: Send + Sync + 'static {
    /// Puts the source under `input/RUN`, whole or not at all; gives the number of files.
    fn stage(&self, request: &Request) -> impl Future<Output = Result<u64, BoxError>> + Send;

    /// The agents of a run. The same for the same run, always: it decides which operations there
    /// are.
    fn team(&self, run: &Name) -> Vec<Agent>;

    /// Asks an agent's worker once, as one durable operation of this name; gives its summary.
    fn ask(
        &self,
        context: &DurableContext,
        name: String,
        agent: &Agent,
        event: Value,
    ) -> impl Future<Output = Result<Value, BoxError>> + Send;

    /// A digest of what reviewers have found; none without findings.
    fn findings(&self, run: &Name)
    -> impl Future<Output = Result<Option<String>, BoxError>> + Send;

    /// Writes the run's reports.
    fn merge(
        &self,
        run: &Name,
        outcomes: &[Outcome],
    ) -> impl Future<Output = Result<Totals, BoxError>> + Send;

    /// Puts a callback where people find it.
    fn publish(
        &self,
        run: &Name,
        waiting: &Waiting,
    ) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Reads what people have decided.
    fn decisions(&self, run: &Name) -> impl Future<Output = Result<Decisions, BoxError>> + Send;

    /// Applies what people have approved, and nothing else; gives the number of proposals that are
    /// in the sources now.
    fn apply(&self, run: &Name) -> impl Future<Output = Result<usize, BoxError>> + Send;
}
