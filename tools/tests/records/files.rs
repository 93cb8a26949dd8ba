//! Files that agents leave: new, replaced, appended to and copied; where they may be, and how many.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use mcp_workspace_test_support::tool_call::{self, MODES};
use mcp_workspace_test_support::tree::Tree;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::patch::version;
use mcp_workspace_tools::workspace::Workspace;
use serde_json::{Value, json};

const POLICY: &str = r#"
version = 1
[[role]]
name = "agent"
callers = ["one", "other"]
tools = ["write_file", "read_file", "list_dir", "grep"]
read = ["input/**", "work/**", "output/**"]
create = ["work/**", "output/**", "drop/*.md"]
deny = ["**/*.key"]
[role.limits]
max_files = 3
max_bytes = 100

[[role]]
name = "fixer"
callers = ["fixer"]
tools = ["propose_patch"]
propose = ["input/**"]
"#;

fn run(root: &Path, caller: &str, arguments: Value) -> Result<Value, ToolError> {
    tool_call::run_as(tool_call::open(root), POLICY, caller, "write_file", arguments)
}

fn write(root: &Path, arguments: Value) -> Result<Value, ToolError> {
    run(root, "one", arguments)
}

fn status(answer: &Value) -> &str {
    answer["status"].as_str().unwrap()
}

#[test]
fn a_file_is_new_or_takes_the_place_of_what_was_read() {
    for mode in MODES {
        let tree = Tree::new();
        let write = |arguments: Value| {
            let disk = Workspace::open_with_resolution(&tree.root(), mode).unwrap();
            tool_call::run_as(disk, POLICY, "one", "write_file", arguments)
        };
        let there = || fs::read_to_string(tree.root().join("work/deep/a.md")).unwrap();
        let first = write(json!({"path": "work/deep/a.md", "content": "one\n"})).unwrap();
        let expected = json!({"path": "work/deep/a.md", "version": version(b"one\n"), "size": 4,
            "status": "created"});
        assert_eq!(first, expected);
        // The same again changes nothing; something else is a conflict that names what is there.
        let again = write(json!({"path": "work/deep/a.md", "content": "one\n"})).unwrap();
        assert_eq!(status(&again), "unchanged");
        let conflict = write(json!({"path": "work/deep/a.md", "content": "two\n"})).unwrap_err();
        assert_eq!(conflict.code, Code::Conflict);
        // By its beginning, as a model is shown every version, and as it may give it.
        let whole = version(b"one\n");
        let shown = whole.get(..20).unwrap();
        assert!(conflict.message.contains(&format!("version {shown} ")), "{conflict}");
        assert_eq!(there(), "one\n");

        let replace = json!({"path": "work/deep/a.md", "content": "two\n",
            "expected_version": shown.to_uppercase()});
        let answer = write(replace.clone()).unwrap();
        assert_eq!(status(&answer), "replaced");
        assert_eq!(answer["version"], version(b"two\n"));
        assert_eq!(status(&write(replace).unwrap()), "unchanged");
        let late = json!({"path": "work/deep/a.md", "content": "three\n",
            "expected_version": version(b"one\n")});
        let late = write(late).unwrap_err();
        assert_eq!(late.code, Code::Conflict);
        assert!(late.message.contains(version(b"two\n").get(..20).unwrap()), "{late}");
        assert_eq!(there(), "two\n");
        // What is not there has no version.
        for path in ["work/deep/b.md", "work/nowhere/b.md"] {
            let absent = json!({"path": path, "content": "x", "expected_version": version(b"x")});
            let absent = write(absent).unwrap_err();
            assert_eq!(absent.code, Code::Conflict);
            assert!(absent.message.contains("does not exist"), "{absent}");
        }
        assert!(!tree.root().join("work/nowhere").exists());
        assert_eq!(fs::read_dir(tree.root().join("work/deep")).unwrap().count(), 1);
    }
}

#[test]
fn what_grows_is_appended_to_once() {
    let tree = Tree::new();
    let root = tree.root();
    let append = |content: &str, expected: Option<&str>| {
        write(
            &root,
            json!({"path": "work/log.jsonl", "content": content, "append": true,
            "expected_version": expected}),
        )
    };
    let first = append("1\n", None).unwrap();
    assert_eq!(status(&first), "created");
    let known = first["version"].as_str();
    let second = append("2\n", known).unwrap();
    assert_eq!((status(&second), second["size"].as_u64()), ("appended", Some(4)));
    // A client whose answer was lost asks again.
    let again = append("2\n", known).unwrap();
    assert_eq!((status(&again), &again["version"]), ("unchanged", &second["version"]));
    // Somebody else appends by what it read before.
    let late = append("3\n", known).unwrap_err();
    assert_eq!(late.code, Code::Conflict);
    let now = second["version"].as_str();
    assert_eq!(status(&append("2\n", now).unwrap()), "appended");
    assert_eq!(status(&append("", Some(&version(b"1\n2\n2\n"))).unwrap()), "unchanged");
    assert_eq!(fs::read(root.join("work/log.jsonl")).unwrap(), b"1\n2\n2\n");
}

