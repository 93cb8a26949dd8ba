//! A workspace on a mount, and the tools over it as a caller sees them.

use std::fs;
use std::path::{Path, PathBuf};

use delayed_mount::{Mounted, Options};
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::workspace::{Resolution, Scope, Workspace};
use serde_json::Value;

use crate::tool_call::run;
pub use crate::tool_call::{MODES, run_within};

const POLICY: &str = r#"
version = 1
[[role]]
name = "agent"
callers = ["local"]
tools = [
    "read_file", "list_dir", "grep", "write_finding", "propose_patch", "write_file", "read_state",
    "write_state",
]
read = ["**"]
write = ["output/**", "state/**"]
create = ["output/work/**"]
propose = ["**"]
"#;

/// A mount and its source.
pub struct MountedWorkspace {
    /// The mount; it ends before its source goes.
    pub mounted: Mounted,
    source: tempfile::TempDir,
}

impl MountedWorkspace {
    /// None where this machine cannot mount; that is said on the terminal.
    pub fn mount(options: Options) -> Option<MountedWorkspace> {
        let source = tempfile::tempdir().unwrap();
        let mounted = Mounted::or_skip(source.path(), options).unwrap()?;
        Some(MountedWorkspace { mounted, source })
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

    /// What the caller `local` sees.
    pub fn scope(&self, resolution: Resolution) -> Scope {
        scope_at(self.mounted.path(), resolution)
    }

    /// Runs a tool and gives its JSON.
    pub fn run(&self, scope: &Scope, tool: &str, arguments: Value) -> Result<Value, ToolError> {
        run(scope, tool, arguments)
    }
}

/// What the caller `local` sees of the workspace in a directory.
pub fn scope_at(root: &Path, resolution: Resolution) -> Scope {
    let workspace = Workspace::open_with_resolution(root, resolution).unwrap();
    crate::tool_call::scope(workspace, POLICY, "local", "write_finding")
}
