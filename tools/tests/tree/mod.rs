//! A workspace in a temporary directory with a hostile neighbourhood, and the tools over it as a
//! caller sees them.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::disallowed_methods, reason = "tests build their trees with the standard library")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::{Resolution, Scope, Workspace};
use serde_json::Value;
use tempfile::TempDir;

/// Both ways of resolving paths; every sandbox test runs in both.
pub const MODES: [Resolution; 2] = [Resolution::Openat2, Resolution::Components];

/// What stands in every file outside the root. No answer may contain it.
pub const OUTSIDE: &str = "OUTSIDE-THE-ROOT";

/// A role that may read and write everything.
pub const OPEN_POLICY: &str = r#"
version = 1
[[role]]
name = "local"
callers = ["local"]
tools = ["list_dir", "grep", "write_finding"]
read = ["**"]
write = ["**"]
"#;

/// A directory `root` with a sibling `root-evil` and a directory `outside` beside it.
pub struct Tree {
    directory: TempDir,
}

impl Tree {
    pub fn new() -> Tree {
        let directory = tempfile::tempdir().unwrap();
        for name in ["root", "root-evil", "outside", "outside/sub"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        for name in ["root-evil/secret.txt", "outside/secret.txt", "outside/sub/secret.txt"] {
            fs::write(directory.path().join(name), OUTSIDE).unwrap();
        }
        Tree { directory }
    }

    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub fn outside(&self) -> PathBuf {
        self.directory.path().join("outside")
    }

    /// Writes a file, with the directories above it.
    pub fn file(&self, path: &str, content: impl AsRef<[u8]>) -> &Tree {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    pub fn directory(&self, path: &str) -> &Tree {
        fs::create_dir_all(self.root().join(path)).unwrap();
        self
    }

    pub fn link(&self, path: &str, target: impl AsRef<Path>) -> &Tree {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
        self
    }

    pub fn scope(&self, resolution: Resolution) -> Scope {
        scope_at(&self.root(), resolution, OPEN_POLICY)
    }

    /// All that lies outside the root: path and content.
    pub fn neighbourhood(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut all = BTreeMap::new();
        for name in ["outside", "root-evil"] {
            contents(&self.directory.path().join(name), &mut all);
        }
        all
    }
}

fn contents(directory: &Path, all: &mut BTreeMap<PathBuf, Vec<u8>>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.symlink_metadata().unwrap().is_dir() {
            contents(&path, all);
            all.insert(path, Vec::new());
        } else {
            all.insert(path.clone(), fs::read(path).unwrap());
        }
    }
}

/// The scope of the caller `local` in any of the tools.
pub fn scope_at(root: &Path, resolution: Resolution, policy: &str) -> Scope {
    let policy = Policy::parse(policy, "test.toml").expect("the test's policy");
    let workspace = Workspace::open_with_resolution(root, resolution).unwrap();
    let grant = policy.grant("local").unwrap().for_tool("grep");
    Scope::new(Arc::new(workspace), grant, Arc::new(policy.layout().clone()))
}

pub fn call() -> Call {
    Call::new("local", Duration::from_secs(60))
}

pub fn path(text: &str) -> WorkspacePath {
    WorkspacePath::parse(text).unwrap()
}

/// Runs a tool and gives its JSON.
pub fn run(scope: &Scope, tool: &str, arguments: Value) -> Result<Value, ToolError> {
    run_call(scope, tool, arguments, &call())
}

pub fn run_call(
    scope: &Scope,
    tool: &str,
    arguments: Value,
    call: &Call,
) -> Result<Value, ToolError> {
    tool::find(tool).unwrap().run(scope, arguments, call).map(|answer| answer.into_json())
}

/// All entries below `root` by a plain recursion: path and kind, in the byte order of paths.
pub fn naive_listing(root: &Path) -> Vec<(String, &'static str)> {
    fn descend(directory: &Path, prefix: &str, all: &mut Vec<(String, &'static str)>) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if prefix.is_empty() { name } else { format!("{prefix}/{name}") };
            let kind = entry.file_type().unwrap();
            let word = if kind.is_dir() {
                "directory"
            } else if kind.is_symlink() {
                "symlink"
            } else if kind.is_file() {
                "file"
            } else {
                "other"
            };
            all.push((path.clone(), word));
            if kind.is_dir() {
                descend(&entry.path(), &path, all);
            }
        }
    }
    let mut all = Vec::new();
    descend(root, "", &mut all);
    all.sort();
    all
}

/// The strings under `name` in an array of objects.
pub fn strings(array: &Value, name: &str) -> Vec<String> {
    array.as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}
