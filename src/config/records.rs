//! Options of the commands over records: findings and proposals.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::bail;
use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Subcommand, ValueEnum};

use super::{ConfinementOptions, WorkspaceOptions};
use crate::caller::Caller;

/// The caller's id of a person who decides, unless another is given.
pub(super) const REVIEWER: &str = "reviewer";

/// A workspace that is not on this machine.
#[derive(Debug, Args)]
pub(crate) struct UrlOptions {
    /// The URL of a function: its findings and proposals, with the rights that its policy gives
    /// your AWS credentials; instead of --workspace, --policy and --caller
    #[arg(long, value_name = "URL", env = "MCP_WORKSPACE_URL")]
    pub url: Option<String>,
    /// The AWS region, where the URL's host does not tell it
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
}

impl UrlOptions {
    /// Decides between the URL and a workspace of this machine: what was typed comes before what
    /// the environment says.
    ///
    /// # Errors
    /// When both were typed, or both are in the environment.
    pub(crate) fn settle(&mut self, given: &ArgMatches) -> anyhow::Result<()> {
        if self.url.is_none() {
            return Ok(());
        }
        let from = |name: &str| given.value_source(name);
        let typed = |name: &&&str| from(name) == Some(ValueSource::CommandLine);
        let other = ["workspace", "policy", "caller"].iter().find(typed);
        match (from("url"), other) {
            (Some(ValueSource::CommandLine), Some(other)) => bail!(
                "--url and --{other} exclude each other: a function has its own workspace and \
                 policy, and knows you by your AWS credentials"
            ),
            (Some(ValueSource::CommandLine), None) => {}
            (_, Some(_)) => self.url = None,
            (_, None) if from("workspace") == Some(ValueSource::EnvVariable) => bail!(
                "MCP_WORKSPACE_URL and MCP_WORKSPACE_ROOT are both set; say which with --url or \
                 --workspace"
            ),
            (_, None) => {}
        }
        Ok(())
    }
}

/// Look at what agents found
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  mcp-workspace findings list --workspace ~/repo --severity critical,high
  mcp-workspace findings export --format sarif -o findings.sarif
  mcp-workspace findings export --format sarif --profile ai --repository https://github.com/o/r --revision $(git rev-parse HEAD)
  mcp-workspace findings export --format html -o findings.html
  mcp-workspace findings list --url https://ID.lambda-url.eu-west-1.on.aws")]
pub(crate) enum FindingsCommand {
    /// List findings, the worst first, merged over the agents that saw them
    List(ListFindings),
    /// Write all that is known of the findings as one document, the same for the same findings
    Export(ExportFindings),
}

impl FindingsCommand {
    /// Where the findings are.
    pub(crate) fn url_mut(&mut self) -> &mut UrlOptions {
        match self {
            FindingsCommand::List(options) => &mut options.findings.url,
            FindingsCommand::Export(options) => &mut options.findings.url,
        }
    }
}

/// Which findings.
#[derive(Debug, Args)]
pub(crate) struct FindingsOptions {
    #[command(flatten)]
    pub workspace: WorkspaceOptions,
    #[command(flatten)]
    pub url: UrlOptions,
    /// The caller's id, as policies name it
    #[arg(long, value_name = "ID", default_value = Caller::LOCAL)]
    pub caller: String,
    /// Only these severities: critical, high, medium, low, info
    #[arg(long, value_name = "SEVERITY", value_enum, value_delimiter = ',')]
    pub severity: Vec<SeverityChoice>,
    /// Only rules that match this glob (repeatable)
    #[arg(long, value_name = "GLOB")]
    pub rule: Vec<String>,
    /// Only files that match this glob (repeatable)
    #[arg(long, value_name = "GLOB")]
    pub path: Vec<String>,
    /// Only what this agent saw, by the name of its role (repeatable)
    #[arg(long, value_name = "NAME")]
    pub agent: Vec<String>,
    /// Only what was found in this run (repeatable)
    #[arg(long, value_name = "NAME")]
    pub run: Vec<String>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SeverityChoice {
    Critical,
    High,
    Medium,
    Low,
    Info,
}

/// Options of `findings list`.
#[derive(Debug, Args)]
pub(crate) struct ListFindings {
    #[command(flatten)]
    pub findings: FindingsOptions,
    /// How they are printed
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// Aligned columns
    Table,
    /// JSON
    Json,
}

/// Options of `findings export`.
#[derive(Debug, Args)]
pub(crate) struct ExportFindings {
    #[command(flatten)]
    pub findings: FindingsOptions,
    /// The form of the document
    #[arg(long, value_enum, default_value_t = ExportFormat::Json)]
    pub format: ExportFormat,
    #[command(flatten)]
    pub sarif: SarifOptions,
    /// The file to write, whole or not at all [default: stdout]
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// JSON
    Json,
    /// SARIF 2.1.0, for code scanning and viewers
    Sarif,
    /// For a pull request or an issue
    Markdown,
    /// One page that needs nothing else: for a bucket or a mail
    Html,
}

/// What only SARIF needs.
#[derive(Debug, Args)]
pub(crate) struct SarifOptions {
    /// For whom the SARIF is
    #[arg(long, value_enum, default_value_t = ProfileChoice::Github)]
    pub profile: ProfileChoice,
    /// The URI of the sources' repository, for SARIF
    #[arg(long, value_name = "URI")]
    pub repository: Option<String>,
    /// The sources' commit, for SARIF
    #[arg(long, value_name = "COMMIT")]
    pub revision: Option<String>,
}

/// For whom the SARIF is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileChoice {
    /// GitHub code scanning, within its limits
    Github,
    /// The profile for findings of AI agents
    Ai,
}

