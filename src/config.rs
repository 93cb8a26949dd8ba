//! The command line and the environment, read here and nowhere else.

mod callers;
mod confinement;
mod lambda;
mod policy;
mod records;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use mcp_workspace_call::decision_keys;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::workspace::{Resolution, Workspace};

use crate::caller::Caller;
use crate::confinement::raised;
use crate::dispatch::Dispatcher;
use crate::doctor::Site;
use crate::metrics::Metrics;
pub(crate) use callers::CallerOptions;
pub(crate) use confinement::ConfinementOptions;
pub(crate) use lambda::{EventOptions, LambdaOptions};
pub(crate) use policy::{ExplainOptions, PolicyCommand};
pub(crate) use records::{
    DecideProposal, DeciderOptions, ExportFormat, FindingsCommand, FindingsOptions, ListFormat,
    ProfileChoice, ProposalsCommand, ReviewOptions, SarifOptions, SeverityChoice, ShowFormat,
    UrlOptions,
};

/// The policy that holds when none is given.
pub(crate) const LOCAL_POLICY: &str = include_str!("../policies/local.toml");
/// How that policy is named in messages.
pub(crate) const LOCAL_POLICY_NAME: &str = "local.toml (built in)";

/// The version, and what the binary was built with.
const VERSION: &str = if cfg!(feature = "data") {
    concat!(env!("CARGO_PKG_VERSION"), " (reads gzip, zstd, Parquet and Avro)")
} else {
    env!("CARGO_PKG_VERSION")
};

/// Sandboxed, policy-scoped file tools over one workspace, for any MCP client.
#[derive(Debug, Parser)]
#[command(version = VERSION, about, after_help = EXAMPLES)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub command: Command,
}

impl CommandLine {
    /// Reads the command line and the environment.
    ///
    /// # Errors
    /// When the two together say neither this place nor that. What clap refuses ends the process.
    pub(crate) fn read() -> anyhow::Result<CommandLine> {
        let matches = CommandLine::command().get_matches();
        let mut line = CommandLine::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let url = match &mut line.command {
            Command::Findings(command) => command.url_mut(),
            Command::Proposals(command) => command.url_mut(),
            Command::Review(options) => &mut options.decider.url,
            _ => return Ok(line),
        };
        url.settle(innermost(&matches))?;
        Ok(line)
    }
}

/// What was given to the subcommand that was asked for.
fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, below)| innermost(below))
}

const EXAMPLES: &str = "Examples:
  mcp-workspace serve                                   the bundled example at http://127.0.0.1:8787/mcp
  mcp-workspace stdio --workspace ~/repo                for an editor or a desktop client
  mcp-workspace call grep '{\"pattern\":\"TODO\"}'          one tool, JSON on stdout
  mcp-workspace policy explain --caller local --tool read_file --path .env";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(Box<ServeOptions>),
    Stdio(StdioOptions),
    Call(CallOptions),
    Tools(ToolsOptions),
    #[command(subcommand)]
    Policy(PolicyCommand),
    Token(TokenOptions),
    #[command(subcommand)]
    Findings(FindingsCommand),
    #[command(subcommand)]
    Proposals(ProposalsCommand),
    Review(ReviewOptions),
    Doctor(DoctorOptions),
    Completions(CompletionsOptions),
    Man(ManOptions),
}

/// Which workspace, under which policy.
#[derive(Debug, Args)]
pub(crate) struct WorkspaceOptions {
    /// The directory to serve
    #[arg(long, value_name = "DIR", env = "MCP_WORKSPACE_ROOT")]
    pub workspace: Option<PathBuf>,
    /// The policy file [default: the built-in local policy]
    #[arg(long, value_name = "FILE", env = "MCP_WORKSPACE_POLICY")]
    pub policy: Option<PathBuf>,
    /// Seconds that one call may take
    #[arg(long, value_name = "SECONDS", env = "MCP_WORKSPACE_TIMEOUT", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=900))]
    pub timeout: u64,
    /// Memory that calls may use together, in MiB [default: half of the control group's limit or of
    /// the function's memory, from 64 to 1024; 512 without a limit]
    #[arg(long, value_name = "MIB", env = "MCP_WORKSPACE_MEMORY",
          value_parser = clap::value_parser!(u64).range(16..=1_048_576))]
    pub memory: Option<u64>,
    /// How paths are resolved: `auto` asks the kernel once
    #[arg(long, value_enum, env = "MCP_WORKSPACE_RESOLUTION", default_value_t = ResolutionChoice::Auto)]
    pub resolution: ResolutionChoice,
}

/// How to choose the way of resolving paths.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ResolutionChoice {
    /// `openat2` where the kernel allows it, else component by component
    Auto,
    /// Component by component
    Components,
}

/// Which metrics are written
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum MetricsChoice {
    /// CloudWatch embedded metric format, a line a call
    Emf,
    /// None
    Off,
}

impl MetricsChoice {
    /// The metrics, where a host wants them.
    pub(crate) fn to(self, place: Metrics) -> Metrics {
        match self {
            MetricsChoice::Emf => place,
            MetricsChoice::Off => Metrics::Off,
        }
    }
}

