//! The requests of the review API, and how each is answered.

use std::time::Instant;

use mcp_workspace_tools::answer::Answer;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::decide::Listing;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::records::export::describe::{ALL_SEVERITIES, severity_name};
use mcp_workspace_tools::records::finding::Severity;
use mcp_workspace_tools::records::merged::Wanted;
use mcp_workspace_tools::review::message::{
    Decided, OneFinding, OneProposal, Person, ProposalsPage, Reason,
};
use mcp_workspace_tools::review::{LocalReview, Review, Verb, Verdict};
use mcp_workspace_tools::storage::findings::Bounds;
use serde::Serialize;

use crate::dispatch::Right;
use crate::host::form::Fields;

/// Bytes of JSON on a page. The function writes it as a string into JSON once more, where at
/// worst each byte is two, and Lambda takes six megabytes.
const PAGE_BYTES: usize = 2 * 1024 * 1024;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    Person,
    Findings,
    Finding(String),
    Source(String),
    Proposals,
    Proposal(String),
    Decide(String, Verb),
}

impl Route {
    /// What a caller needs for it.
    pub(super) fn right(&self) -> Right {
        if matches!(self, Route::Decide(..)) { Right::Decide } else { Right::Look }
    }

    /// The name in the audit record, as the command is called, and what it is about.
    pub(super) fn audited(&self) -> (String, &str) {
        let (name, about) = match self {
            Route::Person => ("review", ""),
            Route::Findings => ("findings list", ""),
            Route::Finding(fingerprint) => ("findings show", fingerprint.as_str()),
            Route::Source(fingerprint) => ("findings source", fingerprint.as_str()),
            Route::Proposals => ("proposals list", ""),
            Route::Proposal(id) => ("proposals show", id.as_str()),
            Route::Decide(id, verb) => return (format!("proposals {}", verb.as_str()), id),
        };
        (name.to_owned(), about)
    }

    /// Does it, under the person's rights.
    ///
    /// # Errors
    /// What stands in its way.
    pub(super) fn run(
        &self,
        review: &LocalReview,
        query: &Query,
        reason: &Reason,
        call: &Call,
    ) -> Result<Answer, ToolError> {
        let after = query.after.as_deref();
        match self {
            Route::Person => as_answer(&Person { caller: review.person(call)? }),
            Route::Findings => {
                // Half of the time is for reading, so that a slow mount gives a page, and the
                // next one goes on.
                let until = Instant::now() + call.time_left() / 2;
                let bounds = Bounds { bytes: PAGE_BYTES, until };
                as_answer(&review.page(&query.wanted, after, Some(bounds), call)?)
            }
            Route::Finding(fingerprint) => {
                as_answer(&OneFinding { finding: review.finding(fingerprint, call)? })
            }
            Route::Source(fingerprint) => {
                let finding = review.finding(fingerprint, call)?;
                as_answer(&review.source(&finding, call)?)
            }
            Route::Proposals => as_answer(&page_of(review.proposals(call)?, after, PAGE_BYTES)?),
            Route::Proposal(given) => {
                let mut view = review.proposal(&visible(review, given)?, call)?;
                let patch = std::mem::take(&mut view.patch);
                let digest = view.proposal.digest();
                as_answer(&OneProposal { proposal: view, digest, patch })
            }
            Route::Decide(given, verb) => {
                let (reason, seen) = (reason.reason.as_deref(), reason.seen.as_deref());
                let verdict = Verdict { verb: *verb, reason, seen };
                let decision = review.decide(&visible(review, given)?, verdict, call)?;
                as_answer(&Decided { decision })
            }
        }
    }
}

/// The id of a proposal; one that is hidden is answered as one that is not there.
fn visible(review: &LocalReview, given: &str) -> Result<String, ToolError> {
    let id = review.resolve(given)?;
    if review.may_see(&id)? {
        return Ok(id);
    }
    Err(ToolError::new(Code::NotFound, format!("no proposal `{given}`"))
        .hint("`proposals list` shows those that there are"))
}

