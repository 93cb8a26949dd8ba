//! MCP over streamable HTTP: stateless, both eras of the protocol on one endpoint.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use mcp_workspace_tools::hex::hex;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::doctor::{self, Question};
use super::resource::{METADATA_PATHS, Resource, refusal};
use crate::caller::bearer;
use crate::caller::delegation::Delegation;
use crate::caller::jwt::Jwt;
use crate::caller::{Caller, Proof};
use crate::dispatch::Dispatcher;
use crate::mcp::Handler;
use crate::trace::Trace;

/// Largest request; patches and findings have limits below it.
const MAX_REQUEST_BYTES: usize = 4 * 1024 * 1024;
/// Time for calls that run when the server is asked to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Names of bearer tokens by the SHA-256 of the token, in lower-case hex.
pub type TokenNames = HashMap<String, String>;

/// How a caller is proven.
#[derive(Debug)]
pub enum Proving {
    /// Not at all: whoever reaches the server is on the same machine.
    Loopback,
    /// By one of the operator's tokens.
    Tokens(TokenNames),
    /// By an access token of an issuer.
    Jwt(Box<Jwt>),
}

/// Who may connect, and under which names the server is reached.
#[derive(Debug)]
pub struct Access {
    /// What every request needs.
    pub proving: Proving,
    /// Who may speak for others; nobody here has a proof that counts for it.
    pub delegation: Delegation,
    /// Names beside the loopback ones that a `Host` header may carry.
    pub allowed_hosts: Vec<String>,
    /// Origins beside the loopback ones that a browser's page may have.
    pub allowed_origins: Vec<String>,
}

/// Serves on `listener` until SIGINT or SIGTERM.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    dispatcher: Arc<Dispatcher>,
    listener: TcpListener,
    access: Access,
) -> anyhow::Result<()> {
    let address = listener.local_addr().context("cannot read the listener's address")?;
    let stop = CancellationToken::new();
    let app = router(dispatcher, address, access, stop.clone());
    let served = axum::serve(listener, app).with_graceful_shutdown({
        let stop = stop.clone();
        async move {
            asked_to_stop().await;
            stop.cancel();
        }
    });
    let too_long = async {
        stop.cancelled().await;
        tokio::time::sleep(SHUTDOWN_GRACE).await;
    };
    tokio::select! {
        result = served => result.context("the HTTP server failed"),
        () = too_long => {
            tracing::warn!("calls were still running 10 seconds after the request to stop");
            Ok(())
        }
    }
}

fn router(
    dispatcher: Arc<Dispatcher>,
    address: SocketAddr,
    access: Access,
    stop: CancellationToken,
) -> Router {
    let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).into();
    if !address.ip().is_unspecified() {
        hosts.push(address.ip().to_string());
    }
    hosts.extend(access.allowed_hosts);
    let mut origins: Vec<String> =
        ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"].map(str::to_owned).into();
    origins.extend(access.allowed_origins);
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_allowed_hosts(hosts.clone())
        .with_allowed_origins(origins)
        .with_max_request_body_bytes(MAX_REQUEST_BYTES)
        .with_cancellation_token(stop);
    let door_dispatcher = Arc::clone(&dispatcher);
    let doctor = Arc::new(Doctor { dispatcher: Arc::clone(&dispatcher), hosts });
    let service = StreamableHttpService::new(
        move || Ok(Handler::new(Arc::clone(&dispatcher), "http", None)),
        Arc::new(NeverSessionManager::default()),
        config,
    );
    let door = Arc::new(Door {
        proving: access.proving,
        delegation: access.delegation,
        dispatcher: door_dispatcher,
        url: format!("http://{address}/mcp"),
    });
    let [of_host, of_endpoint] = METADATA_PATHS;
    Router::new()
        .nest_service("/mcp", service)
        .route(doctor::PATH, any(examine).with_state(doctor))
        .layer(middleware::from_fn_with_state(Arc::clone(&door), identify))
        .route(of_host, get(metadata))
        .route(of_endpoint, get(metadata))
        .with_state(door)
        .route("/healthz", get(healthz))
}

/// What stands before the endpoint.
struct Door {
    proving: Proving,
    delegation: Delegation,
    dispatcher: Arc<Dispatcher>,
    url: String,
}

impl Door {
    fn resource<'a>(&'a self, jwt: &'a Jwt) -> Resource<'a> {
        Resource { jwt, policy: self.dispatcher.policy(), url: &self.url }
    }

    /// The caller, or the answer to a request that has none.
    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Box<Response>> {
        let caller = match &self.proving {
            Proving::Loopback => Caller::new(Caller::LOCAL, Proof::Loopback),
            // Looking up a hash tells nothing about the token by its time.
            Proving::Tokens(names) => bearer::token(headers)
                .ok()
                .and_then(|token| names.get(&hash_of(token)))
                .map(|name| Caller::new(name, Proof::Token))
                .ok_or_else(token_needed)?,
            Proving::Jwt(jwt) => self.resource(jwt).caller(headers).await?,
        };
        let resolved = self.delegation.resolve(caller, headers, self.dispatcher.policy());
        Ok(resolved.map_err(|error| refusal(StatusCode::FORBIDDEN, &error.to_string()))?)
    }
}

/// The challenge names no metadata: with a static token there is no issuer to ask.
fn token_needed() -> Response {
    let text = "a valid bearer token is needed: Authorization: Bearer TOKEN";
    let mut response = refusal(StatusCode::UNAUTHORIZED, text);
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

async fn metadata(State(door): State<Arc<Door>>) -> Response {
    match &door.proving {
        Proving::Jwt(jwt) => door.resource(jwt).metadata(),
        Proving::Loopback | Proving::Tokens(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// What the doctor over HTTP needs.
struct Doctor {
    dispatcher: Arc<Dispatcher>,
    /// The names that a `Host` header may carry.
    hosts: Vec<String>,
}

/// The doctor, for programs only: it writes probes, which no web page may cause.
async fn examine(State(doctor): State<Arc<Doctor>>, request: Request) -> Response {
    let headers = request.headers();
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    let known = doctor.hosts.iter().any(|one| one.eq_ignore_ascii_case(name) || one == host);
    if !known || headers.contains_key(header::ORIGIN) {
        return StatusCode::FORBIDDEN.into_response();
    }
    // INVARIANT: `identify` lets nobody through without a caller.
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    let question = Question {
        method: request.method(),
        query: request.uri().query().unwrap_or_default(),
        caller,
        host: "http",
        request_id: String::new(),
        deadline: None,
        trace: Trace::from_headers(request.headers()),
    };
    doctor::answer(&doctor.dispatcher, question).await
}

async fn healthz() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], "{\"status\":\"ok\"}\n")
}

/// Proves who calls and passes it on beside the request, or refuses it.
async fn identify(State(door): State<Arc<Door>>, mut request: Request, next: Next) -> Response {
    match door.caller(request.headers()).await {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(answer) => *answer,
    }
}

/// The form in which tokens are stored.
pub fn hash_of(token: &str) -> String {
    hex(&Sha256::digest(token.as_bytes()))
}

pub async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
