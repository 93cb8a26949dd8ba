//! Writers of one file: whoever comes in between, dies or sleeps, nothing that was acknowledged is
//! lost and nobody replaces what it has not read.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use mcp_workspace_test_support::kinds::{lock, under_permissions, unlock};
use mcp_workspace_test_support::tool_call::{open, run_as};
use mcp_workspace_test_support::tree::Tree;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::patch::version;
use mcp_workspace_tools::workspace::{FaultPoint, Operation, Workspace};
use rustix::io::Errno;
use serde_json::{Value, json};

const POLICY: &str = r#"
version = 1
[[role]]
name = "agent"
callers = ["local"]
tools = ["write_file", "read_file", "list_dir", "grep"]
read = ["**"]
create = ["work/**"]
"#;

fn write(workspace: Workspace, arguments: Value) -> Result<Value, ToolError> {
    run_as(workspace, POLICY, "local", "write_file", arguments)
}

fn new(content: &str) -> Value {
    json!({"path": "work/a.txt", "content": content})
}

fn replacing(before: &str, content: &str) -> Value {
    json!({"path": "work/a.txt", "content": content,
        "expected_version": version(before.as_bytes())})
}

/// A workspace in which something happens just before the rename of this number.
fn at_rename(root: &Path, number: usize, happens: impl FnMut() + Send + 'static) -> Workspace {
    let seen = AtomicUsize::new(0);
    let happens = std::sync::Mutex::new(happens);
    open(root).with_faults(move |operation, point| {
        if (operation, point) == (Operation::Rename, FaultPoint::Before)
            && seen.fetch_add(1, Ordering::Relaxed) + 1 == number
        {
            happens.lock().unwrap()();
        }
        None
    })
}

/// As on a file system that cannot rename without replacing: the second rename of a new file.
fn without_exclusive_rename(root: &Path) -> Workspace {
    let seen = AtomicUsize::new(0);
    open(root).with_faults(move |operation, point| {
        let is_rename = (operation, point) == (Operation::Rename, FaultPoint::Before);
        (is_rename && seen.fetch_add(1, Ordering::Relaxed) == 1)
            .then(|| Errno::INVAL.raw_os_error())
    })
}

fn there(root: &Path) -> String {
    fs::read_to_string(root.join("work/a.txt")).unwrap()
}

/// What lies beside the file.
fn beside(root: &Path) -> Vec<String> {
    let names = fs::read_dir(root.join("work")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('.')).collect()
}

#[test]
fn who_comes_first_stays_where_files_are_new() {
    for number in [1, 2] {
        let tree = Tree::new();
        let root = tree.root();
        tree.directory("work");
        let other = root.clone();
        let disk = at_rename(&root, number, move || {
            fs::write(other.join("work/a.txt"), "theirs").unwrap();
        });
        let error = write(disk, new("ours")).unwrap_err();
        assert_eq!(error.code, Code::Conflict, "{number}: {error}");
        assert!(error.message.contains(version(b"theirs").get(..20).unwrap()), "{error}");
        assert_eq!(there(&root), "theirs", "{number}");
        assert_eq!(beside(&root), [""; 0], "{number}");
    }
}

#[test]
fn a_file_system_that_cannot_refuse_a_rename_is_asked_before() {
    let tree = Tree::new();
    let root = tree.root();
    let made = write(without_exclusive_rename(&root), new("ours")).unwrap();
    assert_eq!((made["status"].as_str(), there(&root)), (Some("created"), "ours".to_owned()));
    assert_eq!(beside(&root), [""; 0]);
}

#[test]
fn what_was_replaced_in_between_stays() {
    let tree = Tree::new();
    let root = tree.root();
    tree.file("work/a.txt", "old");
    let other = root.clone();
    // By another writer of the same kind, who comes through before this one claims the path.
    let disk = at_rename(&root, 1, move || {
        write(open(&other), replacing("old", "theirs")).unwrap();
    });
    let error = write(disk, replacing("old", "ours")).unwrap_err();
    assert_eq!(error.code, Code::Conflict);
    assert!(error.message.contains(version(b"theirs").get(..20).unwrap()), "{error}");
    assert_eq!((there(&root), beside(&root)), ("theirs".to_owned(), vec![]));
}

