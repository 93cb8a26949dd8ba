//! A workspace, and the command at work in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use code_review::POLICY;
use code_review::decisions::{Standing, standing};
use mcp_workspace_tools::decide;
use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::workspace::{Decider, Workspace};
use serde_json::Value;
use tempfile::TempDir;

use crate::conversation::Conversation;
use crate::defects::seeded;
use crate::{remediation, reviewers};
use mcp_workspace_test_support::model::{Model, Play};

pub(crate) const RUN: &str = "r1";
pub(crate) const PERSON: &str = "reviewer";

/// A workspace for one test.
pub(crate) struct Setting {
    directory: TempDir,
    workspace: PathBuf,
    outputs: AtomicUsize,
}

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// A command at work. It does not outlive its test.
pub(crate) struct Running {
    child: Child,
    output: PathBuf,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All agents by script.
pub(crate) fn play(request: &Value) -> Play {
    let conversation = Conversation::of(request);
    if conversation.role == "remediation" {
        remediation::play(&conversation)
    } else {
        reviewers::play(&conversation)
    }
}

/// A model that plays all agents.
pub(crate) fn team() -> Model {
    Model::playing(|_, request| play(request))
}

impl Setting {
    pub(crate) fn new() -> Setting {
        let directory = tempfile::tempdir().unwrap();
        let workspace = directory.path().join("workspace");
        fs::create_dir(&workspace).unwrap();
        Setting { directory, workspace, outputs: AtomicUsize::new(0) }
    }

    /// With the workspace somewhere else.
    pub(crate) fn at(workspace: &Path) -> Setting {
        Setting { workspace: workspace.to_owned(), ..Setting::new() }
    }

    pub(crate) fn workspace(&self) -> &Path {
        &self.workspace
    }

    pub(crate) fn sources(&self) -> PathBuf {
        self.workspace.join("input").join(RUN)
    }

    /// `code_review COMMAND` for the run, against this model.
    pub(crate) fn command(&self, model: &Model, arguments: &[&str]) -> (Command, PathBuf) {
        let number = self.outputs.fetch_add(1, Ordering::SeqCst);
        let output = self.directory.path().join(format!("output-{number}"));
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .args(["--run", RUN, "--workspace"])
            .arg(&self.workspace)
            // Nothing of the machine: no proxy, no profile, no instance metadata.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory.path())
            .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", model.url())
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .stdout(File::create(output.with_extension("out")).unwrap())
            .stderr(File::create(output.with_extension("err")).unwrap());
        (command, output)
    }

    pub(crate) fn start(&self, model: &Model, arguments: &[&str]) -> Running {
        let (mut command, output) = self.command(model, arguments);
        Running { child: command.spawn().unwrap(), output }
    }

    /// The whole review of the seeded repository.
    pub(crate) fn start_review(&self, model: &Model) -> Running {
        self.start_review_with(model, &[])
    }

    pub(crate) fn start_review_with(&self, model: &Model, more: &[&str]) -> Running {
        let source = seeded();
        let source = source.to_str().unwrap();
        let arguments = [&["review", "--source", source][..], &MODEL, more].concat();
        self.start(model, &arguments)
    }

    pub(crate) fn review(&self, model: &Model) -> Outcome {
        self.start_review(model).end()
    }

    /// One agent alone.
    pub(crate) fn start_agent(&self, model: &Model, agent: &str) -> Running {
        self.start(model, &[&["work", "--agent", agent][..], &MODEL].concat())
    }

    /// What a person or a program may decide.
    pub(crate) fn decider(&self, caller: &str) -> Decider {
        let policy = policy();
        let workspace = Workspace::open_with_ambient_authority(&self.workspace).unwrap();
        let layout = policy.layout().clone();
        Decider::new(workspace.into(), &policy.grant(caller).unwrap(), layout.into(), caller)
    }

    pub(crate) fn standing(&self) -> Standing {
        standing(&self.workspace, &policy(), &run(), PERSON).unwrap()
    }

    /// A person approves all that is proposed.
    pub(crate) fn approve_all(&self) -> usize {
        let decider = self.decider(PERSON);
        let proposed = self.standing().proposed;
        for proposal in &proposed {
            decide::approve(&decider, &proposal.id, Some("looked at it"), None).unwrap();
        }
        proposed.len()
    }

    pub(crate) fn report(&self, name: &str) -> Vec<u8> {
        fs::read(self.workspace.join("output/reports").join(RUN).join(name)).unwrap()
    }

    pub(crate) fn summary(&self) -> Value {
        serde_json::from_slice(&self.report("summary.json")).unwrap()
    }

    /// Every record of a finding, by its path from the directory of findings.
    pub(crate) fn findings(&self) -> Vec<(String, Value)> {
        let mut findings = Vec::new();
        let root = self.workspace.join("output/findings");
        for agent in fs::read_dir(&root).into_iter().flatten() {
            for record in fs::read_dir(agent.unwrap().path()).unwrap() {
                let path = record.unwrap().path();
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                if !name.contains("/.") {
                    findings
                        .push((name, serde_json::from_slice(&fs::read(&path).unwrap()).unwrap()));
                }
            }
        }
        findings.sort_by(|one, other| one.0.cmp(&other.0));
        findings
    }

    /// Of the SARIF: path, line, rule and level of each result, sorted.
    pub(crate) fn results(&self) -> Vec<(String, u64, String, String)> {
        let log: Value = serde_json::from_slice(&self.report("findings.sarif")).unwrap();
        let results = log["runs"][0]["results"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut results: Vec<_> = results
            .iter()
            .map(|result| {
                let place = &result["locations"][0]["physicalLocation"];
                (
                    text(&place["artifactLocation"]["uri"]),
                    place["region"]["startLine"].as_u64().unwrap(),
                    text(&result["ruleId"]),
                    text(&result["level"]),
                )
            })
            .collect();
        results.sort();
        results
    }
}

/// Prices, so that cost is counted, and no long waits.
const MODEL: [&str; 8] = [
    "--model",
    "test.model-v1:0",
    "--first-wait-ms",
    "5",
    "--price-input",
    "0.003",
    "--price-output",
    "0.015",
];

impl Running {
    /// Waits for the end, at most two minutes.
    pub(crate) fn end(mut self) -> Outcome {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > Duration::from_secs(120) {
                self.child.kill().unwrap();
                panic!("it did not end: {}", read(&self.output, "err"));
            }
            std::thread::sleep(Duration::from_millis(10));
        };
        let (stdout, stderr) = (read(&self.output, "out"), read(&self.output, "err"));
        Outcome { status: status.code(), stdout, stderr }
    }

    /// Kills it, as a machine that fails does.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Asks it to stop, as Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    }
}

fn read(output: &Path, kind: &str) -> String {
    fs::read_to_string(output.with_extension(kind)).unwrap()
}

pub(crate) fn policy() -> Policy {
    Policy::parse(POLICY, "policy.toml").unwrap()
}

pub(crate) fn run() -> Name {
    Name::parse(RUN).unwrap()
}

/// The example, which `cargo test` builds beside this test unless it is given a filter.
fn binary() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let binary = test.parent().unwrap().parent().unwrap().join("examples/code_review");
    let built = |path: &Path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let newest = fs::read_dir(sources).unwrap().filter_map(|file| built(&file.unwrap().path()));
    assert!(
        built(&binary) >= newest.max(),
        "{} is older than its sources: run `cargo test` without a filter",
        binary.display()
    );
    binary
}
