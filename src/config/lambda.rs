//! The settings of the function on AWS Lambda, all of them in its environment.

use anyhow::bail;
use clap::{Args, Parser};

use super::{CallerOptions, ConfinementOptions, MetricsChoice, WorkspaceOptions};
use crate::event::{EventKind, OpenEvents};

/// The function on AWS Lambda, set by the environment alone
#[derive(Debug, Parser)]
#[command(name = "mcp-workspace")]
pub(crate) struct LambdaOptions {
    #[command(flatten)]
    pub workspace: WorkspaceOptions,
    #[command(flatten)]
    pub confinement: ConfinementOptions,
    /// Where Lambda hands out invocations
    #[arg(long, env = "AWS_LAMBDA_RUNTIME_API")]
    pub runtime_api: String,
    /// Invocations at a time, where Lambda gives an environment more than one
    #[arg(long, env = "AWS_LAMBDA_MAX_CONCURRENCY", default_value_t = 1)]
    pub max_concurrency: usize,
    /// A host name beside the function URL's own that a request may carry
    #[arg(long, env = "MCP_WORKSPACE_ALLOWED_HOSTS", value_delimiter = ',')]
    pub allowed_host: Vec<String>,
    /// An origin beside the function URL's own whose pages may call
    #[arg(long, env = "MCP_WORKSPACE_ALLOWED_ORIGINS", value_delimiter = ',')]
    pub allowed_origin: Vec<String>,
    /// Whether answers to the function URL stream: as its invoke mode, RESPONSE_STREAM or BUFFERED
    #[arg(long, env = "MCP_WORKSPACE_RESPONSE_STREAMING", default_value_t = false,
          action = clap::ArgAction::Set)]
    pub response_streaming: bool,
    /// Metrics of each call, on stdout
    #[arg(long, value_enum, env = "MCP_WORKSPACE_METRICS", default_value_t = MetricsChoice::Off)]
    pub metrics: MetricsChoice,
    #[command(flatten)]
    pub events: EventOptions,
    #[command(flatten)]
    pub callers: CallerOptions,
}

/// Which kinds of events a function answers.
#[derive(Debug, Args)]
pub(crate) struct EventOptions {
    /// Kinds of events that the function answers: url-iam, url-token, gateway, action-group
    #[arg(long, value_name = "KINDS", env = "MCP_WORKSPACE_EVENTS", value_delimiter = ',',
          default_values_t = [EventKind::UrlIam, EventKind::UrlToken], value_parser = event_kind)]
    pub events: Vec<EventKind>,
}

impl EventOptions {
    /// The kinds as a set.
    pub(crate) fn open(&self) -> OpenEvents {
        self.events.iter().copied().collect()
    }
}

fn event_kind(text: &str) -> Result<EventKind, String> {
    EventKind::ALL.into_iter().find(|kind| kind.as_str() == text.trim()).ok_or_else(|| {
        let all: OpenEvents = EventKind::ALL.into_iter().collect();
        format!("`{text}` is no kind of event; the kinds are {all}")
    })
}

impl LambdaOptions {
    /// Where the workspace is mounted unless `MCP_WORKSPACE_ROOT` says otherwise.
    pub(crate) const MOUNT: &str = "/mnt/workspace";

    /// Where Lambda hands out invocations; none when this process is no Lambda function: outside
    /// of Lambda, or started with a subcommand.
    pub(crate) fn runtime_api() -> Option<String> {
        let alone = std::env::args_os().len() == 1;
        std::env::var("AWS_LAMBDA_RUNTIME_API").ok().filter(|api| alone && !api.is_empty())
    }

    /// Whether this process runs in a function's environment, with a subcommand or without.
    pub(crate) fn is_lambda() -> bool {
        let name = std::env::var_os("AWS_LAMBDA_FUNCTION_NAME");
        name.is_some_and(|name| !name.is_empty()) || LambdaOptions::runtime_api().is_some()
    }

    /// Reads the environment.
    ///
    /// # Errors
    /// With the setting that is wrong or missing.
    pub(crate) fn read() -> anyhow::Result<LambdaOptions> {
        let options = LambdaOptions::try_parse_from(["mcp-workspace"])?;
        if options.workspace.policy.is_none() {
            bail!(
                "MCP_WORKSPACE_POLICY is not set: on Lambda nobody has a role by default; put a \
                 policy into the function's package and set it to the path, such as \
                 /var/task/policy.toml"
            );
        }
        Ok(options)
    }
}