#[test]
fn what_was_touched_and_not_changed_is_replaced() {
    let tree = Tree::new();
    let root = tree.root();
    tree.file("work/a.txt", "old");
    let other = root.join("work/a.txt");
    let disk = at_rename(&root, 1, move || fs::write(&other, "old").unwrap());
    assert_eq!(write(disk, replacing("old", "ours")).unwrap()["status"], "replaced");
    assert_eq!((there(&root), beside(&root)), ("ours".to_owned(), vec![]));
}

/// Another writer takes the claim of one that is slow: the slow one finds its file and goes on.
#[test]
fn a_slow_writer_whose_claim_is_taken_away_goes_on_or_learns_what_is_there() {
    for same in [true, false] {
        let tree = Tree::new();
        let root = tree.root();
        tree.file("work/a.txt", "old");
        let other = root.clone();
        // Between its claim and its last step.
        let disk = at_rename(&root, 2, move || {
            let content = if same { "other" } else { "old" };
            let path = if same { "work/a.txt" } else { "work/b.txt" };
            let arguments = json!({"path": path, "content": content,
                "expected_version": same.then(|| version(b"old"))});
            write(open(&other), arguments).unwrap();
        });
        let done = write(disk, replacing("old", "ours"));
        if same {
            let error = done.unwrap_err();
            assert_eq!(error.code, Code::Conflict, "{error}");
            assert!(error.message.contains(version(b"other").get(..20).unwrap()), "{error}");
            assert_eq!(there(&root), "other");
        } else {
            assert_eq!(done.unwrap()["status"], "replaced");
            assert_eq!(there(&root), "ours");
        }
        assert_eq!(beside(&root), [""; 0]);
    }
}

#[test]
fn a_claim_that_nobody_ends_is_taken_away_with_whatever_is_in_it() {
    let tree = Tree::new();
    let root = tree.root();
    // A writer that dies between its claim and its last step.
    let dead = open(&root).with_faults({
        let renamed = AtomicUsize::new(0);
        move |operation, point| {
            let claimed = operation == Operation::Rename && point == FaultPoint::After;
            if claimed {
                renamed.fetch_add(1, Ordering::Relaxed);
            }
            (renamed.load(Ordering::Relaxed) > 0).then(|| Errno::IO.raw_os_error())
        }
    });
    assert_eq!(write(dead, new("dead")).unwrap_err().code, Code::Io);
    assert!(!root.join("work/a.txt").exists());
    let claims = beside(&root);
    assert_eq!(claims.len(), 1, "{claims:?}");
    assert!(claims[0].starts_with(".claim-"), "{claims:?}");
    // No tool sees it.
    let seen = run_as(open(&root), POLICY, "local", "list_dir", json!({"path": "work"})).unwrap();
    assert!(!seen.to_string().contains(".claim-"), "{seen}");
    let read = json!({"path": format!("work/{}/x", claims[0])});
    let read = run_as(open(&root), POLICY, "local", "read_file", read).unwrap_err();
    assert_eq!(read.code, Code::NotFound);
    // What is no writer's is in nobody's way either.
    fs::create_dir_all(root.join("work").join(&claims[0]).join("planted/deep")).unwrap();
    assert_eq!(write(open(&root), new("alive")).unwrap()["status"], "created");
    assert_eq!(there(&root), "alive");
    let left = beside(&root);
    assert!(left.iter().all(|name| name.starts_with(".unfinished-")), "{left:?}");
}

#[test]
fn old_claims_are_swept_and_young_ones_are_left() {
    let tree = Tree::new();
    let root = tree.root();
    for (claim, hours) in [(".claim-1", 2), (".claim-2", 0)] {
        tree.file(&format!("work/{claim}/.unfinished-{claim}"), "of nobody");
        let old = SystemTime::now() - Duration::from_secs(hours * 60 * 60);
        for path in [format!("work/{claim}/.unfinished-{claim}"), format!("work/{claim}")] {
            fs::File::open(root.join(path)).unwrap().set_modified(old).unwrap();
        }
    }
    write(open(&root), new("one")).unwrap();
    let mut left = beside(&root);
    left.sort();
    assert_eq!(left, [".claim-2", ".unfinished-.claim-1"]);
    // And what was in it is unfinished work as any other.
    write(open(&root), replacing("one", "two")).unwrap();
    assert_eq!(beside(&root), [".claim-2"]);
}