#[test]
fn bytes_and_nothing_at_all_are_contents() {
    let tree = Tree::new();
    let root = tree.root();
    let bytes = json!({"path": "work/a.bin", "content": "AP/+\n", "encoding": "base64"});
    assert_eq!(write(&root, bytes).unwrap()["size"], 3);
    assert_eq!(fs::read(root.join("work/a.bin")).unwrap(), [0, 255, 254]);
    assert_eq!(write(&root, json!({"path": "work/empty", "content": ""})).unwrap()["size"], 0);
    let wrong = [
        json!({"path": "work/x", "content": "not base64", "encoding": "base64"}),
        json!({"path": "work/x"}),
        json!({"path": "work/x", "content": "a", "from": "work/a.bin"}),
        json!({"path": "work/x", "content": "a", "expected_version": "latest"}),
        json!({"path": "work/a\u{ad}b", "content": "a"}),
    ];
    for arguments in wrong {
        let error = write(&root, arguments.clone()).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{arguments}: {error}");
        assert!(error.hint.is_some(), "{arguments}: {error}");
    }
    assert!(!root.join("work/x").exists());
}

#[test]
fn a_file_that_may_be_read_is_copied_by_the_server() {
    let tree = Tree::new();
    let policy = POLICY.replace("max_bytes = 100", "max_bytes = 100_000_000");
    let large: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    tree.file("input/large.bin", &large).file("input/own.key", "k").file("private/a", "p");
    let run = |arguments: Value| {
        tool_call::run_as(tool_call::open(&tree.root()), &policy, "one", "write_file", arguments)
    };
    let copied = run(json!({"path": "work/copy.bin", "from": "input/large.bin"})).unwrap();
    assert_eq!((status(&copied), copied["version"].as_str()), ("created", Some(&*version(&large))));
    assert!(fs::read(tree.root().join("work/copy.bin")).unwrap() == large);
    let again = run(json!({"path": "work/copy.bin", "from": "input/large.bin"})).unwrap();
    assert_eq!(status(&again), "unchanged");
    // A model that fills in every argument.
    let filled = json!({"path": "work/b.bin", "content": "", "from": "work/copy.bin",
        "expected_version": "", "append": false, "encoding": "text"});
    assert_eq!(run(filled).unwrap()["size"], large.len());
    let more = json!({"path": "work/b.bin", "from": "input/large.bin", "append": true,
        "expected_version": version(&large)});
    assert_eq!(run(more).unwrap()["size"], 2 * large.len());
    for hidden in ["input/own.key", "private/a", "input/none", "../outside/secret.txt"] {
        let error = run(json!({"path": "work/x", "from": hidden})).unwrap_err();
        assert!(matches!(error.code, Code::NotFound | Code::InvalidArgument), "{hidden}: {error}");
        assert!(!tree.root().join("work/x").exists(), "{hidden}");
    }
}

