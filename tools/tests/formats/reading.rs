//! A workspace with one file in it, and calls of `read_file`.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcp_workspace_tools::answer::{Answer, Shown};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::tool::find;
use mcp_workspace_tools::workspace::{Scope, Workspace};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

pub(crate) const NAME: &str = "data.bin";

pub(crate) struct Setting {
    directory: TempDir,
    name: String,
    policy: Policy,
}

impl Setting {
    pub(crate) fn with(bytes: &[u8]) -> Setting {
        Setting::limited(bytes, 64 << 20)
    }

    /// A setting in which `max_file_bytes` is so much.
    pub(crate) fn limited(bytes: &[u8], max_file_bytes: u64) -> Setting {
        Setting::of(NAME, bytes, max_file_bytes)
    }

    /// A setting whose file has this name.
    pub(crate) fn named(name: &str, bytes: &[u8]) -> Setting {
        Setting::of(name, bytes, 64 << 20)
    }

    pub(crate) fn of(name: &str, bytes: &[u8], max_file_bytes: u64) -> Setting {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(name), bytes).unwrap();
        let policy = format!(
            "version = 1\n[[role]]\nname = \"reader\"\ncallers = [\"local\"]\ntools = \
             [\"read_file\", \"grep\"]\nread = [\"**\"]\n[role.limits]\nmax_file_bytes = \
             {max_file_bytes}\n"
        );
        Setting {
            directory,
            name: name.to_owned(),
            policy: Policy::parse(&policy, "test").unwrap(),
        }
    }

    pub(crate) fn call(
        &self,
        tool: &str,
        arguments: Value,
        call: &Call,
    ) -> Result<Answer, ToolError> {
        let workspace = Workspace::open_with_ambient_authority(self.directory.path()).unwrap();
        let grant = self.policy.grant("local").unwrap().for_tool(tool);
        let scope = Scope::new(Arc::new(workspace), grant, Arc::new(self.policy.layout().clone()));
        find(tool).unwrap().run(&scope, arguments, call)
    }

    pub(crate) fn try_read(&self, arguments: Value) -> Result<Answer, ToolError> {
        let mut all = json!({ "path": self.name });
        all.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
        self.call("read_file", all, &Call::new("local", Duration::from_secs(60)))
    }

    pub(crate) fn read(&self, arguments: Value) -> Answer {
        self.try_read(arguments).unwrap()
    }

    pub(crate) fn json(&self, mut arguments: Value) -> Value {
        arguments["format"] = json!("json");
        self.read(arguments).into_json()
    }

    pub(crate) fn text(&self, arguments: Value) -> String {
        match self.read(arguments).shown {
            Shown::Text(text) => text,
            other => panic!("no text but {other:?}"),
        }
    }
}

/// A file that another writer wrote, and its rows by the writer's own library.
pub(crate) fn fixture(name: &str) -> (Vec<u8>, Vec<Value>) {
    let files = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/formats/files");
    let rows = std::fs::read(files.join(format!("{name}.rows.json")));
    let rows = rows.map(|rows| serde_json::from_slice(&rows).unwrap()).unwrap_or_default();
    (std::fs::read(files.join(name)).unwrap(), rows)
}

pub(crate) fn version(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn notes(answer: &Value) -> String {
    answer["notes"].to_string()
}
