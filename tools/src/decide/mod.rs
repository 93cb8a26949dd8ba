//! What people do with proposals: look, approve, reject, apply, revert.
//!
//! Every step is a record that is published exclusively, so of several people who decide at once
//! one wins. Sources are changed by a journal: all files or none, and a run that was
//! interrupted is finished or taken back by the next one.

mod journal;
mod review;

use jiff::Timestamp;

use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::records::decision::{Action, Decision, FORMAT, State};
use crate::workspace::{Decider, Hold, Published};

use journal::Recovered;
use review::Loaded;
pub(crate) use review::touched;
pub use review::{Review, Unreadable, list, may_see, resolve, show};

/// Longest reason in characters.
const MAX_REASON: usize = 4_000;

/// Approves a proposal, so that it can be applied.
///
/// # Errors
/// [`Code::Denied`] without the right, for who may propose on these files, and for who proposed
/// it; [`Code::Conflict`] when it does not follow from the proposal's state.
pub fn approve(decider: &Decider, id: &str, reason: Option<&str>) -> Result<Decision, ToolError> {
    let id = resolve(decider, id)?;
    let loaded = Loaded::read(decider, &id)?;
    let role = may_decide(decider, &loaded)?;
    if loaded.proposal.caller == decider.caller() {
        return Err(ToolError::new(
            Code::Denied,
            format!("caller `{}` proposed {id} and cannot approve it", decider.caller()),
        )
        .hint("somebody else must look at it"));
    }
    let hold = hold(decider, &id)?;
    let history = journal::recover(decider, &loaded, &hold)?.history;
    let review = Review::of(decider, &loaded, history)?;
    review.admit(Action::Approved)?;
    let step = next_step(decider, &id, &review.history, Action::Approved, &role, reason)?;
    take(decider, step, &[])
}

/// Rejects a proposal, for good.
///
/// # Errors
/// As [`approve`], and [`Code::InvalidArgument`] without a reason.
pub fn reject(decider: &Decider, id: &str, reason: &str) -> Result<Decision, ToolError> {
    if reason.trim().is_empty() {
        return Err(ToolError::invalid("a rejection needs a reason")
            .hint("say what is wrong, so that a better proposal can follow: --reason TEXT"));
    }
    let id = resolve(decider, id)?;
    let loaded = Loaded::read(decider, &id)?;
    let role = may_decide(decider, &loaded)?;
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
    let role = may_decide(decider, &loaded)?;
    let hold = hold(decider, &id)?;
    let Recovered { history, ended } = journal::recover(decider, &loaded, &hold)?;
    // Who says it again after an interruption gets what was asked for.
    if let Some(applied) = ended.filter(|end| end.action == Action::Applied) {
        return Ok(applied);
    }
    let review = Review::of(decider, &loaded, history)?;
    review.admit(Action::Applying)?;
    let plan = loaded.plan(decider)?;
    let (journal, saved) = plan.save();
    let mut intent = next_step(decider, &id, &review.history, Action::Applying, &role, None)?;
    intent.journal = Some(journal);
    let intent = take(decider, intent, &saved)?;
    let mut history = review.history;
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
    let role = may_decide(decider, &loaded)?;
    let hold = hold(decider, &id)?;
    let Recovered { mut history, ended } = journal::recover(decider, &loaded, &hold)?;
    if let Some(reverted) = ended.filter(|end| end.action == Action::Reverted) {
        return Ok(reverted);
    }
    State::after(&history).admit(Action::Reverting, &id)?;
    let plan = journal::Plan::saved(decider, &id, &history)?;
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
        .hint("look at it again in a few seconds: `proposals show`")),
        other => Ok(other),
    }
}

/// The role that lets the caller decide about every path that the proposal touches.
fn may_decide(decider: &Decider, loaded: &Loaded) -> Result<String, ToolError> {
    let caller = decider.caller();
    let mut role = None;
    for path in loaded.paths() {
        let rights = decider.rights();
        let granting = rights.granting_role(Access::Decide, &path).ok_or_else(|| {
            ToolError::new(Code::Denied, format!("caller `{caller}` may not decide about `{path}`"))
                .hint("a role with `decide` on every file of the proposal may; see --caller")
        })?;
        if rights.may(Access::Propose, &path) {
            return Err(ToolError::new(
                Code::Denied,
                format!("caller `{caller}` may propose on `{path}`, so it may not decide about it"),
            )
            .hint("who proposes does not decide: another caller must, or the policy must change"));
        }
        role.get_or_insert_with(|| granting.to_owned());
    }
    role.ok_or_else(|| ToolError::invalid("the proposal touches no file"))
}

fn next_step(
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
fn take(
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
        .hint("`proposals show` tells its history"))
}

/// A path that a record names.
fn path_of(text: &str) -> Result<WorkspacePath, ToolError> {
    Ok(WorkspacePath::parse(text)?)
}
