//! A proposal as a person is shown it: what it proposes, its state, and what conflicts with it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::journal;
use super::loaded::Loaded;
use crate::error::{Code, ToolError};
use crate::records::decision::{Action, Decision, State};
use crate::records::proposal::{Proposal, ProposedFile};
use crate::workspace::{Decider, Hold};

/// Fewest digits of an id that may stand for all of it.
const MIN_DIGITS: usize = 6;

/// A proposal and how it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProposalView {
    /// What was proposed.
    #[serde(flatten)]
    pub proposal: Proposal,
    /// How it stands.
    pub state: State,
    /// What was decided, in order.
    pub history: Vec<Decision>,
    /// Sources that are not what the proposal is made for, each with the versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Other proposals on the same files that may still be applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts_with: Vec<String>,
    /// The canonical diff.
    #[serde(skip)]
    pub patch: Vec<u8>,
}

/// A proposal that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Its id.
    pub id: String,
    /// Why.
    pub error: ToolError,
}

/// The id that `given` stands for: itself, or the only one that begins so.
///
/// # Errors
/// [`Code::NotFound`] when no proposal is meant, [`Code::InvalidArgument`] when several are.
pub fn resolve(decider: &Decider, given: &str) -> Result<String, ToolError> {
    let missing = |hint: String| {
        Err(ToolError::new(Code::NotFound, format!("no proposal `{given}`")).hint(hint))
    };
    let ids = decider.proposal_ids()?;
    if ids.iter().any(|id| id == given) {
        return Ok(given.to_owned());
    }
    if given.len() < MIN_DIGITS {
        return missing(format!("give the id, or at least its first {MIN_DIGITS} digits"));
    }
    let meant: Vec<&String> = ids.iter().filter(|id| id.starts_with(given)).collect();
    match meant.as_slice() {
        [one] => Ok((*one).clone()),
        [] => missing("the list of proposals shows those that there are".to_owned()),
        several => Err(ToolError::invalid(format!(
            "`{given}` begins the ids of {} proposals",
            several.len()
        ))
        .hint("give more digits")),
    }
}

/// All proposals that the caller may see, by time, and those that cannot be read.
///
/// # Errors
/// When they cannot be listed.
pub fn list(decider: &Decider) -> Result<(Vec<ProposalView>, Vec<Unreadable>), ToolError> {
    let (mut readable, mut unreadable) = (Vec::new(), Vec::new());
    for id in decider.proposal_ids()? {
        match one(decider, &id) {
            Ok(view) => readable.extend(view),
            Err(error) => unreadable.push(Unreadable { id, error }),
        }
    }
    readable.sort_by(|one, other| {
        (&one.proposal.created, &one.proposal.id)
            .cmp(&(&other.proposal.created, &other.proposal.id))
    });
    tell_conflicts(&mut readable);
    Ok((readable, unreadable))
}

/// One proposal, with what conflicts with it.
///
/// # Errors
/// When it is not there, cannot be read, or the caller may not see it.
pub fn show(decider: &Decider, given: &str) -> Result<ProposalView, ToolError> {
    let id = resolve(decider, given)?;
    let hidden = || {
        ToolError::new(
            Code::Denied,
            format!("caller `{}` may not see proposal {id}", decider.caller()),
        )
        .hint("its role needs `decide` on the proposal's files, or `read` on its folder")
    };
    let mut shown = one(decider, &id)?.ok_or_else(hidden)?;
    let (all, _) = list(decider)?;
    if let Some(listed) = all.into_iter().find(|view| view.proposal.id == id) {
        shown.conflicts_with = listed.conflicts_with;
    }
    Ok(shown)
}

/// Whether the caller may see a proposal, by its whole id.
///
/// # Errors
/// When it is not there or cannot be read.
pub fn may_see(decider: &Decider, id: &str) -> Result<bool, ToolError> {
    Loaded::read(decider, id)?.is_visible(decider)
}

fn one(decider: &Decider, id: &str) -> Result<Option<ProposalView>, ToolError> {
    let loaded = Loaded::read(decider, id)?;
    if !loaded.is_visible(decider)? {
        return Ok(None);
    }
    let mut history = decider.history(id)?;
    let interrupted = matches!(State::after(&history), State::Applying | State::Reverting);
    if interrupted && loaded.deciding_role(decider).is_ok() {
        let hold = decider.hold(id)?;
        // Who holds it is still at work.
        if !matches!(hold, Hold::Busy) {
            history = journal::recover(decider, &loaded, &hold)?.history;
        }
    }
    ProposalView::of(decider, &loaded, history).map(Some)
}

fn tell_conflicts(readable: &mut [ProposalView]) {
    let mut on_path: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for view in readable.iter().filter(|view| view.state.is_live()) {
        for path in view.proposal.files.iter().flat_map(ProposedFile::paths) {
            on_path.entry(path.to_owned()).or_default().push(view.proposal.id.clone());
        }
    }
    for view in readable.iter_mut().filter(|view| view.state.is_live()) {
        let paths = view.proposal.files.iter().flat_map(ProposedFile::paths);
        let others: BTreeSet<String> = paths
            .filter_map(|path| on_path.get(path))
            .flatten()
            .filter(|id| **id != view.proposal.id)
            .cloned()
            .collect();
        view.conflicts_with = others.into_iter().collect();
    }
}

impl ProposalView {
    pub(super) fn of(
        decider: &Decider,
        loaded: &Loaded,
        history: Vec<Decision>,
    ) -> Result<ProposalView, ToolError> {
        let mut state = State::after(&history);
        let mut changed = Vec::new();
        if matches!(state, State::Proposed | State::Approved) {
            (state, changed) = match loaded.drift(decider) {
                Ok(drift) if drift.is_empty() => (state, drift),
                Ok(drift) if loaded.is_in_effect(decider)? => (State::Superseded, drift),
                Ok(drift) => (State::Conflicted, drift),
                // Who may read the proposal need not be one who may look at its files.
                Err(error) if error.code == Code::Denied => (state, changed),
                Err(error) => return Err(error),
            };
        }
        Ok(ProposalView {
            proposal: loaded.proposal.clone(),
            state,
            history,
            changed,
            conflicts_with: Vec::new(),
            patch: loaded.patch.clone(),
        })
    }

    /// Refuses a step that does not follow, with the files that have changed.
    pub(super) fn admit(&self, action: Action) -> Result<(), ToolError> {
        // Who applies what is not approved is told that first.
        let decided = State::after(&self.history);
        decided.admit(action, &self.proposal.id)?;
        if self.changed.is_empty() {
            return Ok(());
        }
        let why = match self.state {
            State::Superseded => "the sources are already as it would make them",
            _ => "the sources are not those that it is made for",
        };
        Err(ToolError::new(
            Code::Conflict,
            format!(
                "proposal {} is {}: {why}\n{}",
                self.proposal.id,
                self.state.as_str(),
                self.changed.join("\n")
            ),
        )
        .hint("nothing was changed; propose the change anew, on the sources as they are"))
    }
}
