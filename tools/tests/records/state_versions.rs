//! Shared state: each number of a version belongs to one writer for ever, however late another
//! one comes; the newest is never lost; keys are listed page by page; and what cannot be stored is
//! refused before anything is written.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use mcp_workspace_test_support::kinds::{lock, under_permissions, unlock};
use mcp_workspace_test_support::tool_call::{self, open};
use mcp_workspace_test_support::tree::{self, Tree, strings};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::{MAX_RECORD_PATH, Scope, Workspace};
use proptest::prelude::*;
use serde_json::{Value, json};

const POLICY: &str = r#"
version = 1
[[role]]
name = "agent"
callers = ["local"]
tools = ["read_state", "write_state", "write_finding", "propose_patch"]
read = ["**"]
write = ["state/**", "output/**"]
propose = ["**"]
deny = ["state/hidden/**"]

[[role]]
name = "writer"
callers = ["blind"]
tools = ["read_state", "write_state"]
write = ["state/drop/**"]
"#;

fn run_as(
    caller: &str,
    workspace: Workspace,
    tool: &str,
    arguments: Value,
) -> Result<Value, ToolError> {
    tool_call::run_as(workspace, POLICY, caller, tool, arguments)
}

fn run(root: &Path, tool: &str, arguments: Value) -> Result<Value, ToolError> {
    run_as("local", open(root), tool, arguments)
}

fn write(root: &Path, key: &str, value: Value, expected: u64) -> Result<u64, ToolError> {
    let arguments = json!({"key": key, "value": value, "expected_version": expected});
    run(root, "write_state", arguments).map(|answer| answer["version"].as_u64().unwrap())
}

fn versions(root: &Path, key: &str) -> Vec<u64> {
    let directory = root.join("state").join(key).join("@");
    let mut all: Vec<u64> = fs::read_dir(directory)
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().ok())
        .filter(|version| *version > 0)
        .collect();
    all.sort_unstable();
    all
}

/// A writer that sleeps at its operation number `at`, while `meanwhile` happens.
fn asleep_at(
    root: &Path,
    at: usize,
    operations: &Arc<AtomicUsize>,
    meanwhile: impl Fn() + Send + Sync + 'static,
) -> Workspace {
    let operations = Arc::clone(operations);
    open(root).with_faults(move |_, _| {
        if operations.fetch_add(1, Ordering::Relaxed) == at {
            meanwhile();
        }
        None
    })
}

/// The whole argument about numbers that do not come back: a writer that expects version
/// `before` sleeps at each of its operations in turn, until its version and those around it are
/// long pruned. It must not be told that it has written.
fn writer_that_sleeps(before: u64) {
    writer_that_sleeps_in(before, Tree::new);
}

fn writer_that_sleeps_in(before: u64, tree: fn() -> Tree) {
    let key = || {
        let tree = tree();
        for version in 0..before {
            write(&tree.root(), "k", json!("early"), version).unwrap();
        }
        tree
    };
    writer_that_sleeps_at(before, &key, true);
}

/// The same over a key with `before` as its newest version. `is_pruned` is whether the first of the
/// others' versions can be removed.
fn writer_that_sleeps_at(before: u64, tree: &dyn Fn() -> Tree, is_pruned: bool) {
    for at in 0.. {
        let tree = tree();
        let operations = Arc::new(AtomicUsize::new(0));
        let root = tree.root();
        let workspace = asleep_at(&tree.root(), at, &operations, move || {
            let newest = versions_or_none(&root);
            for version in newest..newest + 24 {
                write(&root, "k", json!("others"), version).unwrap();
            }
        });
        let arguments = json!({"key": "k", "value": "sleeper", "expected_version": before});
        let written = run_as("local", workspace, "write_state", arguments);
        if at >= operations.load(Ordering::Relaxed) {
            // It has no more operations, so it did not sleep.
            assert!(written.is_ok() && at > 6, "{at} {written:?}");
            return;
        }
        let kept = versions(&tree.root(), "k");
        let newest = *kept.last().unwrap();
        // Its number must be the first that the others did not take.
        match written {
            Ok(answer) => {
                // It slept after its rename: then the others wrote on top of it.
                assert_eq!((answer["version"].as_u64(), newest), (Some(before + 1), before + 25));
            }
            Err(error) => {
                assert_eq!(error.code, Code::Conflict, "{at}: {error}");
                assert!(error.message.contains(&format!("version {newest}")), "{error}");
                assert_eq!(newest, before + 24, "{at}");
            }
        }
        let is_back = *kept.first().unwrap() <= before + 1;
        assert!(!is_back || !is_pruned, "{at}: a pruned number is back: {kept:?}");
        let read = run(&tree.root(), "read_state", json!({"key": "k"})).unwrap();
        assert_eq!((&read["value"], &read["version"]), (&json!("others"), &json!(newest)));
        unlock(&tree.root().join(format!("state/k/@/{before}")));
    }
}

