//! A proposal as a person is shown it: what it proposes, its state, and what conflicts with it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::loaded::{Loaded, is_visible, parsed, record};
use crate::error::{Code, ToolError};
use crate::memory::Drawn;
use crate::records::decision::{Action, Decision, State};
use crate::records::history::{History, may_approve_again};
use crate::records::proposal::{Proposal, ProposedFile};
use crate::workspace::Decider;

/// Fewest digits of an id that may stand for all of it.
const MIN_DIGITS: usize = 6;

/// A proposal and how it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProposalView {
    /// What was proposed.
    #[serde(flatten)]
    pub proposal: Proposal,
    /// How it stands: in a list as it was decided, and of one that is opened also against the
    /// sources (`conflicted`, `superseded`).
    pub state: State,
    /// What was decided, in order, as far as it can be believed.
    pub history: Vec<Decision>,
    /// Why the history is not believed to its end. Then nothing is decided about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
    /// Sources that are not what the proposal is made for, each with the versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
    /// Other proposals on the same files that may still be applied; at most
    /// [`ProposalView::MOST_CONFLICTS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts_with: Vec<String>,
    /// Whether there are more of them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more_conflicts: bool,
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

/// Proposals that a caller may see, from records alone: no source is read for them.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Those that can be read, by time.
    pub readable: Vec<ProposalView>,
    /// Those that cannot.
    pub unreadable: Vec<Unreadable>,
    /// How many were not looked at, because half of the call's time was used.
    pub not_read: usize,
}

/// All proposals that the caller may see. Each stands as it was decided; whether the sources have
/// changed since is only known of one that is opened. Nothing is written.
///
/// # Errors
/// When they cannot be listed.
pub fn list(decider: &Decider) -> Result<Listing, ToolError> {
    let mut listing = Listing::default();
    let ids = decider.proposal_ids()?;
    let mut drawn = None;
    for (done, id) in ids.iter().enumerate() {
        if !decider.has_time() {
            listing.not_read = ids.len() - done;
            break;
        }
        match listed(decider, id, &mut drawn) {
            Ok(view) => listing.readable.extend(view),
            Err(error) => listing.unreadable.push(Unreadable { id: id.clone(), error }),
        }
    }
    listing.readable.sort_by(|one, other| {
        (&one.proposal.created, &one.proposal.id)
            .cmp(&(&other.proposal.created, &other.proposal.id))
    });
    tell_conflicts(&mut listing.readable);
    Ok(listing)
}

/// A proposal that was listed, against the sources as they are.
///
/// # Errors
/// When it or its sources cannot be read.
pub fn compare(decider: &Decider, listed: ProposalView) -> Result<ProposalView, ToolError> {
    let loaded = Loaded::read(decider, &listed.proposal.id)?;
    let history = decider.history(&listed.proposal.id)?;
    let view = ProposalView::of(decider, &loaded, history)?;
    let ProposalView { conflicts_with, more_conflicts, .. } = listed;
    Ok(ProposalView { conflicts_with, more_conflicts, ..view })
}

/// One proposal against the sources as they are, with what conflicts with it. Nothing is written.
///
/// # Errors
/// When it is not there, cannot be read, or the caller may not see it.
pub fn show(decider: &Decider, given: &str) -> Result<ProposalView, ToolError> {
    let id = resolve(decider, given)?;
    let loaded = Loaded::read(decider, &id)?;
    if !is_visible(decider, &loaded.proposal)? {
        return Err(ToolError::new(
            Code::Denied,
            format!("caller `{}` may not see proposal {id}", decider.caller()),
        )
        .hint("its role needs `decide` on the proposal's files, or `read` on its folder"));
    }
    let mut shown = ProposalView::of(decider, &loaded, decider.history(&id)?)?;
    if let Some(listed) = list(decider)?.readable.into_iter().find(|view| view.proposal.id == id) {
        shown.conflicts_with = listed.conflicts_with;
        shown.more_conflicts = listed.more_conflicts;
    }
    Ok(shown)
}

