//! The list of proposals.

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::decide::{Listing, ProposalView};
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::text::markup::Markup;

use super::findings::shortened;
use super::frame::{Part, whole};
use super::when::when;
use crate::page::{Asked, Pages};

/// Proposals on one page, and problems that are told on it.
const PAGE: usize = 200;
const MOST_PROBLEMS: usize = 50;

/// The page: the undecided first, then the others, each by time. Each stands as it was decided;
/// its own page compares it with the sources.
///
/// # Errors
/// When they cannot be listed.
pub(super) fn page(pages: &Pages, asked: &Asked, call: &Call) -> Result<String, ToolError> {
    let Listing { mut readable, unreadable, not_read } = pages.review.proposals(call)?;
    // Stable: within both they stay in the order of time.
    readable.sort_by_key(|view| !view.state.is_live());
    let last = readable.len().div_ceil(PAGE).max(1);
    let number = asked.query.get("page").and_then(|page| page.parse().ok()).unwrap_or(1);
    let number: usize = number.clamp(1, last);
    let mut body = Markup::new();
    body.raw("<h1>Proposals</h1>\n");
    if readable.is_empty() && unreadable.is_empty() && not_read == 0 {
        body.raw("<p>No proposals yet. Agents make them with <code>propose_patch</code>; they show up here once they touch files that you may decide about.</p>\n");
    }
    let mut heading = None;
    for view in readable.iter().skip((number - 1) * PAGE).take(PAGE) {
        let live = view.state.is_live();
        if heading != Some(live) {
            body.raw(if heading.is_some() { "</ul>\n" } else { "" }).raw("<h2>");
            body.raw(if live { "To decide and to apply" } else { "Done" });
            body.raw("</h2>\n<ul class=\"list\" data-list>\n");
            heading = Some(live);
        }
        one(&mut body, view);
    }
    body.raw(if heading.is_some() { "</ul>\n" } else { "" });
    if last > 1 {
        page_links(&mut body, number, last);
    }
    if not_read > 0 {
        body.raw("<p class=\"problem\">").number(not_read as u64);
        body.raw(" proposals are left out: the time was not enough to read them.</p>\n");
    }
    for one in unreadable.iter().take(MOST_PROBLEMS) {
        body.raw("<p class=\"problem text\">").text(&one.id).raw(": ");
        body.text(&one.error.to_text()).raw("</p>\n");
    }
    if unreadable.len() > MOST_PROBLEMS {
        body.raw("<p class=\"problem\">").number((unreadable.len() - MOST_PROBLEMS) as u64);
        body.raw(
            " more cannot be read; <code>mcp-workspace proposals list</code> names them.</p>\n",
        );
    }
    Ok(whole(pages, "Proposals", Part::Proposals, &body))
}

fn one(body: &mut Markup, view: &ProposalView) {
    let proposal = &view.proposal;
    body.raw("<li><span class=\"badge ").raw(view.state.as_str());
    body.raw("\">").raw(view.state.as_str());
    body.raw("</span> <a href=\"/proposal/").text(&proposal.id).raw("\">");
    body.text(&shortened(&proposal.title)).raw("</a> <span class=\"soft\">");
    body.number(proposal.files.len() as u64).raw(if proposal.files.len() == 1 {
        " file, "
    } else {
        " files, "
    });
    body.text(&proposal.agent).raw(", ");
    when(body, &proposal.created);
    body.raw(if view.doubt.is_some() {
        ", its history cannot be believed"
    } else if view.is_begun() {
        ", not ended: open it to recover it"
    } else {
        ""
    });
    body.raw("</span></li>\n");
}

fn page_links(body: &mut Markup, number: usize, last: usize) {
    body.raw("<nav class=\"pages\" aria-label=\"Pages\">");
    for (page, name, is_there) in [
        (number.saturating_sub(1), "Previous page", number > 1),
        (number.saturating_add(1), "Next page", number < last),
    ] {
        if is_there {
            body.raw("<a href=\"/proposals?page=").number(page as u64);
            body.raw("\">").raw(name).raw("</a> ");
        }
    }
    body.raw("Page ").number(number as u64).raw(" of ").number(last as u64).raw("</nav>\n");
}
