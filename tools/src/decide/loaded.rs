//! A proposal that was read and checked: who may decide about it, how the sources differ from those
//! that it is made for, and what it would change them to.

use std::collections::BTreeMap;

use super::plan::{Plan, Planned};
use crate::error::{Code, ToolError};
use crate::patch::{self, Base, Change, ChangeKind, Draft, FileChange};
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::records::decision::Decision;
use crate::records::history::approval_in;
use crate::records::proposal::{Proposal, ProposedFile, id_of};
use crate::workspace::{Decider, Source};

/// A proposal that was read and checked: its id is the hash of what it holds.
pub(super) struct Loaded {
    pub proposal: Proposal,
    pub patch: Vec<u8>,
    changes: Vec<FileChange>,
}

impl Loaded {
    pub(super) fn read(decider: &Decider, id: &str) -> Result<Loaded, ToolError> {
        let proposal = record(decider, id)?;
        let patch = decider.diff(id)?;
        let damaged = |what: &str| damaged(id, what);
        let changes = patch::read_stored(&patch)
            .map_err(|error| damaged(&format!("its diff cannot be read: {}", error.message)))?;
        // What is approved is exactly what the id names.
        if id_of(&patch, &proposal.files) != id {
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

    /// The role that lets the caller decide about every path that the proposal touches.
    pub(super) fn deciding_role(&self, decider: &Decider) -> Result<String, ToolError> {
        let caller = decider.caller();
        let mut role = None;
        for path in self.paths() {
            let rights = decider.rights();
            let granting = rights.granting_role(Access::Decide, &path).ok_or_else(|| {
                ToolError::new(
                    Code::Denied,
                    format!("caller `{caller}` may not decide about `{path}`"),
                )
                .hint("a role with `decide` on every file of the proposal may")
            })?;
            if rights.may(Access::Propose, &path) {
                return Err(ToolError::new(
                    Code::Denied,
                    format!(
                        "caller `{caller}` may propose on `{path}`, so it may not decide about it"
                    ),
                )
                .hint(
                    "who proposes does not decide: another caller must, or the policy must change",
                ));
            }
            role.get_or_insert_with(|| granting.to_owned());
        }
        role.ok_or_else(|| ToolError::invalid("the proposal touches no file"))
    }

    /// The approval that an apply of this history stands on: of this proposal as it is, by
    /// somebody who may decide about all of it and did not propose it.
    ///
    /// # Errors
    /// [`Code::Denied`] with what is missing.
    pub(super) fn approval<'h>(
        &self,
        decider: &Decider,
        history: &'h [Decision],
    ) -> Result<&'h Decision, ToolError> {
        let id = &self.proposal.id;
        let refused = |why: String, hint: &str| {
            Err(ToolError::new(Code::Denied, format!("proposal {id} {why}")).hint(hint))
        };
        let Some(approval) = approval_in(history) else {
            return refused("was approved by nobody".to_owned(), "somebody must approve it first");
        };
        let by = &approval.caller;
        if *by == self.proposal.caller {
            return refused(
                format!("was approved by `{by}`, who proposed it"),
                "somebody else must look at it; reject it, and have it proposed anew",
            );
        }
        if let Some(path) = self.paths().iter().find(|path| !decider.lets_decide(by, path)) {
            return refused(
                format!("was approved by `{by}`, who may not decide about `{path}`"),
                "reject it and have it proposed anew, or let the policy name who approved it",
            );
        }
        if approval.covers.as_ref().is_some_and(|digest| *digest != self.proposal.digest()) {
            return refused(
                format!("is not what `{by}` approved: its record was changed afterwards"),
                "restore its record, or reject it and have it proposed anew",
            );
        }
        Ok(approval)
    }

    /// Every path that is touched, old names included.
    pub(super) fn paths(&self) -> Vec<WorkspacePath> {
        self.changes
            .iter()
            .flat_map(|change| std::iter::once(&change.path).chain(&change.old_path))
            .cloned()
            .collect()
    }

    /// The sources that are not what the proposal is made for.
    pub(super) fn drift(&self, decider: &Decider) -> Result<Vec<String>, ToolError> {
        let mut drift = Vec::new();
        for file in &self.proposal.files {
            decider.check()?;
            let before = file.old_path.as_deref().unwrap_or(&file.path);
            drift.extend(differs(decider, before, file.base_version.as_deref())?);
            if file.old_path.is_some() {
                drift.extend(differs(decider, &file.path, None)?);
            }
        }
        Ok(drift)
    }

    /// Whether the sources are already as the proposal would make them.
    pub(super) fn is_in_effect(&self, decider: &Decider) -> Result<bool, ToolError> {
        for file in &self.proposal.files {
            decider.check()?;
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
    pub(super) fn plan(&self, decider: &Decider) -> Result<Plan, ToolError> {
        Plan::new(decider, self.files(|path| decider.source(path))?)
    }

    /// Each file before and after, by path, over sources that `read` gives.
    ///
    /// # Errors
    /// [`Code::Conflict`] when something else than what was proposed comes of it.
    pub(super) fn files(
        &self,
        read: impl Fn(&WorkspacePath) -> Result<Option<Source>, ToolError>,
    ) -> Result<Vec<Planned>, ToolError> {
        let mut sources: BTreeMap<WorkspacePath, Option<Source>> = BTreeMap::new();
        let mut load = |path: &WorkspacePath| {
            let source = read(path)?;
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
        Ok(files.into_values().collect())
    }
}

/// The record of a proposal. Whether the diff is the one that its id names is not looked at.
pub(super) fn record(decider: &Decider, id: &str) -> Result<Proposal, ToolError> {
    parsed(id, &decider.proposal(id)?)
}

/// The record of a proposal from its JSON.
pub(super) fn parsed(id: &str, json: &[u8]) -> Result<Proposal, ToolError> {
    Proposal::parse(id, json).map_err(|what| damaged(id, &what))
}

/// Whether the caller may see a proposal: because it may decide about all of it, or may read its
/// folder.
pub(super) fn is_visible(decider: &Decider, proposal: &Proposal) -> Result<bool, ToolError> {
    let folder = decider.layout().proposals().join(&proposal.id)?;
    let rights = decider.rights();
    let mut paths = proposal.files.iter().flat_map(ProposedFile::paths);
    let decides = !proposal.files.is_empty()
        && paths.all(|path| {
            WorkspacePath::parse(path).is_ok_and(|path| rights.may(Access::Decide, &path))
        });
    Ok(decides || rights.may(Access::Read, &folder))
}

fn damaged(id: &str, what: &str) -> ToolError {
    ToolError::new(Code::Io, format!("proposal {id} is damaged: {what}"))
        .hint("nothing can be decided about it; remove its folder or restore it")
}

/// The permission bits afterwards: those of before, but for a change of the executable bit.
fn mode_after(before: Option<&Source>, executable: bool) -> u32 {
    match before {
        Some(before) if before.is_executable() == executable => before.mode & 0o755,
        _ if executable => 0o755,
        _ => 0o644,
    }
}

/// How a source differs from what was expected; none when it does not.
fn differs(
    decider: &Decider,
    path: &str,
    expected: Option<&str>,
) -> Result<Option<String>, ToolError> {
    let found = match decider.source(&WorkspacePath::parse(path)?) {
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
