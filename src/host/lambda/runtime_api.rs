//! Lambda's Runtime API: takes invocations and hands in what came of them.
//!
//! Written here rather than taken from a crate because the client context must stay raw: the
//! Gateway sends one that is not all strings, and that must not cost the invocation.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpStream;

use super::streaming;
use crate::trace::Trace;

const REQUEST_ID: HeaderName = HeaderName::from_static("lambda-runtime-aws-request-id");
const DEADLINE: HeaderName = HeaderName::from_static("lambda-runtime-deadline-ms");
const CLIENT_CONTEXT: HeaderName = HeaderName::from_static("lambda-runtime-client-context");
const TRACE_ID: HeaderName = HeaderName::from_static("lambda-runtime-trace-id");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");

/// Time kept back from Lambda's deadline to answer with what there is.
const TIME_TO_ANSWER: Duration = Duration::from_millis(1_500);
/// A deadline that lies further back is none.
const LONGEST_DELAY: Duration = Duration::from_secs(3_600);
/// What a function has at least, were Lambda's deadline to be missing.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(3);

/// One invocation of the function.
pub struct Invocation {
    /// Lambda's id of it.
    pub request_id: String,
    /// When the answer should be ready: Lambda's deadline less the time to send it.
    pub deadline: Instant,
    /// The client context as it came, where there was one.
    pub client_context: Option<Vec<u8>>,
    /// X-Ray's trace of it.
    pub trace: Option<Trace>,
    /// The event.
    pub event: Bytes,
}

/// A fault of an invocation, as Lambda's metrics and logs name it.
pub struct Fault {
    /// A word for it, such as `UnknownEvent`.
    pub kind: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

/// Where the Runtime API is.
#[derive(Debug, Clone)]
pub struct RuntimeApi {
    authority: String,
    base: String,
}

impl RuntimeApi {
    /// Reads `AWS_LAMBDA_RUNTIME_API`: `host:port`; emulators add a scheme and a path.
    pub fn parse(value: &str) -> RuntimeApi {
        let bare = value.strip_prefix("http://").unwrap_or(value);
        let (authority, path) = bare.split_once('/').unwrap_or((bare, ""));
        let path = path.trim_end_matches('/');
        let slash = if path.is_empty() { "" } else { "/" };
        RuntimeApi {
            authority: authority.to_owned(),
            base: format!("{slash}{path}/2018-06-01/runtime"),
        }
    }

    /// Connects. Each worker has a connection of its own, since asking for work blocks it.
    ///
    /// # Errors
    /// When nothing listens there.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(&self.authority)
            .await
            .with_context(|| format!("cannot reach Lambda's Runtime API at {}", self.authority))?;
        // Answers are small and somebody waits for them.
        stream.set_nodelay(true).context("cannot set up the connection to the Runtime API")?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .context("the Runtime API did not speak HTTP")?;
        tokio::spawn(connection);
        Ok(Connection { api: self.clone(), sender })
    }
}

/// One connection to the Runtime API.
pub struct Connection {
    api: RuntimeApi,
    sender: SendRequest<Body>,
}

impl Connection {
    /// Waits for the next invocation, however long that takes.
    ///
    /// # Errors
    /// When the Runtime API cannot be reached or does not answer as it should.
    pub async fn next(&mut self) -> anyhow::Result<Invocation> {
        let (status, headers, event) =
            self.send(Method::GET, "/invocation/next", HeaderMap::new(), Body::empty()).await?;
        if !status.is_success() {
            bail!("the Runtime API gave no invocation: {status}");
        }
        let request_id = headers
            .get(REQUEST_ID)
            .and_then(|value| value.to_str().ok())
            .context("the Runtime API gave an invocation without an id")?
            .to_owned();
        let client_context = headers.get(CLIENT_CONTEXT).map(|value| value.as_bytes().to_vec());
        Ok(Invocation {
            request_id,
            deadline: deadline(&headers),
            trace: headers
                .get(TRACE_ID)
                .and_then(|value| value.to_str().ok())
                .and_then(Trace::from_xray),
            client_context: client_context.filter(|raw| !raw.is_empty()),
            event,
        })
    }

    /// Hands in the answer to an invocation.
    ///
    /// # Errors
    /// When the Runtime API cannot be reached.
    pub async fn respond(&mut self, request_id: &str, answer: Bytes) -> anyhow::Result<()> {
        let path = format!("/invocation/{request_id}/response");
        self.post(&path, json_headers(), answer.into()).await
    }