#[test]
fn no_number_comes_back_where_the_version_before_it_cannot_be_entered() {
    under_permissions(|| {
        // An empty one goes with the versions before it, one that holds something stays.
        for (name, is_pruned) in [("", true), ("/inside.txt", false)] {
            let key = || {
                let tree = Tree::new();
                for version in 0..3 {
                    write(&tree.root(), "k", json!("early"), version).unwrap();
                }
                let locked = tree.root().join("state/k/@/4");
                fs::create_dir(&locked).unwrap();
                if !name.is_empty() {
                    fs::write(tree.root().join(format!("state/k/@/4{name}")), "x").unwrap();
                }
                lock(&locked);
                tree
            };
            writer_that_sleeps_at(4, &key, is_pruned);
        }
    });
}

fn versions_or_none(root: &Path) -> u64 {
    if root.join("state/k/@").exists() {
        versions(root, "k").last().copied().unwrap_or(0)
    } else {
        0
    }
}

#[test]
fn a_first_writer_that_sleeps_until_its_number_is_pruned_has_not_written() {
    writer_that_sleeps(0);
}

#[test]
fn a_first_writer_that_sleeps_beside_what_nobody_made_has_not_written() {
    writer_that_sleeps_in(0, || {
        let tree = Tree::new();
        tree.directory("state/k/@/junk");
        tree
    });
}

#[test]
fn a_second_writer_that_sleeps_until_its_number_is_pruned_has_not_written() {
    writer_that_sleeps(1);
}

#[test]
fn a_later_writer_that_sleeps_until_its_number_is_pruned_has_not_written() {
    writer_that_sleeps(5);
}

#[test]
fn a_writer_that_sleeps_while_it_prunes_removes_nothing_new() {
    for at in 0.. {
        let tree = Tree::new();
        for version in 1..24 {
            let stored = json!({"format": 1, "key": "k", "version": version, "value": version,
                "agent": "agent", "caller": "local", "written": "2026-11-24T08:00:00Z"});
            tree.file(&format!("state/k/@/{version}/value.json"), stored.to_string());
        }
        let operations = Arc::new(AtomicUsize::new(0));
        let root = tree.root();
        let workspace = asleep_at(&tree.root(), at, &operations, move || {
            let newest = *versions(&root, "k").last().unwrap();
            for version in newest..newest + 24 {
                write(&root, "k", json!(version + 1), version).unwrap();
            }
        });
        let arguments = json!({"key": "k", "value": 24, "expected_version": 23});
        let written = run_as("local", workspace, "write_state", arguments);
        if at >= operations.load(Ordering::Relaxed) {
            assert!(at > 40, "{at} operations: it did not prune");
            return;
        }
        let kept = versions(&tree.root(), "k");
        let newest = *kept.last().unwrap();
        assert_eq!(newest, if written.is_ok() { 48 } else { 47 }, "{at}");
        for version in newest - 15..=newest {
            let read = run(&tree.root(), "read_state", json!({"key": "k", "version": version}));
            assert_eq!(read.unwrap()["value"], version, "{at}");
        }
    }
}

#[test]
fn the_newest_sixteen_versions_are_kept_and_the_number_goes_on() {
    let tree = Tree::new();
    for version in 0..100 {
        assert_eq!(write(&tree.root(), "k", json!(version + 1), version).unwrap(), version + 1);
        let kept = versions(&tree.root(), "k");
        assert_eq!(*kept.last().unwrap(), version + 1);
        assert!(kept.len() as u64 >= 16.min(version + 1) && kept.len() < 24, "{kept:?}");
    }
    let read =
        |version: u64| run(&tree.root(), "read_state", json!({"key": "k", "version": version}));
    assert_eq!(read(85).unwrap()["value"], 85);
    let gone = read(3).unwrap_err();
    assert_eq!(gone.code, Code::NotFound);
    assert!(gone.hint.unwrap().contains("to 100 are kept"));
}

#[test]
fn without_an_expected_version_every_write_becomes_a_version() {
    let tree = Tree::new();
    std::thread::scope(|threads| {
        for writer in 0..4 {
            let root = tree.root();
            threads.spawn(move || {
                for step in 0..5 {
                    let value = json!(format!("{writer} {step}"));
                    run(&root, "write_state", json!({"key": "k", "value": value})).unwrap();
                }
            });
        }
    });
    assert_eq!(*versions(&tree.root(), "k").last().unwrap(), 20);
}

