//! Findings as Markdown, for a pull request, an issue or a chat.

use std::fmt::Write;

use crate::records::merged::{MergedFinding, MergedFindings};
use crate::text::visible::{visible, visible_line};

use super::describe::{agents, place, severity_name, snippet, summary, title, verdict_name};

/// The report. What agents wrote is escaped, so that it cannot become markup or HTML.
pub fn markdown(merged: &MergedFindings) -> String {
    let findings = &merged.findings;
    let mut out = String::from("# Findings\n\n");
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}\n", summary(findings));
    if !findings.is_empty() {
        out.push_str("| | severity | where | what |\n|---:|---|---|---|\n");
        for (index, finding) in findings.iter().enumerate() {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                index + 1,
                severity_name(finding.severity),
                escaped(&place(finding)),
                escaped(title(finding)),
            );
        }
    }
    for (index, finding) in findings.iter().enumerate() {
        one(&mut out, index + 1, finding);
    }
    out
}

fn one(out: &mut String, number: usize, finding: &MergedFinding) {
    let _ = writeln!(out, "\n## {number}. {}\n", escaped(title(finding)));
    let _ = writeln!(out, "- severity: {}", severity_name(finding.severity));
    let _ = writeln!(out, "- rule: {}", escaped(&finding.rule_id));
    let _ = writeln!(out, "- where: {}", escaped(&place(finding)));
    let _ = writeln!(out, "- seen by: {}", escaped(&agents(finding).join(", ")));
    if let Some(verdict) = finding.verdict {
        let _ = writeln!(out, "- verdict: {}", verdict_name(verdict));
    }
    let _ = writeln!(out, "- fingerprint: {}", escaped(&finding.fingerprint));
    let _ = writeln!(out, "\n{}", paragraphs(&finding.message));
    if let Some(snippet) = snippet(finding) {
        let _ = write!(out, "\n{}", fenced(snippet));
    }
    for (title, text) in
        [("What goes wrong", &finding.failure_scenario), ("What to do", &finding.recommendation)]
    {
        if let Some(text) = text {
            let _ = writeln!(out, "\n**{title}:** {}", paragraphs(text));
        }
    }
    if !finding.evidence.is_empty() {
        out.push_str("\n**Evidence:**\n");
        for text in &finding.evidence {
            let _ = write!(out, "\n{}", fenced(text));
        }
    }
}

/// One line in which nothing is markup.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for character in visible_line(text).chars() {
        match character {
            // An entity also keeps `@name` and `#1` from becoming mentions.
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '#' => out.push_str("&#35;"),
            ':' => out.push_str("&#58;"),
            // `www.` begins a link wherever it stands.
            '.' if ends_with_www(&out) => out.push_str("&#46;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '!' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(character);
            }
            other => out.push(other),
        }
    }
    // A list, a rule or a heading begins a line.
    match out.chars().next() {
        Some('-' | '+' | '=') => format!("\\{out}"),
        Some(first) if first.is_ascii_digit() => out.replacen(". ", "\\. ", 1),
        _ => out,
    }
}

fn ends_with_www(text: &str) -> bool {
    text.len()
        .checked_sub(3)
        .and_then(|start| text.get(start..))
        .is_some_and(|end| end.eq_ignore_ascii_case("www"))
}

/// Text of several lines as lines of a paragraph.
pub(super) fn paragraphs(text: &str) -> String {
    let shown = visible(text);
    shown.trim_end().split('\n').map(escaped).collect::<Vec<_>>().join("\n")
}

/// A fenced block that its content cannot close.
pub(super) fn fenced(text: &str) -> String {
    let shown = visible(text);
    let mut longest = 0;
    let mut run = 0;
    for character in shown.chars() {
        run = if character == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}\n{}\n{fence}\n", shown.trim_end_matches('\n'))
}
