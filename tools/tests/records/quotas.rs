//! What one caller or role may leave is bounded: findings over all runs, proposals and keys; and
//! names in which a character is not seen are refused, so that none looks like another.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use mcp_workspace_test_support::tool_call::{self, open};
use mcp_workspace_test_support::tree::{self, Tree};
use mcp_workspace_tools::error::{Code, ToolError};
use serde_json::{Value, json};

const POLICY: &str = r#"
version = 1
[[role]]
name = "agent"
callers = ["one", "other"]
tools = ["write_finding", "propose_patch", "write_state", "read_state", "read_file", "list_dir", "grep"]
read = ["**"]
write = ["output/**", "state/**"]
propose = ["**"]
[role.limits]
max_findings = 3
max_proposals = 3
max_keys = 3
"#;

fn run(root: &Path, caller: &str, tool: &str, arguments: Value) -> Result<Value, ToolError> {
    tool_call::run_as(open(root), POLICY, caller, tool, arguments)
}

fn report(root: &Path, caller: &str, number: usize) -> Result<Value, ToolError> {
    let arguments = json!({"rule_id": format!("rule-{number}"), "severity": "low", "message": "m",
        "run": format!("run-{number}")});
    run(root, caller, "write_finding", arguments)
}

fn propose(root: &Path, caller: &str, number: usize) -> Result<Value, ToolError> {
    let path = format!("new-{number}.txt");
    let edits = json!([{"path": path, "create": true, "new_text": "x\n"}]);
    run(root, caller, "propose_patch", json!({"title": "t", "edits": edits}))
}

fn make_key(root: &Path, caller: &str, number: usize) -> Result<Value, ToolError> {
    let key = format!("tasks/{number}");
    run(root, caller, "write_state", json!({"key": key, "value": 1}))
}

type Write = fn(&Path, &str, usize) -> Result<Value, ToolError>;

#[test]
fn each_limit_holds_and_names_itself() {
    let all: [(&str, Write); 3] =
        [("max_findings", report), ("max_proposals", propose), ("max_keys", make_key)];
    for (limit, write) in all {
        let tree = Tree::new();
        let root = tree.root();
        let done: Vec<_> = (0..8).map(|number| write(&root, "one", number)).collect();
        let written = done.iter().filter(|done| done.is_ok()).count();
        assert_eq!(written, 3, "{limit}: {done:?}");
        for refused in done.iter().skip(3) {
            let error = refused.as_ref().unwrap_err();
            assert_eq!(error.code, Code::Denied, "{limit}: {error}");
            assert!(error.message.contains(&format!("3 ({limit})")), "{error}");
            assert!(error.hint.as_ref().unwrap().contains("the operator can raise"), "{error:?}");
        }
        // What is there already is no more than there was.
        assert!(write(&root, "one", 0).is_ok(), "{limit}");
        // The folder of findings is that of a role; proposals and keys are counted by caller.
        assert_eq!(write(&root, "other", 8).is_ok(), limit != "max_findings", "{limit}");
    }
}

#[test]
fn a_proposal_or_a_key_that_another_has_made_takes_no_place() {
    for write in [propose as Write, make_key] {
        let tree = Tree::new();
        let root = tree.root();
        for number in 0..3 {
            write(&root, "one", number).unwrap();
            write(&root, "other", number).unwrap();
        }
        write(&root, "other", 4).unwrap();
    }
}

#[test]
fn what_an_operator_has_moved_away_gives_its_place_back() {
    let all: [(Write, &str); 2] = [(propose, "output/proposals"), (make_key, "state")];
    for (write, folder) in all {
        let tree = Tree::new();
        let root = tree.root();
        for number in 0..3 {
            write(&root, "one", number).unwrap();
        }
        assert!(write(&root, "one", 4).is_err());
        let entries = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap());
        for entry in entries.collect::<Vec<_>>() {
            let name = entry.file_name().into_string().unwrap();
            if !name.starts_with('.') {
                fs::remove_dir_all(entry.path()).unwrap();
                continue;
            }
            // Places that were taken just now may be of records that are being written.
            assert!(write(&root, "one", 4).is_err());
            let old = SystemTime::now() - Duration::from_secs(2 * 60 * 60);
            for place in fs::read_dir(entry.path()).unwrap() {
                let handle = fs::File::open(place.unwrap().path()).unwrap();
                handle.set_modified(old).unwrap();
            }
        }
        for number in 4..7 {
            write(&root, "one", number).unwrap();
        }
        assert!(write(&root, "one", 7).is_err());
    }
}

