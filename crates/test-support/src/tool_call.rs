//! One call of a tool, as a caller of a policy.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::{Resolution, Scope, Workspace};
use serde_json::Value;

/// Both ways of resolving paths.
pub const MODES: [Resolution; 2] = [Resolution::Openat2, Resolution::Components];

/// The workspace in a directory.
pub fn open(root: &Path) -> Workspace {
    Workspace::open_with_ambient_authority(root).unwrap()
}

/// What a caller of this policy may see with a tool.
pub fn scope(workspace: Workspace, policy: &str, caller: &str, tool: &str) -> Scope {
    let policy = Policy::parse(policy, "policy").expect("the test's policy");
    let grant = policy.grant(caller).unwrap().for_tool(tool);
    Scope::new(Arc::new(workspace), grant, Arc::new(policy.layout().clone()))
}

/// A call with more time than it needs.
pub fn call() -> Call {
    Call::new("local", Duration::from_secs(60))
}

/// Runs a tool and gives its JSON.
pub fn run(scope: &Scope, tool: &str, arguments: Value) -> Result<Value, ToolError> {
    run_call(scope, tool, arguments, &call())
}

/// Runs a tool within this time and gives its JSON.
pub fn run_within(
    scope: &Scope,
    tool: &str,
    arguments: Value,
    time: Duration,
) -> Result<Value, ToolError> {
    run_call(scope, tool, arguments, &Call::new("local", time))
}

/// Runs a tool in this call and gives its JSON.
pub fn run_call(
    scope: &Scope,
    tool: &str,
    arguments: Value,
    call: &Call,
) -> Result<Value, ToolError> {
    tool::find(tool).unwrap().run(scope, arguments, call).map(|answer| answer.into_json())
}

/// Runs a tool as a caller of this policy and gives its JSON.
pub fn run_as(
    workspace: Workspace,
    policy: &str,
    caller: &str,
    tool: &str,
    arguments: Value,
) -> Result<Value, ToolError> {
    let call = Call::new(caller, Duration::from_secs(60));
    run_call(&scope(workspace, policy, caller, tool), tool, arguments, &call)
}
