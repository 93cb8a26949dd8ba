//! Findings as Markdown, for a pull request, an issue or a chat.

use std::fmt::Write;

use crate::records::finding::{Finding, Verdict};
use crate::text::visible::{visible, visible_line};

use super::groups::{Group, counts, groups, name};

/// The report. What agents wrote is escaped, so that it cannot become markup or HTML.
pub fn markdown(findings: &[Finding]) -> String {
    let groups = groups(findings);
    let mut out = String::from("# Findings\n\n");
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}\n", summary(&groups));
    if !groups.is_empty() {
        out.push_str("| | severity | where | what |\n|---:|---|---|---|\n");
        for (index, group) in groups.iter().enumerate() {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} |",
                index + 1,
                name(group.lead.severity),
                escaped(&group.place()),
                escaped(group.title()),
            );
        }
    }
    for (index, group) in groups.iter().enumerate() {
        one(&mut out, index + 1, group);
    }
    out
}

/// How many there are of each severity, in one line.
pub fn summary(groups: &[Group<'_>]) -> String {
    let parts: Vec<_> = counts(groups)
        .into_iter()
        .filter(|(_, count)| *count > 0)
        .map(|(severity, count)| format!("{count} {}", name(severity)))
        .collect();
    match groups.len() {
        0 => "No findings.".to_owned(),
        1 => format!("1 finding: {}.", parts.join(", ")),
        all => format!("{all} findings: {}.", parts.join(", ")),
    }
}

fn one(out: &mut String, number: usize, group: &Group<'_>) {
    let lead = group.lead;
    let _ = writeln!(out, "\n## {number}. {}\n", escaped(group.title()));
    let _ = writeln!(out, "- severity: {}", name(lead.severity));
    let _ = writeln!(out, "- rule: {}", escaped(&lead.rule_id));
    let _ = writeln!(out, "- where: {}", escaped(&group.place()));
    let _ = writeln!(out, "- seen by: {}", escaped(&group.agents().join(", ")));
    if let Some(verdict) = lead.verdict {
        let _ = writeln!(out, "- verdict: {}", verdict_name(verdict));
    }
    let _ = writeln!(out, "- fingerprint: {}", escaped(&lead.fingerprint));
    let _ = writeln!(out, "\n{}", paragraphs(&lead.message));
    let snippet = lead.location.as_ref().and_then(|location| location.snippet.as_deref());
    if let Some(snippet) = snippet {
        let _ = write!(out, "\n{}", fenced(snippet));
    }
    for (title, text) in [
        ("What goes wrong", group.first(|finding| finding.failure_scenario.as_ref())),
        ("What to do", group.first(|finding| finding.recommendation.as_ref())),
    ] {
        if let Some(text) = text {
            let _ = writeln!(out, "\n**{title}:** {}", paragraphs(text));
        }
    }
    let evidence = group.evidence();
    if !evidence.is_empty() {
        out.push_str("\n**Evidence:**\n");
        for text in evidence {
            let _ = write!(out, "\n{}", fenced(text));
        }
    }
}

/// A verdict's name, as in the record.
pub fn verdict_name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Confirmed => "confirmed",
        Verdict::Plausible => "plausible",
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

/// Text of several lines as lines of a paragraph.
pub fn paragraphs(text: &str) -> String {
    let shown = visible(text);
    shown.trim_end().split('\n').map(escaped).collect::<Vec<_>>().join("\n")
}

/// A fenced block that its content cannot close.
pub fn fenced(text: &str) -> String {
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
