//! Lambda's Runtime API over one connection.

use std::fmt::Display;
use std::sync::Arc;

use futures_util::Stream;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::HOST;
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use lambda_runtime::{Config, Diagnostic, FunctionResponse, LambdaEvent};
use serde_json::Value;
use tokio::net::TcpStream;

use crate::answer::{self, Body, Outcome};
use crate::invocation;

const REQUEST_ID: &str = "lambda-runtime-aws-request-id";

/// Why the loop cannot continue with the Runtime API.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// Nothing listens there.
    #[error("cannot reach Lambda's Runtime API at {0}: {1}")]
    Unreachable(String, std::io::Error),
    /// The connection broke, or does not speak HTTP.
    #[error("the Runtime API did not answer: {0}")]
    Broken(#[from] hyper::Error),
    /// A request that HTTP does not know, such as one for a strange id.
    #[error("cannot ask the Runtime API: {0}")]
    Request(#[from] hyper::http::Error),
    /// It gives no work.
    #[error("the Runtime API gave no invocation: {0}")]
    NoInvocation(StatusCode),
    /// It gives work that cannot be answered.
    #[error("the Runtime API gave an invocation without an id")]
    NoId,
    /// One of the workers ended.
    #[error("a worker ended: {0}")]
    Worker(String),
}

/// Where the Runtime API is.
#[derive(Debug, Clone)]
pub struct RuntimeApi {
    authority: String,
    base: String,
    config: Arc<Config>,
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
            config: Arc::default(),
        }
    }

    /// Its port; none where the value names none, and then it cannot be reached.
    pub fn port(&self) -> Option<u16> {
        self.authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok())
    }

    /// Whether its host is an address, and no name that has to be looked up.
    pub fn is_address(&self) -> bool {
        self.authority.parse::<std::net::SocketAddr>().is_ok()
    }

    /// Tells that the function cannot start.
    ///
    /// # Errors
    /// When nothing listens there.
    pub async fn fail_to_start(&self, fault: &Diagnostic) -> Result<(), ApiError> {
        let (headers, body) = answer::fault(fault);
        self.connect().await?.post("/init/error", headers, body).await
    }

    /// Connects. Each worker has a connection of its own, since asking for work blocks it.
    pub(crate) async fn connect(&self) -> Result<Connection, ApiError> {
        let unreachable = |error| ApiError::Unreachable(self.authority.clone(), error);
        let stream = TcpStream::connect(&self.authority).await.map_err(unreachable)?;
        // Answers are small and somebody waits for them.
        stream.set_nodelay(true).map_err(unreachable)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Connection { api: self.clone(), sender })
    }
}

/// One connection to the Runtime API.
pub(crate) struct Connection {
    api: RuntimeApi,
    sender: SendRequest<Body>,
}

impl Connection {
    /// Waits for the next invocation, however long that takes: its id and what can be read of it.
    pub(crate) async fn next(
        &mut self,
    ) -> Result<(String, Result<LambdaEvent<Value>, Diagnostic>), ApiError> {
        let nothing = Empty::new().boxed_unsync();
        let (status, headers, body) =
            self.send(Method::GET, "/invocation/next", HeaderMap::new(), nothing).await?;
        if !status.is_success() {
            return Err(ApiError::NoInvocation(status));
        }
        let id = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
        let id = id.ok_or(ApiError::NoId)?.to_owned();
        let event = invocation::read(&id, headers, &body, &self.api.config);
        Ok((id, event))
    }

    /// Sends the answer to an invocation. An answer that streams is sent while it is being made.
    pub(crate) async fn hand_in<S, E>(
        &mut self,
        id: &str,
        outcome: Outcome<S>,
    ) -> Result<(), ApiError>
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Display,
    {
        let (to, (headers, body)) = match outcome {
            Ok(FunctionResponse::BufferedResponse(json)) => ("response", answer::whole(json)),
            Ok(FunctionResponse::StreamingResponse(stream)) => {
                ("response", answer::streamed(stream))
            }
            Err(fault) => ("error", answer::fault(&fault)),
        };
        self.post(&format!("/invocation/{id}/{to}"), headers, body).await
    }

    async fn post(&mut self, path: &str, headers: HeaderMap, body: Body) -> Result<(), ApiError> {
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
    ) -> Result<(StatusCode, HeaderMap, Bytes), ApiError> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.api.base))
            .header(HOST, &self.api.authority)
            .body(body)?;
        request.headers_mut().extend(headers);
        // A server may close a connection that it kept; a request not yet sent goes to a new one.
        if self.sender.ready().await.is_err() {
            *self = self.api.connect().await?;
            self.sender.ready().await?;
        }
        let (parts, body) = self.sender.send_request(request).await?.into_parts();
        Ok((parts.status, parts.headers, body.collect().await?.to_bytes()))
    }
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
}
