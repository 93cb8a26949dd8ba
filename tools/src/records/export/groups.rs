//! Observations of one thing put together, in an order that depends on nothing but them.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::records::finding::{Finding, Severity};

/// All observations with one fingerprint.
#[derive(Debug)]
pub struct Group<'a> {
    /// The one that speaks for all: the most severe, of those the earliest.
    pub lead: &'a Finding,
    /// All of them, the lead first.
    pub all: Vec<&'a Finding>,
}

impl Group<'_> {
    /// The names of the roles that saw it, each once, sorted.
    pub fn agents(&self) -> Vec<&str> {
        sorted(self.all.iter().map(|finding| finding.agent.as_str()))
    }

    /// The runs in which it was seen, each once, sorted.
    pub fn runs(&self) -> Vec<&str> {
        sorted(self.all.iter().filter_map(|finding| finding.run.as_deref()))
    }

    /// The labels of all observations, each once, sorted.
    pub fn tags(&self) -> Vec<&str> {
        sorted(self.all.iter().flat_map(|finding| finding.tags.iter().map(String::as_str)))
    }

    /// The evidence of all observations, each once, the lead's first.
    pub fn evidence(&self) -> Vec<&str> {
        let mut seen = Vec::new();
        for text in self.all.iter().flat_map(|finding| &finding.evidence) {
            if !seen.contains(&text.as_str()) {
                seen.push(text.as_str());
            }
        }
        seen
    }

    /// The first text that any observation has, the lead's if it has one.
    pub fn first(&self, field: impl Fn(&Finding) -> Option<&String>) -> Option<&str> {
        self.all.iter().find_map(|finding| field(finding)).map(String::as_str)
    }

    /// A line that names it.
    pub fn title(&self) -> &str {
        let message = self.lead.message.lines().next().unwrap_or_default();
        self.lead.short_summary.as_deref().unwrap_or(message)
    }

    /// `path:line`, or as much as is known.
    pub fn place(&self) -> String {
        let Some(location) = &self.lead.location else { return "the workspace".to_owned() };
        match (location.start_line, location.end_line) {
            (Some(start), Some(end)) if end > start => format!("{}:{start}-{end}", location.path),
            (Some(start), _) => format!("{}:{start}", location.path),
            (None, _) => location.path.clone(),
        }
    }
}

/// Puts observations together by fingerprint: the most severe first, then by path, line and rule.
pub fn groups(findings: &[Finding]) -> Vec<Group<'_>> {
    let mut by_fingerprint: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_fingerprint.entry(&finding.fingerprint).or_default().push(finding);
    }
    let mut groups: Vec<Group<'_>> = by_fingerprint
        .into_values()
        .filter_map(|mut all| {
            all.sort_by(|one, other| observations(one, other));
            all.dedup();
            all.first().copied().map(|lead| Group { lead, all })
        })
        .collect();
    groups.sort_by(|one, other| key(one.lead).cmp(&key(other.lead)));
    groups
}

/// The number of groups of each severity, the most severe first.
pub fn counts(groups: &[Group<'_>]) -> [(Severity, usize); 5] {
    ALL_SEVERITIES.map(|severity| {
        (severity, groups.iter().filter(|group| group.lead.severity == severity).count())
    })
}

/// The severities, the most severe first.
pub const ALL_SEVERITIES: [Severity; 5] =
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];

/// A severity's name, as in the record.
pub fn name(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
        Severity::Info => "info",
    }
}

fn key(finding: &Finding) -> (Severity, &str, u64, &str, &str) {
    let location = finding.location.as_ref();
    (
        finding.severity,
        location.map(|location| location.path.as_str()).unwrap_or_default(),
        location.and_then(|location| location.start_line).unwrap_or(0),
        &finding.rule_id,
        &finding.fingerprint,
    )
}

fn observations(one: &Finding, other: &Finding) -> Ordering {
    let key = |finding: &Finding| {
        (finding.severity, finding.created.clone(), finding.agent.clone(), finding.id.clone())
    };
    key(one).cmp(&key(other)).then_with(|| text(one).cmp(&text(other)))
}

/// Tells observations apart that agree in everything else.
fn text(finding: &Finding) -> String {
    serde_json::to_string(finding).unwrap_or_default()
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}