/// Whether the caller may see a proposal, by its whole id.
///
/// # Errors
/// When it is not there or cannot be read.
pub fn may_see(decider: &Decider, id: &str) -> Result<bool, ToolError> {
    is_visible(decider, &record(decider, id)?)
}

fn listed(
    decider: &Decider,
    id: &str,
    drawn: &mut Option<Drawn>,
) -> Result<Option<ProposalView>, ToolError> {
    let json = decider.proposal(id)?;
    let proposal = parsed(id, &json)?;
    if !is_visible(decider, &proposal)? {
        return Ok(None);
    }
    let history = decider.history(id)?;
    // What is shown of both is at most as long as they are.
    let steps = serde_json::to_vec(&history.steps).map_or(0, |json| json.len());
    decider.draw(drawn, json.len().saturating_add(steps).saturating_mul(2))?;
    Ok(Some(ProposalView::recorded(proposal, history)))
}

fn tell_conflicts(readable: &mut [ProposalView]) {
    let mut on_path: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for view in readable.iter().filter(|view| view.state.is_live()) {
        for path in view.proposal.files.iter().flat_map(ProposedFile::paths) {
            let ids = on_path.entry(path.to_owned()).or_default();
            // Of so many on one path each finds enough others, and one that tells of more.
            if ids.len() < ProposalView::MOST_CONFLICTS + 2 && ids.last() != Some(&view.proposal.id)
            {
                ids.push(view.proposal.id.clone());
            }
        }
    }
    for view in readable.iter_mut().filter(|view| view.state.is_live()) {
        let paths = view.proposal.files.iter().flat_map(ProposedFile::paths);
        let mut others: BTreeSet<&String> =
            paths.filter_map(|path| on_path.get(path)).flatten().collect();
        others.remove(&view.proposal.id);
        view.more_conflicts = others.len() > ProposalView::MOST_CONFLICTS;
        view.conflicts_with =
            others.into_iter().take(ProposalView::MOST_CONFLICTS).cloned().collect();
    }
}

impl ProposalView {
    /// Most others that one is told to conflict with.
    pub const MOST_CONFLICTS: usize = 50;

    /// What records tell of a proposal.
    fn recorded(proposal: Proposal, history: History) -> ProposalView {
        let History { steps, doubt } = history;
        let (changed, conflicts_with, patch) = (Vec::new(), Vec::new(), Vec::new());
        let state = State::after(&steps);
        ProposalView {
            proposal,
            state,
            history: steps,
            doubt,
            changed,
            conflicts_with,
            more_conflicts: false,
            patch,
        }
    }

    pub(super) fn of(
        decider: &Decider,
        loaded: &Loaded,
        history: History,
    ) -> Result<ProposalView, ToolError> {
        let mut view = ProposalView::recorded(loaded.proposal.clone(), history);
        view.patch.clone_from(&loaded.patch);
        if matches!(view.state, State::Proposed | State::Approved) {
            match loaded.drift(decider) {
                Ok(drift) if drift.is_empty() => {}
                Ok(drift) => {
                    let in_effect = loaded.is_in_effect(decider)?;
                    view.state = if in_effect { State::Superseded } else { State::Conflicted };
                    view.changed = drift;
                }
                // Who may read the proposal need not be one who may look at its files.
                Err(error) if error.code == Code::Denied => {}
                Err(error) => return Err(error),
            }
        }
        if let Err(error) = loaded.approval(decider, &view.history)
            && view.doubt.is_none()
            && !view.history.is_empty()
            && view.state != State::Rejected
        {
            view.doubt = Some(error.message);
        }
        Ok(view)
    }

    /// Whether an approval is what it waits for: there is none, or one of an older version, which
    /// did not record of what.
    pub fn awaits_approval(&self) -> bool {
        self.state == State::Proposed
            || self.state == State::Approved && may_approve_again(&self.history, Action::Approved)
    }

    /// Whether an apply or revert was begun and has not ended: somebody is at it, or it was
    /// interrupted and is to be recovered.
    pub fn is_begun(&self) -> bool {
        self.state.is_begun()
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