/// The proposals after a place in their order, as many as an answer of so many bytes takes.
fn page_of(all: Listing, after: Option<&str>, most: usize) -> Result<ProposalsPage, ToolError> {
    let after = after
        .map(|after| {
            after.rsplit_once(',').ok_or_else(|| {
                ToolError::invalid(format!("`after` is `{}`", after.escape_debug()))
                    .hint("give the `next` of the page before, or leave it out")
            })
        })
        .transpose()?;
    let unreadable = if after.is_none() { all.unreadable } else { Vec::new() };
    let not_read = all.not_read;
    let mut page = ProposalsPage { proposals: Vec::new(), unreadable, not_read, next: None };
    let mut bytes = 0;
    for view in all.readable {
        let place = (view.proposal.created.as_str(), view.proposal.id.as_str());
        if after.is_some_and(|after| place <= after) {
            continue;
        }
        bytes += serde_json::to_vec(&view).map_or(most, |json| json.len());
        if bytes > most
            && let Some(last) = page.proposals.last()
        {
            page.next = Some(format!("{},{}", last.proposal.created, last.proposal.id));
            break;
        }
        page.proposals.push(view);
    }
    Ok(page)
}

fn as_answer(message: &impl Serialize) -> Result<Answer, ToolError> {
    let json = serde_json::to_value(message).map_err(|error| {
        ToolError::new(Code::Internal, "the answer could not be written as JSON").caused_by(error)
    })?;
    Ok(Answer::of_json(json))
}

/// What stands behind the question mark.
#[derive(Debug, Default)]
pub(super) struct Query {
    wanted: Wanted,
    after: Option<String>,
}

impl Query {
    /// Reads a query; each place knows its own parameters.
    ///
    /// # Errors
    /// For any other, and for values that are none.
    pub(super) fn parse(route: &Route, text: &str) -> Result<Query, ToolError> {
        let mut query = Query::default();
        let (pages, filters) = match route {
            Route::Findings => (true, true),
            Route::Proposals => (true, false),
            _ => (false, false),
        };
        for (name, value) in Fields::parse(text.as_bytes()).iter() {
            let (wanted, value) = (&mut query.wanted, value.to_owned());
            match name {
                "after" if pages => query.after = Some(value),
                "severity" if filters => wanted.severities.push(severity(&value)?),
                "rule" if filters => wanted.rules.push(value),
                "path" if filters => wanted.paths.push(value),
                "agent" if filters => wanted.agents.push(value),
                "run" if filters => wanted.runs.push(value),
                _ => {
                    return Err(ToolError::invalid(format!(
                        "there is no parameter `{}` here",
                        name.escape_debug()
                    ))
                    .hint("findings take severity, rule, path, agent, run; lists take after"));
                }
            }
        }
        Ok(query)
    }
}

fn severity(text: &str) -> Result<Severity, ToolError> {
    ALL_SEVERITIES.into_iter().find(|severity| severity_name(*severity) == text).ok_or_else(|| {
        ToolError::invalid(format!("`{}` is no severity", text.escape_debug()))
            .hint(format!("they are: {}", ALL_SEVERITIES.map(severity_name).join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn proposals_come_in_pages_each_once_in_their_order() {
        let view = |number: usize| {
            serde_json::from_value(json!({
                "format": 1, "id": format!("{number:032x}"), "title": "t".repeat(100),
                "agent": "agent", "caller": "caller", "files": [], "state": "proposed",
                "created": format!("2026-01-01T00:00:{:02}Z", number / 3), "history": [],
            }))
            .unwrap()
        };
        let all = || Listing { readable: (0..20).map(view).collect(), ..Listing::default() };
        for most in [1, 1_000, 100_000] {
            let (mut ids, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let page = page_of(all(), after.as_deref(), most).unwrap();
                ids.extend(page.proposals.into_iter().map(|view| view.proposal.id));
                pages += 1;
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
            let expected: Vec<String> = (0..20).map(|number| format!("{number:032x}")).collect();
            assert_eq!(ids, expected);
            assert_eq!(pages == 1, most == 100_000, "{pages} pages of {most} bytes");
        }
        assert!(page_of(all(), Some("x"), 1).is_err());
    }
}
