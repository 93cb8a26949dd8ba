//! The example's workspace in a directory of its own, and agents at work in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::talk::{Mind, play};
use mcp_workspace_test_support::model::Model;

pub(crate) struct Night {
    directory: TempDir,
    example: PathBuf,
}

impl Night {
    pub(crate) fn new() -> Night {
        let directory = tempfile::tempdir().unwrap();
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data_quality");
        copy(&example.join("workspace"), &directory.path().join("workspace"));
        Night { directory, example }
    }

    /// A file of the example.
    pub(crate) fn example(&self, name: &str) -> String {
        std::fs::read_to_string(self.example.join(name)).unwrap()
    }

    /// A file of the workspace.
    pub(crate) fn file(&self, path: &str) -> String {
        std::fs::read_to_string(self.workspace().join(path)).unwrap()
    }

    fn workspace(&self) -> PathBuf {
        self.directory.path().join("workspace")
    }

    /// Runs these agents of a role at the same time, to their end; what each said last.
    pub(crate) fn run(
        &self,
        role: &str,
        agents: &[&str],
        mind: impl Fn() -> Box<dyn Mind>,
    ) -> Vec<String> {
        let task = self.example.join(format!("tasks/{role}.md"));
        let mut running = Vec::new();
        for agent in agents {
            let model = Model::playing(play(mind()));
            let child = Command::new(env!("CARGO_BIN_EXE_bedrock-agent"))
                .args(["run", "--run", "night", "--model", "test.model-v1:0", "--role", role])
                .args(["--agent", agent, "--task", &format!("@{}", task.display())])
                // Nothing of the machine: no proxy, no profile, no instance metadata.
                .env_clear()
                .env("HOME", self.directory.path())
                .env("MCP_WORKSPACE_ROOT", self.workspace())
                .env("MCP_WORKSPACE_POLICY", self.example.join("policy.toml"))
                .env("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", model.url())
                .env("AWS_REGION", "eu-west-1")
                .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
                .env("AWS_SECRET_ACCESS_KEY", "secret")
                .env("AWS_EC2_METADATA_DISABLED", "true")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            running.push((agent, model, child));
        }
        let begun = Instant::now();
        let mut said = Vec::new();
        for (agent, model, mut child) in running {
            let status = loop {
                if let Some(status) = child.try_wait().unwrap() {
                    break status;
                }
                if begun.elapsed() > Duration::from_secs(120) {
                    child.kill().unwrap();
                    panic!("{agent} did not end; it asked {:#?}", model.requests().last());
                }
                std::thread::sleep(Duration::from_millis(10));
            };
            let requests = model.requests();
            let task = std::fs::read_to_string(&task).unwrap();
            let asked = requests[0]["messages"][0].to_string();
            assert!(asked.contains(task.lines().next().unwrap()), "{asked}");
            let summary = self.workspace().join(format!("output/runs/night/{agent}/summary.json"));
            let summary = std::fs::read_to_string(summary).unwrap();
            assert_eq!(status.code(), Some(0), "{agent}: {summary}");
            let summary: Value = serde_json::from_str(&summary).unwrap();
            said.push(summary["text"].as_str().unwrap().to_owned());
        }
        said
    }

    /// All findings on disk.
    pub(crate) fn findings(&self) -> Vec<Value> {
        let mut findings = Vec::new();
        for agent in std::fs::read_dir(self.workspace().join("output/findings")).unwrap() {
            for finding in std::fs::read_dir(agent.unwrap().path()).unwrap() {
                let finding = std::fs::read(finding.unwrap().path()).unwrap();
                findings.push(serde_json::from_slice(&finding).unwrap());
            }
        }
        findings
    }

    /// The newest value of a key.
    pub(crate) fn state(&self, key: &str) -> Value {
        let versions = self.workspace().join(format!("state/{key}/@"));
        let versions = std::fs::read_dir(versions).unwrap();
        let numbers = versions.filter_map(|entry| {
            let path = entry.unwrap().path();
            let number: u64 = path.file_name()?.to_str()?.parse().ok()?;
            Some((number, path))
        });
        let (_, newest) = numbers.max().unwrap();
        let value = std::fs::read(newest.join("value.json")).unwrap();
        let value: Value = serde_json::from_slice(&value).unwrap();
        value.get("value").cloned().unwrap_or(value)
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}
