//! The loop of a Lambda function: it takes invocations from the Runtime API, and returns the
//! answers to it. [`event`] tells what kind of event an invocation is.
//!
//! `lambda_runtime` has such a loop, and its types are used here. Its loop is not used, because it
//! reads the client context as text alone, before any code of a function runs. An AgentCore Gateway
//! sends objects there, which would end the process.

mod answer;
mod connection;
pub mod event;
mod invocation;

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::{FutureExt, Stream};
use hyper::body::Bytes;
pub use lambda_runtime::{Context, Diagnostic, FunctionResponse, LambdaEvent, StreamResponse};
use serde_json::Value;
use tokio::task::JoinSet;

pub use answer::Outcome;
pub use connection::{ApiError, RuntimeApi};
pub use invocation::{TOO_LARGE, UNKNOWN_EVENT, deadline};

/// The stream of a function that answers whole.
pub type NoStream = futures_util::stream::Empty<Result<Bytes, std::convert::Infallible>>;

/// Serves invocations, `workers` at a time, until the Runtime API goes away. A panic of `function`
/// costs its invocation and no other.
///
/// # Errors
/// When the Runtime API goes away, or cannot be reached from the start.
pub async fn serve<F, S, E>(
    function: impl Fn(LambdaEvent<Value>) -> F + Send + Sync + 'static,
    api: &RuntimeApi,
    workers: usize,
) -> Result<(), ApiError>
where
    F: Future<Output = Outcome<S>> + Send,
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: std::fmt::Display,
{
    let function = Arc::new(function);
    let mut running = JoinSet::new();
    for _ in 0..workers.max(1) {
        let (function, api) = (Arc::clone(&function), api.clone());
        running.spawn(async move { work(&*function, &api).await });
    }
    while let Some(ended) = running.join_next().await {
        ended.map_err(|error| ApiError::Worker(error.to_string()))??;
    }
    Ok(())
}

async fn work<F, S, E>(
    function: &(impl Fn(LambdaEvent<Value>) -> F + Sync),
    api: &RuntimeApi,
) -> Result<(), ApiError>
where
    F: Future<Output = Outcome<S>> + Send,
    S: Stream<Item = Result<Bytes, E>> + Send + 'static,
    E: std::fmt::Display,
{
    let mut connection = api.connect().await?;
    loop {
        let (request_id, event) = connection.next().await?;
        let outcome = match event {
            Ok(event) => {
                let answered = AssertUnwindSafe(async { function(event).await }).catch_unwind();
                answered.await.unwrap_or_else(|panic| Err(failed(&request_id, panic.as_ref())))
            }
            Err(fault) => Err(fault),
        };
        if let Err(Diagnostic { error_type, error_message }) = &outcome {
            tracing::warn!(request_id, error_type, error_message, "invocation refused");
        }
        if let Err(error) = connection.hand_in(&request_id, outcome).await {
            // The client of a stream may be gone. Whether Lambda is as well, the next question tells.
            tracing::error!(request_id, %error, "an answer was not taken");
            connection = api.connect().await?;
        }
    }
}

fn failed(request_id: &str, panic: &(dyn Any + Send)) -> Diagnostic {
    let text = panic.downcast_ref::<&str>().copied();
    let panic = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(request_id, panic, "an invocation failed");
    Diagnostic {
        error_type: "Internal".to_owned(),
        error_message: "the function failed".to_owned(),
    }
}
