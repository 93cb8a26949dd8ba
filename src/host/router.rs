//! The HTTP routes, which are the same over a socket and over a function URL. The two differ only
//! in [`Served`], in [`Identity`], and in what stands beside the request: [`Own`], and what its
//! host knows of it.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get};
use axum::{Extension, Router};
use mcp_workspace_json::Limits;
use mcp_workspace_tools::error::{Code, ToolError};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::json;

use super::admission::{self, Admission};
use super::identity::{self, Identity};
use super::names::Own;
use super::reply::{self, failure, failure_as};
use super::resource::METADATA_PATHS;
use super::served::Served;
use super::{doctor, review};
use crate::mcp::Handler;

/// The routes. Each request must have an [`Own`] beside it.
pub(super) fn router(served: Served, identity: Identity) -> Router {
    let identity = Arc::new(identity);
    let [of_host, of_endpoint] = METADATA_PATHS;
    let open = Router::new()
        .route(of_host, get(identity::metadata))
        .route(of_endpoint, get(identity::metadata))
        .with_state(Arc::clone(&identity));
    let served = Arc::new(served);
    let open = open.route("/healthz", get(healthz)).with_state(Arc::clone(&served));
    Router::new()
        .route("/", any(root))
        .route("/mcp", any(mcp))
        .route("/mcp/", any(mcp))
        .route(doctor::PATH, get(doctor::answer))
        .merge(review::router())
        .fallback(nothing)
        .method_not_allowed_fallback(other_method)
        .with_state(served)
        .layer(middleware::from_fn_with_state(Arc::new(Admission::new()), admission::admit))
        .layer(middleware::from_fn_with_state(identity, identity::prove))
        .layer(middleware::from_fn(for_us))
        .merge(open)
}

/// Refuses what is for other names or from other pages, before anybody is asked who calls.
async fn for_us(Extension(own): Extension<Own>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    match own.names.check(&head) {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(error) => failure(&error),
    }
}

/// MCP: stateless, both eras of the protocol on one endpoint.
async fn mcp(
    State(served): State<Arc<Served>>,
    Extension(own): Extension<Own>,
    request: Request,
) -> Response {
    // rmcp's own check of names would be off with an empty list.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_allowed_hosts(own.names.hosts())
        .with_allowed_origins(own.names.origins())
        .with_max_request_body_bytes(Limits::MESSAGE.bytes)
        .with_cancellation_token(served.stop.clone());
    let service = StreamableHttpService::new(
        move || Ok(Handler::new(Arc::clone(&served.dispatcher), served.host, None)),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    service.handle(request).await.map(Body::new)
}

async fn root(state: State<Arc<Served>>, own: Extension<Own>, request: Request) -> Response {
    if state.mcp_at_root { mcp(state, own, request).await } else { nothing().await }
}

async fn nothing() -> Response {
    failure(&ToolError::new(Code::NotFound, "nothing here; MCP is at /mcp"))
}

async fn other_method(method: Method) -> Response {
    let error = ToolError::invalid(format!("`{method}` is not answered here"))
        .hint("use the method in the header `allow`");
    failure_as(StatusCode::METHOD_NOT_ALLOWED, &error)
}

/// How busy the server is; a 503 while nothing can be answered.
async fn healthz(State(served): State<Arc<Served>>) -> Response {
    let load = served.dispatcher.load();
    let (status, word) = if load.is_stuck() {
        (StatusCode::SERVICE_UNAVAILABLE, "hanging")
    } else {
        (StatusCode::OK, "ok")
    };
    let body = json!({
        "status": word,
        "calls": { "running": load.running, "hanging": load.hanging, "places": load.places },
        "memory": { "used": load.memory_used, "budget": load.memory_bytes },
    });
    reply::json(status, &body)
}
