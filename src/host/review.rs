//! `/review/v1`: findings and proposals as JSON for people whose workspace is elsewhere. Callers
//! are proven as for MCP, judged and recorded by the dispatcher, and none of it is a tool.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, Response, StatusCode};
use mcp_workspace_tools::answer::{Answer, Shown};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::desk::message::{
    Decided, OneFinding, OneProposal, PATH, Person, ProposalsPage, Reason, Refusal, is_id,
};
use mcp_workspace_tools::desk::{Desk, Here, Proposals, Verb};
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::records::export::describe::{ALL_SEVERITIES, severity_name};
use mcp_workspace_tools::records::finding::Severity;
use mcp_workspace_tools::records::ledger::Bounds;
use mcp_workspace_tools::records::merged::Wanted;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::caller::Caller;
use crate::dispatch::{Dispatcher, Request, Right};
use crate::review::form::Fields;
use crate::review::status_of;
use crate::trace::Trace;

/// Bytes of JSON on a page. The function writes it as a string into JSON once more, where at
/// worst each byte is two, and Lambda takes six megabytes.
const PAGE_BYTES: usize = 2 * 1024 * 1024;
/// Largest body; a reason is short.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// A request, as a host received it from a proven caller.
pub struct Ask<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub query: &'a str,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    /// The names that are the server's own.
    pub own_hosts: &'a [String],
    pub caller: Caller,
    pub host: &'static str,
    pub request_id: String,
    pub deadline: Option<Instant>,
    pub trace: Option<Trace>,
}

/// Whether a path belongs to this API.
pub fn is_below(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Route {
    Person,
    Findings,
    Finding(String),
    Source(String),
    Proposals,
    Proposal(String),
    Decide(String, Verb),
}

/// Answers for the caller that asks, with its own rights.
pub async fn answer(dispatcher: &Arc<Dispatcher>, ask: Ask<'_>) -> Response<Body> {
    match respond(dispatcher, ask).await {
        Ok(answer) => json_response(StatusCode::OK, &answer.json),
        Err(Refused { status, allow, error }) => {
            let mut response = json_response(status, &json!(Refusal { error }));
            if let Some(method) = allow {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(method));
            }
            response
        }
    }
}

/// An answer of another status than 200.
struct Refused {
    status: StatusCode,
    /// The method that is answered there.
    allow: Option<&'static str>,
    error: ToolError,
}

impl From<ToolError> for Refused {
    fn from(error: ToolError) -> Refused {
        Refused { status: status_of(&error), allow: None, error }
    }
}

async fn respond(dispatcher: &Arc<Dispatcher>, ask: Ask<'_>) -> Result<Answer, Refused> {
    check_origin(&ask)?;
    let route = Route::of(ask.path)
        .ok_or_else(|| ToolError::new(Code::NotFound, format!("nothing here; see GET {PATH}")))?;
    route.check_method(ask.method)?;
    let query = Query::parse(&route, ask.query)?;
    let reason = match route {
        Route::Decide(..) => reason_of(&ask)?,
        _ => None,
    };
    let (tool, path) = route.audited();
    let request = Request {
        caller: ask.caller,
        host: ask.host,
        tool,
        arguments: json!({ "path": path }),
        request_id: ask.request_id,
        progress: None,
        deadline: ask.deadline,
        trace: ask.trace,
    };
    let right = if matches!(route, Route::Decide(..)) { Right::Decide } else { Right::Look };
    let work = move |desk: &Here, call: &Call| route.run(desk, &query, reason.as_deref(), call);
    Ok(dispatcher.review(request, right, work).await?)
}

