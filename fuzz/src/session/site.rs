//! The workspace of a session: the policy, calls by its callers, and what lies on the disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::{Scope, Workspace};
use serde_json::Value;
use tempfile::TempDir;

/// In the text of every file that no caller may read.
pub(super) const SECRET: &str = "zqsecret";
/// In the names of what is hidden by its name.
pub(super) const UNSEEN: &str = "unseen";

const POLICY: &str = r#"
version = 1

[[role]]
name    = "one"
callers = ["one"]
tools   = ["list_dir", "read_file", "grep", "write_finding", "propose_patch", "read_state", "write_state", "list_findings", "list_proposals"]
read    = ["input/**", "output/**", "state/**"]
write   = ["output/findings/one/**", "output/proposals/**", "state/**"]
propose = ["input/**"]
deny    = ["**/*unseen*", "**/*unseen*/**", "input/dark", "input/dark/**"]

[[role]]
name    = "two"
callers = ["two"]
tools   = ["list_dir", "read_file", "grep", "write_finding", "propose_patch", "read_state", "write_state", "list_findings", "list_proposals"]
read    = ["input/d/**", "output/**", "state/**"]
write   = ["output/findings/two/**", "output/proposals/**", "state/**"]
propose = ["input/d/**"]
deny    = ["**/*unseen*", "**/*unseen*/**", "input/dark", "input/dark/**"]
"#;

static RULES: LazyLock<Policy> = LazyLock::new(|| Policy::parse(POLICY, "fuzz.toml").unwrap());

/// A caller, by the name of its role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Caller(pub &'static str);

pub(super) const CALLERS: [Caller; 2] = [Caller("one"), Caller("two")];

impl Caller {
    /// Whether the policy lets it read a file at a path; told without the policy's code.
    pub(super) fn reads(self, path: &str) -> bool {
        let directory = if self.0 == "one" { "input/" } else { "input/d/" };
        !is_hidden(path) && path.starts_with(directory)
    }

    /// Whether the policy shows what lies at a path below `input`.
    pub(super) fn sees(self, path: &str, tree: &Tree) -> bool {
        self.reads(path) || path == "input/d" && tree.get(path) == Some(&Node::Directory)
    }
}

/// Whether a path below `input` is hidden from everybody.
pub(super) fn is_hidden(path: &str) -> bool {
    path.contains(UNSEEN) || path == "input/dark" || path.starts_with("input/dark/")
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    File(String),
    Directory,
    Link,
}

/// All that lies in a directory, by its path from the workspace's root.
pub(super) type Tree = BTreeMap<String, Node>;

/// A workspace, and a directory outside of it.
pub(super) struct Site {
    directory: TempDir,
    workspace: Arc<Workspace>,
}

impl Site {
    pub(super) fn new() -> Site {
        let memory = Path::new("/dev/shm");
        let directory =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let directory = directory.unwrap();
        let root = directory.path().join("workspace");
        for folder in ["workspace/input/d/e", "workspace/input/dark", "outside"] {
            fs::create_dir_all(directory.path().join(folder)).unwrap();
        }
        fs::write(directory.path().join("outside/secret.txt"), SECRET).unwrap();
        fs::write(root.join("input/dark/e.txt"), SECRET).unwrap();
        fs::write(root.join("input/d/unseen.txt"), format!("{SECRET}\nalpha\n")).unwrap();
        fs::write(root.join("input/a.txt"), "alpha\nbeta\ndelta\n").unwrap();
        fs::write(root.join("input/d/a.txt"), "gamma\nalpha\n").unwrap();
        let workspace = Arc::new(Workspace::open_with_ambient_authority(&root).unwrap());
        Site { directory, workspace }
    }

    /// A path of the workspace on this machine.
    pub(super) fn at(&self, path: &str) -> std::path::PathBuf {
        self.directory.path().join("workspace").join(path)
    }

    /// Calls a tool, and sees to what holds of every call.
    pub(super) fn call(
        &self,
        caller: Caller,
        name: &str,
        arguments: &Value,
    ) -> Result<Value, ToolError> {
        let before = (self.sources(), self.outside());
        let grant = RULES.grant(caller.0).unwrap().for_tool(name);
        let layout = Arc::new(RULES.layout().clone());
        let scope = Scope::new(Arc::clone(&self.workspace), grant, layout);
        let call = Call::new(caller.0, Duration::from_secs(30));
        let result = tool::find(name).unwrap().run(&scope, arguments.clone(), &call);
        assert_eq!(before, (self.sources(), self.outside()), "{name} {arguments}");
        let result = result.map(|answer| answer.into_json_and_text());
        let said = match &result {
            Ok((json, text)) => format!("{json}\n{text}"),
            Err(error) => format!("{error:?}"),
        };
        assert!(!said.contains(SECRET), "{name} {arguments}: {said}");
        // What the caller itself has written is no secret.
        let own = arguments["path"].as_str().or(arguments["key"].as_str());
        let own = own.or(arguments["edits"][0]["path"].as_str()).filter(|own| !own.is_empty());
        let said = own.map_or(said.clone(), |own| said.replace(own, ""));
        assert!(!said.contains(UNSEEN), "{name} {arguments}: {said}");
        result.map(|(json, _)| json)
    }

    /// All below `input`.
    pub(super) fn sources(&self) -> Tree {
        let mut tree = Tree::new();
        scan(&self.at("input"), "input", &mut tree);
        tree
    }

    fn outside(&self) -> Tree {
        let mut tree = Tree::new();
        scan(&self.directory.path().join("outside"), "outside", &mut tree);
        tree
    }

    /// Nothing lies where no record may, and nothing unfinished is left.
    pub(super) fn check_order(&self) {
        for entry in fs::read_dir(self.at("")).unwrap() {
            let name = entry.unwrap().file_name();
            assert!(["input", "output", "state"].map(Some).contains(&name.to_str()), "{name:?}");
        }
        let mut tree = Tree::new();
        for folder in ["output", "state"].map(|folder| self.at(folder)) {
            scan(&folder, "", &mut tree);
        }
        let left: Vec<_> = tree.keys().filter(|path| path.contains("/.unfinished-")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

fn scan(directory: &Path, path: &str, tree: &mut Tree) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let entry = entry.unwrap();
        let path = format!("{path}/{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        let node = if kind.is_dir() {
            scan(&entry.path(), &path, tree);
            Node::Directory
        } else if kind.is_symlink() {
            Node::Link
        } else {
            Node::File(String::from_utf8(fs::read(entry.path()).unwrap()).unwrap())
        };
        tree.insert(path, node);
    }
}
