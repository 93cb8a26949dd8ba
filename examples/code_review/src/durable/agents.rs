//! Agents at work: each in a function of its own, asked again until it is done.

use std::sync::Arc;

use aws_durable_execution_sdk::builders::map_parallel::CompletionConfig;
use aws_durable_execution_sdk::{BoxError, DurableContext};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::effects::Effects;
use super::request::{Request, Settings};

/// When an agent works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// All at once, over what is staged.
    Review,
    /// After all of these, over what they have found.
    Remediate,
}

/// What an agent is told to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The agent's name.
    pub agent: String,
    /// Its role, on which its function and its rights depend.
    pub role: String,
    /// The task, in words.
    pub task: String,
    /// When.
    pub phase: Phase,
}

/// How an agent ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The agent.
    pub agent: String,
    /// The worker's own word for it, such as `completed` or `budget`; `failed` when it gave none.
    pub ending: String,
    /// Why.
    pub reason: String,
    /// How often it was asked.
    pub rounds: u32,
}

/// Longest reason that is kept: the whole is in the worker's log and summary.
const REASON: usize = 400;

/// Has all agents of a phase at work, side by side, until each is done or given up.
pub(super) async fn ask_all<E: Effects>(
    effects: &Arc<E>,
    settings: Settings,
    request: &Request,
    phase: Phase,
    context: &DurableContext,
) -> Result<Vec<Outcome>, BoxError> {
    let orders: Vec<_> =
        effects.team(&request.run).into_iter().filter(|order| order.phase == phase).collect();
    let names: Vec<_> = orders.iter().map(|order| order.agent.clone()).collect();
    let (effects, request) = (Arc::clone(effects), request.clone());
    let asking = context.map(orders, move |context, order, _| {
        let (effects, request) = (Arc::clone(&effects), request.clone());
        async move { Ok(ask(&*effects, settings, &request, &order, &context).await?) }
    });
    let phase = match phase {
        Phase::Review => "reviewers",
        Phase::Remediate => "remediation",
    };
    // An agent's failure is an outcome. What fails beyond that ends its own branch only.
    let tolerant = CompletionConfig::with_tolerated_failure_percentage(100);
    let labels = names.clone();
    let label = move |number: usize| labels.get(number).cloned().unwrap_or_default();
    let batch = asking.name(phase).completion(tolerant).item_namer(label).await_batch().await?;
    let outcomes = batch.items.into_iter().zip(names).map(|(item, agent)| {
        item.result.unwrap_or_else(|| {
            failed(agent, 0, &item.error_message.unwrap_or_else(|| "its branch failed".to_owned()))
        })
    });
    Ok(outcomes.collect())
}

/// Asks one agent until it is not paused any more.
async fn ask<E: Effects>(
    effects: &E,
    settings: Settings,
    request: &Request,
    order: &Order,
    context: &DurableContext,
) -> Result<Outcome, BoxError> {
    let mut event =
        json!({"role": order.role, "task": order.task, "run": request.run, "agent": order.agent});
    if let (Some(model), Some(event)) = (&request.model, event.as_object_mut()) {
        event.insert("model".to_owned(), json!(model));
    }
    let mut failures = 0;
    for round in 1..=settings.rounds {
        let name = format!("{}-{round}", order.agent);
        match effects.ask(context, name, &order.role, event.clone()).await {
            Ok(summary) => {
                failures = 0;
                let word = |key: &str| summary.get(key).and_then(Value::as_str).unwrap_or_default();
                let ending = word("ending");
                if ending != "paused" {
                    let agent = order.agent.clone();
                    return Ok(if ending.is_empty() {
                        failed(agent, round, "its answer does not say how it ended")
                    } else {
                        Outcome {
                            agent,
                            ending: ending.to_owned(),
                            reason: short(word("reason")),
                            rounds: round,
                        }
                    });
                }
            }
            // Throttled, out of memory, or another execution is at the same run: its work is on
            // disk, and the worker goes on from there.
            Err(error) => {
                failures += 1;
                if failures >= settings.failures {
                    return Ok(failed(order.agent.clone(), round, &format!("{error:#}")));
                }
                context.wait(settings.pause).name(format!("{}-{round}-pause", order.agent)).await?;
            }
        }
    }
    let reason = format!("not done after {} invocations", settings.rounds);
    Ok(Outcome {
        agent: order.agent.clone(),
        ending: "paused".to_owned(),
        reason,
        rounds: settings.rounds,
    })
}

fn failed(agent: String, rounds: u32, reason: &str) -> Outcome {
    Outcome { agent, ending: "failed".to_owned(), reason: short(reason), rounds }
}

fn short(reason: &str) -> String {
    reason.chars().take(REASON).collect()
}
