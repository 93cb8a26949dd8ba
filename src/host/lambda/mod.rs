//! The function on AWS Lambda: four kinds of event, one dispatcher.

mod action_group;
mod closed;
mod gateway;
mod invocation;
mod size;
mod url;

use std::sync::Arc;

use axum::body::Bytes;
use mcp_workspace_lambda::event::{self, Event};
use mcp_workspace_lambda::{ApiError, FunctionResponse, LambdaEvent, Outcome, RuntimeApi};
use serde_json::Value;

use crate::dispatch::Dispatcher;
use crate::event::OpenEvents;
use invocation::Invocation;
use size::within_limit;
use url::Streamed;
pub(crate) use url::{Access, Url};

/// The function: what its invocations share.
pub(crate) struct Function {
    /// What runs tools.
    pub dispatcher: Arc<Dispatcher>,
    /// What answers requests to the URL.
    pub url: Url,
    /// The kinds of events that are answered.
    pub events: OpenEvents,
}

/// Serves invocations, `workers` at a time, until the Runtime API goes away.
///
/// # Errors
/// When it does, or cannot be reached from the start.
pub(crate) async fn serve(
    function: Function,
    api: &RuntimeApi,
    workers: usize,
) -> Result<(), ApiError> {
    let function = Arc::new(function);
    let answer = move |event| answer(Arc::clone(&function), event);
    mcp_workspace_lambda::serve(answer, api, workers).await
}

async fn answer(function: Arc<Function>, event: LambdaEvent<Value>) -> Outcome<Streamed> {
    let LambdaEvent { payload, context } = event;
    let (dispatcher, invocation) = (Arc::clone(&function.dispatcher), Invocation::of(&context));
    let event = event::read(payload, &context)?;
    let closed = match &event {
        // Who calls the URL without a signature, where nothing else counts, hears that it is needed.
        Event::Url(request) if request.signed.is_none() && !function.url.takes_tokens() => None,
        _ => closed::refusal(function.events, &event, &invocation),
    };
    let answer = match (event, closed) {
        (Event::Url(request), closed) => {
            return function.url.answer(*request, context, closed).await;
        }
        (_, Some(closed)) => return Err(closed::fault(&closed)),
        (Event::Gateway(call), None) => gateway::answer(dispatcher, call, invocation).await,
        (Event::ActionGroup(call), None) => {
            action_group::answer(dispatcher, *call, invocation).await?
        }
    };
    within_limit(Bytes::from(answer.to_string())).map(FunctionResponse::BufferedResponse)
}
