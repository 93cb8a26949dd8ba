//! What people do with proposals: look, approve, reject, apply, revert, recover.
//!
//! Every step is a record that is published exclusively, so of several people who decide at once
//! one wins. Sources are changed by a journal: all files or none, and a run that was interrupted
//! is finished or taken back by the next apply, revert or recovery, never by a look. A record is
//! trusted for what it proves: a journal for what was approved and follows from the proposal.

mod journal;
mod loaded;
mod plan;
mod step;
mod view;

use crate::error::{Code, ToolError};
use crate::records::decision::{Action, Decision, State};
use crate::records::history::History;
use crate::workspace::{Decider, Hold};

use journal::Recovered;
use loaded::Loaded;
use plan::Plan;
use step::{Next, believed, take};

pub use view::{Listing, ProposalView, Unreadable, compare, list, may_see, resolve, show};

/// Approves a proposal as it is stored now, so that it can be applied. The approval covers its
/// texts, its agent and its caller as well as its diff. `seen` is the
/// [`digest`](crate::records::proposal::Proposal::digest) of what the person was shown, where that
/// is known.
///
/// # Errors
/// [`Code::Denied`] without the right, for who may propose on these files, and for who proposed
/// it; [`Code::Conflict`] when it does not follow from the proposal's state, or it is not what was
/// seen.
pub fn approve(
    decider: &Decider,
    id: &str,
    reason: Option<&str>,
    seen: Option<&str>,
) -> Result<Decision, ToolError> {
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
    let digest = loaded.proposal.digest();
    if seen.is_some_and(|seen| seen != digest) {
        return Err(ToolError::new(
            Code::Conflict,
            format!("proposal {id} is not what was looked at: its record was changed since"),
        )
        .hint("look at it again, and ask who can write there"));
    }
    let _hold = hold(decider, &id)?;
    let history = believed(decider, &id)?;
    let view = ProposalView::of(decider, &loaded, History { steps: history, doubt: None })?;
    if !view.awaits_approval() {
        view.admit(Action::Approved)?;
    }
    let step = Next {
        action: Action::Approved,
        role: &role,
        reason,
        covers: Some(digest),
        ..Next::default()
    };
    take(decider, step.after(decider, &id, &view.history)?, &[])
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
    let _hold = hold(decider, &id)?;
    let history = believed(decider, &id)?;
    State::after(&history).admit(Action::Rejected, &id)?;
    let step =
        Next { action: Action::Rejected, role: &role, reason: Some(reason), ..Next::default() };
    take(decider, step.after(decider, &id, &history)?, &[])
}

/// Changes the sources as an approved proposal says: all files, or none. What was interrupted
/// before is recovered first.
///
/// # Errors
/// As [`approve`]; [`Code::Conflict`] with each file that is not what the proposal is made for,
/// [`Code::Denied`] when the approval is not one of this proposal.
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
    let view = ProposalView::of(decider, &loaded, History { steps: history, doubt: None })?;
    view.admit(Action::Applying)?;
    if loaded.approval(decider, &view.history)?.covers.is_none() {
        return Err(ToolError::new(
            Code::Conflict,
            format!("proposal {id} was approved by an older version, which did not record of what"),
        )
        .hint("look at it and approve it again"));
    }
    let plan = loaded.plan(decider)?;
    let (journal, saved) = plan.save();
    let intent =
        Next { action: Action::Applying, role: &role, journal: Some(journal), ..Next::default() };
    let intent = take(decider, intent.after(decider, &id, &view.history)?, &saved)?;
    let mut history = view.history;
    history.push(intent);
    journal::carry_out(decider, &id, &plan, history, &role)
}

/// Puts the sources back as they were before a proposal was applied: all files, or none. What was
/// interrupted before is recovered first.
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
    loaded.approval(decider, &history)?;
    let plan = Plan::saved(decider, &loaded, &history)?;
    plan.must_be_applied(decider)?;
    let intent = Next { action: Action::Reverting, role: &role, reason, ..Next::default() };
    history.push(take(decider, intent.after(decider, &id, &history)?, &[])?);
    journal::carry_out(decider, &id, &plan, history, &role)
}

/// Finishes or takes back an apply or revert that was interrupted. Nothing else does that but
/// [`apply`] and [`revert`] of the same proposal: looking changes nothing.
///
/// # Errors
/// [`Code::Conflict`] when nothing was interrupted or somebody is still at it, [`Code::Denied`]
/// when it was not approved, [`Code::Io`] when its journal is not what the proposal changes.
pub fn recover(decider: &Decider, id: &str) -> Result<Decision, ToolError> {
    let id = resolve(decider, id)?;
    let loaded = Loaded::read(decider, &id)?;
    loaded.deciding_role(decider)?;
    let hold = hold(decider, &id)?;
    let Recovered { history, ended } = journal::recover(decider, &loaded, &hold)?;
    ended.ok_or_else(|| {
        let state = State::after(&history).as_str();
        ToolError::new(
            Code::Conflict,
            format!("proposal {id} is {state}, and nothing of it was interrupted"),
        )
        .hint("there is nothing to recover; its history tells more")
    })
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
