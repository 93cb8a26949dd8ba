//! Words about a finding that all reports share.

use crate::records::finding::{Severity, Verdict};
use crate::records::merged::MergedFinding;

/// The names of the roles that saw it, each once, sorted.
pub fn agents(finding: &MergedFinding) -> Vec<&str> {
    sorted(finding.seen.iter().map(|seen| seen.agent.as_str()))
}

/// The runs in which it was seen, each once, sorted.
pub fn runs(finding: &MergedFinding) -> Vec<&str> {
    sorted(finding.seen.iter().filter_map(|seen| seen.run.as_deref()))
}

/// How sure the surest agent was.
pub fn confidence(finding: &MergedFinding) -> Option<f64> {
    finding.seen.iter().filter_map(|seen| seen.confidence).reduce(f64::max)
}

/// A line that names it.
pub fn title(finding: &MergedFinding) -> &str {
    let message = finding.message.lines().next().unwrap_or_default();
    finding.short_summary.as_deref().unwrap_or(message)
}

/// `path:line`, or as much as is known.
pub fn place(finding: &MergedFinding) -> String {
    let Some(location) = &finding.location else { return "the workspace".to_owned() };
    match (location.start_line, location.end_line) {
        (Some(start), Some(end)) if end > start => format!("{}:{start}-{end}", location.path),
        (Some(start), _) => format!("{}:{start}", location.path),
        (None, _) => location.path.clone(),
    }
}

/// The region's text as the server read it.
pub fn snippet(finding: &MergedFinding) -> Option<&str> {
    finding.location.as_ref()?.snippet.as_deref()
}

/// How many there are of each severity, in one line.
pub fn summary(findings: &[MergedFinding]) -> String {
    let parts: Vec<_> = ALL_SEVERITIES
        .into_iter()
        .map(|severity| (severity, findings.iter().filter(|one| one.severity == severity).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {}", severity_name(severity)))
        .collect();
    match findings.len() {
        0 => "No findings.".to_owned(),
        1 => format!("1 finding: {}.", parts.join(", ")),
        all => format!("{all} findings: {}.", parts.join(", ")),
    }
}

/// The severities, the most severe first.
pub const ALL_SEVERITIES: [Severity; 5] =
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Info];

/// A severity's name, as in the record.
pub fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "high",
        Severity::Medium => "medium",
        Severity::Low => "low",
        Severity::Info => "info",
    }
}

/// A verdict's name, as in the record.
pub fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Confirmed => "confirmed",
        Verdict::Plausible => "plausible",
    }
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}
