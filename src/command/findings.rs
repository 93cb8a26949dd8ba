//! `mcp-workspace findings`: what agents have found, for people and for other programs.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::records::export::{self, Export, Profile, Provenance};
use mcp_workspace_tools::records::merged::{self, MergedFindings};

use crate::caller::{Caller, Proof};
use crate::config::WorkspaceOptions;

/// What to do with findings.
#[derive(Debug, Subcommand)]
pub enum FindingsCommand {
    Export(ExportOptions),
}

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// SARIF 2.1.0, for code scanning and viewers
    Sarif,
    /// The merged findings
    Json,
    /// For a pull request or an issue
    Markdown,
    /// One page that needs nothing else
    Html,
}

/// For whom the SARIF is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProfileChoice {
    /// GitHub code scanning, within its limits
    Github,
    /// The profile for findings of AI agents
    Ai,
}

/// Write all findings, merged over agents, as one document
///
/// The same findings give the same bytes, whatever the order in which they were written.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  mcp-workspace findings export --format sarif -o findings.sarif
  mcp-workspace findings export --format sarif --profile ai --repository https://github.com/o/r --revision $(git rev-parse HEAD)
  mcp-workspace findings export --format html -o findings.html")]
pub struct ExportOptions {
    /// The form
    #[arg(long, value_enum, default_value_t = Format::Json)]
    pub format: Format,
    #[command(flatten)]
    pub sarif: SarifOptions,
    /// The file to write [default: stdout]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub workspace: WorkspaceOptions,
    /// The caller's id, as policies name it
    #[arg(long, value_name = "ID", default_value = Caller::LOCAL)]
    pub caller: String,
}

/// What only SARIF needs.
#[derive(Debug, Args)]
pub struct SarifOptions {
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

/// Runs one of them.
///
/// # Errors
/// When the findings cannot be read or the document cannot be written.
pub fn run(command: &FindingsCommand) -> anyhow::Result<ExitCode> {
    match command {
        FindingsCommand::Export(options) => export(options),
    }
}

fn export(options: &ExportOptions) -> anyhow::Result<ExitCode> {
    let (dispatcher, opened) = options.workspace.dispatcher(options.workspace.root_or_current())?;
    let caller = Caller::new(&options.caller, Proof::Process);
    let Some((scope, _)) = dispatcher.for_person(&caller) else {
        bail!("the policy {} names no role for caller `{}`", opened.policy, options.caller);
    };
    let call = Call::new(&options.caller, Duration::from_secs(options.workspace.timeout));
    let ledger = merged::read(&scope, &call).map_err(|error| anyhow!(error.to_text()))?;
    for damaged in &ledger.damaged {
        eprintln!("left out: {}: {}", damaged.path, damaged.problem);
    }
    let Export { text, notes } =
        render(&merged::merge(ledger.findings), options.format, &options.sarif)?;
    for note in notes {
        eprintln!("note: {note}");
    }
    match &options.output {
        Some(file) => std::fs::write(file, text)
            .with_context(|| format!("cannot write `{}`", file.display()))?,
        None => match std::io::stdout().lock().write_all(text.as_bytes()) {
            // A reader that closes early, such as `head`, is no fault.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                return Err(error).context("cannot write to stdout");
            }
            _ => {}
        },
    }
    Ok(ExitCode::SUCCESS)
}

/// The document.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn render(
    findings: &MergedFindings,
    format: Format,
    sarif: &SarifOptions,
) -> anyhow::Result<Export> {
    let plain = |text| Export { text, notes: Vec::new() };
    Ok(match format {
        Format::Json => plain(serde_json::to_string_pretty(findings)? + "\n"),
        Format::Markdown => plain(export::markdown(findings)),
        Format::Html => plain(export::html(findings)),
        Format::Sarif => {
            let profile = match sarif.profile {
                ProfileChoice::Github => Profile::Github,
                ProfileChoice::Ai => Profile::Ai,
            };
            let provenance = Provenance {
                repository: sarif.repository.clone(),
                revision: sarif.revision.clone(),
            };
            export::sarif(findings, profile, &provenance)
        }
    })
}
