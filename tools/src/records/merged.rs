//! Findings merged over agents: one entry for each fingerprint, with all agents who saw it.
//!
//! The result depends on the set of findings alone, never on the order in which they were written
//! or listed.

use std::collections::{BTreeMap, HashSet};

use globset::{GlobBuilder, GlobMatcher};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Location, Severity, Verdict};
use crate::error::ToolError;

/// The version of the merged form.
pub const FORMAT: u32 = 1;

/// All findings, merged and sorted: worst first, then by place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MergedFindings {
    /// The version of this form: 1.
    pub format: u32,
    /// The findings.
    pub findings: Vec<MergedFinding>,
}

/// What one or more agents found. Texts are those of the first who saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MergedFinding {
    /// What it is about; equal for equal findings of any agent.
    pub fingerprint: String,
    /// The rule that is broken.
    pub rule_id: String,
    /// The worst that any agent gave it.
    pub severity: Severity,
    /// `confirmed` when any agent has confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// What is wrong.
    pub message: String,
    /// A title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_summary: Option<String>,
    /// What goes wrong, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_scenario: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<String>,
    /// A category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// What supports it, from all agents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// The labels of all agents, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Where it is, as who saw it last has read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Who saw it, by time.
    pub seen: Vec<Observation>,
}

/// One agent that saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observation {
    /// `<agent>:<fingerprint>`.
    pub id: String,
    /// The role under which it was written.
    pub agent: String,
    /// Who wrote it.
    pub caller: String,
    /// When, RFC 3339 in UTC.
    pub created: String,
    /// The run that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// How bad this agent called it.
    pub severity: Severity,
    /// Whether this agent has confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// How sure it was, from 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Its own words, where they differ from the first agent's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Merges findings over agents. The order of `findings` does not matter.
pub fn merge(findings: Vec<Finding>) -> MergedFindings {
    let mut groups: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
    for finding in findings {
        groups.entry(finding.fingerprint.clone()).or_default().push(finding);
    }
    MergedFindings::of(groups.into_values().filter_map(merge_group).collect())
}

impl MergedFindings {
    /// These findings, sorted: the worst first, then by place.
    pub fn of(mut findings: Vec<MergedFinding>) -> MergedFindings {
        findings.sort_by(|one, other| place(one).cmp(&place(other)));
        MergedFindings { format: FORMAT, findings }
    }
}

fn place(finding: &MergedFinding) -> impl Ord + '_ {
    let at = finding.location.as_ref();
    (
        finding.severity,
        at.map(|at| at.path.as_str()),
        at.and_then(|at| at.start_line),
        finding.rule_id.as_str(),
        finding.fingerprint.as_str(),
    )
}

/// What was found of one fingerprint; none of nothing.
pub(crate) fn merge_group(mut group: Vec<Finding>) -> Option<MergedFinding> {
    group.sort_by(|one, other| (&one.created, &one.id).cmp(&(&other.created, &other.id)));
    // The same record can be listed twice while it is replaced.
    group.dedup_by(|one, other| one.id == other.id);
    let severity = group.iter().map(|finding| finding.severity).min()?;
    let verdicts = || group.iter().filter_map(|finding| finding.verdict);
    let verdict = verdicts().find(|verdict| *verdict == Verdict::Confirmed).or(verdicts().next());
    let mut known = HashSet::new();
    let items = group.iter().flat_map(|finding| &finding.evidence);
    let evidence: Vec<String> = items.filter(|item| known.insert(item.as_str())).cloned().collect();
    let mut tags: Vec<String> =
        group.iter().flat_map(|finding| finding.tags.iter().cloned()).collect();
    tags.sort_unstable();
    tags.dedup();
    let location = group.iter().rev().find_map(|finding| finding.location.clone());
    let first_text = |pick: fn(&Finding) -> &Option<String>| {
        group.iter().find_map(|finding| pick(finding).clone())
    };
    let short_summary = first_text(|finding| &finding.short_summary);
    let failure_scenario = first_text(|finding| &finding.failure_scenario);
    let recommendation = first_text(|finding| &finding.recommendation);
    let category = first_text(|finding| &finding.category);
    let first = group.first()?;
    let (message, fingerprint, rule_id) =
        (first.message.clone(), first.fingerprint.clone(), first.rule_id.clone());
    let seen = group
        .into_iter()
        .map(|finding| Observation {
            id: finding.id,
            agent: finding.agent,
            caller: finding.caller,
            created: finding.created,
            run: finding.run,
            severity: finding.severity,
            verdict: finding.verdict,
            confidence: finding.confidence,
            message: (finding.message != message).then_some(finding.message),
        })
        .collect();
    Some(MergedFinding {
        fingerprint,
        rule_id,
        severity,
        verdict,
        message,
        short_summary,
        failure_scenario,
        recommendation,
        category,
        evidence,
        tags,
        location,
        seen,
    })
}

/// Which findings are wanted, as a person says it. What is empty wants all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// These severities.
    pub severities: Vec<Severity>,
    /// Rules that match one of these globs.
    pub rules: Vec<String>,
    /// Files that match one of these globs.
    pub paths: Vec<String>,
    /// What one of these agents saw, by the names of their roles.
    pub agents: Vec<String>,
    /// What was found in one of these runs.
    pub runs: Vec<String>,
}

/// The same, ready to be asked of each finding.
#[derive(Debug)]
pub struct Filter<'w> {
    wanted: &'w Wanted,
    rules: Vec<GlobMatcher>,
    paths: Vec<GlobMatcher>,
}

impl<'w> Filter<'w> {
    /// Understands the globs.
    ///
    /// # Errors
    /// When a text is no glob.
    pub fn new(wanted: &'w Wanted) -> Result<Filter<'w>, ToolError> {
        let compile = |globs: &[String], literal_separator| {
            let each = globs.iter().map(|glob| {
                let built = GlobBuilder::new(glob).literal_separator(literal_separator).build();
                built.map(|glob| glob.compile_matcher()).map_err(|error| {
                    ToolError::invalid(format!("`{glob}` is no glob: {}", error.kind()))
                        .hint("for example `src/**/*.rs`")
                })
            });
            each.collect::<Result<Vec<_>, _>>()
        };
        Ok(Filter {
            wanted,
            rules: compile(&wanted.rules, false)?,
            paths: compile(&wanted.paths, true)?,
        })
    }

    /// Whether it is wanted. Of several agents or runs one is enough.
    pub fn wants(&self, finding: &MergedFinding) -> bool {
        let path = finding.location.as_ref().map(|at| at.path.as_str());
        let seen_by = |wanted: &[String], of: fn(&Observation) -> Option<&String>| {
            wanted.is_empty()
                || finding.seen.iter().filter_map(of).any(|there| wanted.contains(there))
        };
        let severities = &self.wanted.severities;
        (severities.is_empty() || severities.contains(&finding.severity))
            && any_glob(&self.rules, Some(&finding.rule_id))
            && self.wants_path(path)
            && seen_by(&self.wanted.agents, |seen| Some(&seen.agent))
            && seen_by(&self.wanted.runs, |seen| seen.run.as_ref())
    }
    /// Whether a place is wanted; none is one of no file.
    pub(crate) fn wants_path(&self, path: Option<&str>) -> bool {
        any_glob(&self.paths, path)
    }
}

fn any_glob(globs: &[GlobMatcher], text: Option<&str>) -> bool {
    globs.is_empty() || text.is_some_and(|text| globs.iter().any(|glob| glob.is_match(text)))
}
