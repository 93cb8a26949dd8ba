//! The text that a model reads: a line a finding, below the path of its file.

use std::fmt::Write;

use super::{Details, Listed, Output};
use crate::records::export::describe::{severity_name, verdict_name};
use crate::records::fingerprint;
use crate::tool::page_end;

/// The whole answer as text.
pub(super) fn text(output: &Output) -> String {
    let mut text = String::new();
    let mut path = None;
    let mut files = 0_usize;
    for one in &output.findings {
        if path != Some(&one.path) {
            path = Some(&one.path);
            files += usize::from(one.path.is_some());
            text += one.path.as_deref().unwrap_or("(the workspace)");
            text.push('\n');
        }
        text += &finding(one, &one.message);
    }
    page_end::left_out(&mut text, &output.left_out, output.more_left_out);
    let mut parts = vec![match output.findings.len() {
        0 => "no findings".to_owned(),
        1 => "1 finding".to_owned(),
        count if files == 1 => format!("{count} findings in 1 file"),
        count => format!("{count} findings in {files} files"),
    }];
    if let Some(most) = output.messages_cut_to {
        parts.push(format!("messages cut to {most} characters: `details` gives them whole"));
    }
    page_end::last_line(&mut text, parts, output.stopped, output.next_cursor.as_deref());
    text
}

/// One finding with this message, without its path.
pub(super) fn finding(one: &Listed, message: &str) -> String {
    let mut text = match (one.start_line, one.end_line) {
        (Some(start), Some(end)) if end != start => format!(" {start}-{end}"),
        (Some(start), _) => format!(" {start}"),
        (None, _) => " whole".to_owned(),
    };
    let (severity, id) = (severity_name(one.severity), fingerprint::short(&one.fingerprint));
    // Writing to a String cannot fail.
    let _ = writeln!(text, " {severity} {} {id}: {message}", one.rule_id);
    if let Some(more) = &one.details {
        details(&mut text, one, more);
    }
    text
}

fn details(text: &mut String, one: &Listed, more: &Details) {
    let verdict = more.verdict.map(|verdict| verdict_name(verdict).to_owned());
    let joined = |items: &[String]| (!items.is_empty()).then(|| items.join(", "));
    let lines = [
        ("summary", more.short_summary.clone()),
        ("scenario", more.failure_scenario.clone()),
        ("fix", more.recommendation.clone()),
        ("verdict", verdict),
        ("tags", joined(&more.tags)),
        ("seen by", joined(&one.agents)),
        ("runs", joined(&more.runs)),
    ];
    for (name, value) in lines {
        if let Some(value) = value {
            let _ = writeln!(text, "   {name}: {value}");
        }
    }
    for item in &more.evidence {
        let _ = writeln!(text, "   evidence: {item}");
    }
}
