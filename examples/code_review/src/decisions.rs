//! The state of a run's proposals: which wait for a person, which are approved, and which are
//! applied.

use std::path::Path;

use mcp_workspace_tools::decide::{self, ProposalView};
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::policy::{Layout, Policy};
use mcp_workspace_tools::records::decision::State;
use serde::{Deserialize, Serialize};

use crate::rights::{self, NoAccess};

/// The proposals of a run, by how they stand. Each is in one list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Nobody has decided yet.
    pub proposed: Vec<Listed>,
    /// Approved, and not applied yet.
    pub approved: Vec<Listed>,
    /// Rejected.
    pub rejected: Vec<Listed>,
    /// In the sources.
    pub applied: Vec<Listed>,
    /// Applied and taken back.
    pub reverted: Vec<Listed>,
    /// Not applied, and the sources have changed since: to be proposed anew.
    pub conflicted: Vec<Listed>,
    /// Not applied, and the sources are already so.
    pub superseded: Vec<Listed>,
    /// Ids of proposals that cannot be read, with the reason. Their run is not known.
    pub unreadable: Vec<(String, String)>,
}

/// One proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its id.
    pub id: String,
    /// What it does.
    pub title: String,
    /// The files that it touches.
    pub paths: Vec<String>,
    /// Who decided last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// What stands against it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<String>,
}

impl Standing {
    /// Whether a person has decided about every proposal that can still be decided about.
    pub fn is_decided(&self) -> bool {
        self.proposed.is_empty()
    }

    /// All proposals of the run.
    pub fn count(&self) -> usize {
        [
            &self.proposed,
            &self.approved,
            &self.rejected,
            &self.applied,
            &self.reverted,
            &self.conflicted,
            &self.superseded,
        ]
        .iter()
        .map(|list| list.len())
        .sum()
    }
}

/// Why proposals cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DecisionsError {
    /// The workspace or the caller's role is missing.
    #[error(transparent)]
    NoAccess(#[from] NoAccess),
    /// The proposals cannot be listed.
    #[error("the proposals of run `{run}` cannot be listed: {}", cause.to_text())]
    List {
        /// The run.
        run: Name,
        /// Why.
        cause: ToolError,
    },
}

/// How the proposals of this run stand, as far as the caller may see them. Nothing is written: an
/// apply that was interrupted stays so until [`apply`](crate::apply) or a person takes it up.
///
/// # Errors
/// When there is no such workspace, the policy has no role for the caller, or the file system
/// fails.
pub fn standing(
    root: &Path,
    policy: &Policy,
    run: &Name,
    caller: &str,
) -> Result<Standing, DecisionsError> {
    let decider = rights::decider(root, policy, caller)?;
    let listing =
        decide::list(&decider).map_err(|cause| DecisionsError::List { run: run.clone(), cause })?;
    let unreadable = listing.unreadable.into_iter().map(|bad| (bad.id, bad.error.message));
    let mut standing = Standing { unreadable: unreadable.collect(), ..Standing::default() };
    let sources = sources_of(policy.layout(), run);
    for view in listing.readable.into_iter().filter(|view| is_about(view, &sources)) {
        let id = view.proposal.id.clone();
        let view = match decide::compare(&decider, view) {
            Ok(view) => view,
            Err(error) => {
                standing.unreadable.push((id, error.message));
                continue;
            }
        };
        // Nothing follows from a history that cannot be believed.
        if let Some(doubt) = view.doubt {
            standing.unreadable.push((id, doubt));
            continue;
        }
        let list = match view.state {
            State::Proposed => &mut standing.proposed,
            // An apply that somebody is at is as good as approved; a revert as good as applied.
            State::Approved | State::Applying => &mut standing.approved,
            State::Rejected => &mut standing.rejected,
            State::Applied | State::Reverting => &mut standing.applied,
            State::Reverted => &mut standing.reverted,
            State::Conflicted => &mut standing.conflicted,
            State::Superseded => &mut standing.superseded,
        };
        list.push(listed(view));
    }
    Ok(standing)
}

/// Where the sources of a run lie. What an agent says of its run is not asked: only what a
/// proposal touches counts.
pub(crate) fn sources_of(layout: &Layout, run: &Name) -> Option<WorkspacePath> {
    layout.input.join(run.as_str()).ok()
}

/// Whether a proposal touches these sources and nothing else.
pub(crate) fn is_about(view: &ProposalView, sources: &Option<WorkspacePath>) -> bool {
    let within = |path: &String| {
        sources.as_ref().is_some_and(|sources| {
            WorkspacePath::parse(path).is_ok_and(|path| path.is_within(sources))
        })
    };
    let files = &view.proposal.files;
    files.iter().flat_map(|file| std::iter::once(&file.path).chain(&file.old_path)).all(within)
}

fn listed(view: ProposalView) -> Listed {
    let paths = view.proposal.files.into_iter().map(|file| file.path).collect();
    Listed {
        id: view.proposal.id,
        title: view.proposal.title,
        paths,
        decided_by: view.history.last().map(|step| step.caller.clone()),
        changed: view.changed,
    }
}
