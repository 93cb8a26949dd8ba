//! One step of a proposal's history: it is made, and the first of several writers takes it.

use jiff::Timestamp;

use crate::error::{Code, ToolError};
use crate::records::decision::{Action, Decision, FORMAT, Journal, State};
use crate::workspace::{Decider, Published};

/// Longest reason in characters.
const MAX_REASON: usize = 4_000;

/// The steps that were taken with a proposal.
///
/// # Errors
/// [`Code::Io`] when what is stored cannot be believed: then nothing is decided.
pub(super) fn believed(decider: &Decider, id: &str) -> Result<Vec<Decision>, ToolError> {
    let history = decider.history(id)?;
    match history.doubt {
        None => Ok(history.steps),
        Some(why) => Err(ToolError::new(
            Code::Io,
            format!("the history of proposal {id} cannot be believed: {why}"),
        )
        .hint("nothing is decided about it until its folder of decisions is put in order")),
    }
}

/// What a step adds to a history.
#[derive(Debug, Default)]
pub(super) struct Next<'n> {
    pub action: Action,
    pub role: &'n str,
    pub reason: Option<&'n str>,
    /// Of an approval, the digest of what it is about.
    pub covers: Option<String>,
    /// Of an intent to apply.
    pub journal: Option<Journal>,
}

impl Next<'_> {
    /// The step that follows a history, signed where the policy asks for it.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] when the reason is too long, [`Code::Denied`] without the key.
    pub(super) fn after(
        self,
        decider: &Decider,
        id: &str,
        history: &[Decision],
    ) -> Result<Decision, ToolError> {
        let reason = self.reason.map(str::trim).filter(|reason| !reason.is_empty());
        if let Some(length) = reason.map(|reason| reason.chars().count())
            && length > MAX_REASON
        {
            return Err(ToolError::invalid(format!(
                "the reason has {length} characters; the limit is {MAX_REASON}"
            )));
        }
        let mut step = Decision {
            format: FORMAT,
            proposal: id.to_owned(),
            step: history.last().map_or(0, |last| last.step).saturating_add(1),
            action: self.action,
            caller: decider.caller().to_owned(),
            role: self.role.to_owned(),
            reason: reason.map(str::to_owned),
            created: Timestamp::now().to_string(),
            covers: self.covers,
            journal: self.journal,
            signature: None,
        };
        decider.sign(&mut step, history.last())?;
        Ok(step)
    }
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
    let first = history.steps.iter().find(|other| other.step == step.step);
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
