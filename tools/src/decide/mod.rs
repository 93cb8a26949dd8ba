//! What people do with proposals: look, approve, reject, apply, revert.
//!
//! Every step is a record that is published exclusively, so of several people who decide at once
//! one wins. Sources are changed by a journal: all files or none, and a run that was
//! interrupted is finished or taken back by the next one.

mod journal;
mod loaded;
mod plan;
mod step;
mod view;

use crate::error::{Code, ToolError};
use crate::records::decision::{Action, Decision, State};
use crate::workspace::{Decider, Hold};

use journal::Recovered;
use loaded::Loaded;
use plan::Plan;
use step::{next_step, take};

pub use view::{ProposalView, Unreadable, list, may_see, resolve, show};

/// Approves a proposal, so that it can be applied.
///
/// # Errors
/// [`Code::Denied`] without the right, for who may propose on these files, and for who proposed
/// it; [`Code::Conflict`] when it does not follow from the proposal's state.
pub fn approve(decider: &Decider, id: &str, reason: Option<&str>) -> Result<Decision, ToolError> {
    let id = resolve(decider, id)?;
    let loaded = Loaded::read(decider, &id)?;
    let role = loaded.deciding_role(decider)?;
    if loaded.proposal.caller == decider.caller() {
        return Err(ToolError::new(
            Code::Denied,
            format!("caller `{}` proposed {id} and cannot approve it", decider.caller()),
        )
        .hint("somebody else must look at it"));
    }
    let hold = hold(decider, &id)?;
    let history = journal::recover(decider, &loaded, &hold)?.history;
    let view = ProposalView::of(decider, &loaded, history)?;
    view.admit(Action::Approved)?;
    let step = next_step(decider, &id, &view.history, Action::Approved, &role, reason)?;
    take(decider, step, &[])
}

/// Rejects a proposal, for good.
///
/// # Errors
/// As [`approve`], and [`Code::InvalidArgument`] without a reason.
pub fn reject(decider: &Decider, id: &str, reason: &str) -> Result<Decision, ToolError> {
    if reason.trim().is_empty() {
        return Err(ToolError::invalid("a rejection needs a reason")
            .hint("say what is wrong, so that a better proposal can follow"));
    }
    let id = resolve(decider, id)?;
    let loaded = Loaded::read(decider, &id)?;
    let role = loaded.deciding_role(decider)?;
    let hold = hold(decider, &id)?;
    let history = journal::recover(decider, &loaded, &hold)?.history;
    State::after(&history).admit(Action::Rejected, &id)?;
    let step = next_step(decider, &id, &history, Action::Rejected, &role, Some(reason))?;
    take(decider, step, &[])
}

/// Changes the sources as an approved proposal says: all files, or none.
///
/// # Errors
/// As [`approve`]; [`Code::Conflict`] with each file that is not what the proposal is made for.
pub fn apply(decider: &Decider, id: &str) -> Result<Decision, ToolError> {
    let id = resolve(decider, id)?;
    let loaded = Loaded::read(decider, &id)?;
    let role = loaded.deciding_role(decider)?;
    let hold = hold(decider, &id)?;
    let Recovered { history, ended } = journal::recover(decider, &loaded, &hold)?;
    // Who says it again after an interruption gets what was asked for.
    if let Some(applied) = ended.filter(|end| end.action == Action::Applied) {
        return Ok(applied);
    }
    let view = ProposalView::of(decider, &loaded, history)?;
    view.admit(Action::Applying)?;
    let plan = loaded.plan(decider)?;
    let (journal, saved) = plan.save();
    let mut intent = next_step(decider, &id, &view.history, Action::Applying, &role, None)?;
    intent.journal = Some(journal);
    let intent = take(decider, intent, &saved)?;
    let mut history = view.history;
    history.push(intent);
    journal::carry_out(decider, &id, &plan, history, &role)
}

/// Puts the sources back as they were before a proposal was applied: all files, or none.
///
/// # Errors
/// As [`apply`]; [`Code::Conflict`] with each file that has changed since.
pub fn revert(decider: &Decider, id: &str, reason: Option<&str>) -> Result<Decision, ToolError> {
    let id = resolve(decider, id)?;
    let loaded = Loaded::read(decider, &id)?;
    let role = loaded.deciding_role(decider)?;
    let hold = hold(decider, &id)?;
    let Recovered { mut history, ended } = journal::recover(decider, &loaded, &hold)?;
    if let Some(reverted) = ended.filter(|end| end.action == Action::Reverted) {
        return Ok(reverted);
    }
    State::after(&history).admit(Action::Reverting, &id)?;
    let plan = Plan::saved(decider, &id, &history)?;
    plan.must_be_applied(decider)?;
    let intent = next_step(decider, &id, &history, Action::Reverting, &role, reason)?;
    history.push(take(decider, intent, &[])?);
    journal::carry_out(decider, &id, &plan, history, &role)
}

fn hold(decider: &Decider, id: &str) -> Result<Hold, ToolError> {
    match decider.hold(id)? {
        Hold::Busy => Err(ToolError::new(
            Code::Conflict,
            format!("somebody is deciding about proposal {id} at this moment"),
        )
        .hint("look at it again in a few seconds")),
        other => Ok(other),
    }
}