impl Route {
    fn of(path: &str) -> Option<Route> {
        let rest = path.strip_prefix(PATH)?;
        let parts: Vec<&str> = rest.trim_matches('/').split('/').collect();
        let id = |text: &str| is_id(text).then(|| text.to_owned());
        Some(match parts.as_slice() {
            [""] => Route::Person,
            ["findings"] => Route::Findings,
            ["findings", fingerprint] => Route::Finding(id(fingerprint)?),
            ["findings", fingerprint, "source"] => Route::Source(id(fingerprint)?),
            ["proposals"] => Route::Proposals,
            ["proposals", given] => Route::Proposal(id(given)?),
            ["proposals", given, verb] => Route::Decide(id(given)?, Verb::parse(verb)?),
            _ => return None,
        })
    }

    fn check_method(&self, method: &Method) -> Result<(), Refused> {
        let allowed = if matches!(self, Route::Decide(..)) { "POST" } else { "GET" };
        if method.as_str() == allowed {
            return Ok(());
        }
        let error = ToolError::invalid(format!("`{method}` is not answered here"));
        Err(Refused {
            status: StatusCode::METHOD_NOT_ALLOWED,
            allow: Some(allowed),
            error: error.hint(format!("use {allowed}")),
        })
    }

    /// The name in the audit record, as the command is called, and what it is about.
    fn audited(&self) -> (String, &str) {
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

    fn run(
        &self,
        desk: &Here,
        query: &Query,
        reason: Option<&str>,
        call: &Call,
    ) -> Result<Answer, ToolError> {
        let after = query.after.as_deref();
        match self {
            Route::Person => as_answer(&Person { caller: desk.person(call)? }),
            Route::Findings => {
                // Half of the time is for reading, so that a slow mount gives a page, and the
                // next one goes on.
                let until = Instant::now() + call.time_left() / 2;
                let bounds = Bounds { bytes: PAGE_BYTES, until };
                as_answer(&desk.page(&query.wanted, after, Some(bounds), call)?)
            }
            Route::Finding(fingerprint) => {
                as_answer(&OneFinding { finding: desk.finding(fingerprint, call)? })
            }
            Route::Source(fingerprint) => {
                let finding = desk.finding(fingerprint, call)?;
                as_answer(&desk.source(&finding, call)?)
            }
            Route::Proposals => as_answer(&page_of(desk.proposals(call)?, after, PAGE_BYTES)?),
            Route::Proposal(given) => {
                let mut review = desk.proposal(&visible(desk, given)?, call)?;
                let patch = std::mem::take(&mut review.patch);
                as_answer(&OneProposal { proposal: review, patch })
            }
            Route::Decide(given, verb) => {
                let decision = desk.decide(&visible(desk, given)?, *verb, reason, call)?;
                as_answer(&Decided { decision })
            }
        }
    }
}

/// The id of a proposal; one that is hidden is answered as one that is not there.
fn visible(desk: &Here, given: &str) -> Result<String, ToolError> {
    let id = desk.resolve(given)?;
    if desk.may_see(&id)? {
        return Ok(id);
    }
    Err(ToolError::new(Code::NotFound, format!("no proposal `{given}`"))
        .hint("`proposals list` shows those that there are"))
}

/// The proposals after a place in their order, as many as an answer of so many bytes takes.
fn page_of(all: Proposals, after: Option<&str>, most: usize) -> Result<ProposalsPage, ToolError> {
    let after = after
        .map(|after| {
            after.rsplit_once(',').ok_or_else(|| {
                ToolError::invalid(format!("`after` is `{}`", after.escape_debug()))
                    .hint("give the `next` of the page before, or leave it out")
            })
        })
        .transpose()?;
    let unreadable = if after.is_none() { all.unreadable } else { Vec::new() };
    let mut page = ProposalsPage { proposals: Vec::new(), unreadable, next: None };
    let mut bytes = 0;
    for review in all.reviews {
        let place = (review.proposal.created.as_str(), review.proposal.id.as_str());
        if after.is_some_and(|after| place <= after) {
            continue;
        }
        bytes += serde_json::to_vec(&review).map_or(most, |json| json.len());
        if bytes > most
            && let Some(last) = page.proposals.last()
        {
            page.next = Some(format!("{},{}", last.proposal.created, last.proposal.id));
            break;
        }
        page.proposals.push(review);
    }
    Ok(page)
}

fn as_answer(message: &impl Serialize) -> Result<Answer, ToolError> {
    let json = serde_json::to_value(message).map_err(|error| {
        ToolError::new(Code::Internal, "the answer could not be written as JSON").caused_by(error)
    })?;
    Ok(Answer { json, shown: Shown::Json })
}

/// What stands behind the question mark.
#[derive(Debug, Default)]
struct Query {
    wanted: Wanted,
    after: Option<String>,
}

impl Query {
    fn parse(route: &Route, text: &str) -> Result<Query, ToolError> {
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

/// Nothing that a browser's page of another place can send: a request for another host, or from
/// another origin.
fn check_origin(ask: &Ask<'_>) -> Result<(), ToolError> {
    let own = |name: &str| {
        let name = name.strip_suffix(":443").unwrap_or(name);
        ask.own_hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
    };
    let all = |header: HeaderName, is_own: &dyn Fn(&str) -> bool| {
        ask.headers.get_all(header).iter().all(|value| value.to_str().is_ok_and(is_own))
    };
    if !all(HOST, &own) {
        return Err(ToolError::new(Code::Denied, "this server has another name"));
    }
    if !all(ORIGIN, &|origin| origin.strip_prefix("https://").is_some_and(own)) {
        return Err(ToolError::new(Code::Denied, "requests of other pages are refused"));
    }
    Ok(())
}

/// The reason in the body. JSON alone: a form of any page can be sent without its kind being
/// asked for first, JSON cannot.
fn reason_of(ask: &Ask<'_>) -> Result<Option<String>, Refused> {
    let kind = ask.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        let error = ToolError::invalid(format!("the body's type is `{}`", essence.escape_debug()));
        return Err(Refused {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            allow: None,
            error: error.hint("send Content-Type: application/json, and at least {}"),
        });
    }
    if ask.body.len() > MAX_BODY_BYTES {
        let size = ask.body.len();
        let message = format!("the body has {size} bytes; the limit is {MAX_BODY_BYTES}");
        return Err(ToolError::new(Code::TooLarge, message).into());
    }
    // A list would pass for the fields in their order.
    let reason = serde_json::from_slice::<Map<String, Value>>(ask.body)
        .and_then(|fields| serde_json::from_value::<Reason>(Value::Object(fields)))
        .map_err(|error| {
            ToolError::invalid(format!("the body is not as it should be: {error}"))
                .hint("send {} or {\"reason\": \"…\"}")
        })?;
    Ok(reason.reason)
}

fn json_response(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposals_come_in_pages_each_once_in_their_order() {
        let review = |number: usize| {
            serde_json::from_value(json!({
                "format": 1, "id": format!("{number:032x}"), "title": "t".repeat(100),
                "agent": "agent", "caller": "caller", "files": [], "state": "proposed",
                "created": format!("2026-01-01T00:00:{:02}Z", number / 3), "history": [],
            }))
            .unwrap()
        };
        let all = || Proposals { reviews: (0..20).map(review).collect(), unreadable: Vec::new() };
        for most in [1, 1_000, 100_000] {
            let (mut ids, mut after, mut pages) = (Vec::new(), None, 0);
            loop {
                let page = page_of(all(), after.as_deref(), most).unwrap();
                ids.extend(page.proposals.into_iter().map(|review| review.proposal.id));
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

    #[test]
    fn only_paths_below_the_api_are_its_own() {
        for (path, own) in [
            ("/review/v1", true),
            ("/review/v1/", true),
            ("/review/v1/x", true),
            ("/review/v10", false),
            ("/review", false),
            ("/mcp/review/v1", false),
        ] {
            assert_eq!(is_below(path), own, "{path}");
        }
    }
}
