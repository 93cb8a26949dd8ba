//! Faults of the file system while tools read: counted where many files are read, told where one
//! is, and never a panic or an answer that looks complete.

use std::time::Duration;

use delayed_mount::{ERRORS, Effect, Errno, Fault, Operation, Options};
use mcp_workspace_test_support::mounted::{MODES, MountedWorkspace};
use mcp_workspace_tools::error::{Code, ToolError};
use serde_json::{Value, json};

fn workspace() -> Option<MountedWorkspace> {
    let workspace = MountedWorkspace::mount(Options { threads: 16, ..Options::default() })?;
    for file in 0..30 {
        workspace.file(&format!("d{}/f{file:02}.txt", file / 10), "needle\n");
    }
    Some(workspace)
}

/// An error that the file system's failure explains, with what to do.
fn is_clear(error: &ToolError, errno: Errno) {
    let expected = match errno {
        Errno::ACCESS | Errno::ROFS => Code::Denied,
        _ => Code::Io,
    };
    assert_eq!(error.code, expected, "{error:?}");
    assert!(error.hint.is_some(), "{error:?}");
}

#[test]
fn files_that_cannot_be_opened_or_read_are_counted_by_grep() {
    for operation in [Operation::Open, Operation::Read] {
        for errno in [Errno::IO, Errno::STALE, Errno::ACCESS] {
            let Some(workspace) = workspace() else { return };
            let scope = workspace.scope(MODES[0]);
            // The kernel reads a page again by itself, so a few refused reads change nothing.
            let count = if operation == Operation::Read { u64::MAX } else { 7 };
            let every = Fault::every(operation, Effect::Refuse(errno));
            workspace.mounted.fail(Fault { first: 5, count, ..every });
            let arguments = json!({ "pattern": "needle", "mode": "count", "limit": 1000 });
            let found = workspace.run(&scope, "grep", arguments).unwrap();
            let unreadable = found["files_skipped"]["unreadable"].as_u64().unwrap();
            let searched = found["files_searched"].as_u64().unwrap();
            assert_eq!(searched + unreadable, 30, "{operation:?} {errno:?} {found}");
            let expected = match (operation, errno) {
                // It also looks a name up again that is said to be stale.
                (Operation::Open, Errno::STALE) => 0..=7,
                (Operation::Open, _) => 7..=7,
                _ => 26..=28,
            };
            assert!(expected.contains(&unreadable), "{operation:?} {errno:?} {found}");
        }
    }
}

#[test]
fn directories_that_cannot_be_listed_are_told() {
    for operation in [Operation::Opendir, Operation::Readdir] {
        for errno in [Errno::IO, Errno::ACCESS] {
            let Some(workspace) = workspace() else { return };
            let scope = workspace.scope(MODES[0]);
            workspace.mounted.fail(Fault::nth(operation, Effect::Refuse(errno), 3));
            let found =
                workspace.run(&scope, "grep", json!({ "pattern": "needle", "mode": "count" }));
            let found = found.unwrap();
            assert_eq!(found["files_searched"], 20, "{operation:?} {errno:?} {found}");
            assert_eq!(found["files_skipped"]["unreadable"], 1, "{operation:?} {errno:?} {found}");
            workspace.mounted.clear_faults();
            workspace.mounted.fail(Fault::nth(operation, Effect::Refuse(errno), 3));
            let listed = workspace.run(&scope, "list_dir", json!({ "depth": 3 })).unwrap();
            assert_eq!(listed["entries"].as_array().unwrap().len(), 23, "{listed}");
            assert_eq!(listed["unreadable"].as_array().unwrap().len(), 1, "{listed}");
        }
    }
}

