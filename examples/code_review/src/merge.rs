//! Makes the report of a run: all findings as SARIF, a summary for people and one for machines.

mod summary;

use std::collections::BTreeMap;
use std::path::Path;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::path::{PathError, WorkspacePath};
use mcp_workspace_tools::policy::{Layout, Policy};
use mcp_workspace_tools::records::export::describe::severity_name;
use mcp_workspace_tools::records::export::{Export, Profile, Provenance, sarif};
use mcp_workspace_tools::records::finding::Finding;
use mcp_workspace_tools::records::merged::{self, MergedFindings};
use mcp_workspace_tools::storage::findings;
use mcp_workspace_tools::workspace::Scope;
use serde::{Deserialize, Serialize};

use crate::decisions::{self, DecisionsError, sources_of};
use crate::outcome::Outcome;
use crate::rights::{self, NoAccess};

use summary::Summary;

/// The report of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Merged {
    /// Where the report lies, from the workspace's root.
    pub directory: String,
    /// Findings, each counted once however many agents saw it.
    pub findings: usize,
    /// The same by severity.
    pub by_severity: BTreeMap<String, usize>,
    /// Proposals of the run.
    pub proposals: usize,
    /// What all agents cost in US dollars; none when it is not known of each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
    /// Agents that are not done, with the reason.
    pub failed: BTreeMap<Name, String>,
    /// Records that cannot be read, with the reason.
    pub damaged: BTreeMap<String, String>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// The workspace or the caller's role is missing.
    #[error(transparent)]
    NoAccess(#[from] NoAccess),
    /// The proposals cannot be listed.
    #[error(transparent)]
    Decisions(#[from] DecisionsError),
    /// Records cannot be read, or the report cannot be written.
    #[error("the report of run `{run}` cannot be made: {}", cause.to_text())]
    Workspace {
        /// The run.
        run: Name,
        /// Why.
        cause: ToolError,
    },
}

/// Makes `output/reports/RUN/{findings.sarif, summary.md, summary.json}` anew. Each file is written
/// whole or not at all, and the last one has the digests of the others. The same records and
/// outcomes give the same bytes, and a file that would not change is not written again.
///
/// # Errors
/// When records cannot be listed, or the caller may not write the report.
pub fn merge(
    root: &Path,
    policy: &Policy,
    run: &Name,
    caller: &str,
    outcomes: &[Outcome],
) -> Result<Merged, MergeError> {
    let failed = |cause| MergeError::Workspace { run: run.clone(), cause };
    let standing = decisions::standing(root, policy, run, caller)?;
    let (scope, call) = rights::scope(root, policy, caller)?;
    let (findings, damaged) = findings(&scope, &call, run).map_err(failed)?;
    let mut outcomes = outcomes.to_vec();
    outcomes.sort_by(|one, other| (one.phase, &one.agent).cmp(&(other.phase, &other.agent)));
    let directory = report_of(policy.layout(), run).map_err(|error| failed(error.into()))?;
    let mut by_severity = BTreeMap::new();
    for finding in &findings.findings {
        *by_severity.entry(severity_name(finding.severity).to_owned()).or_default() += 1;
    }
    let incomplete = outcomes.iter().filter(|outcome| !outcome.is_complete());
    let merged = Merged {
        directory: directory.to_string(),
        findings: findings.findings.len(),
        by_severity,
        proposals: standing.count(),
        cost_usd: outcomes.iter().map(cost).sum(),
        failed: incomplete
            .map(|outcome| {
                (outcome.agent.clone(), format!("{}: {}", outcome.ending, outcome.reason))
            })
            .collect(),
        damaged,
    };
    let Export { text: log, notes } = sarif(&findings, Profile::Github, &Provenance::default());
    let summary = Summary {
        run,
        merged: &merged,
        findings: &findings,
        outcomes: &outcomes,
        standing: &standing,
        notes: &notes,
    };
    let page = summary.markdown();
    let index = summary.json(&[("findings.sarif", &log), ("summary.md", &page)]);
    for (name, text) in [("findings.sarif", &log), ("summary.md", &page), ("summary.json", &index)]
    {
        publish(&scope, &call, &directory, name, text).map_err(failed)?;
    }
    Ok(merged)
}

/// Where the report of a run lies.
pub(crate) fn report_of(layout: &Layout, run: &Name) -> Result<WorkspacePath, PathError> {
    layout.output.join("reports")?.join(run.as_str())
}

/// What the findings of a run are, in hex digits; none without any. More findings, another digest.
///
/// # Errors
/// When they cannot be listed.
pub fn digest(
    root: &Path,
    policy: &Policy,
    run: &Name,
    caller: &str,
) -> Result<Option<String>, MergeError> {
    let failed = |cause| MergeError::Workspace { run: run.clone(), cause };
    let (scope, call) = rights::scope(root, policy, caller)?;
    let (merged, _) = findings(&scope, &call, run).map_err(failed)?;
    let mut fingerprints: Vec<&str> =
        merged.findings.iter().map(|finding| finding.fingerprint.as_str()).collect();
    fingerprints.sort_unstable();
    let all = fingerprints.join("\n");
    Ok((!fingerprints.is_empty()).then(|| summary::hex(&all)))
}

/// An agent that was never asked anything has cost nothing.
fn cost(outcome: &Outcome) -> Option<f64> {
    if outcome.turns == 0 { Some(0.0) } else { outcome.cost_usd }
}

/// The findings about the sources of this run, with paths as the sources have them, and what
/// cannot be read among all findings.
fn findings(
    scope: &Scope,
    call: &Call,
    run: &Name,
) -> Result<(MergedFindings, BTreeMap<String, String>), ToolError> {
    let ledger = findings::read(scope, call)?;
    let sources = sources_of(scope.layout(), run);
    let of_run = ledger.findings.into_iter().filter_map(|finding| of_run(finding, run, &sources));
    let named = ledger.omissions.named.into_iter().map(|one| (one.path, one.problem));
    let mut damaged: BTreeMap<String, String> = named.collect();
    if ledger.omissions.more > 0 {
        let more = format!("{} more are left out", ledger.omissions.more);
        damaged.insert("and".to_owned(), more);
    }
    Ok((merged::merge(of_run.collect()), damaged))
}

/// What an agent says of its run counts only where it names no place.
fn of_run(mut finding: Finding, run: &Name, sources: &Option<WorkspacePath>) -> Option<Finding> {
    let Some(location) = &mut finding.location else {
        return (finding.run.as_deref() == Some(run.as_str())).then_some(finding);
    };
    let within = location.path.strip_prefix(sources.as_ref()?.as_str())?.strip_prefix('/')?;
    location.path = within.to_owned();
    Some(finding)
}

fn publish(
    scope: &Scope,
    call: &Call,
    directory: &WorkspacePath,
    name: &str,
    text: &str,
) -> Result<(), ToolError> {
    let path = directory.join(name)?;
    match scope.read_whole(&path, call) {
        Ok(there) if *there == *text.as_bytes() => Ok(()),
        Ok(_) => scope.publish_file(&path, text.as_bytes()),
        Err(error) if matches!(error.code, Code::NotFound | Code::TooLarge) => {
            scope.publish_file(&path, text.as_bytes())
        }
        Err(error) => Err(error),
    }
}
