//! Waiting for people: the workflow sleeps until somebody says that decisions have been made, and
//! then looks for itself.

use std::sync::Arc;

use aws_durable_execution_sdk::serdes::SerdesContext;
use aws_durable_execution_sdk::{BoxError, DurableContext, Serdes};
use mcp_workspace_tools::name::Name;
use serde::{Deserialize, Serialize};

use super::callbacks::Waiting;
use super::effects::Effects;
use super::request::Settings;
use super::step;

/// What people have decided about a run's proposals, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decisions {
    /// Proposals that wait for a decision.
    pub open: usize,
    /// Approved, those that are applied already included.
    pub approved: usize,
    /// Rejected.
    pub rejected: usize,
}

/// Who completes the callback may send what they like: it is not even read, since anything could
/// be in it. It wakes the workflow and decides nothing.
struct Unread;

impl Serdes<()> for Unread {
    async fn serialize(&self, (): (), _: SerdesContext) -> Result<String, BoxError> {
        Ok("null".to_owned())
    }

    async fn deserialize(&self, _: String, _: SerdesContext) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Waits until all proposals of a run are decided, or for as long as the settings allow.
pub(super) async fn wait<E: Effects>(
    effects: &Arc<E>,
    settings: Settings,
    run: &Name,
    context: &DurableContext,
) -> Result<Decisions, BoxError> {
    let mut decisions = look(effects, run, "decisions", context).await?;
    for round in 1..=settings.waits {
        if decisions.open == 0 {
            break;
        }
        let creating = context.create_callback::<()>().serdes(Unread).timeout(settings.wait);
        let callback = creating.name(format!("people-{round}")).await?;
        let waiting = Waiting {
            callback_id: callback.id().to_owned(),
            execution: context.execution_arn().to_owned(),
            round,
        };
        let (work, name) = (Arc::clone(effects), run.clone());
        let publishing = async move { work.publish(&name, &waiting).await };
        step(context, &format!("callback-{round}"), publishing).await?;
        // Who decided before the callback could be found has nobody to wake.
        decisions = look(effects, run, &format!("decisions-{round}-before"), context).await?;
        if decisions.open == 0 {
            break;
        }
        // Completed, failed or timed out: each only means that it is time to look.
        let _ = callback.result().await;
        decisions = look(effects, run, &format!("decisions-{round}"), context).await?;
    }
    Ok(decisions)
}

async fn look<E: Effects>(
    effects: &Arc<E>,
    run: &Name,
    name: &str,
    context: &DurableContext,
) -> Result<Decisions, BoxError> {
    let (work, run) = (Arc::clone(effects), run.clone());
    step(context, name, async move { work.decisions(&run).await }).await
}