#[test]
fn one_file_that_cannot_be_read_is_a_clear_error() {
    for mode in MODES {
        for operation in [Operation::Lookup, Operation::Open, Operation::Read] {
            for (_, errno) in ERRORS {
                let Some(workspace) = workspace() else { return };
                let scope = workspace.scope(mode);
                workspace.mounted.fail(Fault::every(operation, Effect::Refuse(*errno)));
                for (tool, arguments) in [
                    ("read_file", json!({ "path": "d1/f15.txt" })),
                    ("grep", json!({ "path": "d1/f15.txt", "pattern": "needle" })),
                ] {
                    match workspace.run(&scope, tool, arguments) {
                        Err(error) => is_clear(&error, *errno),
                        Ok(answer) => {
                            assert_eq!(tool, "grep", "{operation:?} {errno:?} {answer}");
                            assert_eq!(answer["files_skipped"]["unreadable"], 1, "{answer}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_fault_at_any_one_request_changes_no_answer_silently() {
    for (tool, arguments) in [
        ("read_file", json!({ "path": "d1/f15.txt", "format": "json" })),
        ("list_dir", json!({ "depth": 3, "details": true })),
        ("grep", json!({ "pattern": "needle", "mode": "count", "limit": 1000 })),
    ] {
        let Some(workspace) = workspace() else { return };
        let good = workspace.run(&workspace.scope(MODES[0]), tool, arguments.clone()).unwrap();
        for errno in &[Errno::IO, Errno::STALE, Errno::ACCESS] {
            for nth in 1..=12 {
                let Some(workspace) = self::workspace() else { return };
                let scope = workspace.scope(MODES[0]);
                let fault = Fault::all_from(Effect::Refuse(*errno), nth);
                workspace.mounted.fail(Fault { count: 1, ..fault });
                match workspace.run(&scope, tool, arguments.clone()) {
                    Err(error) => is_clear(&error, *errno),
                    Ok(mut answer) => {
                        let told = answer["unreadable"].is_array()
                            || answer["files_skipped"]["unreadable"].as_u64() > Some(0);
                        if tool == "list_dir" && !told {
                            // Where the details of an entry could not be had, it says so.
                            let mut good = good.clone();
                            without_unreadable(&mut answer, &mut good);
                            assert_eq!(answer, good, "{errno:?} {nth}");
                        } else if !told {
                            assert_eq!(answer, good, "{tool} {errno:?} {nth}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn entries_whose_details_cannot_be_read_say_so() {
    let details = json!({ "path": "d1", "details": true });
    for operation in [Operation::Lookup, Operation::Getattr] {
        // Nothing is remembered, so each size has to be asked for.
        let options = Options { remembered: Duration::ZERO, ..Options::default() };
        let Some(workspace) = MountedWorkspace::mount(options) else { return };
        for file in 0..4 {
            workspace.file(&format!("d1/f{file}.txt"), "needle\n");
        }
        let scope = workspace.scope(MODES[0]);
        let mut good = workspace.run(&scope, "list_dir", details.clone()).unwrap();
        assert_eq!(good["entries"].as_array().unwrap().len(), 4, "{good}");
        // The first requests are those of the directory itself, the last those of its entries.
        workspace.mounted.reset_counts();
        workspace.run(&scope, "list_dir", details.clone()).unwrap();
        let asked = workspace.mounted.counts().of(operation);
        assert!(asked >= 4, "{operation:?}: {asked}");
        let fault = Fault::every(operation, Effect::Refuse(Errno::IO));
        workspace.mounted.fail(Fault { first: asked - 1, ..fault });
        let mut listed = workspace.run(&scope, "list_dir", details.clone()).unwrap();
        let unreadable = without_unreadable(&mut listed, &mut good);
        assert!((1..=2).contains(&unreadable), "{operation:?} of {asked}: {unreadable}");
        assert_eq!(listed, good, "{operation:?}");
    }
}

/// Takes out of both listings the entries that could not be read, and counts them.
fn without_unreadable(answer: &mut Value, good: &mut Value) -> usize {
    let entries = answer["entries"].as_array_mut().unwrap();
    let unreadable: Vec<Value> =
        entries.extract_if(.., |entry| entry["unreadable"] == true).collect();
    for entry in &unreadable {
        assert!(entry["size"].is_null() && entry["modified"].is_null(), "{entry}");
    }
    // Each is a tree of its own, with times of its own.
    for entry in [&mut *answer, &mut *good]
        .into_iter()
        .flat_map(|one| one["entries"].as_array_mut().unwrap())
    {
        assert!(entry["modified"].as_str().is_some_and(|time| time.ends_with('Z')), "{entry}");
        entry["modified"] = json!("then");
    }
    let paths: Vec<&Value> = unreadable.iter().map(|entry| &entry["path"]).collect();
    good["entries"].as_array_mut().unwrap().retain(|entry| !paths.contains(&&entry["path"]));
    unreadable.len()
}
