//! The binary as a Lambda function: no subcommand, Lambda's environment calls for it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use crate::config::LambdaOptions;
use crate::host::lambda::runtime_api::{Fault, RuntimeApi};
use crate::host::lambda::{self, Function};

/// Serves invocations until Lambda ends the process.
///
/// # Errors
/// When the settings, the workspace or the policy cannot be had, which Lambda is told as well;
/// or when the Runtime API goes away.
pub async fn run(api: String) -> anyhow::Result<ExitCode> {
    let api = RuntimeApi::parse(&api);
    let (function, workers) = match start() {
        Ok(started) => started,
        Err(error) => {
            let fault = Fault { kind: "Configuration", message: format!("{error:#}") };
            api.connect().await?.fail_to_start(&fault).await?;
            return Err(error);
        }
    };
    lambda::serve(function, &api, workers).await?;
    Ok(ExitCode::SUCCESS)
}

fn start() -> anyhow::Result<(Function, usize)> {
    let options = LambdaOptions::read()?;
    let root = options.workspace.workspace.as_deref().unwrap_or(Path::new(LambdaOptions::MOUNT));
    let (dispatcher, opened) = options.workspace.dispatcher(root)?;
    tracing::info!(
        workspace = %root.display(),
        policy = opened.policy,
        resolution = opened.resolution.as_str(),
        "serving on Lambda"
    );
    let function = Function {
        dispatcher: Arc::new(dispatcher),
        jwt: options.callers.jwt()?,
        delegation: options.callers.delegation()?,
        allowed_hosts: options.allowed_host,
        allowed_origins: options.allowed_origin,
    };
    Ok((function, options.max_concurrency))
}
