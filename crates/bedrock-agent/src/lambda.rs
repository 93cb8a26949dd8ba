//! The worker as a Lambda function: an event names the role, the task and the run, the answer is
//! the run's summary. A run that does not end in time is paused; the same event goes on with it.

use std::sync::Arc;

use anyhow::Context;
use mcp_workspace_lambda::{
    Diagnostic, FunctionResponse, LambdaEvent, NoStream, Outcome, RuntimeApi, deadline,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::bedrock::Bedrock;
use crate::config::RunOptions;

/// Answers invocations until Lambda ends the process.
///
/// # Errors
/// When no region is set, or the Runtime API fails.
pub async fn serve() -> anyhow::Result<()> {
    let api =
        std::env::var("AWS_LAMBDA_RUNTIME_API").context("AWS_LAMBDA_RUNTIME_API is not set")?;
    let bedrock = Arc::new(Bedrock::connect(None).await?);
    let function = move |event| answer(Arc::clone(&bedrock), event);
    Ok(mcp_workspace_lambda::serve(function, &RuntimeApi::parse(&api), 1).await?)
}

async fn answer(bedrock: Arc<Bedrock>, event: LambdaEvent<Value>) -> Outcome<NoStream> {
    match invoke(&bedrock, event).await {
        Ok(summary) => Ok(FunctionResponse::BufferedResponse(summary.to_string().into())),
        Err(error) => Err(Diagnostic {
            error_type: "RunFailed".to_owned(),
            // Whoever invokes reads this: whole, in one line.
            error_message: format!("{error:#}"),
        }),
    }
}

async fn invoke(bedrock: &Bedrock, event: LambdaEvent<Value>) -> anyhow::Result<Value> {
    let options = RunOptions::of_invocation(event.payload, deadline(&event.context))?;
    let summary = options.worker().await?.run(bedrock, CancellationToken::new()).await?;
    Ok(serde_json::to_value(summary)?)
}