#[test]
fn any_value_is_read_as_it_was_written() {
    let tree = Tree::new();
    let values = [
        json!(null),
        json!("# Notes\n\n- \"quoted\" \u{1f980}"),
        json!("{\"looks\": \"like JSON\"}"),
        json!([1, 2.5, {"deep": [true, null]}]),
        json!(""),
        json!("x".repeat(39_998)),
    ];
    for (version, value) in values.iter().enumerate() {
        write(&tree.root(), "v", value.clone(), version as u64).unwrap();
        let read = run(&tree.root(), "read_state", json!({"key": "v"})).unwrap();
        assert_eq!(read["value"], *value);
        assert_eq!(read["agent"], "agent");
    }
}

#[test]
fn names_that_cannot_be_keys_are_refused() {
    let tree = Tree::new();
    let long = "k".repeat(256);
    for key in [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "a/./b",
        "../a",
        "a/../b",
        "@",
        "a/@/1",
        "@7",
        ".hidden",
        "a/.unfinished-1",
        "a\\b",
        "a\nb",
        "~",
        "~/a",
        "a\u{202e}b",
        &long,
    ] {
        let refused = write(&tree.root(), key, json!(1), 0).unwrap_err();
        assert_eq!(refused.code, Code::InvalidArgument, "{key:?}: {refused}");
        let read = run(&tree.root(), "read_state", json!({"key": key}));
        if key.is_empty() {
            // Nothing is given, so the keys are listed.
            assert_eq!(read.unwrap()["keys"], json!([]));
            continue;
        }
        let refused = read.unwrap_err();
        assert_eq!(refused.code, Code::InvalidArgument, "{key:?}: {refused}");
    }
    assert!(!tree.root().join("state").exists());
    // A key and one below it do not meet, whatever looks like a number.
    for key in ["a", "a/1", "a/1/value.json", "a/b"] {
        assert_eq!(write(&tree.root(), key, json!(key), 0).unwrap(), 1);
    }
    let read = run(&tree.root(), "read_state", json!({"key": "a/1"})).unwrap();
    assert_eq!(read["value"], "a/1");
}

#[test]
fn what_is_too_long_to_be_exported_is_refused_before_anything_is_written() {
    let tree = Tree::new();
    tree.file("a.txt", "one\n");
    let policy = |output: &str| {
        format!(
            "version = 1\n[layout]\noutput = \"{output}\"\nstate = \"{output}s\"\n[[role]]\n\
             name = \"agent\"\ncallers = [\"local\"]\nread = [\"**\"]\nwrite = [\"**\"]\n\
             propose = [\"**\"]\ntools = [\"write_finding\", \"propose_patch\", \"write_state\"]\n"
        )
    };
    let calls = [
        ("write_finding", json!({"rule_id": "r", "severity": "low", "message": "m"})),
        (
            "propose_patch",
            json!({"title": "t", "edits": [{"path": "a.txt", "old_text": "one",
                "new_text": "two"}]}),
        ),
        ("write_state", json!({"key": "k", "value": 1})),
    ];
    let part = "d".repeat(200);
    let longest = |length: usize| format!("{part}/{part}/{part}/{part}/{}", "e".repeat(length));
    for (tool, arguments) in calls {
        let mut accepted = 0;
        let mut refused = 0;
        for length in 1..=200 {
            let policy = Policy::parse(&policy(&longest(length)), "policy").unwrap();
            let grant = policy.grant("local").unwrap().for_tool(tool);
            let layout = Arc::new(policy.layout().clone());
            let scope = Scope::new(Arc::new(open(&tree.root())), grant, layout);
            let call = Call::new("local", Duration::from_secs(60));
            let done = tool::find(tool).unwrap().run(&scope, arguments.clone(), &call);
            match done {
                Ok(_) => {
                    assert_eq!(refused, 0, "{tool} {length}");
                    accepted += 1;
                }
                Err(error) => {
                    refused += 1;
                    let said = error.code == Code::TooLarge || error.code == Code::InvalidArgument;
                    assert!(said, "{tool} {length}: {error}");
                    let path = tree.root().join(longest(length));
                    assert!(!path.exists() && !path.with_extension("s").exists());
                }
            }
            if refused > 2 {
                break;
            }
        }
        // 804 bytes are in front; what is accepted leaves room for the longest name on the way.
        assert!(refused > 0 && 804 + accepted < MAX_RECORD_PATH - 40, "{tool} {accepted}");
    }
    let longest = tree::naive_listing(&tree.root()).iter().map(|(path, _)| path.len()).max();
    assert!(longest.unwrap() <= MAX_RECORD_PATH);
}