#[test]
fn a_file_or_a_link_in_the_place_of_a_claim_is_in_nobodys_way() {
    let tree = Tree::new();
    let root = tree.root();
    let claim = || beside(&root).into_iter().next().unwrap();
    let kept = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let (other, name) = (root.clone(), kept.clone());
    let disk = at_rename(&root, 2, move || *name.lock().unwrap() = beside(&other)[0].clone());
    write(disk, new("one")).unwrap();
    let name = kept.lock().unwrap().clone();
    assert!(name.starts_with(".claim-"), "{name}");
    let before = tree.neighbourhood();
    fs::write(root.join("work").join(&name), "planted").unwrap();
    write(open(&root), replacing("one", "two")).unwrap();
    tree.link(&format!("work/{name}"), tree.outside());
    assert_eq!(claim(), name);
    write(open(&root), replacing("two", "three")).unwrap();
    assert_eq!((there(&root), beside(&root)), ("three".to_owned(), vec![]));
    assert_eq!(tree.neighbourhood(), before);
}

#[test]
fn what_nobody_may_enter_in_the_place_of_a_claim_is_in_nobodys_way() {
    under_permissions(|| {
        let tree = Tree::new();
        let root = tree.root();
        let claim =
            root.join("work").join(format!(".claim-{}", version(b"a.txt").get(..32).unwrap()));
        for (expected, content) in [(None, "one"), (Some("one"), "two"), (Some("two"), "three")] {
            tree.file(&format!("{}/inside", claim.strip_prefix(&root).unwrap().display()), "x");
            lock(&claim);
            let arguments = expected.map_or_else(|| new(content), |old| replacing(old, content));
            write(open(&root), arguments).unwrap();
            assert_eq!(there(&root), content);
            assert!(!claim.exists());
        }
        // What was there is unfinished work, as what else is of nobody.
        let left = beside(&root);
        assert_eq!(left.len(), 3, "{left:?}");
        for name in left {
            assert!(name.starts_with(".unfinished-"), "{name}");
            unlock(&root.join("work").join(name));
        }
    });
}

#[test]
fn what_cannot_be_swept_keeps_nothing_else_from_it() {
    under_permissions(|| {
        let tree = Tree::new();
        let root = tree.root();
        let old = SystemTime::now() - Duration::from_secs(2 * 60 * 60);
        for number in 0..6 {
            tree.file(&format!("work/.unfinished-locked-{number}/inside"), "x");
            tree.file(&format!("work/.unfinished-left-{number}"), "x");
        }
        for name in beside(&root) {
            let path = root.join("work").join(name);
            fs::File::open(&path).unwrap().set_modified(old).unwrap();
            if path.is_dir() {
                lock(&path);
            }
        }
        write(open(&root), new("one")).unwrap();
        let left = beside(&root);
        assert!(!left.iter().any(|name| name.contains("left")), "{left:?}");
        assert_eq!(left.len(), 6, "{left:?}");
        left.iter().for_each(|name| unlock(&root.join("work").join(name)));
    });
}

#[test]
fn of_many_writers_at_once_each_line_is_there_once() {
    const WRITERS: usize = 8;
    const LINES: usize = 12;
    let tree = Tree::new();
    let root = tree.root();
    let conflicts = AtomicUsize::new(0);
    std::thread::scope(|threads| {
        for writer in 0..WRITERS {
            let (root, conflicts) = (&root, &conflicts);
            threads.spawn(move || {
                let mut known: Option<String> = None;
                for line in 0..LINES {
                    loop {
                        let arguments = json!({"path": "work/a.txt", "append": true,
                            "content": format!("{writer} {line}\n"), "expected_version": known});
                        match write(open(root), arguments) {
                            Ok(answer) => {
                                known = answer["version"].as_str().map(str::to_owned);
                                break;
                            }
                            Err(error) => {
                                assert_eq!(error.code, Code::Conflict, "{error}");
                                conflicts.fetch_add(1, Ordering::Relaxed);
                                let bytes = fs::read(root.join("work/a.txt")).unwrap();
                                known = Some(version(&bytes));
                            }
                        }
                    }
                }
            });
        }
    });
    let text = there(&root);
    let mut lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), WRITERS * LINES);
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), WRITERS * LINES);
    assert!(conflicts.into_inner() > 0, "nobody was in anybody's way; this shows nothing");
    assert_eq!(beside(&root), [""; 0]);
}
