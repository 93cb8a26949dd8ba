//! The team of agents: role, phase and task of each.

use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::Layout;
use serde::{Deserialize, Serialize};

/// One agent of the team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its name within the run.
    pub name: Name,
    /// Its role: policy grants the caller `bedrock-worker:ROLE` what it may do.
    pub role: Name,
    /// When it works.
    pub phase: Phase,
    /// What it is told.
    pub task: String,
}

impl Agent {
    /// The same agent for these findings, by the digest of [`crate::merge::digest`]. An agent that
    /// is done is not asked again: when a reviewer that had failed goes on and finds more, there
    /// is more to remedy, and that is another agent's run.
    #[must_use]
    pub fn for_findings(mut self, digest: &str) -> Agent {
        let short: String = digest.chars().take(DIGITS).collect();
        if let Ok(name) = Name::parse(&format!("{}-{short}", self.name)) {
            self.name = name;
        }
        self
    }

    /// Whether this name is the agent's own, or that of the same agent for some findings.
    pub fn goes_by(&self, name: &Name) -> bool {
        let rest = name.as_str().strip_prefix(self.name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// Digits of a digest in an agent's name.
const DIGITS: usize = 8;

/// When an agent works. All of a phase work at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Reads the sources and writes findings.
    Review,
    /// Reads the findings and proposes changes, when all reviewers have ended.
    Remedy,
}

/// Role, phase and task of each.
const TEAM: [(&str, Phase, &str); 5] = [
    ("security-reviewer", Phase::Review, include_str!("../agents/security-reviewer.md")),
    ("style-reviewer", Phase::Review, include_str!("../agents/style-reviewer.md")),
    (
        "maintainability-reviewer",
        Phase::Review,
        include_str!("../agents/maintainability-reviewer.md"),
    ),
    (
        "infrastructure-reviewer",
        Phase::Review,
        include_str!("../agents/infrastructure-reviewer.md"),
    ),
    ("remediation", Phase::Remedy, include_str!("../agents/remediation.md")),
];

/// The agents of a run. The same run gives the same tasks, since a run that has begun keeps its
/// task.
pub fn team(layout: &Layout, run: &Name) -> Vec<Agent> {
    let sources = format!("{}/{run}", layout.input);
    let filled =
        |task: &str| task.trim().replace("{{sources}}", &sources).replace("{{run}}", run.as_str());
    TEAM.into_iter()
        .filter_map(|(name, phase, task)| {
            let name = Name::parse(name).ok()?;
            Some(Agent { role: name.clone(), name, phase, task: filled(task) })
        })
        .collect()
}
