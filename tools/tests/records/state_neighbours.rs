//! What somebody else has put among the versions of a key, or among the keys, spoils neither: only
//! what a writer can have made is a version, a damaged one is told, the newest that can be read is
//! read, the next write succeeds, and no number is given out twice.

use std::fs;
use std::path::Path;

use mcp_workspace_test_support::kinds::{Thing, lock, under_permissions, unlock};
use mcp_workspace_test_support::tool_call::{self, open};
use mcp_workspace_test_support::tree::{Tree, strings};
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::workspace::VALUE;
use serde_json::{Value, json};

const POLICY: &str = r#"
version = 1
[[role]]
name = "agent"
callers = ["local"]
tools = ["read_state", "write_state"]
read = ["state/**"]
write = ["state/**"]
deny = ["state/secret*"]
"#;

fn run(root: &Path, tool: &str, arguments: Value) -> Result<Value, ToolError> {
    tool_call::run_as(open(root), POLICY, "local", tool, arguments)
}

fn write(root: &Path, value: u64, expected: Option<u64>) -> Result<u64, ToolError> {
    let mut arguments = json!({"key": "k", "value": value});
    expected.inspect(|expected| arguments["expected_version"] = json!(expected));
    run(root, "write_state", arguments).map(|answer| answer["version"].as_u64().unwrap())
}

fn read(root: &Path) -> Result<Value, ToolError> {
    run(root, "read_state", json!({"key": "k"}))
}

/// A key with versions 1 to `newest`, each with its number as value.
fn key_with(newest: u64) -> Tree {
    let tree = Tree::new();
    for version in 1..=newest {
        assert_eq!(write(&tree.root(), version, Some(version - 1)).unwrap(), version);
    }
    tree
}

#[test]
fn numbers_that_no_writer_can_have_made_are_no_versions() {
    let planted =
        ["18446744073709551615", "9007199254740992", "9007199254740991", "900", "07", "0"];
    for newest in [0, 1, 3, 20] {
        for name in planted {
            let tree = key_with(newest);
            tree.directory(&format!("state/k/@/{name}"));
            match read(&tree.root()) {
                Ok(read) => {
                    assert_eq!(
                        (&read["version"], &read["value"]),
                        (&json!(newest), &json!(newest))
                    );
                    assert_eq!(read.get("newest_version"), None, "{name}: {read}");
                }
                Err(error) => assert_eq!((error.code, newest), (Code::NotFound, 0), "{error}"),
            }
            // With many writes after it, so that old versions are removed.
            for version in newest + 1..newest + 30 {
                let written = write(&tree.root(), version, Some(version - 1));
                assert_eq!(written.unwrap(), version, "{name} after {newest}");
            }
            let kept = read_at(&tree, newest + 29 - 15);
            assert_eq!(kept, newest + 29 - 15, "{name} after {newest}");
            let listed = run(&tree.root(), "read_state", json!({"prefix": ""})).unwrap();
            assert_eq!(listed["keys"], json!([{"key": "k", "version": newest + 29}]));
        }
    }
}

fn read_at(tree: &Tree, version: u64) -> u64 {
    let read = run(&tree.root(), "read_state", json!({"key": "k", "version": version})).unwrap();
    read["value"].as_u64().unwrap()
}

