//! A workspace in a temporary directory with a hostile neighbourhood, and the tools over it as a
//! caller sees them.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::workspace::{Resolution, Scope, Workspace};
use serde_json::Value;
use tempfile::TempDir;

pub use crate::tool_call::{MODES, call, run, run_call};

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
    /// An empty root.
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

    /// The workspace.
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// A directory that nobody may reach.
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

    /// Makes a directory, with those above it.
    pub fn directory(&self, path: &str) -> &Tree {
        fs::create_dir_all(self.root().join(path)).unwrap();
        self
    }

    /// Makes a link, with the directories above it.
    pub fn link(&self, path: &str, target: impl AsRef<Path>) -> &Tree {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(target, path).unwrap();
        self
    }

    /// What a caller who may read and write everything sees.
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
    let workspace = Workspace::open_with_resolution(root, resolution).unwrap();
    crate::tool_call::scope(workspace, policy, "local", "grep")
}

/// A path of the workspace.
pub fn path(text: &str) -> WorkspacePath {
    WorkspacePath::parse(text).unwrap()
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
