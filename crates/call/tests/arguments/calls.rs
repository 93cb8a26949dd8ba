//! Calls through the dispatcher, each on a workspace of its own.

use std::fs;
use std::time::Duration;

use mcp_workspace_call::caller::{Caller, Proof};
use mcp_workspace_call::dispatch::Dispatcher;
use mcp_workspace_call::request::Request;
use mcp_workspace_tools::answer::Answer;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::workspace::Workspace;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

const FILES: &[(&str, &str)] = &[
    ("README.md", "# Title\nTODO one\nTODO two\n"),
    ("src/main.py", "import os\n\ndef main():\n    return 1  # TODO three\n"),
    ("src/app.tsx", "export const App = 1; // TODO four\n"),
    ("src/lib.ts", "export const lib = 1; // TODO five\n"),
    ("query.sql", "select 1; -- TODO six\n"),
    ("docs/a b.md", "TODO seven\n"),
    ("docs/a%20b.md", "TODO eight\n"),
    ("'odd'", "TODO nine\n"),
    ("secret.key", "TODO hidden\n"),
];

const POLICY: &str = r#"
version = 1
[[role]]
name    = "agent"
callers = ["agent"]
tools   = ["list_dir", "read_file", "grep", "write_finding", "propose_patch", "read_state", "write_state"]
read    = ["**"]
write   = ["output/**", "state/**"]
propose = ["**"]
deny    = ["**/*.key"]
[[expect]]
caller = "agent"
tool   = "read_file"
path   = "secret.key"
allow  = false
"#;

/// Calls a tool on a workspace that holds [`FILES`], and for `read_state` one key.
pub(crate) fn call(tool: &str, arguments: Value) -> Result<Answer, ToolError> {
    let root = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        let file = root.path().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
    let workspace = Workspace::open_with_ambient_authority(root.path()).unwrap();
    let policy = Policy::parse(POLICY, "policy.toml").unwrap();
    let dispatcher = Dispatcher::new(workspace, policy, Duration::from_secs(20));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let dispatch = |tool: &str, arguments: Value| {
        let request = Request {
            caller: Caller::new("agent", Proof::Process),
            host: "test",
            tool: tool.to_owned(),
            arguments,
            request_id: "1".to_owned(),
            progress: None,
            deadline: None,
            trace: None,
        };
        runtime.block_on(dispatcher.dispatch(request, CancellationToken::new()))
    };
    // Nowhere else, since a search finds the time in it.
    if tool == "read_state" {
        dispatch("write_state", json!({ "key": "tasks/a", "value": "mine" })).unwrap();
    }
    let result = dispatch(tool, arguments);
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// What an answer says, and how the call was read.
pub(crate) fn split(answer: &Answer) -> (Value, Vec<String>) {
    let mut json = answer.json().clone();
    let fields = json.as_object_mut().unwrap();
    let adjusted = fields.remove("adjusted").unwrap_or_else(|| json!([]));
    (json, serde_json::from_value(adjusted).unwrap())
}
