//! A workspace in a temporary directory, `propose_patch` over it, and the real git beside it.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::disallowed_methods, reason = "tests build their trees with the standard library")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::{Scope, Workspace};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Files by path: content, and whether they are executable.
pub type Files = BTreeMap<String, (Vec<u8>, bool)>;

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
pub struct Desk {
    directory: TempDir,
}

impl Desk {
    pub fn new(files: &Files) -> Desk {
        let desk = Desk { directory: tempfile::tempdir().unwrap() };
        write_tree(&desk.root(), files);
        desk
    }

    /// A workspace of plain text files.
    pub fn of(files: &[(&str, &str)]) -> Desk {
        Desk::new(&files_of(files))
    }

    pub fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    pub fn propose(&self, arguments: Value) -> Result<Value, ToolError> {
        self.propose_as("local", arguments)
    }

    pub fn propose_as(&self, caller: &str, arguments: Value) -> Result<Value, ToolError> {
        let policy = Policy::parse(POLICY, "policy").unwrap();
        let workspace = Workspace::open_with_ambient_authority(&self.root()).unwrap();
        let grant = policy.grant(caller).unwrap().for_tool("propose_patch");
        let scope = Scope::new(Arc::new(workspace), grant, Arc::new(policy.layout().clone()));
        let call = Call::new(caller, Duration::from_secs(60));
        let entry = tool::find("propose_patch").unwrap();
        entry.run(&scope, arguments, &call).map(|answer| answer.into_json())
    }

    pub fn patch(&self, patch: &str) -> Result<Value, ToolError> {
        self.propose(json!({"title": "change", "patch": patch}))
    }

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

pub fn files_of(files: &[(&str, &str)]) -> Files {
    files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (text.as_bytes().to_vec(), false)))
        .collect()
}

pub fn version(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn write_tree(root: &Path, files: &Files) {
    fs::create_dir_all(root).unwrap();
    for (path, (bytes, executable)) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let mode = if *executable { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn read_tree(root: &Path) -> Files {
    fn walk(root: &Path, directory: &Path, files: &mut Files) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if name == "output" || name == ".git" {
            } else if metadata.is_dir() {
                walk(root, &path, files);
            } else if metadata.is_file() {
                let executable = metadata.permissions().mode() & 0o100 != 0;
                files.insert(name, (fs::read(&path).unwrap(), executable));
            } else {
                files.insert(name, (b"not a regular file".to_vec(), false));
            }
        }
    }
    let mut files = Files::new();
    walk(root, root, &mut files);
    files
}

/// Whether git is there. Without it a test says so and passes, except on CI.
pub fn git_is_there() -> bool {
    let there = Command::new("git").arg("--version").output().is_ok_and(|out| out.status.success());
    if !there {
        assert!(std::env::var_os("CI").is_none(), "git is missing, and these tests need it");
        eprintln!("SKIPPED: git is missing, so nothing was compared with it");
    }
    there
}

pub fn git(directory: &Path, arguments: &[&str]) -> Output {
    Command::new("git")
        .args(["-c", "core.autocrlf=false", "-c", "core.fileMode=true", "-c", "user.name=t"])
        .args(["-c", "user.email=t@example.org", "-c", "commit.gpgSign=false"])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CEILING_DIRECTORIES", directory.parent().unwrap())
        .env("LC_ALL", "C")
        .output()
        .unwrap()
}

/// What `git apply` makes of files, or what it says.
pub fn git_apply(files: &Files, patch: &[u8], strip: &str) -> Result<Files, String> {
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    write_tree(&tree, files);
    let patch_file = directory.path().join("patch");
    fs::write(&patch_file, patch).unwrap();
    let applied = git(&tree, &["apply", strip, patch_file.to_str().unwrap()]);
    if applied.status.success() {
        Ok(read_tree(&tree))
    } else {
        Err(String::from_utf8_lossy(&applied.stderr).into_owned())
    }
}

/// What `git diff` says between two trees.
pub fn git_diff(old: &Files, new: &Files, arguments: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    write_tree(&tree, old);
    git(&tree, &["init", "-q"]);
    git(&tree, &["add", "-A", "-f"]);
    let made = git(&tree, &["commit", "-q", "--allow-empty", "-m", "old"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for path in old.keys() {
        fs::remove_file(tree.join(path)).unwrap();
    }
    write_tree(&tree, new);
    git(&tree, &["add", "-A", "-f"]);
    let mut all = vec!["diff", "--cached", "--no-color"];
    all.extend(arguments);
    git(&tree, &all).stdout
}
