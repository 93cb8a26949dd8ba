//! The list of findings, by severity or by file.

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::records::export::describe::{
    ALL_SEVERITIES, agents, place, severity_name, summary, title,
};
use mcp_workspace_tools::records::merged::{MergedFinding, Wanted};
use mcp_workspace_tools::text::markup::Markup;
use mcp_workspace_tools::text::visible::visible_line;

use super::frame::{Part, whole};
use crate::page::{Asked, Pages};

/// Findings on one page.
const PAGE: usize = 200;

/// The page that the query asks for.
///
/// # Errors
/// When the findings cannot be read.
pub(super) fn page(pages: &Pages, asked: &Asked, call: &Call) -> Result<String, ToolError> {
    let found = pages.review.findings(&Wanted::default(), call)?;
    let left_out = found.omissions.count();
    let all = found.merged.findings;
    let severity = asked.query.get("severity");
    let words = asked.query.get("words").unwrap_or_default();
    let by_file = asked.query.get("by") == Some("file");
    let wanted = |finding: &&MergedFinding| {
        severity.is_none_or(|severity| severity_name(finding.severity) == severity)
            && holds(finding, words)
    };
    let mut shown: Vec<&MergedFinding> = all.iter().filter(wanted).collect();
    if by_file {
        // Stable: within a file the most severe stay first.
        shown.sort_by_key(|finding| path(finding));
    }
    let last = shown.len().div_ceil(PAGE).max(1);
    let number = asked.query.get("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let number: usize = number.clamp(1, last);

    let mut body = Markup::new();
    body.raw("<h1>Findings</h1>\n<p>").text(&summary(&all));
    body.raw(if all.is_empty() {
        " Agents write them with <code>write_finding</code>; load this page again once they have.</p>\n"
    } else {
        "</p>\n"
    });
    if left_out > 0 {
        body.raw("<p class=\"problem\">").number(left_out);
        body.raw(" files among the findings cannot be read as one; <code>mcp-workspace findings list</code> names them.</p>\n");
    }
    if !all.is_empty() {
        filter(&mut body, severity, words, by_file);
    }
    let mut heading = None;
    for finding in shown.iter().skip((number - 1) * PAGE).take(PAGE) {
        let of = if by_file { path(finding) } else { severity_name(finding.severity) };
        if heading != Some(of) {
            body.raw(if heading.is_some() { "</ul>\n" } else { "" }).raw("<h2>");
            body.text(if of.is_empty() { "the workspace" } else { of });
            body.raw("</h2>\n<ul class=\"list\" data-list>\n");
            heading = Some(of);
        }
        one(&mut body, finding);
    }
    body.raw(match heading {
        Some(_) => "</ul>\n",
        None if all.is_empty() => "",
        None => "<p>None match. <a href=\"/\">Show all</a></p>\n",
    });
    if last > 1 {
        page_links(&mut body, number, last, (severity, words, by_file));
    }
    Ok(whole(pages, "Findings", Part::Findings, &body))
}

fn path(finding: &MergedFinding) -> &str {
    finding.location.as_ref().map(|at| at.path.as_str()).unwrap_or_default()
}

fn holds(finding: &MergedFinding, words: &str) -> bool {
    let texts = [path(finding), &finding.rule_id, title(finding), &finding.message];
    let texts = texts.map(str::to_lowercase);
    words.split_whitespace().all(|word| {
        let word = word.to_lowercase();
        texts.iter().any(|text| text.contains(&word))
    })
}

fn one(body: &mut Markup, finding: &MergedFinding) {
    let severity = severity_name(finding.severity);
    body.raw("<li><span class=\"badge ").raw(severity).raw("\">").raw(severity);
    body.raw("</span> <a href=\"/finding/").text(&finding.fingerprint).raw("\">");
    body.text(&shortened(title(finding))).raw("</a> <code>").text(&place(finding));
    body.raw("</code> <span class=\"soft\">").text(&visible_line(&finding.rule_id)).raw(", ");
    body.text(&agents(finding).join(", ")).raw("</span></li>\n");
}

/// A title of one line and at most 200 characters.
pub(super) fn shortened(text: &str) -> String {
    let line = visible_line(text);
    match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None if line.trim().is_empty() => "(no title)".to_owned(),
        None => line,
    }
}

fn filter(body: &mut Markup, severity: Option<&str>, words: &str, by_file: bool) {
    body.raw("<form class=\"filter\" method=\"get\" action=\"/\" role=\"search\">\n");
    body.raw("<label>Severity <select name=\"severity\"><option value=\"\">all</option>");
    for one in ALL_SEVERITIES.map(severity_name) {
        body.raw("<option").raw(if severity == Some(one) { " selected" } else { "" });
        body.raw(">").raw(one).raw("</option>");
    }
    body.raw("</select></label>\n<label>Group by <select name=\"by\"><option value=\"\">severity</option><option value=\"file\"");
    body.raw(if by_file { " selected" } else { "" }).raw(">file</option></select></label>\n");
    body.raw("<label>Words <input name=\"words\" value=\"").text(words);
    body.raw("\"></label>\n<button>Show</button>\n</form>\n");
}

fn page_links(body: &mut Markup, number: usize, last: usize, asked: (Option<&str>, &str, bool)) {
    body.raw("<nav class=\"pages\" aria-label=\"Pages\">");
    for (page, name, is_there) in [
        (number.saturating_sub(1), "Previous page", number > 1),
        (number.saturating_add(1), "Next page", number < last),
    ] {
        if is_there {
            let (severity, words, by_file) = asked;
            body.raw("<a href=\"/?page=").number(page as u64).raw("&amp;severity=");
            body.text(&encoded(severity.unwrap_or_default())).raw("&amp;words=");
            body.text(&encoded(words)).raw(if by_file { "&amp;by=file" } else { "" });
            body.raw("\">").raw(name).raw("</a> ");
        }
    }
    body.raw("Page ").number(number as u64).raw(" of ").number(last as u64).raw("</nav>\n");
}

fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
