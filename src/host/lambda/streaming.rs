//! Response streaming: an HTTP answer that goes out while it is being made.
//!
//! The body of the hand-in is a prelude (status and headers as JSON), eight zero bytes, and then
//! the answer's own body as it comes. What breaks in between is told in trailers.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TRAILER};
use axum::http::{Response, response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Frame;
use serde_json::json;

use super::url::headers_of;

const RESPONSE_MODE: HeaderName = HeaderName::from_static("lambda-runtime-function-response-mode");
const ERROR_TYPE: HeaderName = HeaderName::from_static("lambda-runtime-function-error-type");
const ERROR_BODY: HeaderName = HeaderName::from_static("lambda-runtime-function-error-body");
/// What stands between the prelude and the body.
const SEPARATOR: [u8; 8] = [0; 8];

/// The headers of a hand-in that streams.
pub fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let integration = "application/vnd.awslambda.http-integration-response";
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(integration));
    headers.insert(RESPONSE_MODE, HeaderValue::from_static("streaming"));
    let names = "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body";
    headers.insert(TRAILER, HeaderValue::from_static(names));
    headers
}

/// The body of a hand-in that streams.
pub fn body(answer: Response<Body>) -> Body {
    let (parts, body) = answer.into_parts();
    // Both are ready at once, so they leave in one packet with the head; emulators want a chunk
    // each.
    let first = [prelude(&parts), Bytes::from_static(&SEPARATOR)].into_iter();
    Body::new(Streamed { first, answer: Some(body) })
}

fn prelude(parts: &response::Parts) -> Bytes {
    let prelude = json!({
        "statusCode": parts.status.as_u16(),
        "headers": headers_of(&parts.headers),
        "cookies": [],
    });
    prelude.to_string().into()
}

struct Streamed {
    /// Prelude and separator.
    first: std::array::IntoIter<Bytes, 2>,
    /// None once it has ended.
    answer: Option<Body>,
}

impl HttpBody for Streamed {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if let Some(bytes) = self.first.next() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        loop {
            let Some(answer) = &mut self.answer else { return Poll::Ready(None) };
            let frame = match Pin::new(answer).poll_frame(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(frame) => frame,
            };
            match frame {
                // The answer's own trailers are no business of Lambda.
                Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                Some(Ok(_)) => {}
                None => {
                    self.answer = None;
                    return Poll::Ready(None);
                }
                Some(Err(error)) => {
                    self.answer = None;
                    return Poll::Ready(Some(Ok(Frame::trailers(broken_off(&error)))));
                }
            }
        }
    }
}

/// How Lambda is told that an answer broke off.
fn broken_off(error: &axum::Error) -> HeaderMap {
    tracing::error!(%error, "an answer broke off");
    let body = json!({
        "errorType": "Runtime.StreamError",
        "errorMessage": error.to_string(),
        "stackTrace": [],
    });
    let mut trailers = HeaderMap::new();
    trailers.insert(ERROR_TYPE, HeaderValue::from_static("Runtime.StreamError"));
    if let Ok(body) = HeaderValue::from_str(&STANDARD.encode(body.to_string())) {
        trailers.insert(ERROR_BODY, body);
    }
    trailers
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    /// One piece of data, then an error.
    struct Breaks(u8);

    impl HttpBody for Breaks {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            self.0 += 1;
            Poll::Ready(Some(match self.0 {
                1 => Ok(Frame::data(Bytes::from_static(b"part"))),
                _ => Err(std::io::Error::other("the disk is gone")),
            }))
        }
    }

    #[tokio::test]
    async fn what_breaks_off_is_told_in_trailers() {
        let collected = body(Response::new(Body::new(Breaks(0)))).collect().await.unwrap();
        let trailers = collected.trailers().unwrap();
        assert_eq!(trailers[ERROR_TYPE], "Runtime.StreamError");
        let told = STANDARD.decode(trailers[ERROR_BODY].as_bytes()).unwrap();
        assert!(String::from_utf8(told).unwrap().contains("the disk is gone"));
        let bytes = collected.to_bytes();
        assert!(
            bytes
                .starts_with(b"{\"cookies\":[],\"headers\":{},\"statusCode\":200}\0\0\0\0\0\0\0\0")
        );
        assert!(bytes.ends_with(b"\0part"));
    }
}
