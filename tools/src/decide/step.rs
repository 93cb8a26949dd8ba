//! One step of a proposal's history: it is made, and the first of several writers takes it.

use jiff::Timestamp;

use crate::error::{Code, ToolError};
use crate::records::decision::{Action, Decision, FORMAT, State};
use crate::workspace::{Decider, Published};

/// Longest reason in characters.
const MAX_REASON: usize = 4_000;

/// The step that follows a history.
///
/// # Errors
/// [`Code::InvalidArgument`] when the reason is too long.
pub(super) fn next_step(
    decider: &Decider,
    id: &str,
    history: &[Decision],
    action: Action,
    role: &str,
    reason: Option<&str>,
) -> Result<Decision, ToolError> {
    let reason = reason.map(str::trim).filter(|reason| !reason.is_empty());
    if let Some(length) = reason.map(|reason| reason.chars().count())
        && length > MAX_REASON
    {
        return Err(ToolError::invalid(format!(
            "the reason has {length} characters; the limit is {MAX_REASON}"
        )));
    }
    Ok(Decision {
        format: FORMAT,
        proposal: id.to_owned(),
        step: history.last().map_or(0, |last| last.step).saturating_add(1),
        action,
        caller: decider.caller().to_owned(),
        role: role.to_owned(),
        reason: reason.map(str::to_owned),
        created: Timestamp::now().to_string(),
        journal: None,
    })
}

/// Takes a step, if nobody was first.
///
/// # Errors
/// [`Code::Conflict`] with who was first.
pub(super) fn take(
    decider: &Decider,
    step: Decision,
    saved: &[(String, Vec<u8>)],
) -> Result<Decision, ToolError> {
    if decider.take_step(&step, saved)? == Published::Created {
        return Ok(step);
    }
    let history = decider.history(&step.proposal)?;
    let first = history.iter().find(|other| other.step == step.step);
    let what = first.map_or_else(
        || "somebody else was first".to_owned(),
        |first| {
            let state = State::after(std::slice::from_ref(first));
            format!("`{}` was first, at {}: {}", first.caller, first.created, state.as_str())
        },
    );
    Err(ToolError::new(Code::Conflict, format!("proposal {}: {what}", step.proposal))
        .hint("the proposal's history tells more"))
}
