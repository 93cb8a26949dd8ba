//! The code review as a durable Lambda function: the order of its steps, and what it waits for.
//!
//! The work itself is done by [`Effects`], with the crate's plain functions, which another engine
//! could call as well. An invocation may end at any checkpoint. The next one runs this from the
//! start, with recorded results in the place of work that is done. So between steps there is no
//! clock, no chance and no look at the workspace, and every effect may happen twice.

mod agents;
mod approval;
mod callbacks;
mod effects;
mod functions;
mod request;
mod workspace;

use std::future::Future;
use std::sync::Arc;

use aws_durable_execution_sdk::{BoxError, DurableContext, StepSemantics};
use mcp_workspace_tools::name::Name;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use approval::Decisions;
pub use callbacks::{Waiting, publish, waiting};
pub use effects::{Effects, Totals};
pub use functions::Functions;
pub use request::{Origin, Request, Settings};
pub use workspace::OnMount;

use agents::Asked;

use crate::agents::{Agent, Phase};
use crate::outcome::Outcome;

/// What became of a code review. It is small, because the service keeps it; all else is in the
/// workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The run.
    pub run: Name,
    /// Files that were staged.
    pub files: u64,
    /// How each agent ended.
    pub agents: Vec<Ended>,
    /// What they have found and proposed.
    pub totals: Totals,
    /// What people have decided about the proposals.
    pub decisions: Decisions,
    /// Proposals that are in the sources now.
    pub applied: usize,
}

/// How an agent ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// The agent.
    pub agent: Name,
    /// How, in the worker's word.
    pub ending: String,
    /// Why.
    pub reason: String,
}

/// Reviews one run, from staging to what people have approved.
///
/// # Errors
/// When the event is no request, or a step failed at each of its attempts. An agent that fails is
/// no error: it is told of in the report.
pub async fn code_review<E: Effects>(
    effects: Arc<E>,
    settings: Settings,
    event: Value,
    context: DurableContext,
) -> Result<Report, BoxError> {
    // Here rather than before: what the handler refuses fails, what comes before is tried again.
    let request = Request::parse(event)?;
    let run = request.run.clone();

    let (work, asked) = (Arc::clone(&effects), request.clone());
    let files = step(&context, "stage", async move { work.stage(&asked).await }).await?;

    let (reviewers, remedies): (Vec<Agent>, Vec<Agent>) =
        effects.team(&run).into_iter().partition(|agent| agent.phase == Phase::Review);
    let asked = Asked { effects: &effects, settings, request: &request, context: &context };
    let mut outcomes = asked.all("reviewers", reviewers).await?;
    let (work, name) = (Arc::clone(&effects), run.clone());
    let digest = step(&context, "findings", async move { work.findings(&name).await }).await?;
    // Without findings there is nothing to remedy.
    if let Some(digest) = digest {
        let remedies = remedies.into_iter().map(|agent| agent.for_findings(&digest)).collect();
        outcomes.extend(asked.all("remedies", remedies).await?);
    }
    let totals = merge(&effects, &run, &outcomes, "merge", &context).await?;

    let decisions = if totals.proposals == 0 {
        Decisions::default()
    } else {
        approval::wait(&effects, settings, &run, &context).await?
    };
    // Whoever has decided about a part only may still mean to reject what it stands on.
    let applied = if decisions.open == 0 && decisions.approved > 0 {
        let (work, name) = (Arc::clone(&effects), run.clone());
        step(&context, "apply", async move { work.apply(&name).await }).await?
    } else {
        0
    };
    let totals = merge(&effects, &run, &outcomes, "report", &context).await?;
    let ended = |one: Outcome| Ended { agent: one.agent, ending: one.ending, reason: one.reason };
    let agents = outcomes.into_iter().map(ended).collect();
    Ok(Report { run, files, agents, totals, decisions, applied })
}

async fn merge<E: Effects>(
    effects: &Arc<E>,
    run: &Name,
    outcomes: &[Outcome],
    name: &str,
    context: &DurableContext,
) -> Result<Totals, BoxError> {
    let (work, run, outcomes) = (Arc::clone(effects), run.clone(), outcomes.to_vec());
    step(context, name, async move { work.merge(&run, &outcomes).await }).await
}

/// Has an effect as a step of this name. One that an invocation did not survive counts as an
/// attempt that failed, so that what ends the function does not end it for ever.
async fn step<T, Work>(context: &DurableContext, name: &str, work: Work) -> Result<T, BoxError>
where
    T: Serialize + DeserializeOwned + Send + 'static,
    Work: Future<Output = Result<T, BoxError>> + Send + 'static,
{
    let step = context.step(move |_| work).name(name);
    Ok(step.semantics(StepSemantics::AtMostOncePerRetry).await?)
}
