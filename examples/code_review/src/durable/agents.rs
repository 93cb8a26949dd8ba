//! Agents at work: each in a function of its own, asked again until it is done.

use std::sync::Arc;

use aws_durable_execution_sdk::builders::map_parallel::CompletionConfig;
use aws_durable_execution_sdk::{BoxError, DurableContext};
use serde_json::{Value, json};

use super::effects::Effects;
use super::request::{Request, Settings};
use crate::agents::Agent;
use crate::outcome::Outcome;

/// Longest reason and last words that are kept, in characters: the whole is in the workspace.
const REASON: usize = 400;
const REPORT: usize = 8_000;

/// What agents are asked with.
pub(super) struct Asked<'a, E> {
    pub(super) effects: &'a Arc<E>,
    pub(super) settings: Settings,
    pub(super) request: &'a Request,
    pub(super) context: &'a DurableContext,
}

impl<E: Effects> Asked<'_, E> {
    /// Has these agents at work, side by side, until each is done or given up.
    pub(super) async fn all(
        &self,
        name: &str,
        agents: Vec<Agent>,
    ) -> Result<Vec<Outcome>, BoxError> {
        let labels = agents.clone();
        let label = move |number: usize| {
            labels.get(number).map(|agent| agent.name.to_string()).unwrap_or_default()
        };
        let (effects, settings) = (Arc::clone(self.effects), self.settings);
        let request = self.request.clone();
        let asking = self.context.map(agents.clone(), move |context, agent, _| {
            let (effects, request) = (Arc::clone(&effects), request.clone());
            async move { ask(&*effects, settings, &request, &agent, &context).await }
        });
        // An agent's failure is an outcome. What fails beyond that ends its own branch only.
        let tolerant = CompletionConfig::with_tolerated_failure_percentage(100);
        let batch = asking.name(name).completion(tolerant).item_namer(label).await_batch().await?;
        let outcomes = batch.items.into_iter().zip(agents).map(|(item, agent)| {
            item.result.unwrap_or_else(|| {
                not_run(&agent, item.error_message.as_deref().unwrap_or("its branch failed"))
            })
        });
        Ok(outcomes.collect())
    }
}

/// Asks one agent until it has ended for a reason that does not pass by itself.
async fn ask<E: Effects>(
    effects: &E,
    settings: Settings,
    request: &Request,
    agent: &Agent,
    context: &DurableContext,
) -> Result<Outcome, BoxError> {
    let mut failures = 0;
    let mut outcome = not_run(agent, "it was never asked");
    for round in 1..=settings.rounds {
        let name = format!("{}-{round}", agent.name);
        let answer = effects.ask(context, name, agent, event(request, agent)).await;
        match answer.and_then(|summary| Ok(Outcome::of_summary(agent, &summary)?)) {
            Ok(answered) => {
                outcome = short(answered);
                if outcome.is_paused() {
                    failures = 0;
                    continue;
                }
                if !outcome.passing {
                    break;
                }
            }
            // Throttled, out of memory, or another execution is at the same run: its work is on
            // disk, and the worker goes on from there.
            Err(error) => outcome = not_run(agent, &format!("{error:#}")),
        }
        failures += 1;
        if failures >= settings.failures {
            break;
        }
        context.wait(settings.pause).name(format!("{}-{round}-pause", agent.name)).await?;
    }
    Ok(outcome)
}

/// What a worker's function is invoked with.
fn event(request: &Request, agent: &Agent) -> Value {
    let mut event =
        json!({"role": agent.role, "task": agent.task, "run": request.run, "agent": agent.name});
    if let (Some(model), Some(fields)) = (&request.model, event.as_object_mut()) {
        fields.insert("model".to_owned(), json!(model));
    }
    event
}

fn not_run(agent: &Agent, reason: &str) -> Outcome {
    short(Outcome::not_run(agent, reason))
}

fn short(outcome: Outcome) -> Outcome {
    let cut = |text: String, most: usize| text.chars().take(most).collect();
    Outcome { reason: cut(outcome.reason, REASON), report: cut(outcome.report, REPORT), ..outcome }
}
