//! The HTML pages, one file each, and which of them a request asks for.

mod diff;
mod finding;
mod findings;
mod frame;
mod proposal;
mod proposals;
mod source;
mod when;

use axum::http::StatusCode;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::review::{Verb, Verdict};

use super::{Asked, Pages, Reply};

pub(super) use frame::problem;

/// Answers a request.
///
/// # Errors
/// What stands in its way; the person sees it on a page.
pub(super) fn answer(
    pages: &Pages,
    asked: &Asked,
    call: &Call,
) -> Result<(StatusCode, Reply), ToolError> {
    let nothing = || ToolError::new(Code::NotFound, "there is no such page");
    let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
    let reply = match (asked.post, parts.as_slice()) {
        (false, [""]) => Reply::Page(findings::page(pages, asked, call)?),
        (false, ["finding", fingerprint]) => Reply::Page(finding::page(pages, fingerprint, call)?),
        (false, ["proposals"]) => Reply::Page(proposals::page(pages, asked, call)?),
        (false, ["proposal", id]) => Reply::Page(proposal::page(pages, id, call)?),
        (false, ["proposal", id, "diff"]) => Reply::Text(proposal::whole_diff(pages, id, call)?),
        (true, ["proposal", id, action]) => {
            let verb = Verb::parse(action).ok_or_else(nothing)?;
            let (reason, seen) = (asked.form.get("reason"), asked.form.get("seen"));
            pages.review.decide(id, Verdict { verb, reason, seen }, call)?;
            Reply::See(format!("/proposal/{id}"))
        }
        _ => return Err(nothing()),
    };
    Ok((StatusCode::OK, reply))
}
