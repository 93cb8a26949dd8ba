//! The program: it connects arguments, configuration and host.

mod command;
mod config;
mod confinement;
mod host;
mod mcp;
mod page;
mod review;
mod terminal;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use mcp_workspace_allocator::Allocator;
use mcp_workspace_lambda::RuntimeApi;

use mcp_workspace_call::{audit, caller, dispatch, doctor, event, metrics, request, trace};

use config::{Command, CommandLine, LambdaOptions};
use confinement::Reach;

/// Calls hold large buffers for short times in many threads; what they free goes back to the system.
#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    mcp_workspace_allocator::give_back_at_once();
    let result = match LambdaOptions::runtime_api() {
        Some(api) => {
            let api = RuntimeApi::parse(&api);
            // What is wrong with the settings is told to Lambda, by the host.
            let options = LambdaOptions::read();
            let reach = options.as_ref().ok().and_then(|options| options.reach(&api));
            serving(reach, command::lambda::run(api, options))
        }
        None => CommandLine::read().and_then(|line| run(line.command)),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("mcp-workspace: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Tools(options) => command::tools::run(&options),
        Command::Policy(command) => command::policy::run(command),
        Command::Doctor(options) => command::doctor::run(options),
        Command::Review(options) => serving(options.reach(), command::review::run(options)),
        Command::Token(options) => command::token::run(&options),
        Command::Findings(command) => command::findings::run(command),
        Command::Proposals(command) => {
            // On a terminal the commands say themselves what came of it; records are for programs.
            log(if std::io::stderr().is_terminal() { "warn" } else { RECORDS });
            command::proposals::run(command)
        }
        Command::Serve(mut options) => {
            command::serve::settle(&mut options)?;
            serving(options.reach(), command::serve::run(*options))
        }
        Command::Completions(options) => command::manual::completions(&options),
        Command::Man(options) => command::manual::man(&options),
        Command::Stdio(options) => serving(options.reach(), command::stdio::run(options)),
        Command::Call(options) => serving(None, command::call::run(options)),
    }
}

/// What is logged unless the environment says otherwise: audit records among it.
const RECORDS: &str = "info,rmcp=warn";

/// Logs and audit records go to stderr, so that stdout is the protocol's alone.
fn log(unless_told: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(unless_told));
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

/// Runs a host, and lets it reach no more than it needs.
fn serving(
    reach: Option<Reach>,
    host: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    log(RECORDS);
    if let Some(reach) = reach {
        confinement::raise(&reach);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(host);
    // A read of stdin or of a hanging mount cannot be stopped; the process need not wait for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}
