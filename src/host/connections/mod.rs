//! HTTP over a socket: the one loop that accepts connections, for `serve` and for the review page.
//!
//! Whoever can reach the address can open connections, and need not prove anything for that. So
//! each step of a connection has a time limit, the connections have a limit in all and for each
//! peer, and where there is no room, the connection that has waited longest for its peer makes
//! room: one whose request has not come whole, or whose answer is not being read. A connection
//! whose request is being answered is never closed for another.

mod request_body;
mod stream;
mod table;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use request_body::RequestBody;
pub(super) use request_body::TooSlow;
use stream::Stream;
use table::{Full, Place, Table};
pub(crate) use table::{MaxConnections, Turn};

/// Time for the head of a request, from the connection's first byte or from the answer before: so
/// it is as well how long a connection may be idle. Clients send a head at once, and those that
/// keep connections open any longer expect that servers close them.
const HEAD_TIME: Duration = Duration::from_secs(15);
/// Largest head of a request, in bytes: a token has 8 KiB at most.
const MAX_HEAD_BYTES: usize = 32 * 1024;
/// Most that is read ahead, or made of an answer before the peer reads it, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;
/// Time for answers that are being made when the server is asked to stop.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);
/// How long nothing is accepted where the machine has no descriptor or memory left.
const SHORTAGE_PAUSE: Duration = Duration::from_millis(100);

/// What is sent to those for whom there is no room.
const TURNED_AWAY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n\
    content-type: application/json\r\nconnection: close\r\ncontent-length: 84\r\n\r\n\
    {\"error\":\"too many connections; close those that are not used, or try again later\"}\n";
/// How many of them are told at the same time; more are only closed.
const TOLD_AT_ONCE: usize = 32;
/// How long telling one may take.
const TELLING_TIME: Duration = Duration::from_secs(1);

/// Serves until `stop`, and then lets the answers end that are being made.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Router,
    most: MaxConnections,
    stop: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_header_size(MAX_HEAD_BYTES)
        .max_buf_size(BUFFER_BYTES);
    let table = Arc::new(Table::new(most));
    let graceful = GracefulShutdown::new();
    let telling = Arc::new(Semaphore::new(TOLD_AT_ONCE));
    let mut short = false;
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if is_of_one_connection(&error) => continue,
            Err(error) => {
                // Connections that only wait give their descriptors back; a loop without a pause
                // would take the processor from those that work.
                if !std::mem::replace(&mut short, true) {
                    tracing::error!(%error, "no connection can be accepted; trying on");
                }
                table.make_room();
                tokio::time::sleep(SHORTAGE_PAUSE).await;
                continue;
            }
        };
        short = false;
        match table.enter(peer.ip()) {
            Ok(place) => {
                let connection = connection(&http, stream, &routes, place.clone());
                let connection = graceful.watch(connection);
                tokio::spawn(async move {
                    tokio::select! {
                        () = place.closed() => tracing::debug!(%peer, "closed to make room"),
                        ended = connection => if let Err(error) = ended {
                            tracing::debug!(%peer, %error, "a connection broke off");
                        },
                    }
                });
            }
            Err(full) => turn_away(stream, peer.ip(), full, &telling),
        }
    }
    drop(listener);
    table.close_waiting();
    if tokio::time::timeout(SHUTDOWN_GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("calls were still running 10 seconds after the request to stop");
    }
}

fn connection(
    http: &http1::Builder,
    stream: TcpStream,
    routes: &Router,
    place: Arc<Place>,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + Send + use<> {
    // Answers are written whole, and somebody waits for them.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Stream::new(stream, Arc::clone(&place)));
    let routes = TowerToHyperService::new(routes.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let place = Arc::clone(&place);
        let mut request = request.map(|body| Body::new(RequestBody::new(body, Arc::clone(&place))));
        request.extensions_mut().insert(Turn::of(&place));
        let answer = routes.call(request);
        async move {
            let over = place.until_dropped();
            // The guard goes with the body: what is left then is for the peer to read.
            answer.await.map(|answer| {
                answer.map(|body| {
                    body.inspect_frame(move |_| {
                        let _over = &over;
                    })
                })
            })
        }
    });
    http.serve_connection(io, service)
}

/// Says why, where that costs little, and closes.
fn turn_away(mut stream: TcpStream, peer: IpAddr, full: Full, telling: &Arc<Semaphore>) {
    tracing::debug!(%peer, %full, "a connection was turned away");
    let Ok(place) = Arc::clone(telling).try_acquire_owned() else { return };
    tokio::spawn(async move {
        let told = async {
            stream.write_all(TURNED_AWAY).await?;
            stream.shutdown().await?;
            // What is unread when a socket is closed makes the peer lose the answer as well.
            let mut unread = [0; 4096];
            while stream.read(&mut unread).await? > 0 {}
            std::io::Result::Ok(())
        };
        let _ = tokio::time::timeout(TELLING_TIME, told).await;
        drop(place);
    });
}

/// Errors of the connection that was to be accepted; the next may be well.
fn is_of_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_turned_away_gets_a_whole_answer() {
        let text = std::str::from_utf8(TURNED_AWAY).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).unwrap()["error"].is_string());
    }
}