#[test]
fn a_long_copy_tells_how_far_it_is_and_can_be_cancelled() {
    let tree = Tree::new();
    let policy = POLICY.replace("max_bytes = 100", "max_bytes = 100_000_000");
    let large = vec![7; 3 * 1024 * 1024];
    tree.file("input/large.bin", &large);
    let told = Arc::new(Mutex::new(Vec::new()));
    let copy = |path: &str, cancel: bool| {
        let scope = tool_call::scope(tool_call::open(&tree.root()), &policy, "one", "write_file");
        let call = tool_call::call();
        let (told, cancelled) = (Arc::clone(&told), call.clone());
        let call = call.with_progress(Arc::new(move |done: u64, message: &str| {
            told.lock().unwrap().push((done, message.to_owned()));
            if cancel {
                cancelled.cancel();
            }
        }));
        let arguments = json!({"path": path, "from": "input/large.bin"});
        tool_call::run_call(&scope, "write_file", arguments, &call)
    };
    copy("work/whole.bin", false).unwrap();
    let reports = std::mem::take(&mut *told.lock().unwrap());
    let (done, message) = reports.first().expect("a report");
    assert!((1..large.len() as u64).contains(done), "{done}");
    assert_eq!(message, &format!("{done} of {} bytes written", large.len()));
    let error = copy("work/cancelled.bin", true).unwrap_err();
    assert_eq!(error.code, Code::Cancelled, "{error}");
    let left: Vec<_> = fs::read_dir(tree.root().join("work")).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn nothing_is_made_where_policy_gives_no_right() {
    let tree = Tree::new();
    let root = tree.root();
    tree.file("input/a.py", "source\n");
    for path in [
        "input/a.py",
        "input/new.py",
        "elsewhere/a",
        "drop/a.txt",
        "work/a.key",
        "work/.hidden",
        "work/.git/config",
        "work/.claim-00000000000000000000000000000000/x",
        "output/findings/agent/0.json",
        "output/proposals/x/change.patch",
        "output/decisions/x/1/decision.json",
        "output/runs/r/agent/steps/000001/step.json",
        "output/.quota-x/y",
        "state/key/@/1/value.json",
    ] {
        let error = write(&root, json!({"path": path, "content": "x"})).unwrap_err();
        assert_eq!(error.code, Code::Denied, "{path}: {error}");
        assert!(error.hint.is_some(), "{path}");
        let source = path.starts_with("input/");
        assert_eq!(error.message.ends_with("sources are changed by proposals"), source, "{error}");
    }
    assert_eq!(write(&root, json!({"path": "drop/a.md", "content": "x"})).unwrap()["size"], 1);
    assert_eq!(fs::read(root.join("input/a.py")).unwrap(), b"source\n");
    assert!(!root.join("output").join("findings").exists() && !root.join("state").exists());
}

#[test]
fn links_and_directories_are_never_replaced() {
    for mode in MODES {
        let tree = Tree::new();
        let root = tree.root();
        tree.directory("work/folder");
        tree.link("work/out", tree.outside()).link("work/leaf", tree.outside().join("secret.txt"));
        tree.link("work/dangling", tree.outside().join("new.txt")).link("output", tree.outside());
        let before = tree.neighbourhood();
        for path in [
            "work/folder",
            "work/leaf",
            "work/dangling",
            "work/out",
            "work/out/new.txt",
            "work/out/sub/new.txt",
            "output/new.txt",
        ] {
            for expected in [None, Some(version(b"OUTSIDE-THE-ROOT"))] {
                let disk = Workspace::open_with_resolution(&root, mode).unwrap();
                let arguments = json!({"path": path, "content": "x", "expected_version": expected});
                let error = tool_call::run_as(disk, POLICY, "one", "write_file", arguments);
                let error = error.unwrap_err();
                let directory = path == "work/folder";
                let code = if directory { Code::InvalidArgument } else { Code::Conflict };
                assert_eq!(error.code, code, "{mode:?} {path}: {error:?}");
                assert!(error.hint.is_some(), "{path}: {error:?}");
            }
        }
        assert_eq!(tree.neighbourhood(), before);
        assert!(fs::symlink_metadata(root.join("work/leaf")).unwrap().is_symlink());
    }
}

#[test]
fn files_and_bytes_of_a_caller_are_bounded() {
    let tree = Tree::new();
    let root = tree.root();
    let file = |number: usize, size: usize| json!({"path": format!("work/{number}"), "content": "x".repeat(size)});
    for number in 0..3 {
        write(&root, file(number, 30)).unwrap();
    }
    let error = write(&root, file(3, 1)).unwrap_err();
    assert_eq!(error.code, Code::Denied);
    assert!(error.message.contains("3 (max_files)"), "{error}");
    assert!(error.hint.unwrap().contains("the operator can raise max_files"));
    // Another has room of its own, and what is there already may be written again and replaced.
    run(&root, "other", file(4, 30)).unwrap();
    assert_eq!(status(&write(&root, file(0, 30)).unwrap()), "unchanged");
    let replace = |size: usize, before: usize| {
        json!({"path": "work/0", "content": "x".repeat(size),
            "expected_version": version("x".repeat(before).as_bytes())})
    };
    write(&root, replace(40, 30)).unwrap();
    let error = write(&root, replace(41, 40)).unwrap_err();
    assert_eq!(error.code, Code::Denied);
    assert!(error.message.contains("60 bytes in files, and 41 more are over the limit of 100"));
    assert!(error.message.contains("(max_bytes)"), "{error}");
    let append = json!({"path": "work/0", "content": "x", "append": true,
        "expected_version": version("x".repeat(40).as_bytes())});
    assert_eq!(write(&root, append).unwrap_err().code, Code::Denied);
    assert_eq!(fs::read(root.join("work/0")).unwrap().len(), 40);
    // What was refused is not charged for.
    write(&root, replace(10, 40)).unwrap();
    write(&root, replace(40, 10)).unwrap();

    // A file that is gone, or that somebody else has made another, gives its place back.
    fs::remove_file(root.join("work/1")).unwrap();
    fs::write(root.join("work/2"), "of somebody else").unwrap();
    assert_eq!(write(&root, file(5, 1)).unwrap_err().code, Code::Denied, "it may be being written");
    let quotas = fs::read_dir(root.join("output")).unwrap().map(|entry| entry.unwrap().path());
    let old = SystemTime::now() - Duration::from_secs(2 * 60 * 60);
    for quota in quotas {
        assert!(quota.file_name().unwrap().to_str().unwrap().starts_with(".quota-"), "{quota:?}");
        for place in fs::read_dir(quota).unwrap() {
            fs::File::open(place.unwrap().path()).unwrap().set_modified(old).unwrap();
        }
    }
    write(&root, file(5, 30)).unwrap();
    write(&root, file(6, 30)).unwrap();
    assert!(write(&root, file(7, 1)).is_err());
}