    /// Hands in an answer to an invocation while it is being made.
    ///
    /// # Errors
    /// When the Runtime API cannot be reached.
    pub async fn stream(&mut self, request_id: &str, answer: Response<Body>) -> anyhow::Result<()> {
        let path = format!("/invocation/{request_id}/response");
        self.post(&path, streaming::headers(), streaming::body(answer)).await
    }

    /// Tells that an invocation failed.
    ///
    /// # Errors
    /// When the Runtime API cannot be reached.
    pub async fn fail(&mut self, request_id: &str, fault: &Fault) -> anyhow::Result<()> {
        let path = format!("/invocation/{request_id}/error");
        self.post(&path, fault_headers(fault), body_of(fault).into()).await
    }

    /// Tells that the function cannot start.
    ///
    /// # Errors
    /// When the Runtime API cannot be reached.
    pub async fn fail_to_start(&mut self, fault: &Fault) -> anyhow::Result<()> {
        self.post("/init/error", fault_headers(fault), body_of(fault).into()).await
    }

    async fn post(&mut self, path: &str, headers: HeaderMap, body: Body) -> anyhow::Result<()> {
        let (status, ..) = self.send(Method::POST, path, headers, body).await?;
        if !status.is_success() {
            // Too late or too large for Lambda: the caller was told by Lambda, the function goes on.
            tracing::error!(%status, path, "the Runtime API refused an answer");
        }
        Ok(())
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Body,
    ) -> anyhow::Result<(StatusCode, HeaderMap, Bytes)> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.api.base))
            .header(HOST, &self.api.authority)
            .body(body)
            .context("cannot ask the Runtime API")?;
        request.headers_mut().extend(headers);
        // A server may close a connection that it kept; a request not yet sent goes to a new one.
        if self.sender.ready().await.is_err() {
            *self = self.api.connect().await?;
            self.sender.ready().await.context("the Runtime API closed the connection")?;
        }
        let response =
            self.sender.send_request(request).await.context("the Runtime API did not answer")?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.context("the Runtime API's answer broke off")?.to_bytes();
        Ok((parts.status, parts.headers, body))
    }
}

fn deadline(headers: &HeaderMap) -> Instant {
    let epoch_ms = headers
        .get(DEADLINE)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.parse().ok());
    let left = epoch_ms.map_or(SHORTEST_TIMEOUT, |epoch_ms| {
        let end = UNIX_EPOCH + Duration::from_millis(epoch_ms);
        match SystemTime::now().duration_since(end) {
            // Emulators write a time of day in 1970.
            Ok(ago) if ago > LONGEST_DELAY => SHORTEST_TIMEOUT,
            Ok(_) => Duration::ZERO,
            Err(ahead) => ahead.duration(),
        }
    });
    Instant::now() + left.saturating_sub(TIME_TO_ANSWER)
}

fn json_headers() -> HeaderMap {
    HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))])
}

fn fault_headers(fault: &Fault) -> HeaderMap {
    let mut headers = json_headers();
    headers.insert(ERROR_TYPE, HeaderValue::from_static(fault.kind));
    headers
}

fn body_of(fault: &Fault) -> Bytes {
    let body = json!({
        "errorType": fault.kind,
        "errorMessage": fault.message,
        "stackTrace": [],
    });
    Bytes::from(body.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_lambdas_or_an_emulators() {
        let plain = RuntimeApi::parse("127.0.0.1:9001");
        assert_eq!(plain.authority, "127.0.0.1:9001");
        assert_eq!(plain.base, "/2018-06-01/runtime");
        let emulated = RuntimeApi::parse("http://127.0.0.1:9000/.rt");
        assert_eq!(emulated.authority, "127.0.0.1:9000");
        assert_eq!(emulated.base, "/.rt/2018-06-01/runtime");
    }

    #[test]
    fn a_deadline_that_is_near_or_missing_leaves_what_there_is() {
        let now = Instant::now();
        assert!(deadline(&HeaderMap::new()) >= now + Duration::from_secs(1));
        let at = |epoch_ms: u128| {
            deadline(&HeaderMap::from_iter([(DEADLINE, epoch_ms.to_string().parse().unwrap())]))
        };
        let epoch_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
        assert!(at(epoch_ms - 5_000) <= Instant::now());
        assert!(at(600_000) >= now + Duration::from_secs(1), "a time in 1970 is no deadline");
    }
}
