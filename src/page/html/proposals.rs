//! The list of proposals.

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::review::Proposals;
use mcp_workspace_tools::text::markup::Markup;

use super::findings::shortened;
use super::frame::{Part, whole};
use super::when::when;
use crate::page::Pages;

/// The page: the undecided first, then the others, each by time.
///
/// # Errors
/// When they cannot be listed.
pub(super) fn page(pages: &Pages, call: &Call) -> Result<String, ToolError> {
    let Proposals { readable, unreadable } = pages.review.proposals(call)?;
    let mut body = Markup::new();
    body.raw("<h1>Proposals</h1>\n");
    if readable.is_empty() && unreadable.is_empty() {
        body.raw("<p>No proposals yet. Agents make them with <code>propose_patch</code>; they show up here once they touch files that you may decide about.</p>\n");
    }
    for (name, live) in [("To decide and to apply", true), ("Done", false)] {
        let of_it: Vec<_> = readable.iter().filter(|one| one.state.is_live() == live).collect();
        if of_it.is_empty() {
            continue;
        }
        body.raw("<h2>").raw(name).raw("</h2>\n<ul class=\"list\" data-list>\n");
        for view in of_it {
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
            when(&mut body, &proposal.created);
            body.raw("</span></li>\n");
        }
        body.raw("</ul>\n");
    }
    for one in unreadable {
        body.raw("<p class=\"problem text\">").text(&one.id).raw(": ");
        body.text(&one.error.to_text()).raw("</p>\n");
    }
    Ok(whole(pages, "Proposals", Part::Proposals, &body))
}
