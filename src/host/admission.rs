//! Lets in the requests of proven callers, as far as there is room.
//!
//! A caller has a share of what the server can hold: requests that are being answered, bytes that
//! have been received, and memory for what is made of them. Who is over its own share hears 429,
//! and others still get in. JSON is measured before anything parses it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use mcp_workspace_json::{Exceeded, Limits, Size, id_of, measure};
use mcp_workspace_tools::error::{Code, ToolError};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::{Unread, read_whole};
use super::connections::Turn;
use super::reply::{self, failure_as, status_of};
use crate::caller::Caller;

/// Requests of one caller that are answered at the same time; more wait. Fewer than the calls that
/// the dispatcher runs at a time, so that one caller never holds all of them.
const REQUESTS_OF_CALLER: usize = 24;
/// Memory for bodies that have been received, in KiB.
const BODIES_KIB: usize = 32 * 1024;
/// Memory for what is made of bodies, in KiB.
const WORK_KIB: usize = 96 * 1024;
/// One caller may have so much of it: one of so many parts.
const PARTS: usize = 2;
/// How long a request waits for room.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who is let in.
pub(super) struct Admission {
    all: Share,
    /// Of the callers that have requests here; there are no more of them than requests.
    callers: Mutex<HashMap<Arc<str>, Weak<Share>>>,
}

/// What may be held.
struct Share {
    requests: Arc<Semaphore>,
    bodies: Arc<Semaphore>,
    work: Arc<Semaphore>,
}

impl Share {
    fn new(requests: usize, parts: usize) -> Share {
        let of = |permits: usize| Arc::new(Semaphore::new(permits));
        Share { requests: of(requests), bodies: of(BODIES_KIB / parts), work: of(WORK_KIB / parts) }
    }
}

/// Who has no room left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crowded {
    Server,
    Caller,
}

impl Crowded {
    fn status(self) -> StatusCode {
        match self {
            Crowded::Server => status_of(Code::Overloaded),
            Crowded::Caller => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn error(self, caller: &Caller) -> ToolError {
        let message = match self {
            Crowded::Server => "the server has more requests than it has room for".to_owned(),
            Crowded::Caller => format!(
                "caller `{}` has more requests at the same time than its share of the server",
                caller.id
            ),
        };
        ToolError::new(Code::Overloaded, message)
            .hint("wait for answers before you send more, and try again in a few seconds")
    }
}

/// What a request holds until its answer is made.
struct Held {
    share: Arc<Share>,
    /// Bytes that were received.
    bytes: usize,
    permits: Vec<OwnedSemaphorePermit>,
}

impl Admission {
    pub(super) fn new() -> Admission {
        let all = Share::new(Semaphore::MAX_PERMITS, 1);
        Admission { all, callers: Mutex::default() }
    }

    fn share_of(&self, caller: &Caller) -> Arc<Share> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = callers.get(&caller.id).and_then(Weak::upgrade) {
            return share;
        }
        callers.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Share::new(REQUESTS_OF_CALLER, PARTS));
        callers.insert(Arc::clone(&caller.id), Arc::downgrade(&share));
        share
    }

    /// Makes room for more bytes of a body, at once or not at all: who waits for room holds none
    /// that others wait for.
    fn keep(&self, held: &mut Held, bytes: usize) -> Result<(), Crowded> {
        let kib = (held.bytes + bytes).div_ceil(1024) - held.bytes.div_ceil(1024);
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        let own = Arc::clone(&held.share.bodies).try_acquire_many_owned(kib);
        let own = own.map_err(|_| Crowded::Caller)?;
        let all = Arc::clone(&self.all.bodies).try_acquire_many_owned(kib);
        let all = all.map_err(|_| Crowded::Server)?;
        held.bytes += bytes;
        held.permits.extend([own, all]);
        Ok(())
    }

    /// Waits for the caller's turn, and for memory for what is made of a body.
    async fn begin(&self, held: &mut Held, size: Size, turn: Option<&Turn>) -> Result<(), Crowded> {
        let share = Arc::clone(&held.share);
        // Not more than there is: the largest request runs alone.
        let kib = work_of(size).min(WORK_KIB / PARTS);
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        let own = async {
            let request = Arc::clone(&share.requests).acquire_owned().await;
            (request, Arc::clone(&share.work).acquire_many_owned(kib).await)
        };
        let own = at_once_or_in_time(own, turn).await;
        let Some((Ok(request), Ok(work))) = own else { return Err(Crowded::Caller) };
        held.permits.extend([request, work]);
        let all = Arc::clone(&self.all.work).acquire_many_owned(kib);
        let Some(Ok(work)) = at_once_or_in_time(all, turn).await else {
            return Err(Crowded::Server);
        };
        held.permits.push(work);
        Ok(())
    }
}

/// What comes of waiting for room; none when there was none in time. While it waits, the connection
/// may be closed for another.
async fn at_once_or_in_time<T>(room: impl Future<Output = T>, turn: Option<&Turn>) -> Option<T> {
    let mut room = std::pin::pin!(room);
    if let Some(there) = room.as_mut().now_or_never() {
        return Some(there);
    }
    let _waiting = turn.map(Turn::waits);
    tokio::time::timeout(PATIENCE, room).await.ok()
}

/// The most memory that a message takes while it is read and answered, in KiB, as measured: its
/// text four times over, and what each value takes in the forms through which it goes.
fn work_of(size: Size) -> usize {
    16 + size.bytes.saturating_mul(4).div_ceil(1024) + size.nodes
}

