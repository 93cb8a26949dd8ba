//! The durable code review as a Lambda function: it only connects the parts.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_durable_execution_sdk::DurableContext;
use code_review::durable::{Functions, OnMount, Settings, code_review};
use mcp_workspace_call::decision_keys::with_keys;
use mcp_workspace_tools::policy::Policy;
use serde_json::Value;
use tracing_subscriber::EnvFilter;

/// Where the workspace is mounted unless `MCP_WORKSPACE_ROOT` says otherwise.
const ROOT: &str = "/mnt/workspace";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("code-review-function: {error}");
            ExitCode::from(2)
        }
    }
}

fn serve() -> Result<(), String> {
    if std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_none() {
        return Err(
            "this is a Lambda function; deploy/README.md says how it is deployed".to_owned()
        );
    }
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(EnvFilter::new("warn,audit=info"))
        .with_writer(std::io::stderr)
        .init();
    let workers = variable("CODE_REVIEW_WORKERS")
        .ok_or("CODE_REVIEW_WORKERS is not set: {\"ROLE\": \"FUNCTION\", ...}")?;
    let root = variable("MCP_WORKSPACE_ROOT").map_or_else(|| PathBuf::from(ROOT), PathBuf::from);
    let policy = with_keys(policy()?, &root, |name| std::env::var_os(name))
        .map_err(|error| error.to_string())?;
    let effects = Arc::new(OnMount {
        root,
        policy: Arc::new(policy),
        objects: variable("CODE_REVIEW_OBJECTS"),
        functions: Functions::parse(&workers)
            .map_err(|error| format!("CODE_REVIEW_WORKERS: {error}"))?,
    });
    let settings = settings()?;
    let handler = move |event: Value, context: DurableContext| {
        code_review(Arc::clone(&effects), settings, event, context)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(aws_durable_execution_sdk::run(handler)).map_err(|error| error.to_string())
}

/// What the function is told of time.
fn settings() -> Result<Settings, String> {
    let settings = Settings { wait: DAY, ..Settings::default() };
    let Some(days) = variable("CODE_REVIEW_DECISION_DAYS") else { return Ok(settings) };
    match days.parse() {
        Ok(waits) if waits > 0 => Ok(Settings { waits, ..settings }),
        _ => Err(format!("CODE_REVIEW_DECISION_DAYS is `{days}` and no number of days")),
    }
}

fn policy() -> Result<Policy, String> {
    let file = variable("MCP_WORKSPACE_POLICY").ok_or("MCP_WORKSPACE_POLICY is not set")?;
    let text = std::fs::read_to_string(Path::new(&file))
        .map_err(|error| format!("cannot read `{file}`: {error}"))?;
    Policy::parse(&text, &file).map_err(|errors| {
        let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
        format!("the policy does not check:\n{}", all.join("\n"))
    })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
