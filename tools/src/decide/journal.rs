//! Changes several sources, all or none: first both states are saved with an intent, then each file
//! is changed, then the end is recorded. Each step finds out by itself what is still to do, so
//! anybody can simply continue an interrupted run.

use jiff::Timestamp;

use super::loaded::Loaded;
use super::plan::{Plan, To};
use super::step::{Next, believed};
use crate::error::{Code, ToolError};
use crate::records::decision::{Action, Decision, State};
use crate::workspace::{Decider, Hold, Published};

/// Without locks, an interrupted run is taken over after this many seconds.
const OLD_SECONDS: i64 = 600;

/// Carries out the intent that a history ends with, and records the end.
///
/// # Errors
/// When nothing was changed, or when the next run has to take it up.
pub(super) fn carry_out(
    decider: &Decider,
    id: &str,
    plan: &Plan,
    history: Vec<Decision>,
    role: &str,
) -> Result<Decision, ToolError> {
    let applies = State::after(&history) == State::Applying;
    let (to, done, undone) = match applies {
        true => (To::After, Action::Applied, Action::ApplyUndone),
        false => (To::Before, Action::Reverted, Action::RevertUndone),
    };
    let Err(cause) = plan.settle(decider, id, to, false) else {
        return end(decider, id, &history, done, role, None).map_err(|error| {
            error.hint("all files are changed; recovering the proposal records that")
        });
    };
    let interrupted = |more: ToolError| {
        ToolError::new(
            cause.code,
            format!("the sources are half changed: {}; {}", cause.message, more.message),
        )
        .hint("recovering the proposal finishes this or takes it back; nothing is lost")
    };
    let remarks = plan.settle(decider, id, to.other(), true).map_err(interrupted)?;
    let told = std::iter::once(cause.message.clone()).chain(remarks).collect::<Vec<_>>().join("; ");
    end(decider, id, &history, undone, role, Some(&told)).map_err(interrupted)?;
    let hint = cause.hint.clone().unwrap_or_else(|| "look at what changed, then try again".into());
    Err(ToolError::new(cause.code, format!("nothing was changed: {told}")).hint(hint))
}

/// Records the end. That somebody else has recorded the same is as good.
fn end(
    decider: &Decider,
    id: &str,
    history: &[Decision],
    action: Action,
    role: &str,
    reason: Option<&str>,
) -> Result<Decision, ToolError> {
    let shortened: Option<String> = reason.map(|reason| reason.chars().take(1_000).collect());
    let step = Next { action, role, reason: shortened.as_deref(), ..Next::default() };
    let step = step.after(decider, id, history)?;
    if decider.take_step(&step, &[])? == Published::Created {
        return Ok(step);
    }
    let now = believed(decider, id)?;
    let there = now.into_iter().find(|other| other.step == step.step);
    there.filter(|other| other.action == action).ok_or_else(|| {
        ToolError::new(Code::Conflict, format!("somebody else ended what was begun with {id}"))
            .hint("the proposal's history tells more")
    })
}

/// A proposal's history once nothing of it is left in the middle.
pub(super) struct Recovered {
    pub history: Vec<Decision>,
    /// What an interrupted run was brought to by this call.
    pub ended: Option<Decision>,
}

/// Finishes or takes back an apply or revert that was interrupted. Only what was approved is
/// carried out, and only as the proposal says.
///
/// # Errors
/// When that fails; then it is still to be done. [`Code::Denied`] and [`Code::Io`] when what is
/// recorded does not prove that it is to be done.
pub(super) fn recover(
    decider: &Decider,
    loaded: &Loaded,
    hold: &Hold,
) -> Result<Recovered, ToolError> {
    let id = &loaded.proposal.id;
    let history = believed(decider, id)?;
    let Some(intent) = history.last().filter(|_| State::after(&history).is_begun()) else {
        return Ok(Recovered { history, ended: None });
    };
    // Without locks nobody knows whether it is still under way, so only its age tells.
    if !matches!(hold, Hold::Held(_)) && !is_old(intent) {
        return Err(ToolError::new(
            Code::Conflict,
            format!(
                "`{}` may still be at proposal {id}, begun at {}; the file system has no locks to \
                 tell",
                intent.caller, intent.created
            ),
        )
        .hint(format!("it can be recovered {OLD_SECONDS} seconds after it was begun")));
    }
    let role = loaded.deciding_role(decider)?;
    loaded.approval(decider, &history)?;
    if let Some(path) =
        loaded.paths().iter().find(|path| !decider.lets_decide(&intent.caller, path))
    {
        return Err(ToolError::new(
            Code::Denied,
            format!("`{}`, who began it, may not decide about `{path}`", intent.caller),
        )
        .hint("let the policy name who began it, or restore the sources by hand"));
    }
    let plan = Plan::saved(decider, loaded, &history)?;
    match carry_out(decider, id, &plan, history, &role) {
        Ok(ended) => Ok(Recovered { history: believed(decider, id)?, ended: Some(ended) }),
        Err(error) => {
            let history = believed(decider, id)?;
            // Taken back is an end too.
            if State::after(&history).is_begun() {
                return Err(error);
            }
            Ok(Recovered { ended: history.last().cloned(), history })
        }
    }
}

/// Whether a step was taken so long ago that nobody is still at it.
fn is_old(step: &Decision) -> bool {
    let begun = step.created.parse::<Timestamp>().map_or(0, Timestamp::as_second);
    Timestamp::now().as_second().saturating_sub(begun) > OLD_SECONDS
}
