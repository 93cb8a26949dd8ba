//! `code_review review` runs a whole code review: it stages sources, lets agents review in
//! parallel, lets one agent propose fixes, and merges a report. `code_review work` runs one agent.

use std::fmt::Write;
use std::fs::{self, OpenOptions};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use bedrock_agent::config::LimitOptions;
use bedrock_agent::{Bedrock, interruption};
use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::{Access, Policy};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use super::arguments::{ModelOptions, ReviewOptions, RunOptions, WorkOptions};
use super::display::Display;
use super::{one_line, print};
use crate::agents::{Agent, Phase, team};
use crate::merge::{Merged, digest, merge, report_of};
use crate::outcome::Outcome;
use crate::recorded::recorded;
use crate::stage::{Source, stage};
use crate::work::{Model, work};
use crate::{decisions, rights};

/// A code review: what all its agents share.
struct CodeReview {
    run: Run,
    policy: Policy,
    bedrock: Bedrock,
    model: String,
    limits: LimitOptions,
    display: Display,
    interrupted: CancellationToken,
}

/// Where, and which run.
struct Run {
    root: PathBuf,
    name: Name,
    caller: String,
}

/// Runs all steps.
pub(super) fn all(options: &ReviewOptions) -> anyhow::Result<ExitCode> {
    let source = Source::at(&options.source)?;
    fs::create_dir_all(&options.run.workspace)
        .with_context(|| format!("cannot make `{}`", options.run.workspace.display()))?;
    let policy = options.run.policy()?;
    // Before anything costs money.
    may_report(&options.run, &policy)?;
    log(&options.run, &policy, &options.model)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcomes_and_report = runtime.block_on(async {
        let code_review = Arc::new(CodeReview::open(&options.run, policy, &options.model).await?);
        let staging = Arc::clone(&code_review);
        let staged = tokio::task::spawn_blocking(move || {
            let Run { root, name: run, .. } = &staging.run;
            stage(root, staging.policy.layout(), run, &source)
        });
        let staged = staged.await??;
        let before = if staged.already { ", as before" } else { "" };
        let (files, bytes) = (staged.files, staged.bytes);
        code_review
            .display
            .say(&format!("{files} files ({bytes} bytes) in {}{before}", staged.path));
        run_agents(code_review).await
    })?;
    // A tool call on a hanging mount cannot be stopped; the process need not wait for it.
    runtime.shutdown_timeout(Duration::from_millis(100));
    let (outcomes, merged) = outcomes_and_report;
    print(&closing(&options.run, &merged, &outcomes)?)?;
    Ok(exit(&outcomes))
}

/// Whether the caller may do at the end what it has to.
fn may_report(options: &RunOptions, policy: &Policy) -> anyhow::Result<()> {
    let (scope, _) = rights::scope(&options.workspace, policy, &options.caller)?;
    let path = report_of(policy.layout(), &options.run)?.join("summary.json")?;
    if !scope.grant().may(Access::Write, &path) {
        bail!(
            "the policy lets the caller `{}` not write `{path}`; give its role `write` there",
            options.caller
        );
    }
    Ok(())
}

/// Runs one agent, and makes no report.
pub(super) fn one(options: &WorkOptions) -> anyhow::Result<ExitCode> {
    let policy = options.run.policy()?;
    log(&options.run, &policy, &options.model)?;
    let sources = options.run.workspace.join(policy.layout().input.as_str());
    let sources = sources.join(options.run.run.as_str());
    if !sources.is_dir() {
        bail!("nothing is staged in `{}`; `code_review review` stages", sources.display());
    }
    let team = team(policy.layout(), &options.run.run);
    let Some(agent) = team.iter().find(|agent| agent.name == options.agent).cloned() else {
        let names: Vec<&str> = team.iter().map(|agent| agent.name.as_str()).collect();
        bail!("there is no agent `{}`; there are {}", options.agent, names.join(", "));
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let code_review = CodeReview::open(&options.run, policy, &options.model).await?;
        Ok::<_, anyhow::Error>(code_review.work(&agent).await)
    })?;
    runtime.shutdown_timeout(Duration::from_millis(100));
    print(&format!("{}\n", serde_json::to_string_pretty(&outcome)?))?;
    Ok(exit(&[outcome]))
}

async fn run_agents(code_review: Arc<CodeReview>) -> anyhow::Result<(Vec<Outcome>, Merged)> {
    let team = team(code_review.policy.layout(), &code_review.run.name);
    let (reviewers, remedies): (Vec<Agent>, Vec<Agent>) =
        team.into_iter().partition(|agent| agent.phase == Phase::Review);
    let mut outcomes = CodeReview::work_all(&code_review, reviewers).await;
    // Who has only paused will find more.
    let paused = outcomes.iter().any(Outcome::is_paused);
    if !paused && !code_review.interrupted.is_cancelled() {
        let reading = Arc::clone(&code_review);
        let found = tokio::task::spawn_blocking(move || {
            let Run { root, name: run, caller } = &reading.run;
            digest(root, &reading.policy, run, caller)
        });
        // Without findings there is nothing to remedy.
        if let Some(found) = found.await?? {
            let remedies = remedies.into_iter().map(|agent| agent.for_findings(&found)).collect();
            outcomes.extend(CodeReview::work_all(&code_review, remedies).await);
        }
    }
    let merging = Arc::clone(&code_review);
    let merged = tokio::task::spawn_blocking(move || {
        let Run { root, name: run, caller } = &merging.run;
        // What was remedied before more was found has cost money as well.
        let earlier = recorded(root, &merging.policy, run, caller)?;
        for outcome in earlier {
            if !outcomes.iter().any(|known| known.agent == outcome.agent) {
                outcomes.push(outcome);
            }
        }
        let merged = merge(root, &merging.policy, run, caller, &outcomes)?;
        Ok::<_, anyhow::Error>((outcomes, merged))
    });
    merged.await?
}

