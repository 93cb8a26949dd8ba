//! One proposal: what it changes, how it stands, and what may be decided.

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::decide::ProposalView;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::patch::read_stored;
use mcp_workspace_tools::records::decision::State;
use mcp_workspace_tools::text::markup::Markup;
use mcp_workspace_tools::text::visible::visible;

use super::diff;
use super::findings::shortened;
use super::frame::{Part, whole};
use super::when::when;
use crate::page::Pages;

/// The page.
///
/// # Errors
/// When there is no such proposal, or the reviewer may not see it.
pub(super) fn page(pages: &Pages, id: &str, call: &Call) -> Result<String, ToolError> {
    let view = pages.review.proposal(id, call)?;
    let proposal = &view.proposal;
    let mut body = Markup::new();
    body.raw("<h1>")
        .text(&shortened(&proposal.title))
        .raw("</h1>\n<p><span class=\"badge ")
        .raw(view.state.as_str())
        .raw("\" id=\"state\">");
    body.raw(view.state.as_str()).raw("</span> <span class=\"soft\">proposed by ");
    body.text(&proposal.agent).raw(" (").text(&proposal.caller).raw("), ");
    when(&mut body, &proposal.created);
    body.raw("</span></p>\n");
    if let Some(rationale) = &proposal.rationale {
        body.raw("<p class=\"text\">").text(rationale).raw("</p>\n");
    }
    standing(&mut body, &view);
    decisions(&mut body, pages, &view);
    body.raw("<h2>Changes</h2>\n");
    let mut tables = Markup::new();
    let cut = diff::files(&mut tables, &read_stored(&view.patch)?);
    body.raw(if cut {
        "<p class=\"problem\">Lines are cut or left out below. Read the whole before you decide: <a href=\"/proposal/"
    } else {
        "<p><a href=\"/proposal/"
    });
    body.text(&proposal.id).raw("/diff\">The whole diff as text</a></p>\n");
    body.append(&tables);
    Ok(whole(pages, &shortened(&proposal.title), Part::Proposals, &body))
}

/// The diff as text, with what would mislead the eye written out.
///
/// # Errors
/// As [`page`].
pub(super) fn whole_diff(pages: &Pages, id: &str, call: &Call) -> Result<String, ToolError> {
    let view = pages.review.proposal(id, call)?;
    Ok(visible(&String::from_utf8_lossy(&view.patch)).into_owned())
}

fn standing(body: &mut Markup, view: &ProposalView) {
    if view.is_begun() {
        body.raw("<p class=\"problem\">What is ").raw(view.state.as_str());
        body.raw(
            " has not ended. If nobody is at it, it was interrupted, and you can recover it.</p>\n",
        );
    }
    if let Some(doubt) = &view.doubt {
        body.raw("<p class=\"problem text\">Nothing is decided about it, because what is recorded cannot be believed: ");
        body.text(doubt).raw("</p>\n");
    }
    if !view.changed.is_empty() {
        body.raw("<p class=\"problem text\">The sources are not those that it is made for:\n");
        body.text(&view.changed.join("\n")).raw("</p>\n");
    }
    list(body, "It cannot be applied together with", "/proposal/", &view.conflicts_with);
    if view.more_conflicts {
        body.raw("<p>There are more that it cannot be applied together with.</p>\n");
    }
    let findings: Vec<String> = view
        .proposal
        .finding_ids
        .iter()
        .map(|id| id.rsplit(':').next().unwrap_or(id).to_owned())
        .collect();
    list(body, "It answers the finding", "/finding/", &findings);
    if !view.history.is_empty() {
        body.raw("<h2>Decided so far</h2>\n<ol>\n");
        for decision in &view.history {
            let action = State::after(std::slice::from_ref(decision));
            body.raw("<li>").raw(action.as_str()).raw(" by ").text(&decision.caller);
            body.raw(" <span class=\"soft\">");
            when(body, &decision.created);
            body.raw("</span>");
            if let Some(reason) = &decision.reason {
                body.raw("<p class=\"text\">").text(reason).raw("</p>");
            }
            body.raw("</li>\n");
        }
        body.raw("</ol>\n");
    }
}

fn list(body: &mut Markup, name: &'static str, place: &'static str, ids: &[String]) {
    for id in ids {
        body.raw("<p>").raw(name).raw(" <a href=\"").raw(place).text(id).raw("\"><code>");
        body.text(id.get(..12).unwrap_or(id)).raw("</code></a>.</p>\n");
    }
}

/// The forms for what may follow.
fn decisions(body: &mut Markup, pages: &Pages, view: &ProposalView) {
    let digest = view.proposal.digest();
    let mut form = |action: &'static str, name: &'static str, reason: Option<&'static str>| {
        body.raw("<form method=\"post\" action=\"/proposal/").text(&view.proposal.id).raw("/");
        body.raw(action).raw("\">\n<input type=\"hidden\" name=\"csrf\" value=\"");
        body.text(pages.access.form_token()).raw("\">\n");
        // An approval is of what this page shows, and of nothing else.
        body.raw("<input type=\"hidden\" name=\"seen\" value=\"").text(&digest).raw("\">\n");
        if let Some(required) = reason {
            body.raw(if required.is_empty() {
                "<label>Reason"
            } else {
                "<label>Reason, for who proposed it"
            });
            body.raw(" <textarea name=\"reason\" rows=\"2\" maxlength=\"4000\"");
            body.raw(required).raw("></textarea></label>\n");
        }
        body.raw("<button class=\"").raw(action).raw("\">").raw(name).raw("</button>\n</form>\n");
    };
    match view.state {
        State::Proposed => {
            form("approve", "Approve", None);
            form("reject", "Reject", Some(" required"));
        }
        State::Approved if view.awaits_approval() => {
            form("approve", "Approve again", None);
            form("reject", "Reject", Some(" required"));
        }
        State::Approved => {
            form("apply", "Apply to the sources", None);
            form("reject", "Reject", Some(" required"));
        }
        State::Conflicted | State::Superseded => form("reject", "Reject", Some(" required")),
        State::Applied => form("revert", "Revert", Some("")),
        State::Applying | State::Reverting => form("recover", "Recover", None),
        State::Rejected | State::Reverted => {}
    }
}
