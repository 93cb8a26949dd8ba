//! The body of an answer to the Runtime API: JSON, or an HTTP answer that is sent while it is being
//! made.
//!
//! An HTTP answer is a prelude (status and headers as JSON), eight zero bytes, and then the
//! answer's own body as it comes. A failure in between is reported in trailers. `lambda_runtime`
//! would write it into the body, where a client takes it for a part of the answer.

use std::convert::Infallible;
use std::fmt::Display;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::HeaderMap;
use hyper::body::{Bytes, Frame};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, TRAILER};
use lambda_runtime::{Diagnostic, FunctionResponse, StreamResponse};

/// What came of an invocation: an answer, whole as JSON or one that streams, or a fault.
pub type Outcome<S> = Result<FunctionResponse<Bytes, S>, Diagnostic>;

/// A body that is handed in.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

const RESPONSE_MODE: HeaderName = HeaderName::from_static("lambda-runtime-function-response-mode");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");
const ERROR_BODY: HeaderName = HeaderName::from_static("lambda-runtime-function-error-body");
/// What stands between the prelude and the body.
const SEPARATOR: &[u8] = &[0; 8];

/// Headers and body of an answer that is there.
pub(crate) fn whole(json: Bytes) -> (HeaderMap, Body) {
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    (HeaderMap::from_iter(headers), Full::new(json).boxed_unsync())
}

/// Headers and body of a fault.
pub(crate) fn fault(fault: &Diagnostic) -> (HeaderMap, Body) {
    let (mut headers, body) = whole(serde_json::to_vec(fault).unwrap_or_default().into());
    if let Ok(kind) = HeaderValue::from_str(&fault.error_type) {
        headers.insert(ERROR_TYPE, kind);
    }
    (headers, body)
}

/// Headers and body of an answer that streams.
pub(crate) fn streamed<S, E>(answer: StreamResponse<S>) -> (HeaderMap, Body)
where
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: Display,
{
    let integration = "application/vnd.awslambda.http-integration-response";
    let names = "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body";
    let headers = HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(integration)),
        (RESPONSE_MODE, HeaderValue::from_static("streaming")),
        (TRAILER, HeaderValue::from_static(names)),
    ]);
    let prelude = serde_json::to_vec(&answer.metadata_prelude).unwrap_or_default();
    // Both are ready at once, so they leave in one packet with the head; emulators want a chunk
    // each.
    let first = stream::iter([prelude.into(), Bytes::from_static(SEPARATOR)]).map(Frame::data);
    let rest = answer.stream.map(|piece| match piece {
        Ok(bytes) => Frame::data(bytes),
        Err(error) => Frame::trailers(broken_off(&error)),
    });
    (headers, StreamBody::new(first.chain(rest).map(Ok)).boxed_unsync())
}

/// How Lambda is told that an answer broke off.
fn broken_off(error: &impl Display) -> HeaderMap {
    tracing::error!(%error, "an answer broke off");
    let fault = Diagnostic {
        error_type: "Runtime.StreamError".to_owned(),
        error_message: error.to_string(),
    };
    let mut trailers = HeaderMap::new();
    trailers.insert(ERROR_TYPE, HeaderValue::from_static("Runtime.StreamError"));
    let body = serde_json::to_vec(&fault).unwrap_or_default();
    if let Ok(body) = HeaderValue::from_str(&STANDARD.encode(body)) {
        trailers.insert(ERROR_BODY, body);
    }
    trailers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_breaks_off_is_told_in_trailers() {
        let pieces = [Ok(Bytes::from_static(b"part")), Err("the disk is gone")];
        let (_, body) = streamed(StreamResponse {
            metadata_prelude: Default::default(),
            stream: stream::iter(pieces),
        });
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().unwrap();
        assert_eq!(trailers[ERROR_TYPE], "Runtime.StreamError");
        let told = STANDARD.decode(trailers[ERROR_BODY].as_bytes()).unwrap();
        assert!(String::from_utf8(told).unwrap().contains("the disk is gone"));
        let bytes = collected.to_bytes();
        assert!(
            bytes
                .starts_with(b"{\"statusCode\":200,\"headers\":{},\"cookies\":[]}\0\0\0\0\0\0\0\0")
        );
        assert!(bytes.ends_with(b"\0part"));
    }
}
