//! The pages, one file each, and which one a request asks for.

mod diff;
mod finding;
mod findings;
mod frame;
mod proposal;
mod proposals;
mod source;
mod when;

use axum::http::StatusCode;
use mcp_workspace_tools::answer::{Answer, Shown};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::decide;
use mcp_workspace_tools::error::{Code, ToolError};
use serde_json::json;

use super::{Asked, Desk, Reply};
use crate::audit::Record;

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
            act(desk, id, action, asked.form.get("reason"), call)?;
            Reply::See(format!("/proposal/{id}"))
        }
        _ => return Err(ToolError::new(Code::NotFound, "there is no such page")),
    };
    Ok((StatusCode::OK, reply))
}

/// Takes one decision and leaves its audit record, as a tool's call does.
fn act(
    desk: &Desk,
    id: &str,
    action: &str,
    reason: Option<&str>,
    call: &Call,
) -> Result<(), ToolError> {
    let decider = &desk.decider;
    let mut record = Record::of_decision(decider.caller(), "review", action, id, call);
    let decision = match action {
        "approve" => decide::approve(decider, id, reason),
        "reject" => decide::reject(decider, id, reason.unwrap_or_default()),
        "apply" => decide::apply(decider, id),
        "revert" => decide::revert(decider, id, reason),
        _ => Err(ToolError::new(Code::NotFound, "there is no such page")),
    };
    if let Ok(decision) = &decision {
        record.role = Some(decision.role.clone());
    }
    let answer = decision.map(|decision| Answer {
        json: json!({ "proposal": decision.proposal, "step": decision.step }),
        shown: Shown::Json,
    });
    record.finish(&answer);
    answer.map(|_| ())
}
