//! Workspaces with tables in them, and calls of `query_table`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mcp_workspace_tools::answer::{Answer, Shown};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::memory::Memory;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::tool::find;
use mcp_workspace_tools::workspace::{Scope, Workspace};
use serde_json::{Value, json};
use tempfile::TempDir;

const POLICY: &str = "version = 1\n[[role]]\nname = \"reader\"\ncallers = [\"local\"]\ntools = \
                      [\"query_table\", \"list_dir\"]\nread = [\"**\"]\ndeny = [\"secret/**\"]\n";

pub(crate) struct Tables {
    pub(crate) directory: TempDir,
    pub(crate) memory: Memory,
    policy: Policy,
}

impl Tables {
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Tables {
        let tables = Tables {
            directory: tempfile::tempdir().unwrap(),
            memory: Memory::default(),
            policy: Policy::parse(POLICY, "test").unwrap(),
        };
        for (name, bytes) in files {
            tables.write(name, bytes);
        }
        tables
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.directory.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn call(&self, arguments: Value, call: &Call) -> Result<Answer, ToolError> {
        let workspace = Workspace::open_with_ambient_authority(self.directory.path()).unwrap();
        let workspace = workspace.with_memory(self.memory.clone());
        let grant = self.policy.grant("local").unwrap().for_tool("query_table");
        let scope = Scope::new(Arc::new(workspace), grant, Arc::new(self.policy.layout().clone()));
        find("query_table").unwrap().run(&scope, arguments, call)
    }

    /// A query over one table, `t`, within a minute.
    pub(crate) fn ask(&self, path: &str, sql: &str) -> Result<Value, ToolError> {
        self.within(Duration::from_secs(60), path, sql)
    }

    pub(crate) fn within(&self, time: Duration, path: &str, sql: &str) -> Result<Value, ToolError> {
        let tables = json!([{ "name": "t", "path": path }]);
        let arguments = json!({ "sql": sql, "tables": tables, "format": "json", "limit": 5_000 });
        self.call(arguments, &Call::new("local", time)).map(Answer::into_json)
    }

    /// The rows of such a query.
    #[track_caller]
    pub(crate) fn rows(&self, path: &str, sql: &str) -> Value {
        match self.ask(path, sql) {
            Ok(mut answer) => answer["rows"].take(),
            Err(error) => panic!("{path}: {sql}: {}", error.to_text()),
        }
    }

    /// The text of such a query.
    pub(crate) fn text(&self, path: &str, sql: &str) -> String {
        let tables = json!([{ "name": "t", "path": path }]);
        let call = Call::new("local", Duration::from_secs(60));
        match self.call(json!({ "sql": sql, "tables": tables }), &call).unwrap().shown {
            Shown::Text(text) => text,
            other => panic!("no text but {other:?}"),
        }
    }
}

pub(crate) fn long(value: i64) -> Vec<u8> {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    let mut bytes = Vec::new();
    loop {
        let byte = (left & 0x7F) as u8;
        left >>= 7;
        if left == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}
