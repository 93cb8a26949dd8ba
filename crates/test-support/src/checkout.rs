//! Files in a workspace, for which patches are proposed.

use std::fs;
use std::path::PathBuf;

use mcp_workspace_tools::error::ToolError;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::git::{Files, files_of, read_tree, write_tree};
use crate::tool_call::{open, run_as};

const POLICY: &str = r#"
version = 1
[[role]]
name = "fixer"
callers = ["local"]
tools = ["propose_patch"]
read = ["**"]
write = ["output/proposals/**"]
propose = ["**"]
deny = ["**/.env*", "hidden/**"]

[[role]]
name = "reader"
callers = ["narrow"]
tools = ["propose_patch"]
read = ["**"]
write = ["output/proposals/**"]
propose = ["src/**"]
deny = ["hidden/**"]

[[role]]
name = "writeless"
callers = ["writeless"]
tools = ["propose_patch"]
read = ["**"]
propose = ["**"]
"#;

/// A workspace with files in it.
pub struct Checkout {
    directory: TempDir,
}

impl Checkout {
    /// A workspace of these files.
    pub fn new(files: &Files) -> Checkout {
        let checkout = Checkout { directory: tempfile::tempdir().unwrap() };
        write_tree(&checkout.root(), files);
        checkout
    }

    /// A workspace of plain text files.
    pub fn of(files: &[(&str, &str)]) -> Checkout {
        Checkout::new(&files_of(files))
    }

    /// The directory of the workspace.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// Proposes as the caller `local`.
    pub fn propose(&self, arguments: Value) -> Result<Value, ToolError> {
        self.propose_as("local", arguments)
    }

    /// Proposes as this caller.
    pub fn propose_as(&self, caller: &str, arguments: Value) -> Result<Value, ToolError> {
        run_as(open(&self.root()), POLICY, caller, "propose_patch", arguments)
    }

    /// Proposes a patch.
    pub fn patch(&self, patch: &str) -> Result<Value, ToolError> {
        self.propose(json!({"title": "change", "patch": patch}))
    }

    /// Proposes edits.
    pub fn edits(&self, edits: Value) -> Result<Value, ToolError> {
        self.propose(json!({"title": "change", "edits": edits}))
    }

    /// The text of the error that a patch gives.
    pub fn refusal(&self, patch: &str) -> String {
        match self.patch(patch) {
            Ok(answer) => panic!("accepted: {patch}\n{answer}"),
            Err(error) => error.to_text(),
        }
    }

    /// The stored patch of an answer.
    pub fn stored(&self, answer: &Value) -> Vec<u8> {
        let folder = self.root().join(answer["path"].as_str().unwrap());
        fs::read(folder.join("change.patch")).unwrap()
    }

    /// The stored record of an answer.
    pub fn record(&self, answer: &Value) -> Value {
        let folder = self.root().join(answer["path"].as_str().unwrap());
        serde_json::from_slice(&fs::read(folder.join("proposal.json")).unwrap()).unwrap()
    }

    /// The files as they are, without records.
    pub fn files(&self) -> Files {
        read_tree(&self.root())
    }
}