#[test]
fn a_writer_that_may_not_read_is_told_the_version_and_nothing_else() {
    let tree = Tree::new();
    write(&tree.root(), "drop/box", json!("secret"), 0).unwrap();
    let claim = json!({"key": "drop/box", "value": 1, "expected_version": 0});
    let refused = run_as("blind", open(&tree.root()), "write_state", claim).unwrap_err();
    assert_eq!(refused.code, Code::Conflict);
    let text = refused.to_text();
    assert!(text.contains("version 1") && !text.contains("agent") && !text.contains("secret"));
    let read = run_as("blind", open(&tree.root()), "read_state", json!({"key": "drop/box"}));
    assert_eq!(read.unwrap_err().code, Code::NotFound);
}

#[test]
fn old_unfinished_work_is_swept_and_young_is_left() {
    let tree = Tree::new();
    write(&tree.root(), "k", json!(1), 0).unwrap();
    let old = SystemTime::now() - Duration::from_secs(2 * 60 * 60);
    let age = |path: &str| {
        let handle = fs::File::open(tree.root().join(path)).unwrap();
        handle.set_modified(old).unwrap();
    };
    tree.file("state/k/@/1/.unfinished-old/value.json", "half");
    tree.file("state/k/@/1/.unfinished-young/value.json", "half");
    age("state/k/@/1/.unfinished-old");
    write(&tree.root(), "k", json!(2), 1).unwrap();
    assert!(!tree.root().join("state/k/@/1/.unfinished-old").exists());
    assert!(tree.root().join("state/k/@/1/.unfinished-young").exists());

    tree.file("output/findings/agent/.unfinished-old", "half");
    tree.file("output/findings/agent/.unfinished-young", "half");
    tree.file("output/findings/agent/0.json", "{}");
    age("output/findings/agent/.unfinished-old");
    age("output/findings/agent/0.json");
    let finding = json!({"rule_id": "r", "severity": "low", "message": "m"});
    run(&tree.root(), "write_finding", finding).unwrap();
    let left: BTreeSet<String> = fs::read_dir(tree.root().join("output/findings/agent"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(left.contains(".unfinished-young") && left.contains("0.json"), "{left:?}");
    assert_eq!(left.len(), 3, "{left:?}");
}

#[test]
fn of_two_writers_of_one_finding_one_has_created_it() {
    for round in 0..50 {
        let tree = Tree::new();
        let created = AtomicUsize::new(0);
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    let finding =
                        json!({"rule_id": format!("r{round}"), "severity": "low", "message": "m"});
                    let answer = run(&tree.root(), "write_finding", finding).unwrap();
                    created
                        .fetch_add(usize::from(answer["status"] == "created"), Ordering::Relaxed);
                });
            }
        });
        // The temporary directory of a test machine can rename without replacing.
        assert_eq!(created.into_inner(), 1);
    }
}

fn key() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop::sample::select(vec!["a", "b", "a-b", "aa", "B", "0"]), 1..4)
        .prop_map(|names| names.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn pages_of_keys_are_the_whole_list(
        keys in prop::collection::btree_set(key(), 1..12),
        hidden in prop::collection::btree_set(key(), 0..3),
        prefix in prop::sample::select(vec!["", "a", "a/", "a/a", "b/a-", "x"]),
        limit in 1usize..5,
    ) {
        let tree = Tree::new();
        for key in &keys {
            tree.file(&format!("state/{key}/@/2/value.json"), "{}");
        }
        for key in &hidden {
            tree.file(&format!("state/hidden/{key}/@/1/value.json"), "{}");
        }
        let mut wanted: Vec<&String> = keys.iter().filter(|key| key.starts_with(prefix)).collect();
        wanted.sort_by_key(|key| key.split('/').collect::<Vec<_>>());
        let mut found: Vec<String> = Vec::new();
        let mut arguments = json!({"prefix": prefix, "limit": limit});
        loop {
            let page = run(&tree.root(), "read_state", arguments.clone()).unwrap();
            let keys = strings(&page["keys"], "key");
            prop_assert!(keys.len() <= limit);
            found.extend(keys);
            prop_assert_eq!(page["more"] == true, page["next_cursor"].is_string());
            if page["more"] == false {
                break;
            }
            arguments["cursor"] = page["next_cursor"].clone();
        }
        prop_assert_eq!(found.iter().collect::<Vec<_>>(), wanted);
    }
}
