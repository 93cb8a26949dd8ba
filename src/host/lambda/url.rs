//! The routes over the function URL or an HTTP API. `lambda_http` turns events into requests, and
//! answers into what Lambda takes.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::HOST;
use axum::response::Response;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http_body_util::{BodyExt, Full};
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use lambda_http::request::LambdaRequest;
use lambda_http::tower::ServiceExt;
use lambda_http::{Adapter, LambdaEvent, Service, StreamAdapter, service_fn};
use mcp_workspace_lambda::event::{Line, UrlRequest};
use mcp_workspace_lambda::{Context, Diagnostic, FunctionResponse, Outcome, StreamResponse};
use mcp_workspace_tools::error::ToolError;
use tokio_util::sync::CancellationToken;

use super::invocation::Invocation;
use super::size::within_limit;
use crate::caller::Signed;
use crate::caller::delegation::Delegation;
use crate::caller::jwt::Jwt;
use crate::dispatch::{Deadline, Dispatcher};
use crate::host::identity::{Identity, Proving};
use crate::host::names::{Names, Own};
use crate::host::reply::{failure, refusal};
use crate::host::router::router;
use crate::host::served::{RequestId, Served};

/// Who may call, and under which names the function is reached.
pub(crate) struct Access {
    /// The proof by access tokens, for a URL without IAM authorization.
    pub jwt: Option<Jwt>,
    /// How roles speak for others.
    pub delegation: Delegation,
    /// Names beside the URL's own that a `Host` header may carry.
    pub allowed_hosts: Vec<String>,
    /// Origins beside the URL's own that a browser's page may have.
    pub allowed_origins: Vec<String>,
}

/// An answer while it is being made.
pub(super) type Streamed = BoxStream<'static, Result<Bytes, axum::Error>>;

/// The function URL.
pub(crate) struct Url {
    routes: Router,
    /// The names of the configuration; each request says the URL's own.
    names: Names,
    /// Whether answers stream, as the URL's invoke mode must say as well.
    streaming: bool,
    takes_tokens: bool,
}

/// What is known of a request besides what a client wrote.
#[derive(Clone)]
struct Beside {
    line: Line,
    own: Own,
    signed: Option<Signed>,
    invocation: Invocation,
}

impl Url {
    /// The routes for whom `access` lets in.
    pub(crate) fn new(dispatcher: Arc<Dispatcher>, access: Access, streaming: bool) -> Url {
        let Access { jwt, delegation, allowed_hosts, allowed_origins } = access;
        let names = allowed_hosts.iter().fold(Names::default(), |names, host| names.site(host));
        let names = allowed_origins.iter().fold(names, |names, origin| names.origin(origin));
        let served = Served {
            host: "function-url",
            dispatcher: Arc::clone(&dispatcher),
            mcp_at_root: true,
            reviewed: true,
            stop: CancellationToken::new(),
        };
        let takes_tokens = jwt.is_some();
        let proving = jwt.map_or(Proving::Iam, |jwt| Proving::Jwt(Box::new(jwt)));
        let routes = router(served, Identity { proving, delegation, dispatcher });
        Url { routes, names, streaming, takes_tokens }
    }

    /// Whether access tokens prove callers.
    pub(super) fn takes_tokens(&self) -> bool {
        self.takes_tokens
    }

    /// Answers a request, with the refusal where there is one. Whatever is wrong with a request is
    /// an HTTP status.
    pub(crate) async fn answer(
        &self,
        event: UrlRequest,
        context: Context,
        refused: Option<ToolError>,
    ) -> Outcome<Streamed> {
        let UrlRequest { mut request, signed } = event;
        let own = self.own(request.request_context.domain_name.as_deref().unwrap_or_default());
        let beside = Line::taken_from(&mut request).map(|line| Beside {
            line,
            own,
            signed,
            invocation: Invocation::of(&context),
        });
        let routes = self.routes.clone();
        let service = service_fn(move |request: lambda_http::Request| {
            let (routes, beside, refused) = (routes.clone(), beside.clone(), refused.clone());
            async move {
                match (refused, beside) {
                    (Some(error), _) => Ok(failure(&error)),
                    (None, Ok(beside)) => routes.oneshot(beside.with(request)).await,
                    (None, Err(wrong)) => Ok(refusal(StatusCode::BAD_REQUEST, &wrong.to_string())),
                }
            }
        });
        if self.streaming {
            let event = LambdaEvent::new(LambdaRequest::ApiGatewayV2(request), context);
            // The adapter itself is not `Send`, what it gives is; `service_fn` is always ready.
            let answering = StreamAdapter::from(service).call(event);
            let Ok(answer) = answering.await;
            return Ok(FunctionResponse::StreamingResponse(StreamResponse {
                metadata_prelude: answer.metadata_prelude,
                stream: answer.stream.boxed(),
            }));
        }
        whole(service, request, context).await.map(FunctionResponse::BufferedResponse)
    }

    fn own(&self, domain: &str) -> Own {
        let names = self.names.clone();
        let names = if domain.is_empty() { names } else { names.site(domain) };
        Own { names: Arc::new(names), url: format!("https://{domain}/mcp").into() }
    }
}

