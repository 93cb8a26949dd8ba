//! What policy hides is as what is not there: every tool gives the same whole answer, or the same
//! whole error, with the hidden thing and without it, whatever kind it is, whatever the file system
//! says of it, and in both ways of resolving paths.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use mcp_workspace_test_support::cases::cases;
use mcp_workspace_test_support::kinds::{Thing, lock, under_permissions, unlock};
use mcp_workspace_test_support::tool_call;
use mcp_workspace_test_support::tree::{MODES, Tree};
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::policy::{Access, Policy};
use mcp_workspace_tools::workspace::{Resolution, Scope, Workspace};
use proptest::prelude::*;
use serde_json::{Value, json};

const TOOLS: [&str; 9] = [
    "list_dir",
    "read_file",
    "grep",
    "write_finding",
    "propose_patch",
    "read_state",
    "write_state",
    "list_findings",
    "list_proposals",
];

/// `read` and `deny` of the caller's role.
const RIGHTS: [(&str, &str); 6] = [
    (r#""input/**/*.py""#, ""),
    (r#""**""#, r#""**/*.sock", "secret/**", "**/locked*", "**/hidden/**""#),
    (r#""input/sub/**""#, ""),
    (r#""**/*.md", "state/**""#, r#""state/hidden*""#),
    (r#""input/*""#, r#""input/[aeh]*""#),
    (r#""output/findings/*/*.json", "state/tasks/**""#, ""),
];

/// Where the thing lies, by its bytes.
const PLACES: [&[u8]; 15] = [
    b"input/agent.sock",
    b"input/hidden",
    b"input/locked.txt",
    b"input/sub/agent.sock",
    b"input/empty/agent.sock",
    b"secret/agent.key",
    b"secret",
    b"hidden",
    b"input/caf\xe9.sock",
    b"input/sub/caf\xe9",
    b"caf\xe9.locked",
    b"state/hidden",
    b"state/hidden/agent",
    b"output/findings/locked",
    b"output/proposals/locked",
];

fn policy(rights: usize) -> String {
    let (read, deny) = RIGHTS[rights];
    let tools = TOOLS.map(|tool| format!("\"{tool}\"")).join(", ");
    format!(
        "version = 1\n[[role]]\nname = \"agent\"\ncallers = [\"local\"]\ntools = [{tools}]\n\
         read = [{read}]\nwrite = [\"output/findings/agent/**\", \"output/proposals/[0-9a-f]*/**\", \
         \"output/proposals/[0-9a-f]*\", \"state/tasks/**\"]\npropose = [\"**\"]\n\
         deny = [{deny}]\n"
    )
}

/// Whether policy hides the thing: it may be neither read nor entered. A name that is no text is
/// judged by what it is nearest to.
fn is_hidden(policy: &Policy, place: &str, thing: Thing) -> bool {
    let path = WorkspacePath::parse(place).unwrap();
    TOOLS.iter().all(|tool| {
        let grant = policy.grant("local").unwrap().for_tool(tool);
        let is_directory = thing.is_directory();
        let access = if is_directory { Access::Enter } else { Access::Read };
        let inside = path.join("inside.txt").unwrap();
        let is_known = grant.may(access, &path)
            || grant.may(Access::Write, &path)
            || is_directory && grant.may(Access::Read, &inside);
        !is_known
    })
}

/// A workspace in which there is something of all that tools look for, and around the thing.
fn tree(place: &Path) -> Tree {
    let tree = Tree::new();
    tree.file("input/main.py", "needle = 1\n")
        .file("input/agent.py", "needle = 2\n")
        .file("input/sub/agents.py", "needle = 3\n")
        .file("input/sub/notes.md", "needle\n")
        .file("README.md", "needle\n")
        .file("state/tasks/one/@/1/value.json", "{}")
        .directory("input/empty");
    std::fs::create_dir_all(tree.root().join(place.parent().unwrap())).unwrap();
    tree
}

/// Calls of every tool at the thing, around it and over the whole workspace.
fn calls(place: &str) -> Vec<(&'static str, Value)> {
    let parent = place.rsplit_once('/').map_or("", |(parent, _)| parent);
    // A slip in writing it, for which the nearest name is looked up.
    let mut slip = place.to_owned();
    slip.pop();
    slip.push('_');
    let mut calls = Vec::new();
    for path in [place, parent, "", &format!("{place}/inside.txt"), &format!("{place}/x.py"), &slip]
    {
        calls.push(("list_dir", json!({"path": path})));
        calls.push(("list_dir", json!({"path": path, "depth": 9, "details": true})));
        calls.push(("list_dir", json!({"path": path, "glob": "*"})));
        calls.push(("grep", json!({"path": path, "pattern": "needle", "format": "json"})));
        calls.push((
            "grep",
            json!({"path": path, "pattern": ".", "mode": "files", "respect_ignore_files": true}),
        ));
        if path.is_empty() {
            continue;
        }
        calls.push(("read_file", json!({"path": path})));
        calls.push(("read_file", json!({"path": path, "offset": -1})));
        calls.push(("read_state", json!({"key": path})));
        calls.push(("read_state", json!({"prefix": path})));
        calls.push(("read_state", json!({"prefix": format!("{path}/")})));
        if path == parent {
            continue;
        }
        let finding = json!({"rule_id": "r", "severity": "low", "message": "m", "path": path});
        calls.push(("write_finding", finding));
        for edit in [
            json!({"path": path, "old_text": "needle", "new_text": "pin"}),
            json!({"path": path, "create": true, "new_text": "pin\n"}),
            json!({"path": path, "delete": true}),
            json!({"path": path, "new_path": "input/sub/moved.py"}),
            json!({"path": "input/sub/agents.py", "new_path": path}),
        ] {
            calls.push(("propose_patch", json!({"title": "t", "edits": [edit]})));
        }
        calls.push(("write_state", json!({"key": path, "value": 1})));
    }
    let keys: Vec<&str> = place.strip_prefix("state/").into_iter().collect();
    for key in keys {
        calls.push(("read_state", json!({"key": key})));
        calls.push(("read_state", json!({"prefix": key})));
        calls.push(("read_state", json!({"prefix": format!("{key}/")})));
        calls.push(("write_state", json!({"key": key, "value": 1, "expected_version": 0})));
    }
    calls.push(("read_state", json!({"prefix": ""})));
    for tool in ["list_findings", "list_proposals"] {
        calls.push((tool, json!({})));
        calls.push((tool, json!({"path": place, "details": true, "format": "json"})));
    }
    let whole = json!({"rule_id": "r", "severity": "low", "message": "about all"});
    calls.push(("write_finding", whole));
    let near = json!({"rule_id": "r", "severity": "low", "message": "m", "path": "input/sub/notes.md",
        "start_line": 1});
    calls.push(("write_finding", near));
    let change = json!([{"path": "input/sub/agents.py", "old_text": "needle", "new_text": "pin"}]);
    calls.push(("propose_patch", json!({"title": "t", "edits": change})));
    calls
}

/// The whole answer of each call, without times.
fn answers(tree: &Tree, policy: &Policy, mode: Resolution, calls: &[(&str, Value)]) -> Vec<String> {
    let workspace = Arc::new(Workspace::open_with_resolution(&tree.root(), mode).unwrap());
    let layout = Arc::new(policy.layout().clone());
    let grant = policy.grant("local").unwrap();
    let call_one = |(tool, arguments): &(&str, Value)| {
        let grant = grant.for_tool(tool);
        let scope = Scope::new(Arc::clone(&workspace), grant, Arc::clone(&layout));
        match tool_call::run(&scope, tool, arguments.clone()) {
            Ok(mut answer) => {
                for (list, time) in [("entries", "modified"), ("proposals", "created")] {
                    for entry in answer[list].as_array_mut().into_iter().flatten() {
                        entry.as_object_mut().unwrap().remove(time);
                    }
                }
                answer.to_string()
            }
            Err(error) => error.to_text(),
        }
    };
    calls.iter().map(call_one).collect()
}

/// Compares a workspace that has the thing with one that has not. Says whether policy hides it.
fn compare(
    rights: usize,
    place: &[u8],
    thing: Thing,
    is_locked: bool,
    modes: &[Resolution],
) -> bool {
    let text = policy(rights);
    let policy = Policy::parse(&text, "policy").unwrap();
    let path = Path::new(OsStr::from_bytes(place));
    let place = String::from_utf8_lossy(place).into_owned();
    if !is_hidden(&policy, &place, thing) {
        return false;
    }
    let calls = calls(&place);
    for mode in modes.iter().copied() {
        let (with, without) = (tree(path), tree(path));
        thing.make(&with.root().join(path));
        if is_locked {
            // What is around it may be refused as well.
            for tree in [&with, &without] {
                lock(tree.root().join(path).parent().unwrap());
            }
        }
        let there = answers(&with, &policy, mode, &calls);
        let absent = answers(&without, &policy, mode, &calls);
        for ((call, there), absent) in calls.iter().zip(there).zip(absent) {
            assert_eq!(there, absent, "{call:?} with {thing:?} at {place:?} {mode:?}\n{text}");
        }
        for tree in [&with, &without] {
            unlock(tree.root().join(path).parent().unwrap());
        }
        unlock(&with.root().join(path));
    }
    true
}

#[test]
fn each_kind_of_thing_in_each_place_is_as_absent() {
    under_permissions(|| {
        let (mut hidden, mut all) = (0, 0);
        for rights in 0..RIGHTS.len() {
            for (number, place) in PLACES.into_iter().enumerate() {
                // Not all with all, for the sake of time; the property below draws from all.
                let thing = [Thing::Socket, Thing::LockedFile][(rights + number) % 2];
                let mode = MODES[(rights + number) / 2 % 2];
                all += 1;
                hidden += usize::from(compare(rights, place, thing, false, &[mode]));
            }
        }
        assert!(hidden > all / 4, "{hidden} of {all} were hidden");
    });
}

proptest! {
    #![proptest_config(cases(16))]

    #[test]
    fn whatever_is_hidden_is_as_absent(
        rights in 0..RIGHTS.len(),
        place in prop::sample::select(PLACES.to_vec()),
        thing in prop::sample::select(Thing::ALL.to_vec()),
        is_locked in prop::bool::weighted(0.2),
    ) {
        under_permissions(|| compare(rights, place, thing, is_locked && place.contains(&b'/'), &MODES));
    }
}
