//! Any JSON as arguments of every tool, cursors and findings among them: an answer or an error in
//! words, and never a source that changes.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::{Scope, Workspace};
use serde_json::Value;
use tempfile::TempDir;

const SOURCE: &str = "one\ntwo\nthree\n";

static WORKSPACE: LazyLock<(TempDir, Arc<Workspace>, Policy)> = LazyLock::new(|| {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("a.txt"), SOURCE).unwrap();
    std::fs::create_dir(directory.path().join("d")).unwrap();
    let workspace = Workspace::open_with_ambient_authority(directory.path()).unwrap();
    let policy = Policy::parse(include_str!("../../policies/local.toml"), "local.toml").unwrap();
    (directory, Arc::new(workspace), policy)
});

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let Ok(arguments) = serde_json::from_slice::<Value>(bytes) else { return };
    let (directory, workspace, policy) = &*WORKSPACE;
    for entry in tool::catalog() {
        let grant = policy.grant("local").unwrap().for_tool(entry.name);
        let scope = Scope::new(Arc::clone(workspace), grant, Arc::new(policy.layout().clone()));
        let call = Call::new("local", Duration::from_secs(5));
        match entry.run(&scope, arguments.clone(), &call) {
            Ok(answer) => drop(answer.json().to_string()),
            Err(error) => assert!(!error.message.is_empty()),
        }
    }
    assert_eq!(std::fs::read_to_string(directory.path().join("a.txt")).unwrap(), SOURCE);
}