/// Serve MCP over HTTP at /mcp, with /healthz beside it
///
/// Without --workspace the bundled example is unpacked into a fresh directory and served.
/// Anywhere but on loopback, callers must prove who they are: by bearer tokens (see
/// `mcp-workspace token`) or by access tokens of an OAuth issuer (--jwt-issuer).
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mcp-workspace serve
  mcp-workspace serve --workspace ~/repo --policy policies/read-only.toml
  mcp-workspace serve --workspace /srv/data --listen 0.0.0.0:8787 --tokens tokens.txt --allowed-host files.example.com
  mcp-workspace serve --jwt-issuer https://idp.example.com --jwt-audience http://127.0.0.1:8787/mcp --jwt-jwks-url https://idp.example.com/keys")]
pub(crate) struct ServeOptions {
    #[command(flatten)]
    pub workspace: WorkspaceOptions,
    #[command(flatten)]
    pub confinement: ConfinementOptions,
    /// The address to listen on
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "MCP_WORKSPACE_LISTEN",
        default_value = "127.0.0.1:8787"
    )]
    pub listen: SocketAddr,
    /// File of hashed bearer tokens, one `name sha256-hex` a line; then every request needs one
    #[arg(long, value_name = "FILE", env = "MCP_WORKSPACE_TOKENS")]
    pub tokens: Option<PathBuf>,
    /// A host name under which clients reach the server (repeatable; loopback names always work)
    #[arg(long, value_name = "HOST", env = "MCP_WORKSPACE_ALLOWED_HOSTS", value_delimiter = ',')]
    pub allowed_host: Vec<String>,
    /// An origin whose web pages may call the server (repeatable; loopback origins always may)
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "MCP_WORKSPACE_ALLOWED_ORIGINS",
        value_delimiter = ','
    )]
    pub allowed_origin: Vec<String>,
    /// Connections at a time [default: half of the files that the process may open, at most 512]
    #[arg(long, value_name = "NUMBER", env = "MCP_WORKSPACE_MAX_CONNECTIONS",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub max_connections: Option<u16>,
    /// Connections of one address, or of one IPv6 network, beyond loopback [default: a quarter of
    /// all; behind a proxy, whose address all clients have, set it to as many as --max-connections]
    #[arg(long, value_name = "NUMBER", env = "MCP_WORKSPACE_MAX_CONNECTIONS_PER_PEER",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub max_connections_per_peer: Option<u16>,
    /// Metrics of each call, on stderr beside the audit records
    #[arg(long, value_enum, env = "MCP_WORKSPACE_METRICS", default_value_t = MetricsChoice::Off)]
    pub metrics: MetricsChoice,
    #[command(flatten)]
    pub callers: CallerOptions,
    /// Whether the workspace is the bundled example.
    #[arg(skip)]
    pub bundled: bool,
}

/// Serve MCP over stdin and stdout, as editors and desktop clients start servers
///
/// Without --workspace the current directory is served.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mcp-workspace stdio --workspace ~/repo
  claude mcp add mcp-workspace -- mcp-workspace stdio --workspace ~/repo")]
pub(crate) struct StdioOptions {
    #[command(flatten)]
    pub workspace: WorkspaceOptions,
    #[command(flatten)]
    pub confinement: ConfinementOptions,
    /// The caller's id, as policies name it
    #[arg(long, value_name = "ID", default_value = Caller::LOCAL)]
    pub caller: String,
}

/// Call one tool and print its JSON; exit status 1 on a tool error
///
/// Without --workspace the current directory is used.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mcp-workspace call list_dir
  mcp-workspace call read_file '{\"path\":\"src/main.rs\",\"offset\":-20}'
  echo '{\"pattern\":\"TODO\"}' | mcp-workspace call grep -")]
pub(crate) struct CallOptions {
    /// The tool's name
    pub tool: String,
    /// The arguments as a JSON object, or `-` to read them from stdin
    #[arg(default_value = "{}")]
    pub arguments: String,
    #[command(flatten)]
    pub workspace: WorkspaceOptions,
    /// The caller's id, as policies name it
    #[arg(long, value_name = "ID", default_value = Caller::LOCAL)]
    pub caller: String,
}

/// Print the tools as a host's own definitions
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mcp-workspace tools
  mcp-workspace tools --format agentcore > tool-schema.json")]
pub(crate) struct ToolsOptions {
    /// Whose form the definitions have
    #[arg(long, value_enum, default_value_t = ToolsFormat::Mcp)]
    pub format: ToolsFormat,
}

/// Whose form the definitions have.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ToolsFormat {
    /// Model Context Protocol: the result of `tools/list`
    Mcp,
    /// AgentCore Gateway: the `toolSchema` of a Lambda target
    Agentcore,
    /// Bedrock agents: the `functionSchema` of an action group (at most 5 arguments a tool)
    BedrockFunctions,
    /// Bedrock agents: the OpenAPI schema of an action group
    BedrockOpenapi,
    /// Bedrock's Converse: a `toolConfig`
    Converse,
}