#[test]
fn who_cannot_be_counted_writes_all_the_same() {
    let tree = Tree::new();
    let root = tree.root();
    make_key(&root, "one", 0).unwrap();
    let quota = fs::read_dir(root.join("state"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_str().unwrap().contains("/.quota-"))
        .unwrap();
    fs::remove_dir_all(&quota).unwrap();
    std::os::unix::fs::symlink(tree.outside(), &quota).unwrap();
    let before = tree.neighbourhood();
    for number in 1..6 {
        make_key(&root, "one", number).unwrap();
    }
    assert_eq!(tree.neighbourhood(), before);
}

#[test]
fn no_tool_sees_what_callers_are_counted_by() {
    let tree = Tree::new();
    let root = tree.root();
    propose(&root, "one", 1).unwrap();
    make_key(&root, "one", 1).unwrap();
    let all = tree::naive_listing(&root);
    let counts = all.iter().filter(|(path, _)| path.contains("/.quota-"));
    let counts: Vec<&String> = counts.map(|(path, _)| path).collect();
    assert_eq!(counts.len(), 4, "{all:?}");
    let listed = run(&root, "other", "list_dir", json!({"depth": 9})).unwrap();
    assert!(!listed.to_string().contains("quota"), "{listed}");
    let found = run(&root, "other", "grep", json!({"pattern": "tasks/1/@"})).unwrap();
    assert!(!found.to_string().contains("quota"), "{found}");
    for path in counts {
        let error = run(&root, "other", "read_file", json!({"path": path})).unwrap_err();
        assert_eq!(error.code, Code::NotFound, "{path}: {error}");
    }
}

/// Of each kind of character that is not seen, one.
const HIDDEN: [char; 26] = [
    '\u{ad}',
    '\u{34f}',
    '\u{61c}',
    '\u{115f}',
    '\u{1160}',
    '\u{17b4}',
    '\u{180e}',
    '\u{200b}',
    '\u{200d}',
    '\u{200f}',
    '\u{202a}',
    '\u{202e}',
    '\u{2060}',
    '\u{2066}',
    '\u{206a}',
    '\u{206f}',
    '\u{3164}',
    '\u{fe00}',
    '\u{fe0e}',
    '\u{fe0f}',
    '\u{feff}',
    '\u{ffa0}',
    '\u{fff9}',
    '\u{1bca0}',
    '\u{e0041}',
    '\u{e0100}',
];

#[test]
fn a_new_name_in_which_a_character_is_not_seen_is_refused() {
    let tree = Tree::new();
    let root = tree.root();
    for hidden in HIDDEN {
        let name = format!("a{hidden}b");
        let finding = |field: &str, value: Value| {
            let mut arguments = json!({"rule_id": "r", "severity": "low", "message": "m"});
            arguments[field] = value;
            ("write_finding", arguments)
        };
        let edit = json!([{"path": format!("{name}.txt"), "create": true, "new_text": "x\n"}]);
        for (tool, arguments) in [
            ("write_state", json!({"key": format!("tasks/{name}"), "value": 1})),
            finding("run", json!(name)),
            finding("rule_id", json!(name)),
            finding("category", json!(name)),
            finding("tags", json!([name])),
            ("propose_patch", json!({"title": "t", "edits": edit, "run": "r"})),
            (
                "propose_patch",
                json!({"title": "t", "run": name, "edits": [{"path": "x.txt", "create": true,
                    "new_text": "x\n"}]}),
            ),
        ] {
            let error = run(&root, "one", tool, arguments.clone()).unwrap_err();
            assert_eq!(error.code, Code::InvalidArgument, "{tool} {arguments}: {error}");
            let written = hidden.escape_unicode().to_string();
            assert!(error.message.contains(&written), "{tool} {arguments}: {error}");
        }
    }
    assert!(!root.join("output").exists() && !root.join("state").exists());
}

#[test]
fn files_and_keys_that_have_such_names_are_still_read_and_changed() {
    let tree = Tree::new();
    for hidden in ['\u{ad}', '\u{fe0f}', '\u{3164}'] {
        let name = format!("a{hidden}b.txt");
        tree.file(&name, "one\n");
        let read = run(&tree.root(), "one", "read_file", json!({"path": name})).unwrap();
        assert!(read.to_string().contains("one"), "{read}");
        let edits = json!([{"path": name, "old_text": "one", "new_text": "two"}]);
        let arguments = json!({"title": "t", "edits": edits});
        run(&tree.root(), "one", "propose_patch", arguments).unwrap();
        // A finding would carry the name into reports; it can be told without a place.
        let arguments = json!({"rule_id": "r", "severity": "low", "message": "m", "path": name});
        let error = run(&tree.root(), "one", "write_finding", arguments).unwrap_err();
        assert!(error.hint.unwrap().contains("leave `path` out"));

        let stored = json!({"format": 1, "key": format!("k{hidden}"), "version": 1, "value": 7,
            "agent": "a", "caller": "c", "written": "2026-11-24T08:00:00Z"});
        tree.file(&format!("state/k{hidden}/@/1/value.json"), stored.to_string());
        let key = json!({"key": format!("k{hidden}")});
        assert_eq!(run(&tree.root(), "one", "read_state", key).unwrap()["value"], 7);
    }
}
