//! The binary as a Lambda function. It has no subcommand; Lambda's environment starts it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use mcp_workspace_lambda::{Diagnostic, RuntimeApi};

use crate::caller::jwt::Jwt;
use crate::config::LambdaOptions;
use crate::host::lambda::{self, Access, Function, Url};
use crate::metrics::Metrics;

/// Serves invocations until Lambda ends the process.
///
/// # Errors
/// When the settings, the workspace or the policy cannot be had, which Lambda is told as well;
/// or when the Runtime API goes away.
pub(crate) async fn run(
    api: RuntimeApi,
    options: anyhow::Result<LambdaOptions>,
) -> anyhow::Result<ExitCode> {
    let (function, workers) = match options.and_then(start) {
        Ok(started) => started,
        Err(error) => {
            let fault = Diagnostic {
                error_type: "Configuration".to_owned(),
                error_message: format!("{error:#}"),
            };
            api.fail_to_start(&fault).await?;
            return Err(error);
        }
    };
    lambda::serve(function, &api, workers).await?;
    Ok(ExitCode::SUCCESS)
}

fn start(options: LambdaOptions) -> anyhow::Result<(Function, usize)> {
    let root = options.workspace.workspace.as_deref().unwrap_or(Path::new(LambdaOptions::MOUNT));
    let (dispatcher, opened) = options.workspace.dispatcher(root)?;
    let (jwt, events) = (options.callers.jwt()?, options.events.open());
    tracing::info!(
        workspace = %root.display(),
        policy = opened.policy,
        resolution = opened.resolution.as_str(),
        issuer = jwt.as_ref().map(Jwt::issuer),
        %events,
        "serving on Lambda"
    );
    let dispatcher = dispatcher.measured(options.metrics.to(Metrics::Stdout)).answering(events);
    let dispatcher = Arc::new(dispatcher);
    let access = Access {
        jwt,
        delegation: options.callers.delegation()?,
        allowed_hosts: options.allowed_host,
        allowed_origins: options.allowed_origin,
    };
    let url = Url::new(Arc::clone(&dispatcher), access, options.response_streaming);
    Ok((Function { dispatcher, url, events }, options.max_concurrency))
}
