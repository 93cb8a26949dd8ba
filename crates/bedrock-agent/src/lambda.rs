//! The worker as a Lambda function: an event names the role, the task and the run, the answer is
//! the run's summary. A run that does not end in time is paused; the same event goes on with it.

use std::sync::Arc;

use anyhow::Context;
use mcp_workspace_lambda::{
    Diagnostic, FunctionResponse, LambdaEvent, NoStream, Outcome, RuntimeApi, deadline,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::config::{RunOptions, service_of_environment};
use crate::model::Service;

/// Answers invocations until Lambda ends the process.
///
/// # Errors
/// When no region is set, or the Runtime API fails.
pub async fn serve() -> anyhow::Result<()> {
    let api =
        std::env::var("AWS_LAMBDA_RUNTIME_API").context("AWS_LAMBDA_RUNTIME_API is not set")?;
    let service = Arc::new(service_of_environment().await?);
    let function = move |event| answer(Arc::clone(&service), event);
    Ok(mcp_workspace_lambda::serve(function, &RuntimeApi::parse(&api), 1).await?)
}

async fn answer(service: Arc<Service>, event: LambdaEvent<Value>) -> Outcome<NoStream> {
    match invoke(&service, event).await {
        Ok(summary) => Ok(FunctionResponse::BufferedResponse(summary.to_string().into())),
        Err(error) => Err(Diagnostic {
            error_type: "RunFailed".to_owned(),
            // Whoever invokes reads this: whole, in one line.
            error_message: format!("{error:#}"),
        }),
    }
}

async fn invoke(service: &Service, event: LambdaEvent<Value>) -> anyhow::Result<Value> {
    let options = RunOptions::of_invocation(event.payload, deadline(&event.context))?;
    let summary = options.worker().await?.run(service, CancellationToken::new()).await?;
    Ok(serde_json::to_value(summary)?)
}
