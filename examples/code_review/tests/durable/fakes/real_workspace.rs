//! A real workspace: staged by the crate's own steps, with workers that call the real tools under
//! the example's policy, and a person who decides as people do.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_durable_execution_sdk::DurableContext;
use code_review::durable::{Functions, OnMount, Report, Settings, code_review, waiting};
use code_review::{POLICY, agents};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::decide;
use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::records::decision::State;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::{Decider, Scope, Workspace};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::binary::Binary;
use super::service::{Ended, Kill, Wake, execute};

/// What the person does when the code review has gone to sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    None,
    /// Approves the first proposal by its path, rejects the other.
    ApproveFirst,
    /// Approves both.
    ApproveBoth,
}

/// A workspace with something to review.
pub(crate) struct RealWorkspace {
    directory: TempDir,
    policy: Arc<Policy>,
    done: Mutex<BTreeSet<String>>,
}

impl RealWorkspace {
    pub(crate) fn new() -> RealWorkspace {
        let directory = tempfile::tempdir().unwrap();
        let app = directory.path().join("incoming/app");
        fs::create_dir_all(&app).unwrap();
        fs::write(app.join("auth.py"), "password = \"hunter2\"\n").unwrap();
        fs::write(app.join("days.py"), "def days(a, b):\n    return b - a + 1\n").unwrap();
        RealWorkspace {
            directory,
            policy: Arc::new(Policy::parse(POLICY, "policy.toml").unwrap()),
            done: Mutex::default(),
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.directory.path()
    }

    fn workspace(&self) -> Workspace {
        Workspace::open_with_ambient_authority(self.root()).unwrap()
    }

    /// Runs a code review over the wire.
    pub(crate) async fn review(&self, kill: Kill, verdict: Verdict) -> Ended<Report> {
        let effects = Arc::new(OnMount {
            root: self.root().to_owned(),
            policy: Arc::clone(&self.policy),
            objects: Some(OBJECTS.to_owned()),
            functions: Functions::parse(&self.functions()).unwrap(),
        });
        let settings = Settings { waits: 2, ..Settings::default() };
        let handler = move |event: Value, context: DurableContext| {
            code_review(Arc::clone(&effects), settings, event, context)
        };
        let work = |_: &str, event: Value| Ok(self.work(&event));
        execute(handler, event(), kill, wakes(), work, || self.decide(verdict)).await
    }

    /// Runs a code review with the real binary.
    pub(crate) async fn review_with_binary(&self, verdict: Verdict) -> Ended<Report> {
        let policy = self.root().join("policy.toml");
        fs::write(&policy, POLICY).unwrap();
        let binary = Binary::start(&[
            ("MCP_WORKSPACE_ROOT", self.root().display().to_string()),
            ("MCP_WORKSPACE_POLICY", policy.display().to_string()),
            ("CODE_REVIEW_WORKERS", self.functions()),
            ("CODE_REVIEW_OBJECTS", OBJECTS.to_owned()),
            ("CODE_REVIEW_DECISION_DAYS", "2".to_owned()),
        ])
        .await;
        let function = async |payload: Value| binary.invoke(payload).await;
        let work = |_: &str, event: Value| Ok(self.work(&event));
        binary.service.run(&event(), wakes(), function, work, || self.decide(verdict)).await
    }

    /// A function for each role.
    fn functions(&self) -> String {
        let team = agents::team(self.policy.layout(), &run()).into_iter();
        let functions: BTreeMap<_, _> = team
            .map(|agent| (agent.role.to_string(), format!("{}-function", agent.role)))
            .collect();
        json!(functions).to_string()
    }

    /// One invocation of a worker: it calls the tools that a model would call. A run that is done
    /// is not begun again.
    fn work(&self, event: &Value) -> Value {
        let (role, agent) = (event["role"].as_str().unwrap(), event["agent"].as_str().unwrap());
        let done = super::summary(agent, "completed", "the model is done");
        if !self.done.lock().unwrap().insert(agent.to_owned()) {
            return done;
        }
        let finding = |path: &str| {
            json!({"rule_id": "R1", "severity": "high", "message": format!("{role} looked at it"),
                   "path": path, "start_line": 1, "run": "monday"})
        };
        let patch = |path: &str, old: &str, new: &str| json!({"title": format!("Mend {path}"), "edits": [{"path": path, "old_text": old, "new_text": new}]});
        let calls = match role {
            "remediation" => vec![
                ("propose_patch", patch("input/monday/auth.py", "\"hunter2\"", "load()")),
                ("propose_patch", patch("input/monday/days.py", "b - a + 1", "b - a")),
            ],
            "security-reviewer" => vec![("write_finding", finding("input/monday/auth.py"))],
            _ => vec![("write_finding", finding("input/monday/days.py"))],
        };
        for (name, arguments) in calls {
            let caller = format!("bedrock-worker:{role}");
            let grant = self.policy.grant(&caller).unwrap().for_tool(name);
            let layout = Arc::new(self.policy.layout().clone());
            let scope = Scope::new(Arc::new(self.workspace()), grant, layout);
            let call = Call::new(&caller, Duration::from_secs(60));
            if let Err(error) = tool::find(name).unwrap().run(&scope, arguments, &call) {
                panic!("{}", error.to_text());
            }
        }
        done
    }

    /// The person comes, and finds the callback where the code review has said that it is.
    fn decide(&self, verdict: Verdict) {
        assert!(!waiting(self.root(), self.policy.layout(), &run()).unwrap().is_empty());
        let grant = self.policy.grant("reviewer").unwrap();
        let layout = Arc::new(self.policy.layout().clone());
        let decider = Decider::new(Arc::new(self.workspace()), &grant, layout, "reviewer");
        let decide::Listing { readable: mut views, unreadable, .. } =
            decide::list(&decider).unwrap();
        assert!(unreadable.is_empty());
        views.sort_by_key(|view| view.proposal.files[0].path.clone());
        for (number, view) in views.iter().enumerate() {
            if view.state != State::Proposed {
                continue;
            }
            let id = &view.proposal.id;
            match (verdict, number) {
                (Verdict::None, _) => {}
                (Verdict::ApproveFirst, 1..) => {
                    decide::reject(&decider, id, "not now").unwrap();
                }
                _ => {
                    decide::approve(&decider, id, None, None).unwrap();
                }
            }
        }
    }

    /// The staged sources as they are now.
    pub(crate) fn sources(&self) -> [String; 2] {
        ["auth.py", "days.py"]
            .map(|name| fs::read_to_string(self.root().join("input/monday").join(name)).unwrap())
    }

    /// All files but callbacks, of which each execution has one, by their paths.
    pub(crate) fn files(&self) -> Vec<String> {
        let mut files = Vec::new();
        list(self.root(), &mut files);
        let within = |file: PathBuf| file.strip_prefix(self.root()).unwrap().display().to_string();
        let mut files: Vec<String> = files.into_iter().map(within).collect();
        files.retain(|file| !file.contains("/.callbacks/"));
        files.sort();
        files
    }
}

const OBJECTS: &str = "s3://bucket/workspace/agents/";

fn event() -> Value {
    json!({"run": "monday", "source": {"s3": format!("{OBJECTS}incoming/app")}})
}

fn wakes() -> Vec<Wake> {
    vec![Wake::Success("true"); 2]
}

fn run() -> Name {
    Name::parse("monday").unwrap()
}

fn list(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}
