//! The review as a durable Lambda function: what is done in which order, and what is waited for.
//!
//! Nothing here does the work: [`Effects`] does, by the crate's plain functions, which another
//! engine could call as well. An invocation may end at any checkpoint. The next one runs this from
//! the start, with what was recorded instead of what was done, so between steps there is no clock,
//! no chance and no look at the workspace, and every effect may happen twice.

mod agents;
mod approval;
mod callbacks;
mod effects;
mod functions;
mod request;

use std::sync::Arc;

use aws_durable_execution_sdk::{BoxError, DurableContext};
use serde::{Deserialize, Serialize};

pub use agents::{Order, Outcome, Phase};
pub use approval::Standing;
pub use callbacks::Waiting;
pub use effects::{Effects, Merged};
pub use functions::Functions;
pub use request::{Request, Settings, Source};

/// What became of a review: small, since the service keeps it; all else lies in the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The run.
    pub run: String,
    /// Files that were staged.
    pub files: usize,
    /// How each agent ended.
    pub agents: Vec<Outcome>,
    /// What they have found and proposed.
    pub merged: Merged,
    /// What people have decided about the proposals.
    pub standing: Standing,
    /// Files that approved proposals have changed.
    pub applied: usize,
}

/// Reviews one run, from staging to what people have approved.
///
/// # Errors
/// When the request is none, or a step failed at each of its attempts. An agent that fails is no
/// error: it is told of in the report.
pub async fn review<E: Effects>(
    effects: Arc<E>,
    settings: Settings,
    request: Request,
    context: DurableContext,
) -> Result<Report, BoxError> {
    request.check()?;
    let run = request.run.clone();

    let (work, asked) = (Arc::clone(&effects), request.clone());
    let staging = context.step(move |_| async move { work.stage(&asked).await });
    let files = staging.name("stage").await?;

    let mut agents = Vec::new();
    for phase in [Phase::Review, Phase::Remediate] {
        agents.extend(agents::ask_all(&effects, settings, &request, phase, &context).await?);
    }
    let merged = merge(&effects, &run, &agents, "merge", &context).await?;

    let standing = if merged.proposals == 0 {
        Standing::default()
    } else {
        approval::wait(&effects, settings, &run, &context).await?
    };
    // Whoever has decided about a part only may still mean to reject what it stands on.
    let applied = if standing.undecided == 0 && standing.approved > 0 {
        let (work, name) = (Arc::clone(&effects), run.clone());
        context.step(move |_| async move { work.apply(&name).await }).name("apply").await?
    } else {
        0
    };
    let merged = merge(&effects, &run, &agents, "report", &context).await?;
    Ok(Report { run, files, agents, merged, standing, applied })
}

async fn merge<E: Effects>(
    effects: &Arc<E>,
    run: &str,
    agents: &[Outcome],
    name: &str,
    context: &DurableContext,
) -> Result<Merged, BoxError> {
    let (work, run, agents) = (Arc::clone(effects), run.to_owned(), agents.to_vec());
    let merging = context.step(move |_| async move { work.merge(&run, &agents).await });
    Ok(merging.name(name).await?)
}
