//! `/review/v1`, the review API: findings and proposals as JSON for people whose workspace is
//! elsewhere. Callers are proven as for MCP, and the dispatcher judges and records each request.
//! None of it is a tool.

mod reason;
mod route;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequestParts, Path, RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use mcp_workspace_tools::answer::Answer;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::review::message::{PATH, Reason, is_id};
use mcp_workspace_tools::review::{LocalReview, Verb};
use serde_json::json;

use super::reply::{failure, json};
use super::served::{Asked, Served};
use reason::reason_of;
use route::{Query, Route};

/// The routes of the API.
pub(super) fn router() -> Router<Arc<Served>> {
    let at = |rest: &str| format!("{PATH}{rest}");
    Router::new()
        .route(PATH, look(|_| Route::Person))
        .route(&at("/"), look(|_| Route::Person))
        .route(&at("/findings"), look(|_| Route::Findings))
        .route(&at("/findings/{id}"), look(Route::Finding))
        .route(&at("/findings/{id}/source"), look(Route::Source))
        .route(&at("/proposals"), look(|_| Route::Proposals))
        .route(&at("/proposals/{id}"), look(Route::Proposal))
        .route(&at("/proposals/{id}/{verb}"), post(decide))
}

/// Answers GET for what the id in the path makes.
fn look(of: fn(String) -> Route) -> MethodRouter<Arc<Served>> {
    get(
        move |State(served): State<Arc<Served>>,
              Named { id, .. }: Named,
              query: RawQuery,
              asked: Asked| async move {
            answer(&served, asked, of(id), query, Reason::default()).await
        },
    )
}

async fn decide(
    State(served): State<Arc<Served>>,
    Named { id, verb }: Named,
    query: RawQuery,
    asked: Asked,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Some(verb) = Verb::parse(&verb) else { return nothing() };
    match reason_of(&headers, &body) {
        Ok(reason) => answer(&served, asked, Route::Decide(id, verb), query, reason).await,
        Err(response) => *response,
    }
}

/// What a path names; empty where it names nothing.
#[derive(Debug, Default)]
struct Named {
    id: String,
    verb: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Response;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Named, Response> {
        let path = Path::<Vec<(String, String)>>::from_request_parts(head, state).await;
        let Path(path) = path.map_err(|_| nothing())?;
        let mut named = Named::default();
        for (name, value) in path {
            match name.as_str() {
                "verb" => named.verb = value,
                _ if is_id(&value) => named.id = value,
                _ => return Err(nothing()),
            }
        }
        Ok(named)
    }
}

fn nothing() -> Response {
    failure(&ToolError::new(Code::NotFound, format!("nothing here; see GET {PATH}")))
}

/// Answers for the caller that asks, with its own rights.
async fn answer(
    served: &Served,
    asked: Asked,
    route: Route,
    RawQuery(query): RawQuery,
    reason: Reason,
) -> Response {
    match respond(served, asked, route, &query.unwrap_or_default(), reason).await {
        Ok(answer) => json(StatusCode::OK, answer.json()),
        Err(error) => failure(&error),
    }
}

async fn respond(
    served: &Served,
    asked: Asked,
    route: Route,
    query: &str,
    reason: Reason,
) -> Result<Answer, ToolError> {
    if !served.reviewed {
        let error = ToolError::new(Code::NotFound, "this server has no review API");
        return Err(error.hint("`mcp-workspace review` shows the page"));
    }
    let query = Query::parse(&route, query)?;
    let (tool, path) = route.audited();
    let request = asked.to(served.host, tool, json!({ "path": path }));
    let right = route.right();
    let work = move |review: &LocalReview, call: &Call| route.run(review, &query, &reason, call);
    served.dispatcher.review(request, right, work).await
}
