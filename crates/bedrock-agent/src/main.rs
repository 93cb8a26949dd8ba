//! The program: it connects arguments, logs and the worker.

use std::fs::OpenOptions;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use bedrock_agent::config::{Command, CommandLine, RunOptions, is_on_lambda};
use bedrock_agent::{interruption, lambda};
use clap::Parser;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

fn main() -> ExitCode {
    let result = if is_on_lambda() {
        serve()
    } else {
        let Command::Run(options) = CommandLine::parse().command;
        run(&options)
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bedrock-agent: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn serve() -> anyhow::Result<ExitCode> {
    log(BoxMakeWriter::new(std::io::stderr));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(lambda::serve())?;
    Ok(ExitCode::SUCCESS)
}

fn run(options: &RunOptions) -> anyhow::Result<ExitCode> {
    log(audit_log(options)?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (report, code) = runtime.block_on(async {
        let mut worker = options.worker().await?;
        if options.is_dry_run() {
            return anyhow::Ok((worker.next_request()?, ExitCode::SUCCESS));
        }
        let service = options.service().await?;
        let summary = worker.run(&service, interruption()?).await?;
        anyhow::Ok((options.report(&summary)?, ExitCode::from(summary.ending.exit_status())))
    })?;
    // A tool call on a hanging mount cannot be stopped; the process need not wait for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    print(&report)?;
    Ok(code)
}

/// Where audit records go.
fn audit_log(options: &RunOptions) -> anyhow::Result<BoxMakeWriter> {
    let Some(file) = options.audit_log() else { return Ok(BoxMakeWriter::new(std::io::stderr)) };
    let opened = OpenOptions::new().create(true).append(true).open(file);
    let opened = opened.with_context(|| format!("cannot open `{}`", file.display()))?;
    Ok(BoxMakeWriter::new(Mutex::new(opened)))
}

/// Audit records and logs, one JSON object a line.
fn log(writer: BoxMakeWriter) {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        // Where the SDK looks for a region in vain, and that a connection ended, is told by the
        // error that follows.
        .with_env_filter(EnvFilter::new(
            "warn,aws_config=error,rmcp::transport::worker=off,audit=info",
        ))
        .with_writer(writer)
        .init();
}

/// A reader that closes early, such as `head`, is no fault.
fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}