impl CodeReview {
    async fn open(
        options: &RunOptions,
        policy: Policy,
        model: &ModelOptions,
    ) -> anyhow::Result<CodeReview> {
        Ok(CodeReview {
            run: Run {
                root: options.workspace.clone(),
                name: options.run.clone(),
                caller: options.caller.clone(),
            },
            policy,
            bedrock: Bedrock::connect(model.region.clone()).await?,
            model: model.model.clone(),
            limits: model.limits.clone(),
            display: Display::new(model.progress),
            interrupted: interruption()?,
        })
    }

    /// Lets agents work at the same time. Whatever comes of one, the others go on.
    async fn work_all(code_review: &Arc<CodeReview>, agents: Vec<Agent>) -> Vec<Outcome> {
        let mut working = JoinSet::new();
        let count = agents.len();
        for (index, agent) in agents.iter().cloned().enumerate() {
            code_review.display.update(&agent.name, "begins");
            let code_review = Arc::clone(code_review);
            working.spawn(async move { (index, code_review.work(&agent).await) });
        }
        let mut outcomes: Vec<Option<Outcome>> = vec![None; count];
        while let Some(done) = working.join_next().await {
            if let Ok((index, outcome)) = done
                && let Some(place) = outcomes.get_mut(index)
            {
                *place = Some(outcome);
            }
        }
        // None is left but for a panic, which tokio has caught.
        let crashed = |agent: &Agent| Outcome::not_run(agent, "it crashed; see stderr");
        let filled = agents.iter().zip(outcomes);
        filled.map(|(agent, outcome)| outcome.unwrap_or_else(|| crashed(agent))).collect()
    }

    async fn work(&self, agent: &Agent) -> Outcome {
        let Run { root, name: run, .. } = &self.run;
        let model = Model { bedrock: &self.bedrock, id: &self.model, limits: &self.limits };
        let watch = self.display.of(&agent.name);
        let interrupted = self.interrupted.clone();
        let worked = work(root, &self.policy, agent, run, &model, watch, interrupted).await;
        let outcome = worked.unwrap_or_else(|error| Outcome::not_run(agent, &error.reason));
        self.display.update(&agent.name, &format!("{}: {}", outcome.ending, outcome.reason));
        outcome
    }
}

/// What the person reads at the end, with what to do next.
fn closing(options: &RunOptions, merged: &Merged, outcomes: &[Outcome]) -> anyhow::Result<String> {
    let mut text = String::new();
    let (findings, proposals) = (merged.findings, merged.proposals);
    let severities: Vec<String> = ["critical", "high", "medium", "low", "info"]
        .iter()
        .filter_map(|name| Some(format!("{} {name}", merged.by_severity.get(*name)?)))
        .collect();
    let severities =
        if severities.is_empty() { String::new() } else { format!(" ({})", severities.join(", ")) };
    writeln!(text, "{findings} findings{severities}, {proposals} proposals")?;
    if let Some(usd) = merged.cost_usd {
        writeln!(text, "cost {usd:.4} USD")?;
    }
    for (agent, reason) in &merged.failed {
        writeln!(text, "not done: {agent}: {}", one_line(reason))?;
    }
    for (path, problem) in &merged.damaged {
        writeln!(text, "left out: {}: {}", one_line(path), one_line(problem))?;
    }
    let report = options.workspace.join(&merged.directory);
    writeln!(text, "report in {}", report.display())?;
    if outcomes.iter().any(Outcome::is_paused) {
        writeln!(text, "paused; the same command goes on")?;
    }
    if proposals > 0 {
        let people = options.for_people();
        let first = decisions::standing(
            &options.workspace,
            &options.policy()?,
            &options.run,
            &options.caller,
        )?;
        writeln!(text, "\nLook and decide on a page, or here, then apply what is approved:")?;
        writeln!(text, "  mcp-workspace review {people}")?;
        writeln!(text, "  mcp-workspace proposals list {people}")?;
        for proposal in first.proposed {
            writeln!(text, "  mcp-workspace proposals approve {} {people}", proposal.id)?;
        }
        writeln!(text, "  code_review apply {}", options.for_this())?;
    }
    Ok(text)
}

/// 0 when all are done, 3 when one has only paused, 1 otherwise.
fn exit(outcomes: &[Outcome]) -> ExitCode {
    if outcomes.iter().all(Outcome::is_complete) {
        ExitCode::SUCCESS
    } else if outcomes.iter().any(Outcome::is_paused) {
        ExitCode::from(3)
    } else {
        ExitCode::from(1)
    }
}

/// Audit records go to a file beside the run, so that progress can be read.
fn log(options: &RunOptions, policy: &Policy, model: &ModelOptions) -> anyhow::Result<()> {
    let file = match &model.audit_log {
        Some(file) => file.clone(),
        None => {
            let runs = options.workspace.join(policy.layout().output.as_str()).join("runs");
            let directory = runs.join(options.run.as_str());
            fs::create_dir_all(&directory)
                .with_context(|| format!("cannot make `{}`", directory.display()))?;
            directory.join("audit.jsonl")
        }
    };
    let opened = OpenOptions::new().create(true).append(true).open(&file);
    let opened = opened.with_context(|| format!("cannot open `{}`", file.display()))?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        // Where the SDK looks for a region in vain is told by the error that follows.
        .with_env_filter(EnvFilter::new("warn,aws_config=error,audit=info"))
        .with_writer(Mutex::new(opened))
        .init();
    Ok(())
}
