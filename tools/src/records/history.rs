//! The history of a proposal as far as it can be believed: steps that follow from each other, and
//! that are signed where a key is asked for.

use super::decision::{Action, Decision, FORMAT, State};
use super::signature::DecisionKeys;

/// How steps prove that they come from a program of people.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'k> {
    /// By lying where only such programs write: the policy names no key.
    Place,
    /// By a signature with one of these keys.
    Keys(&'k DecisionKeys),
    /// The policy names a key, and this program was not given it.
    Missing,
}

/// Steps in order, up to the first that cannot be believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// What is believed.
    pub steps: Vec<Decision>,
    /// Why it does not go on, though more is stored. Then nothing is decided any more.
    pub doubt: Option<String>,
}

impl History {
    /// Takes the step that is stored next. What comes after a doubt is not taken.
    pub fn push(&mut self, step: Decision, id: &str, proof: Proof<'_>) {
        if self.doubt.is_some() {
            return;
        }
        match self.why_not(&step, id, proof) {
            None => self.steps.push(step),
            Some(why) => self.doubt = Some(why),
        }
    }

    /// Ends the history with something that is no step.
    pub fn doubt(&mut self, why: String) {
        self.doubt.get_or_insert(why);
    }

    /// The number of the step that comes next.
    pub fn next(&self) -> u32 {
        u32::try_from(self.steps.len()).map_or(u32::MAX, |taken| taken.saturating_add(1))
    }

    /// The approval that the last apply stands on, or that the next one would.
    pub fn approval(&self) -> Option<&Decision> {
        approval_in(&self.steps)
    }

    fn why_not(&self, step: &Decision, id: &str, proof: Proof<'_>) -> Option<String> {
        let (number, action) = (self.next(), told(step.action));
        let by = &step.caller;
        if step.format != FORMAT {
            return Some(format!("step {number} has the format {}, not {FORMAT}", step.format));
        }
        if step.proposal != id || step.step != number {
            return Some(format!(
                "what lies there as step {number} is step {} of {}",
                step.step, step.proposal
            ));
        }
        match proof {
            Proof::Place => {}
            Proof::Missing => {
                return Some(format!(
                    "step {number}, {action} by `{by}`, cannot be checked: the policy names a key \
                     for decisions, and this program was not given it"
                ));
            }
            Proof::Keys(_) if step.signature.is_none() => {
                return Some(format!("step {number}, {action} by `{by}`, is not signed"));
            }
            Proof::Keys(keys) => {
                if !keys.have_signed(step, self.steps.last()) {
                    return Some(format!(
                        "step {number}, {action} by `{by}`, has a signature that is not of a key of \
                         this program, this text and the steps before it"
                    ));
                }
            }
        }
        let state = State::after(&self.steps);
        if !state.allows(step.action) && !may_approve_again(&self.steps, step.action) {
            return Some(format!("step {number}, {action}, does not follow {}", state.as_str()));
        }
        if step.journal.is_some() != (step.action == Action::Applying) {
            return Some(format!("step {number}, {action}, has no journal or one too many"));
        }
        None
    }
}

/// The last approval among these steps.
pub fn approval_in(steps: &[Decision]) -> Option<&Decision> {
    steps.iter().rev().find(|step| step.action == Action::Approved)
}

/// Whether an approval may be given once more: the one that there is does not say what it covers,
/// as those of older versions.
pub fn may_approve_again(steps: &[Decision], action: Action) -> bool {
    action == Action::Approved
        && State::after(steps) == State::Approved
        && approval_in(steps).is_some_and(|approval| approval.covers.is_none())
}

fn told(action: Action) -> &'static str {
    match action {
        Action::Approved => "approved",
        Action::Rejected => "rejected",
        Action::Applying => "an apply begun",
        Action::Applied => "applied",
        Action::ApplyUndone => "an apply taken back",
        Action::Reverting => "a revert begun",
        Action::Reverted => "reverted",
        Action::RevertUndone => "a revert taken back",
    }
}
