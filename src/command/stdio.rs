//! `mcp-workspace stdio`.

use std::process::ExitCode;
use std::sync::Arc;

use crate::config::StdioOptions;
use crate::host;

/// Serves until stdin ends.
///
/// # Errors
/// When the workspace or the policy cannot be had, or the transport fails.
pub(crate) async fn run(options: StdioOptions) -> anyhow::Result<ExitCode> {
    let (dispatcher, opened) = options.workspace.dispatcher(options.workspace.root_or_current())?;
    tracing::info!(
        workspace = %options.workspace.root_or_current().display(),
        policy = opened.policy,
        resolution = opened.resolution.as_str(),
        "serving on stdio"
    );
    host::stdio::serve(Arc::new(dispatcher), &options.caller).await?;
    Ok(ExitCode::SUCCESS)
}
