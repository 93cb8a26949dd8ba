//! The web page on which a person reviews: it shows findings and proposals, and takes decisions. It
//! listens on the loopback interface only.

mod access;
mod html;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::review::Review;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub(crate) use access::PageAccess;

use crate::host::body::read_whole;
use crate::host::connections::{self, MaxConnections};
use crate::host::form::Fields;
use crate::host::http::stop_when_asked;
use crate::host::reply::status_of;

/// Largest form; a reason is short.
const MAX_FORM_BYTES: usize = 64 * 1024;
/// Pages that are made at the same time; more wait.
const PAGES_AT_ONCE: usize = 16;
/// How long a page waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the pages show and do, under one person's rights.
pub(crate) struct Pages {
    /// Which requests are admitted.
    pub access: PageAccess,
    /// Where findings and proposals come from, and decisions go.
    pub review: Box<dyn Review>,
    /// The person's name in the policy.
    pub person: String,
    /// How long a page may take.
    pub time: Duration,
    turns: Arc<Semaphore>,
}

impl Pages {
    /// The pages of one person.
    pub(crate) fn new(
        access: PageAccess,
        review: Box<dyn Review>,
        person: String,
        time: Duration,
    ) -> Pages {
        Pages { access, review, person, time, turns: Arc::new(Semaphore::new(PAGES_AT_ONCE)) }
    }
}

/// What a request asks for, once it has been admitted.
struct Asked {
    post: bool,
    path: String,
    query: Fields,
    form: Fields,
}

/// What a page answers.
enum Reply {
    Page(String),
    Text(String),
    See(String),
}

/// Serves the page until SIGINT or SIGTERM.
pub(crate) async fn serve(pages: Pages, listener: TcpListener) {
    let app = Router::new().fallback(answer).with_state(Arc::new(pages));
    connections::serve(listener, app, MaxConnections::new(None, None), stop_when_asked()).await;
}

async fn answer(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let mut response = match pass(pages, request).await {
        Ok(response) => response,
        Err(refused) => *refused,
    };
    let headers = response.headers_mut();
    for (name, value) in access::HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn pass(pages: Arc<Pages>, request: Request) -> Result<Response, Box<Response>> {
    let (head, body) = request.into_parts();
    pages.access.check_origin(&head)?;
    let query = Fields::parse(head.uri.query().unwrap_or_default().as_bytes());
    let path = head.uri.path().to_owned();
    match path.as_str() {
        "/review.css" => return Ok(asset("text/css; charset=utf-8", include_str!("review.css"))),
        "/review.js" => {
            return Ok(asset("text/javascript; charset=utf-8", include_str!("review.js")));
        }
        "/enter" => return pages.access.enter(query.get("token")),
        _ => pages.access.check_session(&head.headers)?,
    }
    let post = match head.method {
        Method::GET | Method::HEAD => false,
        Method::POST => true,
        _ => return Err(access::refusal(StatusCode::METHOD_NOT_ALLOWED, "GET or POST only")),
    };
    let form = if post { read_form(&pages, body).await? } else { Fields::default() };
    let asked = Asked { post, path, query, form };
    let turn = tokio::time::timeout(PATIENCE, Arc::clone(&pages.turns).acquire_owned());
    let Ok(Ok(turn)) = turn.await else { return Err(crowded()) };
    let work = tokio::task::spawn_blocking(move || {
        // Held until the work ends, though the browser may have gone.
        let _turn = turn;
        let call = Call::new(&pages.person, pages.time);
        html::answer(&pages, &asked, &call).unwrap_or_else(|error| {
            let status = status_of(error.code);
            (status, Reply::Page(html::problem(&pages, &asked.path, &error)))
        })
    });
    let Ok((status, reply)) = work.await else {
        return Err(access::refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            "this page failed; the others go on",
        ));
    };
    Ok(match reply {
        Reply::Page(html) => with_type(status, "text/html; charset=utf-8", Body::from(html)),
        Reply::Text(text) => with_type(status, "text/plain; charset=utf-8", Body::from(text)),
        Reply::See(place) => (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response(),
    })
}

async fn read_form(pages: &Pages, body: Body) -> Result<Fields, Box<Response>> {
    let bytes = read_whole(body, MAX_FORM_BYTES, |_| Ok::<_, std::convert::Infallible>(()))
        .await
        .map_err(|unread| access::refusal(unread.status(), unread))?;
    let form = Fields::parse(&bytes);
    pages.access.check_form(form.get("csrf"))?;
    Ok(form)
}

fn crowded() -> Box<Response> {
    let text = format!("{PAGES_AT_ONCE} pages are being made and none ended in time; try again");
    let mut response = access::refusal(StatusCode::SERVICE_UNAVAILABLE, text);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    with_type(StatusCode::OK, kind, Body::from(text))
}

fn with_type(status: StatusCode, kind: &'static str, body: Body) -> Response {
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}
