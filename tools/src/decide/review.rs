//! A proposal as people see it: what it is, how it stands, and what stands against it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::journal::{self, Plan, Planned};
use super::path_of;
use crate::error::{Code, ToolError};
use crate::patch::{self, Base, Change, ChangeKind, Draft, FileChange};
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::records::decision::{Action, Decision, State};
use crate::records::proposal::{Proposal, ProposedFile, id_of};
use crate::workspace::{Decider, Hold, Source};

/// Fewest digits of an id that may stand for all of it.
const MIN_DIGITS: usize = 6;

/// A proposal and how it stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Review {
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
        [] => missing("`proposals list` shows those that there are".to_owned()),
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
pub fn list(decider: &Decider) -> Result<(Vec<Review>, Vec<Unreadable>), ToolError> {
    let (mut reviews, mut unreadable) = (Vec::new(), Vec::new());
    for id in decider.proposal_ids()? {
        match one(decider, &id) {
            Ok(review) => reviews.extend(review),
            Err(error) => unreadable.push(Unreadable { id, error }),
        }
    }
    reviews.sort_by(|one, other| {
        (&one.proposal.created, &one.proposal.id)
            .cmp(&(&other.proposal.created, &other.proposal.id))
    });
    tell_conflicts(&mut reviews);
    Ok((reviews, unreadable))
}

