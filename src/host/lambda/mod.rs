//! The function on AWS Lambda: four kinds of event, one dispatcher.

mod action_group;
mod event;
mod gateway;
pub mod runtime_api;
mod streaming;
mod url;

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::Response;
use tokio::task::JoinSet;

use crate::caller::delegation::Delegation;
use crate::caller::jwt::Jwt;
use crate::dispatch::Dispatcher;
use event::Event;
use runtime_api::{Fault, Invocation, RuntimeApi};

/// Largest answer that Lambda takes, in bytes.
const MAX_ANSWER_BYTES: usize = 6 * 1024 * 1024;

/// The function: what its invocations share.
pub struct Function {
    pub dispatcher: Arc<Dispatcher>,
    /// The proof by access tokens, for a URL without IAM authorization.
    pub jwt: Option<Jwt>,
    /// How roles speak for others.
    pub delegation: Delegation,
    /// Names beside the URL's own that a `Host` header may carry.
    pub allowed_hosts: Vec<String>,
    /// Origins beside the URL's own that a browser's page may have.
    pub allowed_origins: Vec<String>,
    /// Whether answers to the URL stream, as its invoke mode must say as well.
    pub streaming: bool,
}

/// What came of an invocation.
enum Answer {
    /// All of it.
    Whole(Bytes),
    /// An HTTP answer whose body may still be made.
    Streaming(Response<Body>),
}

/// Serves invocations, `workers` at a time, until the Runtime API goes away.
///
/// # Errors
/// When it does, or cannot be reached from the start.
pub async fn serve(function: Function, api: &RuntimeApi, workers: usize) -> anyhow::Result<()> {
    let function = Arc::new(function);
    let mut running = JoinSet::new();
    for _ in 0..workers.max(1) {
        running.spawn(work(Arc::clone(&function), api.clone()));
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    Ok(())
}

async fn work(function: Arc<Function>, api: RuntimeApi) -> anyhow::Result<()> {
    let mut connection = api.connect().await?;
    loop {
        let invocation = connection.next().await?;
        let request_id = invocation.request_id.clone();
        let function = Arc::clone(&function);
        // A task of its own: a panic costs this invocation and no other.
        let answered = tokio::spawn(async move { function.answer(invocation).await }).await;
        let answer = answered.unwrap_or_else(|failed| {
            tracing::error!(request_id, %failed, "an invocation failed");
            Err(Fault { kind: "Internal", message: "the function failed".to_owned() })
        });
        let handed_in = match answer {
            Ok(Answer::Whole(answer)) => connection.respond(&request_id, answer).await,
            Ok(Answer::Streaming(answer)) => connection.stream(&request_id, answer).await,
            Err(fault) => {
                tracing::warn!(request_id, kind = fault.kind, fault.message, "invocation refused");
                connection.fail(&request_id, &fault).await
            }
        };
        if let Err(error) = handed_in {
            // The client of a stream may be gone. Whether Lambda is as well, the next question tells.
            tracing::error!(request_id, error = format!("{error:#}"), "an answer was not taken");
            connection = api.connect().await?;
        }
    }
}

impl Function {
    async fn answer(&self, invocation: Invocation) -> Result<Answer, Fault> {
        let answer = match event::read(&invocation)? {
            Event::Url(request) => {
                let answer = url::answer(self, *request, &invocation).await;
                return Ok(if self.streaming {
                    Answer::Streaming(answer)
                } else {
                    Answer::Whole(buffered(answer).await)
                });
            }
            Event::Gateway(call) => gateway::answer(self, call, &invocation).await,
            Event::ActionGroup(call) => action_group::answer(self, *call, &invocation).await?,
        };
        within_limit(Bytes::from(answer.to_string())).map(Answer::Whole)
    }
}

/// An HTTP answer in one piece; one that Lambda does not take says so itself.
async fn buffered(answer: Response<Body>) -> Bytes {
    match within_limit(url::buffered(answer).await) {
        Ok(answer) => answer,
        Err(fault) => url::buffered(url::too_large(&fault.message)).await,
    }
}

/// Answers are bounded far below Lambda's limit; this is for what nobody has thought of.
fn within_limit(answer: Bytes) -> Result<Bytes, Fault> {
    if answer.len() <= MAX_ANSWER_BYTES {
        return Ok(answer);
    }
    let message = format!(
        "the answer has {} bytes and Lambda takes {MAX_ANSWER_BYTES}; ask for less: a smaller \
         limit, a narrower path",
        answer.len()
    );
    Err(Fault { kind: "AnswerTooLarge", message })
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use serde_json::Value;

    use super::*;

    /// The answer to a URL whose body has so many bytes, as Lambda gets it.
    async fn answer_of(bytes: usize) -> (usize, Value) {
        let response = Response::new(Body::from("x".repeat(bytes)));
        let answer = buffered(response).await;
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

    #[test]
    fn agents_are_told_by_a_fault() {
        assert!(within_limit(Bytes::from(vec![b' '; MAX_ANSWER_BYTES])).is_ok());
        let fault = within_limit(Bytes::from(vec![b' '; MAX_ANSWER_BYTES + 1])).unwrap_err();
        assert_eq!(fault.kind, "AnswerTooLarge");
        assert!(fault.message.contains("6291457 bytes"), "{}", fault.message);
    }
}
