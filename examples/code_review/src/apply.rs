//! Applies what people have approved, and nothing else.

use std::path::Path;

use mcp_workspace_tools::decide;
use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::records::decision::{Action, State};
use serde::{Deserialize, Serialize};

use crate::decisions::{DecisionsError, is_about, sources_of};
use crate::rights;

/// Which approved proposals are applied to the sources now, and which are not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Ids of proposals that are in the sources, those of earlier calls included.
    pub applied: Vec<String>,
    /// What was approved and cannot be applied.
    pub conflicts: Vec<Conflict>,
    /// Ids of proposals about which nobody has decided.
    pub undecided: Vec<String>,
}

/// A proposal that was approved and cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// Its id.
    pub id: String,
    /// What it would do.
    pub title: String,
    /// Why it cannot.
    pub reason: String,
}

/// Applies the proposals of a run that somebody else than the caller has approved, each as a
/// whole or not at all. One that cannot be applied does not stop the others. Called again it
/// applies what was approved since, and nothing twice.
///
/// # Errors
/// When there is no such workspace, the policy has no role for the caller, or the proposals
/// cannot be listed.
pub fn apply(
    root: &Path,
    policy: &Policy,
    run: &Name,
    caller: &str,
) -> Result<Applied, DecisionsError> {
    let decider = rights::decider(root, policy, caller)?;
    let readable = decide::list(&decider)
        .map_err(|cause| DecisionsError::List { run: run.clone(), cause })?
        .readable;
    let sources = sources_of(policy.layout(), run);
    let mut outcome = Applied::default();
    for view in readable.into_iter().filter(|view| is_about(view, &sources)) {
        let (id, title) = (view.proposal.id, view.proposal.title);
        // Nothing follows from a history that cannot be believed, and somebody must be told.
        if let Some(reason) = view.doubt {
            outcome.conflicts.push(Conflict { id, title, reason });
            continue;
        }
        // A step that is recorded counts, whatever the sources look like at this moment: an
        // approved proposal that conflicts with one applied before it is to be told.
        match State::after(&view.history) {
            State::Approved | State::Applying => {}
            State::Applied | State::Reverting => {
                outcome.applied.push(id);
                continue;
            }
            State::Proposed => {
                outcome.undecided.push(id);
                continue;
            }
            _ => continue,
        }
        let approver = view.history.iter().rev().find(|step| step.action == Action::Approved);
        let refused = match approver {
            Some(step) if step.caller == caller => Some(format!(
                "`{caller}` approved it, who applies it; somebody else must approve it"
            )),
            _ => decide::apply(&decider, &id).err().map(|error| error.to_text()),
        };
        match refused {
            None => outcome.applied.push(id),
            Some(reason) => outcome.conflicts.push(Conflict { id, title, reason }),
        }
    }
    Ok(outcome)
}