/// One proposal, with what conflicts with it.
///
/// # Errors
/// When it is not there, cannot be read, or the caller may not see it.
pub fn show(decider: &Decider, given: &str) -> Result<Review, ToolError> {
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
    if let Some(listed) = all.into_iter().find(|review| review.proposal.id == id) {
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

fn one(decider: &Decider, id: &str) -> Result<Option<Review>, ToolError> {
    let loaded = Loaded::read(decider, id)?;
    if !loaded.is_visible(decider)? {
        return Ok(None);
    }
    let mut history = decider.history(id)?;
    let interrupted = matches!(State::after(&history), State::Applying | State::Reverting);
    if interrupted && super::may_decide(decider, &loaded).is_ok() {
        let hold = decider.hold(id)?;
        // Who holds it is still at work.
        if !matches!(hold, Hold::Busy) {
            history = journal::recover(decider, &loaded, &hold)?.history;
        }
    }
    Review::of(decider, &loaded, history).map(Some)
}

fn tell_conflicts(reviews: &mut [Review]) {
    let mut on_path: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for review in reviews.iter().filter(|review| review.state.is_live()) {
        for path in touched(&review.proposal.files) {
            on_path.entry(path.to_owned()).or_default().push(review.proposal.id.clone());
        }
    }
    for review in reviews.iter_mut().filter(|review| review.state.is_live()) {
        let others: BTreeSet<String> = touched(&review.proposal.files)
            .filter_map(|path| on_path.get(path))
            .flatten()
            .filter(|id| **id != review.proposal.id)
            .cloned()
            .collect();
        review.conflicts_with = others.into_iter().collect();
    }
}

/// The paths of these files, old names included.
pub(crate) fn touched(files: &[ProposedFile]) -> impl Iterator<Item = &str> {
    files
        .iter()
        .flat_map(|file| [Some(&file.path), file.old_path.as_ref()])
        .flatten()
        .map(String::as_str)
}

impl Review {
    pub(super) fn of(
        decider: &Decider,
        loaded: &Loaded,
        history: Vec<Decision>,
    ) -> Result<Review, ToolError> {
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
        Ok(Review {
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

/// A proposal that was read and checked: its id is the hash of what it holds.
pub(super) struct Loaded {
    pub proposal: Proposal,
    pub patch: Vec<u8>,
    changes: Vec<FileChange>,
}

impl Loaded {
    pub fn read(decider: &Decider, id: &str) -> Result<Loaded, ToolError> {
        let (record, patch) = decider.proposal(id)?;
        let damaged = |what: &str| {
            ToolError::new(Code::Io, format!("proposal {id} is damaged: {what}"))
                .hint("nothing can be decided about it; remove its folder or restore it")
        };
        let proposal: Proposal = serde_json::from_slice(&record)
            .map_err(|error| damaged(&format!("its record cannot be read: {error}")))?;
        let changes = patch::read_stored(&patch)
            .map_err(|error| damaged(&format!("its diff cannot be read: {}", error.message)))?;
        // What is approved is exactly what the id names.
        if proposal.id != id || id_of(&patch, &proposal.files) != id {
            return Err(damaged("its id is not the hash of its diff and versions"));
        }
        let in_record = proposal.files.iter().map(|file| {
            (file.path.as_str(), file.old_path.as_deref(), file.change, file.base_version.is_some())
        });
        let in_patch = changes.iter().map(|change| {
            let (kind, has_base) = match change.kind {
                ChangeKind::Create => (Change::Added, false),
                ChangeKind::Modify => (Change::Modified, true),
                ChangeKind::Delete => (Change::Deleted, true),
                ChangeKind::Rename => (Change::Renamed, true),
            };
            let old_path = change.old_path.as_ref().map(WorkspacePath::as_str);
            (change.path.as_str(), old_path, kind, has_base)
        });
        if !in_record.eq(in_patch) {
            return Err(damaged("its record and its diff name different files"));
        }
        Ok(Loaded { proposal, patch, changes })
    }

    /// To those who may decide about all of it, and to those who may read its folder.
    fn is_visible(&self, decider: &Decider) -> Result<bool, ToolError> {
        let record = decider.layout().proposals().join(&self.proposal.id)?;
        let rights = decider.rights();
        let decides = self.paths().iter().all(|path| rights.may(Access::Decide, path));
        Ok(decides || rights.may(Access::Read, &record))
    }

    /// Every path that is touched, old names included.
    pub fn paths(&self) -> Vec<WorkspacePath> {
        self.changes
            .iter()
            .flat_map(|change| std::iter::once(&change.path).chain(&change.old_path))
            .cloned()
            .collect()
    }

    /// The sources that are not what the proposal is made for.
    fn drift(&self, decider: &Decider) -> Result<Vec<String>, ToolError> {
        let mut drift = Vec::new();
        for file in &self.proposal.files {
            let before = file.old_path.as_deref().unwrap_or(&file.path);
            drift.extend(differs(decider, before, file.base_version.as_deref())?);
            if file.old_path.is_some() {
                drift.extend(differs(decider, &file.path, None)?);
            }
        }
        Ok(drift)
    }

    /// Whether the sources are already as the proposal would make them.
    fn is_in_effect(&self, decider: &Decider) -> Result<bool, ToolError> {
        for file in &self.proposal.files {
            let stays = differs(decider, &file.path, file.result_version.as_deref())?.is_none();
            let left = match &file.old_path {
                Some(old) => differs(decider, old, None)?.is_none(),
                None => true,
            };
            if !stays || !left {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What is to be done, from the sources as they are.
    pub fn plan(&self, decider: &Decider) -> Result<Plan, ToolError> {
        let mut sources: BTreeMap<WorkspacePath, Option<Source>> = BTreeMap::new();
        let mut load = |path: &WorkspacePath| {
            let source = decider.source(path)?;
            sources.insert(path.clone(), source.clone());
            Ok(source
                .map(|source| Base { executable: source.is_executable(), bytes: source.bytes }))
        };
        let mut draft = Draft::new(&mut load);
        for change in &self.changes {
            draft.apply(change)?;
        }
        let (outcomes, _) = draft.finish()?;
        let mut files: BTreeMap<WorkspacePath, Planned> = BTreeMap::new();
        for (outcome, recorded) in outcomes.iter().zip(&self.proposal.files) {
            let version =
                |side: &Option<Base>| side.as_ref().map(|base| patch::version(&base.bytes));
            if version(&outcome.base) != recorded.base_version
                || version(&outcome.result) != recorded.result_version
            {
                return Err(ToolError::new(
                    Code::Conflict,
                    format!("`{}` does not become what was proposed", outcome.path),
                )
                .hint("nothing was changed; propose the change anew"));
            }
            let from = outcome.old_path.as_ref().unwrap_or(&outcome.path);
            let before = sources.get(from).cloned().flatten();
            let after = outcome.result.clone().map(|result| Source {
                mode: mode_after(before.as_ref(), result.executable),
                bytes: result.bytes,
            });
            let mut add = |path: &WorkspacePath, before, after| {
                files.insert(path.clone(), Planned { path: path.clone(), before, after });
            };
            if outcome.old_path.is_some() {
                add(from, before, None);
                add(&outcome.path, None, after);
            } else {
                add(&outcome.path, before, after);
            }
        }
        if outcomes.len() != self.proposal.files.len() {
            return Err(ToolError::new(
                Code::Conflict,
                "the proposal does not change the files that it names",
            ));
        }
        Plan::new(decider, files.into_values().collect())
    }
}

/// The permission bits afterwards: those of before, but for a change of the executable bit.
fn mode_after(before: Option<&Source>, executable: bool) -> u32 {
    match before {
        Some(before) if before.is_executable() == executable => before.mode,
        _ if executable => 0o755,
        _ => 0o644,
    }
}

/// How a source differs from what was expected; none when it does not.
pub(super) fn differs(
    decider: &Decider,
    path: &str,
    expected: Option<&str>,
) -> Result<Option<String>, ToolError> {
    let found = match decider.source(&path_of(path)?) {
        Ok(source) => source.map(|source| patch::version(&source.bytes)),
        Err(error) if matches!(error.code, Code::Conflict | Code::TooLarge) => {
            return Ok(Some(format!("  {}", error.message)));
        }
        Err(error) => return Err(error),
    };
    Ok(match (expected, found) {
        (None, None) => None,
        (Some(expected), Some(found)) if expected == found => None,
        (Some(expected), Some(found)) => {
            Some(format!("  `{path}`: expected version {expected}, found {found}"))
        }
        (Some(expected), None) => {
            Some(format!("  `{path}`: expected version {expected}, but it is not there"))
        }
        (None, Some(found)) => {
            Some(format!("  `{path}`: expected nothing there, found version {found}"))
        }
    })
}
