//! A proposal and the people who decide about it, for the tests of decisions.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp_workspace_test_support::checkout::Checkout;
use mcp_workspace_test_support::git::files_of;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::records::proposal::Proposal;
use mcp_workspace_tools::records::signature::DecisionKeys;
use mcp_workspace_tools::workspace::{Decider, Workspace};
use serde_json::{Value, json};

pub(crate) const POLICY: &str = r#"
version = 1
[[role]]
name = "person"
callers = ["anna", "ben", "local"]
read = ["**"]
decide = ["**"]
[[role]]
name = "elsewhere"
callers = ["clara"]
decide = ["docs/**"]
"#;

pub(crate) const OLD: &str = "one\ntwo\nthree\n";
pub(crate) const NEW: &str = "one\n2\nthree\n";
pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef";

/// A workspace with `src/tool.sh`, which is executable, and a proposal of `local` that changes it.
pub(crate) struct Place {
    pub checkout: Checkout,
    pub id: String,
    pub signed: bool,
}

impl Place {
    pub(crate) fn new() -> Place {
        let mut files = files_of(&[("src/tool.sh", OLD), ("victim.txt", "whole\n")]);
        files.get_mut("src/tool.sh").unwrap().1 = true;
        let checkout = Checkout::new(&files);
        let edit = json!([{"path": "src/tool.sh", "old_text": "two", "new_text": "2"}]);
        let id = checkout.edits(edit).unwrap()["id"].as_str().unwrap().to_owned();
        Place { checkout, id, signed: false }
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.checkout.root()
    }

    pub(crate) fn decider(&self, caller: &str) -> Decider {
        self.over(Workspace::open_with_ambient_authority(&self.root()).unwrap(), caller)
    }

    pub(crate) fn over(&self, workspace: Workspace, caller: &str) -> Decider {
        self.with_keys(workspace, caller, self.signed.then_some(KEY))
    }

    pub(crate) fn with_keys(
        &self,
        workspace: Workspace,
        caller: &str,
        keys: Option<&str>,
    ) -> Decider {
        let table = if self.signed { "[decisions]\nkey_env = \"KEY\"\n" } else { "" };
        let text = POLICY.replacen("[[role]]", &format!("{table}[[role]]"), 1);
        let policy = Policy::parse(&text, "policy").unwrap();
        let keys = keys.map(|keys| DecisionKeys::new(keys.as_bytes()).unwrap());
        let policy = policy.with_decision_keys(keys);
        let layout = Arc::new(policy.layout().clone());
        Decider::new(Arc::new(workspace), &policy.grant(caller).unwrap(), layout, caller)
    }

    pub(crate) fn proposal(&self) -> Proposal {
        serde_json::from_slice(&fs::read(self.record()).unwrap()).unwrap()
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.root().join(format!("output/proposals/{}/proposal.json", self.id))
    }

    pub(crate) fn step(&self, number: usize) -> PathBuf {
        self.root().join(format!("output/decisions/{}/{number}", self.id))
    }

    /// Plants a step as somebody would who can write the mount.
    pub(crate) fn plant(&self, number: usize, step: &Value) {
        let directory = self.step(number);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("decision.json"), step.to_string()).unwrap();
    }

    /// An approval by Anna of what is stored.
    pub(crate) fn approval(&self) -> Value {
        json!({
            "format": 1, "proposal": self.id, "step": 1, "action": "approved", "caller": "anna",
            "role": "person", "created": "2026-01-01T00:00:00Z",
            "covers": self.proposal().digest(),
        })
    }

    /// The intent to apply it that follows an approval.
    pub(crate) fn intent(&self) -> Value {
        let version = |text: &str| mcp_workspace_test_support::git::version(text.as_bytes());
        json!({
            "format": 1, "proposal": self.id, "step": 2, "action": "applying", "caller": "ben",
            "role": "person", "created": "2026-01-01T00:00:00Z",
            "journal": {"files": [{
                "path": "src/tool.sh",
                "before": {"version": version(OLD), "mode": 0o755, "content": "0.before"},
                "after": {"version": version(NEW), "mode": 0o755, "content": "0.after"},
            }]},
        })
    }

    /// An apply that was approved and interrupted before the first source was changed.
    pub(crate) fn interrupted() -> Place {
        let place = Place::new();
        place.plant(1, &place.approval());
        place.plant(2, &place.intent());
        place.save("0.before", OLD);
        place.save("0.after", NEW);
        place
    }

    pub(crate) fn save(&self, name: &str, content: &str) {
        fs::write(self.step(2).join(name), content).unwrap();
    }

    pub(crate) fn source(&self) -> String {
        fs::read_to_string(self.root().join("src/tool.sh")).unwrap()
    }

    /// All that is on the disk: names, kinds, modes, times and content.
    pub(crate) fn everything(&self) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
        let mut all = BTreeMap::new();
        descend(&self.root(), &mut all);
        all
    }

    /// The sources with their modes: everything that is no record.
    pub(crate) fn sources(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let output = self.root().join("output");
        let all = self.everything().into_iter().filter(|(path, _)| !path.starts_with(&output));
        all.map(|(path, (mode, _, _, content))| (path, (mode, content))).collect()
    }
}

fn descend(path: &Path, all: &mut BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let content = if metadata.is_file() { fs::read(path).unwrap() } else { Vec::new() };
    let mode = metadata.permissions().mode();
    all.insert(path.to_owned(), (mode, metadata.mtime(), metadata.mtime_nsec(), content));
    if metadata.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| descend(&entry.unwrap().path(), all));
    }
}
