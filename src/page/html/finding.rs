//! One finding, with the source around it.

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::decide::Listing;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::records::export::describe::{
    place, severity_name, snippet, title, verdict_name,
};
use mcp_workspace_tools::records::merged::MergedFinding;
use mcp_workspace_tools::text::markup::Markup;

use super::findings::shortened;
use super::frame::{Part, whole};
use super::source;
use super::when::when;
use crate::page::Pages;

/// The page of the finding with this fingerprint.
///
/// # Errors
/// When there is none.
pub(super) fn page(pages: &Pages, fingerprint: &str, call: &Call) -> Result<String, ToolError> {
    let finding = &pages.review.finding(fingerprint, call)?;
    let mut body = Markup::new();
    let severity = severity_name(finding.severity);
    body.raw("<h1>").text(&shortened(title(finding))).raw("</h1>\n<p><span class=\"badge ");
    body.raw(severity).raw("\">").raw(severity).raw("</span> <code>").text(&place(finding));
    body.raw("</code> <span class=\"soft\">").text(&finding.rule_id);
    if let Some(verdict) = finding.verdict {
        body.raw(", ").raw(verdict_name(verdict));
    }
    body.raw("</span></p>\n<p class=\"text\">").text(&finding.message).raw("</p>\n");
    for (name, text) in
        [("What goes wrong", &finding.failure_scenario), ("What to do", &finding.recommendation)]
    {
        if let Some(text) = text {
            body.raw("<h2>").raw(name).raw("</h2>\n<p class=\"text\">").text(text).raw("</p>\n");
        }
    }
    body.raw("<h2>Source</h2>\n");
    around(&mut body, pages, finding, call);
    if !finding.evidence.is_empty() {
        body.raw("<h2>Evidence</h2>\n");
        for text in &finding.evidence {
            body.raw("<pre tabindex=\"0\" role=\"group\" aria-label=\"Evidence\">\n")
                .text(text)
                .raw("</pre>\n");
        }
    }
    seen(&mut body, finding);
    answers(&mut body, pages, finding, call);
    Ok(whole(pages, &shortened(title(finding)), Part::Findings, &body))
}

/// The source as it is now; where it cannot be shown, what the agent saw.
fn around(body: &mut Markup, pages: &Pages, finding: &MergedFinding, call: &Call) {
    if finding.location.is_none() {
        body.raw("<p>It is about the workspace as a whole.</p>\n");
        return;
    }
    match pages.review.source(finding, call) {
        Ok(excerpt) => source::table(body, &excerpt),
        Err(error) => {
            body.raw("<p class=\"problem text\">").text(&error.to_text()).raw("</p>\n");
            if let Some(text) = snippet(finding) {
                body.raw("<p>What the agent saw:</p>\n<pre tabindex=\"0\" role=\"group\" aria-label=\"Source\">\n").text(text).raw("</pre>\n");
            }
        }
    }
}

fn seen(body: &mut Markup, finding: &MergedFinding) {
    body.raw("<h2>Seen by</h2>\n<ul>\n");
    for seen in &finding.seen {
        body.raw("<li>").text(&seen.agent).raw(" <span class=\"soft\">(").text(&seen.caller);
        body.raw("), ");
        when(body, &seen.created);
        body.raw(", ").raw(severity_name(seen.severity));
        body.raw("</span>");
        if let Some(message) = &seen.message {
            body.raw("<p class=\"text\">").text(message).raw("</p>");
        }
        body.raw("</li>\n");
    }
    body.raw("</ul>\n");
}

/// Proposals that are named on the page of a finding.
const MOST_ANSWERS: usize = 100;

/// The proposals that answer it, as far as they can be read.
fn answers(body: &mut Markup, pages: &Pages, finding: &MergedFinding, call: &Call) {
    let Ok(Listing { readable, .. }) = pages.review.proposals(call) else { return };
    let names =
        |id: &String| *id == finding.fingerprint || finding.seen.iter().any(|seen| seen.id == *id);
    let mut any = false;
    let answering = readable.iter().filter(|view| view.proposal.finding_ids.iter().any(names));
    for view in answering.take(MOST_ANSWERS) {
        body.raw(if any { "" } else { "<h2>Proposals</h2>\n<ul class=\"list\" data-list>\n" });
        any = true;
        body.raw("<li><span class=\"badge ").raw(view.state.as_str());
        body.raw("\">").raw(view.state.as_str());
        body.raw("</span> <a href=\"/proposal/").text(&view.proposal.id).raw("\">");
        body.text(&shortened(&view.proposal.title)).raw("</a></li>\n");
    }
    body.raw(if any { "</ul>\n" } else { "" });
}