/// Reads the request whole, and passes it on when there is room for it.
pub(super) async fn admit(
    State(admission): State<Arc<Admission>>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    let is_mcp = matches!(head.uri.path(), "/mcp" | "/mcp/" | "/");
    // INVARIANT: `identity::prove` lets nobody through without a caller.
    let Some(caller) = head.extensions.get::<Caller>().cloned() else {
        return reply::refusal(StatusCode::UNAUTHORIZED, "no caller");
    };
    let mut held = Held { share: admission.share_of(&caller), bytes: 0, permits: Vec::new() };
    let bytes = read_whole(body, Limits::MESSAGE.bytes, |bytes| admission.keep(&mut held, bytes));
    let bytes = match bytes.await {
        Ok(bytes) => bytes,
        Err(unread) => {
            let (status, error) = match unread {
                Unread::NoRoom(crowded) => (crowded.status(), crowded.error(&caller)),
                unread => (unread.status(), unread.error()),
            };
            tracing::warn!(caller = &*caller.id, %error, "a request was not let in");
            return refused(is_mcp, status, &error, &[]);
        }
    };
    let size = measure(&bytes);
    if let Err(exceeded) = Limits::MESSAGE.check(size) {
        let code = match exceeded {
            Exceeded::Bytes { .. } => Code::TooLarge,
            Exceeded::Nodes { .. } | Exceeded::Depth { .. } => Code::InvalidArgument,
        };
        let error = ToolError::new(code, exceeded.to_string()).hint(exceeded.hint());
        tracing::warn!(caller = &*caller.id, %error, "a request was not let in");
        return refused(is_mcp, status_of(code), &error, &bytes);
    }
    if let Err(crowded) = admission.begin(&mut held, size, head.extensions.get()).await {
        let error = crowded.error(&caller);
        tracing::warn!(caller = &*caller.id, %error, "a request was not let in");
        return refused(is_mcp, crowded.status(), &error, &bytes);
    }
    let answer = next.run(Request::from_parts(head, Body::from(bytes))).await;
    // What it holds goes with the answer's body.
    answer.map(|body| {
        Body::new(body.inspect_frame(move |_| {
            let _held = &held;
        }))
    })
}

/// An answer to a request that is not let in; a client of MCP finds its own message in it.
fn refused(is_mcp: bool, status: StatusCode, error: &ToolError, message: &[u8]) -> Response {
    if !is_mcp {
        return failure_as(status, error);
    }
    reply::json(status, &rpc_error(error, id_of(message)))
}

/// The error as an answer of JSON-RPC, to the message of that id where it is known.
pub(crate) fn rpc_error(error: &ToolError, id: Option<Value>) -> Value {
    // -32600 is JSON-RPC's "invalid request".
    let error = json!({ "code": -32600, "message": error.to_text() });
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware;
    use axum::routing::post;
    use lambda_http::tower::ServiceExt;
    use tokio::task::JoinSet;

    use super::*;
    use crate::caller::Proof;

    /// Routes whose answers wait for the gate.
    fn routes(admission: &Arc<Admission>, gate: &Arc<Semaphore>) -> Router {
        let gate = Arc::clone(gate);
        let answer = move || async move {
            let _ = gate.acquire().await;
            "done"
        };
        Router::new()
            .route("/mcp", post(answer))
            .layer(middleware::from_fn_with_state(Arc::clone(admission), admit))
    }

    async fn ask(routes: Router, caller: &'static str, body: &'static str) -> Response {
        let mut request = Request::post("/mcp").body(Body::from(body)).unwrap();
        request.extensions_mut().insert(Caller::new(caller, Proof::Token));
        routes.oneshot(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_caller_has_its_share_and_others_still_get_in() {
        let gate = Arc::new(Semaphore::new(0));
        let admission = Arc::new(Admission::new());
        let routes = routes(&admission, &gate);
        let mut asked = JoinSet::new();
        for _ in 0..REQUESTS_OF_CALLER {
            asked.spawn(ask(routes.clone(), "greedy", "{}"));
        }
        let share = admission.share_of(&Caller::new("greedy", Proof::Token));
        while share.requests.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        let one_more = ask(routes.clone(), "greedy", "{\"id\":9}").await;
        assert_eq!(one_more.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(one_more.headers().contains_key(axum::http::header::RETRY_AFTER));
        let body = one_more.into_body().collect().await.unwrap().to_bytes();
        let error: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(error["id"], 9);
        assert!(error["error"]["message"].as_str().unwrap().contains("`greedy`"), "{error}");

        let other = tokio::spawn(ask(routes.clone(), "modest", "{}"));
        gate.add_permits(1_000);
        assert_eq!(other.await.unwrap().status(), StatusCode::OK);
        while let Some(answer) = asked.join_next().await {
            assert_eq!(answer.unwrap().status(), StatusCode::OK);
        }
        assert_eq!(ask(routes, "greedy", "{}").await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn bodies_that_are_held_are_bounded_for_each_caller() {
        let admission = Admission::new();
        let caller = |id: &str| Caller::new(id, Proof::Token);
        let held = |id: &str| Held {
            share: admission.share_of(&caller(id)),
            bytes: 0,
            permits: Vec::new(),
        };
        let mut all = Vec::new();
        for id in ["a", "b"] {
            let mut one = held(id);
            assert_eq!(admission.keep(&mut one, BODIES_KIB / PARTS * 1024), Ok(()));
            assert_eq!(admission.keep(&mut held(id), 1), Err(Crowded::Caller));
            all.push(one);
        }
        assert_eq!(admission.keep(&mut held("c"), 1), Err(Crowded::Server));
        all.pop();
        assert_eq!(admission.keep(&mut held("c"), 1), Ok(()));
        // Who has gone is forgotten.
        drop(all);
        admission.share_of(&caller("d"));
        assert_eq!(admission.callers.lock().unwrap().len(), 1);
    }
}