/// What may be wrong with a version.
type Damage = (&'static str, fn(&Path));

const DAMAGES: [Damage; 9] = [
    ("no file", |version| fs::remove_file(version.join(VALUE)).unwrap()),
    ("an empty file", |version| fs::write(version.join(VALUE), "").unwrap()),
    ("half a file", |version| fs::write(version.join(VALUE), "{\"format\": 1,").unwrap()),
    ("another version", |version| {
        let text = fs::read_to_string(version.join(VALUE)).unwrap();
        fs::write(version.join(VALUE), text.replace("\"version\": 3", "\"version\": 2")).unwrap();
    }),
    ("deep JSON", |version| fs::write(version.join(VALUE), "[".repeat(900_000)).unwrap()),
    ("a huge file", |version| {
        fs::File::create(version.join(VALUE)).unwrap().set_len(1 << 30).unwrap();
    }),
    ("a pipe", |version| {
        fs::remove_file(version.join(VALUE)).unwrap();
        Thing::Fifo.make(&version.join(VALUE));
    }),
    ("a directory", |version| {
        fs::remove_file(version.join(VALUE)).unwrap();
        fs::create_dir(version.join(VALUE)).unwrap();
    }),
    ("a locked file", |version| lock(&version.join(VALUE))),
];

#[test]
fn a_damaged_newest_version_is_told_and_the_one_before_it_is_read() {
    under_permissions(|| {
        for (name, damage) in DAMAGES {
            let tree = key_with(3);
            damage(&tree.root().join("state/k/@/3"));
            let read = read(&tree.root()).unwrap();
            assert_eq!((&read["version"], &read["value"]), (&json!(2), &json!(2)), "{name}");
            assert_eq!(read["newest_version"], 3, "{name}: {read}");
            assert_eq!(read["left_out"][0]["path"], "state/k/@/3", "{name}: {read}");
            let error = run(&tree.root(), "read_state", json!({"key": "k", "version": 3}));
            assert_eq!(error.unwrap_err().code, Code::Io, "{name}");
            // Its number was given out, and names no other value.
            assert_eq!(write(&tree.root(), 9, Some(2)).unwrap_err().code, Code::Conflict, "{name}");
            assert_eq!(write(&tree.root(), 4, Some(3)).unwrap(), 4, "{name}");
            let read = super::state_neighbours::read(&tree.root()).unwrap();
            assert_eq!((&read["version"], read.get("left_out")), (&json!(4), None), "{name}");
        }
    });
}

#[test]
fn a_key_of_which_no_version_can_be_read_says_so_and_can_be_written() {
    let tree = key_with(1);
    fs::remove_file(tree.root().join("state/k/@/1/value.json")).unwrap();
    let error = read(&tree.root()).unwrap_err();
    assert_eq!(error.code, Code::Io);
    assert!(error.hint.as_ref().unwrap().contains("expected_version 1"), "{error:?}");
    assert_eq!(write(&tree.root(), 2, Some(1)).unwrap(), 2);
    assert_eq!(read(&tree.root()).unwrap()["value"], 2);
}

#[test]
fn an_empty_directory_as_the_next_version_is_passed_over_and_its_number_is_not_used() {
    let tree = key_with(3);
    tree.directory("state/k/@/4");
    let read = read(&tree.root()).unwrap();
    assert_eq!((&read["version"], &read["newest_version"]), (&json!(3), &json!(4)));
    assert_eq!(write(&tree.root(), 9, Some(3)).unwrap_err().code, Code::Conflict);
    assert_eq!(write(&tree.root(), 5, Some(4)).unwrap(), 5);
    assert_eq!(write(&tree.root(), 6, None).unwrap(), 6);
}

#[test]
fn what_nobody_may_enter_in_the_place_of_the_next_version_keeps_no_writer_off() {
    under_permissions(|| {
        for newest in [0, 1, 3, 20] {
            for (planted, inside) in [(1, false), (1, true), (5, false), (40, true)] {
                let tree = key_with(newest);
                let last = newest + planted;
                for number in newest + 1..=last {
                    if inside {
                        tree.file(&format!("state/k/@/{number}/inside.txt"), "x");
                    } else {
                        tree.directory(&format!("state/k/@/{number}"));
                    }
                    lock(&tree.root().join(format!("state/k/@/{number}")));
                }
                let case = format!("{planted} after {newest}, {inside}");
                // Of the last 32 it is tried whether they can be read.
                match read(&tree.root()) {
                    Ok(read) => {
                        assert_eq!(
                            (&read["value"], &read["newest_version"]),
                            (&json!(newest), &json!(last)),
                            "{case}"
                        );
                    }
                    Err(error) => {
                        assert!(newest == 0 || planted > 32, "{case}: {error}");
                        assert_eq!(error.code, Code::Io, "{case}");
                    }
                }
                // The numbers are not used: what is in there may be versions.
                let stale = write(&tree.root(), 9, Some(newest));
                assert_eq!(stale.unwrap_err().code, Code::Conflict, "{case}");
                for version in last + 1..last + 30 {
                    let written = write(&tree.root(), version, Some(version - 1));
                    assert_eq!(written.unwrap_or_else(|error| panic!("{case}: {error}")), version);
                }
                assert_eq!(read_at(&tree, last + 20), last + 20, "{case}");
                let kept = fs::read_dir(tree.root().join("state/k/@")).unwrap().count();
                // What holds something stays, and so does all that follows it.
                assert!(inside || kept < 26, "{case}: {kept} are left");
                (newest + 1..=last)
                    .for_each(|number| unlock(&tree.root().join(format!("state/k/@/{number}"))));
            }
        }
    });
}

#[test]
fn numbers_that_follow_each_other_are_no_versions_without_content() {
    const LAST: u64 = (1 << 53) - 1;
    for newest in [0, 3, 20] {
        let runs =
            [vec![LAST - 1, LAST], (LAST - 40..=LAST).collect(), vec![1 << 50, (1 << 50) + 1]];
        for run in runs {
            let tree = key_with(newest);
            for number in &run {
                tree.directory(&format!("state/k/@/{number}"));
            }
            match read(&tree.root()) {
                Ok(read) => assert_eq!(read["version"], newest, "{run:?}"),
                Err(error) => assert_eq!((error.code, newest), (Code::NotFound, 0), "{error}"),
            }
            for version in newest + 1..newest + 20 {
                let written = write(&tree.root(), version, Some(version - 1));
                assert_eq!(written.unwrap(), version, "{run:?} after {newest}");
            }
        }
    }
}

#[test]
fn an_empty_directory_of_versions_that_nobody_may_list_gives_way_and_another_is_kept() {
    under_permissions(|| {
        let tree = Tree::new();
        tree.directory("state/k/@");
        lock(&tree.root().join("state/k/@"));
        assert_eq!(write(&tree.root(), 1, None).unwrap(), 1);
        assert_eq!(read(&tree.root()).unwrap()["value"], 1);

        let tree = key_with(3);
        lock(&tree.root().join("state/k/@"));
        for expected in [None, Some(0), Some(3)] {
            let error = write(&tree.root(), 9, expected).unwrap_err();
            assert_eq!(error.code, Code::Denied, "{expected:?}: {error}");
        }
        assert_eq!(read(&tree.root()).unwrap_err().code, Code::Denied);
        unlock(&tree.root().join("state/k/@"));
        assert_eq!(read(&tree.root()).unwrap()["value"], 3);
    });
}

#[test]
fn what_is_no_directory_in_the_place_of_versions_gives_way_to_them() {
    for thing in [Thing::File, Thing::LinkToDirectory, Thing::DanglingLink, Thing::Fifo] {
        // In the place of the next version, of all versions, and among them.
        let tree = key_with(3);
        thing.make(&tree.root().join("state/k/@/4"));
        assert_eq!(read(&tree.root()).unwrap()["version"], 3, "{thing:?}");
        assert_eq!(write(&tree.root(), 4, Some(3)).unwrap(), 4, "{thing:?}");
        assert_eq!(read(&tree.root()).unwrap()["value"], 4, "{thing:?}");

        let tree = Tree::new();
        thing.make(&tree.root().join("state/k/@"));
        assert_eq!(read(&tree.root()).unwrap_err().code, Code::NotFound, "{thing:?}");
        let listed = run(&tree.root(), "read_state", json!({"prefix": ""})).unwrap();
        assert_eq!(listed["left_out"][0]["path"], "state/k", "{thing:?} {listed}");
        assert_eq!(write(&tree.root(), 1, Some(0)).unwrap(), 1, "{thing:?}");
        assert_eq!(read(&tree.root()).unwrap()["value"], 1, "{thing:?}");

        let tree = Tree::new();
        thing.make(&tree.root().join("state/k/@/junk"));
        for version in 1..40 {
            assert_eq!(write(&tree.root(), version, Some(version - 1)).unwrap(), version);
        }
        assert!(
            tree.root().join("state/k/@/39").exists() && !tree.root().join("state/k/@/1").exists()
        );
        assert!(!tree.root().join("state/k/@/0").exists(), "{thing:?}");
    }
    assert!(Path::new("/etc").is_dir());
}

#[test]
fn what_cannot_be_removed_below_the_versions_keeps_them_from_no_removal() {
    let tree = Tree::new();
    for version in 20..=23 {
        let stored = json!({"format": 1, "key": "k", "version": version, "value": version,
            "agent": "agent", "caller": "local", "written": "2026-11-24T08:00:00Z"});
        tree.file(&format!("state/k/@/{version}/value.json"), stored.to_string());
    }
    // Deeper than what pruning removes.
    tree.file("state/k/@/3/a/b/c/d/e/f", "");
    for version in 24..60 {
        assert_eq!(write(&tree.root(), version, Some(version - 1)).unwrap(), version);
    }
    let left = fs::read_dir(tree.root().join("state/k/@")).unwrap().count();
    assert!((16..26).contains(&left), "{left} versions are left");
}

#[test]
fn a_key_that_cannot_be_looked_at_is_told_and_the_others_are_listed() {
    under_permissions(|| {
        for thing in Thing::ALL.into_iter().filter(|thing| *thing != Thing::Directory) {
            for place in ["state/m", "state/k/sub", "state/m/@"] {
                let tree = key_with(1);
                run(&tree.root(), "write_state", json!({"key": "z", "value": 1})).unwrap();
                thing.make(&tree.root().join(place));
                // What policy hides is not told.
                thing.make(&tree.root().join("state/secret"));
                let listed = run(&tree.root(), "read_state", json!({"prefix": ""})).unwrap();
                assert_eq!(strings(&listed["keys"], "key"), ["k", "z"], "{thing:?} {place}");
                let told = strings(&listed["left_out"], "path");
                assert_eq!(told, [place.trim_end_matches("/@")], "{thing:?}");
                assert_eq!(listed["more"], false);
                unlock(&tree.root().join(place));
                unlock(&tree.root().join("state/secret"));
            }
        }
    });
}

#[test]
fn what_is_left_out_of_pages_of_keys_is_told_once() {
    let tree = key_with(1);
    for number in 0..20 {
        run(&tree.root(), "write_state", json!({"key": format!("n/{number:02}"), "value": 1}))
            .unwrap();
        if number % 4 == 0 {
            tree.file(&format!("state/n/{number:02}-stray"), "");
        }
    }
    let (mut keys, mut told) = (Vec::new(), Vec::new());
    let mut arguments = json!({"prefix": "", "limit": 3});
    loop {
        let page = run(&tree.root(), "read_state", arguments.clone()).unwrap();
        keys.extend(strings(&page["keys"], "key"));
        if page.get("left_out").is_some() {
            told.extend(strings(&page["left_out"], "path"));
        }
        if page["more"] == false {
            break;
        }
        arguments["cursor"] = page["next_cursor"].clone();
    }
    assert_eq!(keys.len(), 21);
    told.dedup();
    assert_eq!(told.len(), 5, "{told:?}");
}
