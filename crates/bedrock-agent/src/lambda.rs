//! The worker as a Lambda function: an event names the role, the task and the run, the answer is
//! the run's summary. A run that does not end in time is paused; the same event goes on with it.

use std::time::{Duration, Instant, SystemTime};

use anyhow::anyhow;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::bedrock::Bedrock;
use crate::config::RunOptions;

/// Answers invocations until Lambda ends the process.
///
/// # Errors
/// When no region is set, or the Runtime API fails.
pub async fn serve() -> anyhow::Result<()> {
    let bedrock = &Bedrock::connect(None).await?;
    let handler = |event: LambdaEvent<Value>| async move {
        // Whoever invokes reads this: whole, in one line.
        invoke(bedrock, event)
            .await
            .map_err(|error| lambda_runtime::Error::from(format!("{error:#}")))
    };
    lambda_runtime::run(service_fn(handler)).await.map_err(|error| anyhow!(error))
}

async fn invoke(bedrock: &Bedrock, event: LambdaEvent<Value>) -> anyhow::Result<Value> {
    let deadline = Duration::from_millis(event.context.deadline);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let deadline = Instant::now() + deadline.saturating_sub(now);
    let options = RunOptions::of_invocation(event.payload, deadline)?;
    let summary = options.worker().await?.run(bedrock, CancellationToken::new()).await?;
    Ok(serde_json::to_value(summary)?)
}
