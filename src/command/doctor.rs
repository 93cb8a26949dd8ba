//! `mcp-workspace doctor`: examines what the server depends on, and prints one line for each check.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::Context;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::tool::Catalog;
use serde_json::json;

use crate::caller::{Caller, Proof};
use crate::config::{DoctorFormat, DoctorOptions, LambdaOptions, with_decision_keys};
use crate::confinement::raise;
use crate::doctor::{Check, Examination, MOUNT_FIX, Outcome, Site, no_mount};

/// Prints the checks as they come; exit status 1 when one has failed.
///
/// # Errors
/// When stdout cannot be written.
pub(crate) fn run(options: DoctorOptions) -> anyhow::Result<ExitCode> {
    let time = Duration::from_secs(options.workspace.timeout);
    let format = options.format;
    let (send, receive) = mpsc::channel();
    // A mount that hangs cannot be interrupted: the checks run aside, and are left behind.
    std::thread::spawn(move || examine(&options, time, &mut |check| drop(send.send(check))));
    let end = Instant::now() + time;
    let mut checks = Vec::new();
    loop {
        let check = match receive.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(check) => check,
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let detail = format!("the file system did not answer in {} s", time.as_secs());
                checks.push(Check::failed("mount", detail, MOUNT_FIX));
                if format == DoctorFormat::Text {
                    print(checks.last())?;
                }
                break;
            }
        };
        if format == DoctorFormat::Text {
            print(Some(&check))?;
        }
        checks.push(check);
    }
    let failed = checks.iter().filter(|check| check.outcome == Outcome::Failed).count();
    let mut out = std::io::stdout().lock();
    match format {
        DoctorFormat::Text if failed == 0 => writeln!(out, "all is well"),
        DoctorFormat::Text => writeln!(out, "{failed} failed"),
        DoctorFormat::Json => {
            let report = json!({ "ok": failed == 0, "checks": checks });
            writeln!(out, "{report:#}")
        }
    }
    .context("cannot write to stdout")?;
    Ok(ExitCode::from(u8::from(failed > 0)))
}

fn print(check: Option<&Check>) -> anyhow::Result<()> {
    let Some(check) = check else { return Ok(()) };
    let word = match check.outcome {
        Outcome::Ok => "OK",
        Outcome::Warning => "WARN",
        Outcome::Failed => "FAIL",
    };
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word:<5} {:<9} {}", check.name, check.detail)
        .and_then(|()| match &check.fix {
            Some(fix) => writeln!(out, "      fix: {fix}"),
            None => Ok(()),
        })
        .context("cannot write to stdout")
}

fn examine(options: &DoctorOptions, time: Duration, each: &mut dyn FnMut(Check)) {
    let policy = match options.workspace.policy() {
        Ok(loaded) => Some(loaded),
        Err(error) => {
            let fix = "each line says its own; `mcp-workspace policy check FILE` shows them again";
            each(Check::failed("policy", format!("{error:#}"), fix));
            None
        }
    };
    let on_lambda = LambdaOptions::is_lambda();
    let root = match &options.workspace.workspace {
        Some(root) => root,
        None if on_lambda => Path::new(LambdaOptions::MOUNT),
        None => Path::new("."),
    };
    // As the server would be, so that the checks after it are made behind the same wall.
    let wall = options.confinement.reach(&options.workspace, root).map(|reach| raise(&reach));
    let mut site = Site::of(root, on_lambda).behind(wall);
    if on_lambda {
        site = site.answering(options.events.open());
    }
    let workspace = match options.workspace.open(root) {
        Ok(workspace) => workspace,
        Err(error) => return each(no_mount(root, site, &error)),
    };
    // What is wrong with the policy has been told; nothing more can be asked of it.
    let Some(loaded) = policy else { return };
    let policy = match with_decision_keys(loaded.policy, root) {
        Ok(policy) => policy,
        Err(error) => {
            let fix = "SECURITY.md says what a key is and how it is replaced; no server starts on \
                       this one";
            return each(Check::failed("decisions", format!("{error:#}"), fix));
        }
    };
    let examination = Examination {
        workspace: Arc::new(workspace),
        policy,
        catalog: Catalog::default(),
        site,
        caller: Caller::new(&options.caller, Proof::Process),
        file: options.file.clone(),
    };
    examination.run(&Call::new(&options.caller, time), each);
}
