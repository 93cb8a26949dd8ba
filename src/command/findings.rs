//! `mcp-workspace findings`: lists and exports what agents found, merged over the agents.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::records::export::{self, Export, Profile, Provenance};
use mcp_workspace_tools::records::finding::Severity;
use mcp_workspace_tools::records::merged::{MergedFinding, MergedFindings, Wanted};
use mcp_workspace_tools::review::Findings;
use mcp_workspace_tools::storage::omissions::{Omission, Omissions};

use crate::config::{
    ExportFormat, FindingsCommand, FindingsOptions, ListFormat, ProfileChoice, SarifOptions,
    SeverityChoice,
};
use crate::review;
use crate::terminal::{ProgressLine, RED, YELLOW, block, line, print, styled, table};

/// Longest time for reading them all; a person can stop it before.
const TIME: Duration = Duration::from_secs(60 * 60);
/// Longest summary in a table, in characters.
const MAX_SUMMARY: usize = 100;

/// Lists or exports; exit status 1 when a record could not be read, after all the others.
///
/// # Errors
/// When the workspace or the policy cannot be had, or the findings cannot be listed.
pub(crate) fn run(command: FindingsCommand) -> anyhow::Result<ExitCode> {
    match command {
        FindingsCommand::List(options) => {
            let Findings { merged, omissions } = read(&options.findings)?;
            let text = match options.format {
                ListFormat::Table => as_table(&merged),
                ListFormat::Json => as_json(&merged)?,
            };
            print(&text).context("cannot write to stdout")?;
            Ok(told(&omissions))
        }
        FindingsCommand::Export(options) => {
            let Findings { merged, omissions } = read(&options.findings)?;
            let text = match options.format {
                ExportFormat::Json => as_json(&merged)?,
                ExportFormat::Markdown => export::markdown(&merged),
                ExportFormat::Html => export::html(&merged),
                ExportFormat::Sarif => as_sarif(&merged, options.sarif),
            };
            match &options.output {
                None => print(&text).context("cannot write to stdout")?,
                Some(file) => write(file, &text)?,
            }
            Ok(told(&omissions))
        }
    }
}

fn read(options: &FindingsOptions) -> anyhow::Result<Findings> {
    let wanted = Wanted {
        severities: options.severity.iter().map(|choice| severity(*choice)).collect(),
        rules: options.rule.clone(),
        paths: options.path.clone(),
        agents: options.agent.clone(),
        runs: options.run.clone(),
    };
    let review = review::open(&options.url, &options.workspace, &options.caller, "command")?;
    let mut call = Call::new(&options.caller, TIME);
    let progress = ProgressLine::on_terminal();
    if let Some(line) = &progress {
        call = call.with_progress(line.sink());
    }
    let findings = review.findings(&wanted, &call);
    drop(progress);
    findings.map_err(|error| anyhow!("{}", block(&error.to_text(), "").trim_end()))
}

fn severity(choice: SeverityChoice) -> Severity {
    match choice {
        SeverityChoice::Critical => Severity::Critical,
        SeverityChoice::High => Severity::High,
        SeverityChoice::Medium => Severity::Medium,
        SeverityChoice::Low => Severity::Low,
        SeverityChoice::Info => Severity::Info,
    }
}

fn as_json(merged: &MergedFindings) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(merged)? + "\n")
}

/// What was cut for the reader's limits is told on stderr.
fn as_sarif(merged: &MergedFindings, options: SarifOptions) -> String {
    let profile = match options.profile {
        ProfileChoice::Github => Profile::Github,
        ProfileChoice::Ai => Profile::Ai,
    };
    let provenance = Provenance { repository: options.repository, revision: options.revision };
    let Export { text, notes } = export::sarif(merged, profile, &provenance);
    for note in notes {
        eprintln!("mcp-workspace: {note}");
    }
    text
}

fn as_table(merged: &MergedFindings) -> String {
    let head = ["SEVERITY", "RULE", "PLACE", "SEEN BY", "SUMMARY"].map(str::to_owned).to_vec();
    let rows = merged.findings.iter().map(|finding| {
        let mut agents: Vec<&str> = finding.seen.iter().map(|seen| seen.agent.as_str()).collect();
        agents.sort_unstable();
        agents.dedup();
        vec![
            coloured(finding.severity),
            line(&finding.rule_id),
            line(&place(finding)),
            line(&agents.join(",")),
            summary(finding),
        ]
    });
    table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

fn coloured(severity: Severity) -> String {
    let name = format!("{severity:?}").to_lowercase();
    match severity {
        Severity::Critical | Severity::High => styled(RED, &name),
        Severity::Medium => styled(YELLOW, &name),
        Severity::Low | Severity::Info => name,
    }
}

fn place(finding: &MergedFinding) -> String {
    let Some(at) = &finding.location else { return "-".to_owned() };
    match at.start_line {
        Some(start) => format!("{}:{start}", at.path),
        None => at.path.clone(),
    }
}

fn summary(finding: &MergedFinding) -> String {
    let text = finding.short_summary.as_ref().unwrap_or(&finding.message);
    let one_line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String = one_line.chars().take(MAX_SUMMARY).collect();
    if shown.len() < one_line.len() {
        shown.push('…');
    }
    line(&shown)
}

/// Names what could not be read. Where anything was left out, the answer is not the whole.
fn told(omissions: &Omissions) -> ExitCode {
    for Omission { path, problem } in &omissions.named {
        eprintln!("mcp-workspace: `{}` is left out: {}", line(path), line(problem));
    }
    if omissions.more > 0 {
        eprintln!("mcp-workspace: and {} more are left out", omissions.more);
    }
    if omissions.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Writes a file of the operator, whole or not at all.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let failed = || format!("cannot write `{}`", file.display());
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut aside =
        tempfile::NamedTempFile::new_in(parent.unwrap_or(Path::new("."))).with_context(failed)?;
    aside.write_all(text.as_bytes()).with_context(failed)?;
    aside.as_file().sync_all().with_context(failed)?;
    aside.persist(file).with_context(failed)?;
    Ok(())
}