impl Beside {
    fn with(self, request: lambda_http::Request) -> Request {
        let mut request = request.map(Body::new);
        *request.uri_mut() = self.line.target;
        if let Some(host) = self.line.host {
            request.headers_mut().insert(HOST, host);
        }
        let beside = request.extensions_mut();
        beside.insert(self.own);
        beside.insert(RequestId(self.invocation.request_id));
        beside.insert(Deadline(self.invocation.deadline));
        if let Some(signed) = self.signed {
            beside.insert(signed);
        }
        if let Some(trace) = self.invocation.trace {
            beside.insert(trace);
        }
        request
    }
}

/// An HTTP answer in one piece; one that Lambda does not take, which it would make a 502, says so
/// itself.
async fn whole<S>(
    service: S,
    request: ApiGatewayV2httpRequest,
    context: Context,
) -> Result<Bytes, Diagnostic>
where
    S: Service<lambda_http::Request, Response = Response, Error = Infallible>,
    S::Future: Send,
{
    let answer = as_lambda_takes_it(service, request, context.clone()).await?;
    match within_limit(answer) {
        Ok(answer) => Ok(answer),
        Err(fault) => {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            let service =
                service_fn(move |_| std::future::ready(Ok(refusal(status, &fault.error_message))));
            as_lambda_takes_it(service, ApiGatewayV2httpRequest::default(), context).await
        }
    }
}

async fn as_lambda_takes_it<S>(
    service: S,
    request: ApiGatewayV2httpRequest,
    context: Context,
) -> Result<Bytes, Diagnostic>
where
    S: Service<lambda_http::Request, Response = Response, Error = Infallible>,
    S::Future: Send,
{
    // `lambda_http` panics at a body that breaks off.
    let service = service.and_then(async |response: Response| {
        let (parts, body) = response.into_parts();
        let (parts, body) = match body.collect().await {
            Ok(body) => (parts, body.to_bytes()),
            Err(error) => {
                tracing::error!(%error, "an answer broke off");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                (refusal(status, "").into_parts().0, Bytes::new())
            }
        };
        Ok::<_, Infallible>(Response::from_parts(parts, Full::new(body)))
    });
    let event = LambdaEvent::new(LambdaRequest::ApiGatewayV2(request), context);
    let Ok(answer) = Adapter::from(service).oneshot(event).await;
    serde_json::to_vec(&answer).map(Bytes::from).map_err(|error| Diagnostic {
        error_type: "Internal".to_owned(),
        error_message: format!("the answer could not be written as JSON: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::size::MAX_ANSWER_BYTES;
    use super::*;

    /// The answer to a URL whose body has so many bytes, as Lambda gets it.
    async fn answer_of(bytes: usize) -> (usize, Value) {
        let service = service_fn(move |_| {
            std::future::ready(Ok(Response::new(Body::from("x".repeat(bytes)))))
        });
        let answer = whole(service, Default::default(), Default::default()).await.unwrap();
        (answer.len(), serde_json::from_slice(&answer).unwrap())
    }

    #[tokio::test]
    async fn an_answer_that_lambda_would_not_take_is_a_413_that_says_so() {
        let (around, answer) = answer_of(0).await;
        assert_eq!(answer["statusCode"], 200);
        // The largest that it takes, and one byte more.
        let most = MAX_ANSWER_BYTES - around;
        let (length, answer) = answer_of(most).await;
        assert_eq!((length, &answer["statusCode"]), (MAX_ANSWER_BYTES, &Value::from(200)));
        let (length, answer) = answer_of(most + 1).await;
        assert_eq!(answer["statusCode"], StatusCode::PAYLOAD_TOO_LARGE.as_u16());
        assert!(length < 1_000, "{length}");
        let told = answer["body"].as_str().unwrap();
        assert!(told.contains("6291457 bytes") && told.contains("ask for less"), "{told}");
    }

    /// What is asked for in an event with this path and query, turned into a request all the same.
    fn asked(path: &str, query: &str, host: &str) -> Option<String> {
        let event = serde_json::json!({
            "rawPath": path, "rawQueryString": query, "headers": { "host": host, "x-forwarded-proto": host },
            "requestContext": { "domainName": host, "http": { "method": "GET" } },
        });
        let mut event: ApiGatewayV2httpRequest = serde_json::from_value(event).unwrap();
        event.request_context.stage = Some("s".repeat(70_000));
        let line = Line::taken_from(&mut event).ok();
        let request = lambda_http::Request::from(LambdaRequest::ApiGatewayV2(event));
        assert_eq!(request.method(), "GET");
        line.map(|line| line.target.to_string())
    }

    #[test]
    fn no_request_line_and_no_host_breaks_the_conversion() {
        let host = "id.lambda-url.eu-west-1.on.aws";
        for (path, query, whole) in [
            ("/mcp", "", "/mcp"),
            ("/a/../mcp", "b=%2F&c", "/a/../mcp?b=%2F&c"),
            ("//evil.example/mcp", "", "//evil.example/mcp"),
        ] {
            assert_eq!(asked(path, query, host).as_deref(), Some(whole));
        }
        let long = format!("/{}", "x".repeat(70_000));
        for path in ["", "mcp", "@evil", ":x", "/a b", "/\u{1}", "http://evil/", &long] {
            assert_eq!(asked(path, "", host), None, "{path:.20}");
        }
        assert_eq!(asked("/mcp", "a b", host), None);
        for host in ["", "a b", ":x", "[", "a:99999", "evil@", "\u{e9}"] {
            assert_eq!(asked("/mcp", "", host).as_deref(), Some("/mcp"), "{host}");
        }
    }
}
