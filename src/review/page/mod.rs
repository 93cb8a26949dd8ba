//! The pages, one file each, and which one a request asks for.

mod diff;
mod finding;
mod findings;
mod frame;
mod proposal;
mod proposals;
mod source;

use axum::http::StatusCode;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::decide;
use mcp_workspace_tools::error::{Code, ToolError};

use super::{Asked, Desk, Reply};

pub use frame::problem;

/// Answers a request.
///
/// # Errors
/// What stands in its way; the person sees it on a page.
pub fn answer(desk: &Desk, asked: &Asked, call: &Call) -> Result<(StatusCode, Reply), ToolError> {
    let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
    let reply = match (asked.post, parts.as_slice()) {
        (false, [""]) => Reply::Page(findings::page(desk, asked, call)?),
        (false, ["finding", fingerprint]) => Reply::Page(finding::page(desk, fingerprint, call)?),
        (false, ["proposals"]) => Reply::Page(proposals::page(desk)?),
        (false, ["proposal", id]) => Reply::Page(proposal::page(desk, id)?),
        (false, ["proposal", id, "diff"]) => Reply::Text(proposal::whole_diff(desk, id)?),
        (true, ["proposal", id, action]) => {
            act(desk, id, action, asked.form.get("reason"))?;
            Reply::See(format!("/proposal/{id}"))
        }
        _ => return Err(ToolError::new(Code::NotFound, "there is no such page")),
    };
    Ok((StatusCode::OK, reply))
}

fn act(desk: &Desk, id: &str, action: &str, reason: Option<&str>) -> Result<(), ToolError> {
    let decider = &desk.decider;
    let decision = match action {
        "approve" => decide::approve(decider, id, reason),
        "reject" => decide::reject(decider, id, reason.unwrap_or_default()),
        "apply" => decide::apply(decider, id),
        "revert" => decide::revert(decider, id, reason),
        _ => return Err(ToolError::new(Code::NotFound, "there is no such page")),
    };
    match decision {
        Ok(decision) => {
            tracing::info!(target: "audit", host = "review", caller = decider.caller(), proposal = id, action, step = decision.step, allowed = true);
            Ok(())
        }
        Err(error) => {
            tracing::info!(target: "audit", host = "review", caller = decider.caller(), proposal = id, action, allowed = false, error = error.message);
            Err(error)
        }
    }
}
