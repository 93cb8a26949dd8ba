//! A workspace on a mount, and the tools over it as a caller sees them.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use delayed_mount::{Mounted, Options};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::{Resolution, Scope, Workspace};
use serde_json::Value;

/// Both ways of resolving paths.
pub const MODES: [Resolution; 2] = [Resolution::Openat2, Resolution::Components];

pub const POLICY: &str = r#"
version = 1
[[role]]
name = "agent"
callers = ["local"]
tools = [
    "read_file", "list_dir", "grep", "write_finding", "propose_patch", "read_state", "write_state",
]
read = ["**"]
write = ["output/**", "state/**"]
propose = ["**"]
"#;

/// A mount and its source.
pub struct Desk {
    // The mount ends before its source goes.
    pub mounted: Mounted,
    source: tempfile::TempDir,
}

impl Desk {
    /// None where this machine cannot mount; that is said on the terminal.
    pub fn mount(options: Options) -> Option<Desk> {
        let source = tempfile::tempdir().unwrap();
        let mounted = Mounted::or_skip(source.path(), options).unwrap()?;
        Some(Desk { mounted, source })
    }

    /// The tree behind the mount.
    pub fn source(&self) -> &Path {
        self.source.path()
    }

    /// Writes a file behind the mount, as a stager of the workspace does.
    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        let path: PathBuf = self.source().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn scope(&self, resolution: Resolution) -> Scope {
        scope_at(self.mounted.path(), resolution)
    }

    pub fn run(&self, scope: &Scope, tool: &str, arguments: Value) -> Result<Value, ToolError> {
        run_within(scope, tool, arguments, Duration::from_secs(60))
    }
}

pub fn scope_at(root: &Path, resolution: Resolution) -> Scope {
    let policy = Policy::parse(POLICY, "test.toml").expect("the test's policy");
    let workspace = Workspace::open_with_resolution(root, resolution).unwrap();
    let grant = policy.grant("local").unwrap().for_tool("write_finding");
    Scope::new(Arc::new(workspace), grant, Arc::new(policy.layout().clone()))
}

pub fn run_within(
    scope: &Scope,
    tool: &str,
    arguments: Value,
    time: Duration,
) -> Result<Value, ToolError> {
    let call = Call::new("local", time);
    tool::find(tool).unwrap().run(scope, arguments, &call).map(|answer| answer.into_json())
}