/// Make a bearer token: the secret for the client, the hashed line for the server's --tokens file
#[derive(Debug, Args)]
#[command(after_help = "Example:
  mcp-workspace token ci-bot")]
pub(crate) struct TokenOptions {
    /// The token's name, which is the caller's id in policies
    pub name: String,
}

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mcp-workspace completions bash > ~/.local/share/bash-completion/completions/mcp-workspace
  mcp-workspace completions zsh > ~/.zfunc/_mcp-workspace
  mcp-workspace completions fish > ~/.config/fish/completions/mcp-workspace.fish")]
pub(crate) struct CompletionsOptions {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Write the manual pages, one a subcommand, or print the main one
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mcp-workspace man | man -l -
  mcp-workspace man --directory ~/.local/share/man/man1")]
pub(crate) struct ManOptions {
    /// The directory to write all pages to; it must exist [default: print the main page]
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

/// Check mount, rights, file system, clock, policy and identity, each with the fix
///
/// Tries in the caller's own record folders what records rest on, and leaves nothing behind.
/// Exit status 1 when a check has failed. Without --workspace the current directory is examined.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mcp-workspace doctor --workspace /mnt/workspace --policy policy.toml \\
      --caller arn:aws:iam::123456789012:role/reviewer
  mcp-workspace doctor --file output/findings/reviewer/0123.json     how its export to S3 went")]
pub(crate) struct DoctorOptions {
    #[command(flatten)]
    pub workspace: WorkspaceOptions,
    #[command(flatten)]
    pub confinement: ConfinementOptions,
    /// The caller whose rights are tried, as policies name it
    #[arg(long, value_name = "ID", default_value = Caller::LOCAL)]
    pub caller: String,
    /// A file of the workspace whose export to S3 is asked about
    #[arg(long, value_name = "PATH")]
    pub file: Option<String>,
    /// How the checks are printed
    #[arg(long, value_enum, default_value_t = DoctorFormat::Text)]
    pub format: DoctorFormat,
    #[command(flatten)]
    pub events: EventOptions,
}

/// How the checks are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoctorFormat {
    /// A line a check, with the fix below it
    Text,
    /// One JSON document
    Json,
}

/// A policy that checks, and what to call it.
pub(crate) struct LoadedPolicy {
    pub policy: Policy,
    pub name: String,
}

impl WorkspaceOptions {
    /// Reads and checks the policy.
    ///
    /// # Errors
    /// When the file cannot be read, or all that is wrong with it.
    pub(crate) fn policy(&self) -> anyhow::Result<LoadedPolicy> {
        let (text, name) = match &self.policy {
            Some(file) => (read_text(file)?, file.display().to_string()),
            None => (LOCAL_POLICY.to_owned(), LOCAL_POLICY_NAME.to_owned()),
        };
        match Policy::parse(&text, &name) {
            Ok(policy) => Ok(LoadedPolicy { policy, name }),
            Err(errors) => {
                let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
                bail!("the policy does not check:\n{}", all.join("\n"))
            }
        }
    }

    /// Opens the workspace and joins it with the policy.
    ///
    /// # Errors
    /// When either cannot be had.
    pub(crate) fn dispatcher(&self, root: &Path) -> anyhow::Result<(Dispatcher, Opened)> {
        let loaded = self.policy()?;
        for warning in loaded.policy.warnings() {
            tracing::warn!("{warning}");
        }
        let workspace = self
            .open(root)
            .with_context(|| format!("cannot open the workspace `{}`", root.display()))?;
        let facts = Opened { policy: loaded.name, resolution: workspace.resolution() };
        let time = Duration::from_secs(self.timeout);
        let site = Site::of(root, LambdaOptions::is_lambda()).behind(raised());
        let policy = with_decision_keys(loaded.policy, root)?;
        Ok((Dispatcher::new(workspace, policy, time).at(site), facts))
    }

    /// Opens the workspace in the way that was chosen.
    ///
    /// # Errors
    /// When the directory cannot be opened.
    pub(crate) fn open(&self, root: &Path) -> std::io::Result<Workspace> {
        let workspace = match self.resolution {
            ResolutionChoice::Auto => Workspace::open_with_ambient_authority(root)?,
            ResolutionChoice::Components => {
                Workspace::open_with_resolution(root, Resolution::Components)?
            }
        };
        Ok(workspace.with_memory(mcp_workspace_call::memory::budget(self.memory)))
    }

    /// The workspace that was named, or the current directory.
    pub(crate) fn root_or_current(&self) -> &Path {
        self.workspace.as_deref().unwrap_or(Path::new("."))
    }
}

/// The policy with the keys that it names for decisions, as far as this program has them.
///
/// # Errors
/// When they cannot be used.
pub(crate) fn with_decision_keys(policy: Policy, root: &Path) -> anyhow::Result<Policy> {
    Ok(decision_keys::with_keys(policy, root, |name| std::env::var_os(name))?)
}

/// What was opened, for the banner.
pub(crate) struct Opened {
    pub policy: String,
    pub resolution: Resolution,
}

/// Reads a text file of the operator.
///
/// # Errors
/// With the file's name.
pub(crate) fn read_text(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))
}