/// Decide about what agents propose
///
/// Only a caller whose role may `decide` on every file of a proposal decides about it, and never
/// one that may also propose there. The caller is `reviewer` unless --caller says otherwise; the
/// built-in policy lets it decide, and no server takes anybody for it unless you say so.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:
  mcp-workspace proposals list --workspace ~/repo
  mcp-workspace proposals show 3f9a1c
  mcp-workspace proposals approve 3f9a1c --reason 'covers the empty file'
  mcp-workspace proposals apply 3f9a1c
  mcp-workspace proposals reject 77b2e0 --reason 'breaks the callers of parse'
  mcp-workspace proposals list --url https://ID.lambda-url.eu-west-1.on.aws")]
pub(crate) enum ProposalsCommand {
    /// List proposals by time, with how they stand and what they conflict with
    List(ListProposals),
    /// Show a proposal: its diff, who proposed it and why, and what was decided
    Show(ShowProposal),
    /// Approve a proposal, so that it can be applied
    Approve(DecideProposal),
    /// Reject a proposal, for good
    Reject(RejectProposal),
    /// Change the sources as an approved proposal says: all files, or none
    Apply(ApplyProposal),
    /// Put the sources back as they were before a proposal was applied
    Revert(DecideProposal),
}

impl ProposalsCommand {
    /// Where the proposals are.
    pub(crate) fn url_mut(&mut self) -> &mut UrlOptions {
        match self {
            ProposalsCommand::List(options) => &mut options.decider.url,
            ProposalsCommand::Show(options) => &mut options.decider.url,
            ProposalsCommand::Approve(options) => &mut options.decider.url,
            ProposalsCommand::Reject(options) => &mut options.decider.url,
            ProposalsCommand::Apply(options) => &mut options.decider.url,
            ProposalsCommand::Revert(options) => &mut options.decider.url,
        }
    }
}

/// Where, and who decides.
#[derive(Debug, Args)]
pub(crate) struct DeciderOptions {
    #[command(flatten)]
    pub workspace: WorkspaceOptions,
    #[command(flatten)]
    pub url: UrlOptions,
    /// Who decides: the caller's id, as policies name it
    #[arg(long, value_name = "ID", env = "MCP_WORKSPACE_REVIEWER", default_value = REVIEWER)]
    pub caller: String,
}

/// Options of `proposals list`.
#[derive(Debug, Args)]
pub(crate) struct ListProposals {
    #[command(flatten)]
    pub decider: DeciderOptions,
    /// How they are printed
    #[arg(long, value_enum, default_value_t = ListFormat::Table)]
    pub format: ListFormat,
}

/// Options of `proposals show`.
#[derive(Debug, Args)]
pub(crate) struct ShowProposal {
    /// The proposal's id, or its first six digits or more
    pub id: String,
    #[command(flatten)]
    pub decider: DeciderOptions,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = ShowFormat::Text)]
    pub format: ShowFormat,
}

/// How a proposal is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShowFormat {
    /// For reading
    Text,
    /// JSON
    Json,
    /// The diff alone, byte for byte
    Patch,
}

/// Options of `proposals approve` and `revert`.
#[derive(Debug, Args)]
pub(crate) struct DecideProposal {
    /// The proposal's id, or its first six digits or more
    pub id: String,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub decider: DeciderOptions,
}

/// Options of `proposals reject`.
#[derive(Debug, Args)]
pub(crate) struct RejectProposal {
    /// The proposal's id, or its first six digits or more
    pub id: String,
    /// Why, for who proposed it
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    #[command(flatten)]
    pub decider: DeciderOptions,
}

/// Options of `proposals apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyProposal {
    /// The proposal's id, or its first six digits or more
    pub id: String,
    #[command(flatten)]
    pub decider: DeciderOptions,
}

/// Show findings and proposals on a local web page, to approve, reject and apply
///
/// The page is for one person on this machine: it listens on loopback, and opens by the URL with a
/// token that is printed at start. Without --workspace the current directory is used. With --url
/// the page is here as well, and what it shows and decides is the function's.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mcp-workspace review --policy policies/code-review.toml --caller arn:aws:iam::123456789012:role/people-1
  mcp-workspace review --workspace ~/repo --listen 127.0.0.1:9000
  mcp-workspace review --url https://ID.lambda-url.eu-west-1.on.aws")]
pub(crate) struct ReviewOptions {
    #[command(flatten)]
    pub decider: DeciderOptions,
    #[command(flatten)]
    pub confinement: ConfinementOptions,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
}
