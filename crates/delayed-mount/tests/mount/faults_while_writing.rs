//! Faults at each operation of each kind of write: what was acknowledged is there, what was not is
//! whole or absent, the error says what to do, and trying again succeeds.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use delayed_mount::{ERRORS, Effect, Errno, Fault, Mounted, Operation, Options};
use mcp_workspace_test_support::mounted::{MountedWorkspace, scope_at};
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::workspace::Resolution;
use serde_json::{Value, json};

/// A write, and one that was acknowledged before it.
struct Write {
    tool: &'static str,
    arguments: Value,
    before: Option<Value>,
}

fn writes() -> Vec<Write> {
    let finding = |rule: &str| {
        json!({
            "rule_id": rule, "severity": "high", "message": "a message", "path": "input/main.rs",
            "start_line": 2, "run": "one",
        })
    };
    let proposal = |text: &str| {
        json!({
            "title": "a change",
            "edits": [{ "path": "input/main.rs", "old_text": "two", "new_text": text }],
        })
    };
    vec![
        Write { tool: "write_finding", arguments: finding("b"), before: None },
        Write { tool: "write_finding", arguments: finding("b"), before: Some(finding("a")) },
        Write { tool: "propose_patch", arguments: proposal("b"), before: None },
        Write { tool: "propose_patch", arguments: proposal("b"), before: Some(proposal("a")) },
    ]
}

fn prepare(write: &Write) -> Option<MountedWorkspace> {
    let workspace = MountedWorkspace::mount(Options { threads: 4, ..Options::default() })?;
    workspace.file("input/main.rs", "one\ntwo\nthree\n");
    if let Some(before) = &write.before {
        workspace.run(&workspace.scope(Resolution::Openat2), write.tool, before.clone()).unwrap();
    }
    Some(workspace)
}

/// All finished records, each file with its content; every one must be whole.
fn records(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn descend(directory: &Path, prefix: &str, all: &mut BTreeMap<String, Vec<u8>>) {
        let Ok(entries) = fs::read_dir(directory) else { return };
        for entry in entries {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            if name.starts_with('.') {
                // What is not finished, and what callers are counted by.
                let known = [".unfinished-", ".quota-"];
                assert!(known.iter().any(|start| name.starts_with(start)), "{name}");
                continue;
            }
            let path = format!("{prefix}/{name}");
            if entry.file_type().unwrap().is_dir() {
                descend(&entry.path(), &path, all);
                continue;
            }
            let content = fs::read(entry.path()).unwrap();
            if name.ends_with(".json") {
                let json: Value = serde_json::from_slice(&content)
                    .unwrap_or_else(|error| panic!("{path} is half a record: {error}"));
                assert!(json["id"].is_string(), "{path}: {json}");
            } else {
                let text = String::from_utf8(content.clone()).unwrap();
                assert!(text.starts_with("diff --git") && text.ends_with('\n'), "{path}: {text}");
            }
            all.insert(path, content);
        }
        if directory.join("proposal.json").exists() != directory.join("change.patch").exists() {
            panic!("half a proposal in {prefix}");
        }
    }
    let mut all = BTreeMap::new();
    descend(&root.join("output"), "output", &mut all);
    all
}

fn is_clear(error: &ToolError, fault: Fault) {
    let (Effect::Refuse(errno) | Effect::LoseReply(errno)) = fault.effect else { panic!() };
    let expected = match errno {
        Errno::ACCESS | Errno::ROFS => Code::Denied,
        _ => Code::Io,
    };
    assert_eq!(error.code, expected, "{fault:?}: {error:?}");
    assert!(error.hint.as_ref().is_some_and(|hint| !hint.is_empty()), "{fault:?}: {error:?}");
    assert!(
        error.message.contains("input/main.rs") || error.message.contains("output"),
        "{error:?}"
    );
}

/// Writes under one fault; says whether the write was acknowledged all the same.
fn trial(write: &Write, fault: Fault) -> Option<bool> {
    let workspace = prepare(write)?;
    let scope = workspace.scope(Resolution::Openat2);
    let before = records(workspace.source());
    workspace.mounted.reset_counts();
    workspace.mounted.fail(fault);
    let answer = workspace.run(&scope, write.tool, write.arguments.clone());
    let succeeded = workspace.mounted.succeeded();
    workspace.mounted.clear_faults();
    let after = records(workspace.source());
    for (path, content) in &before {
        assert_eq!(after.get(path), Some(content), "{fault:?} lost {path}");
    }
    match &answer {
        Ok(answer) => {
            assert_eq!(answer["status"], "created", "{fault:?} {answer}");
            let path = answer["path"].as_str().unwrap();
            assert!(after.keys().any(|key| key.starts_with(path)), "{fault:?} lost {path}");
            assert!(is_safe(&succeeded), "{fault:?} acknowledged after {succeeded:?} only");
        }
        Err(error) => is_clear(error, fault),
    }
    assert_eq!(fs::read(workspace.source().join("input/main.rs")).unwrap(), b"one\ntwo\nthree\n");
    // Another Lambda tries again and ends with the record, once.
    let other =
        Mounted::over(workspace.source(), Options { threads: 4, ..Options::default() }).unwrap();
    let again = workspace
        .run(&scope_at(other.path(), Resolution::Components), write.tool, write.arguments.clone())
        .unwrap();
    let published = after.len() > before.len();
    let status = if published { "duplicate" } else { "created" };
    assert_eq!(again["status"], status, "{fault:?} {again}");
    let each = if write.tool == "write_finding" { 1 } else { 2 };
    assert_eq!(records(workspace.source()).len(), before.len() + each, "{fault:?}");
    Some(answer.is_ok())
}

/// Whether a record that was written by these requests survives: its content was synced before it
/// got its name, and its directory afterwards. Whatever fails later is no fault of the record.
fn is_safe(succeeded: &[Operation]) -> bool {
    let last = |wanted: Operation, among: &[Operation]| {
        among.iter().rposition(|operation| *operation == wanted)
    };
    let Some(renamed) = last(Operation::Rename, succeeded) else { return false };
    let (before, after) = succeeded.split_at(renamed);
    last(Operation::Fsync, before) > last(Operation::Write, before)
        && after.contains(&Operation::Fsyncdir)
}

fn changes(operation: Operation) -> bool {
    use Operation::{Create, Flush, Fsync, Fsyncdir, Mkdir, Rename, Rmdir, Unlink, Write};
    [Create, Flush, Fsync, Fsyncdir, Mkdir, Rename, Rmdir, Unlink, Write].contains(&operation)
}

/// The requests of the write without a fault.
fn requests(write: &Write) -> Option<Vec<(Operation, u64)>> {
    let workspace = prepare(write)?;
    let scope = workspace.scope(Resolution::Openat2);
    workspace.mounted.reset_counts();
    workspace.run(&scope, write.tool, write.arguments.clone()).unwrap();
    Some(workspace.mounted.counts().seen().collect())
}

#[test]
fn each_error_at_each_operation_leaves_a_whole_record_or_none() {
    for write in writes() {
        let Some(requests) = requests(&write) else { return };
        let mut refused = 0;
        for (operation, count) in requests {
            for nth in 1..=count {
                // What only asks fails in two ways, what changes something in all.
                let errors = if changes(operation) { ERRORS } else { &ERRORS[1..3] };
                for (_, errno) in errors {
                    let fault = Fault::nth(operation, Effect::Refuse(*errno), nth);
                    refused += usize::from(!trial(&write, fault).unwrap());
                }
            }
        }
        assert!(refused > 30, "{} was refused {refused} times only", write.tool);
    }
}

#[test]
fn a_reply_that_is_lost_leaves_a_whole_record_or_none() {
    for write in writes() {
        let Some(requests) = requests(&write) else { return };
        for (operation, count) in requests {
            for nth in (1..=count).filter(|_| changes(operation)) {
                trial(&write, Fault::nth(operation, Effect::LoseReply(Errno::IO), nth));
            }
        }
    }
}

#[test]
fn a_mount_that_is_lost_at_any_request_leaves_a_whole_record_or_none() {
    for write in writes() {
        let Some(requests) = requests(&write) else { return };
        let all: u64 = requests.iter().map(|(_, count)| count).sum();
        let mut acknowledged = Vec::new();
        for nth in 1..=all {
            let fault = Fault::all_from(Effect::Refuse(Errno::IO), nth);
            if trial(&write, fault).unwrap() {
                acknowledged.push(nth);
            }
        }
        // Only what comes after the last sync may fail unnoticed, as `trial` has seen each time:
        // the look for old unfinished work and for other proposals on the file. From there on
        // no loss is noticed.
        let tool = write.tool;
        let tail = acknowledged.first().map_or(all + 1, |first| *first)..=all;
        assert!(acknowledged.iter().copied().eq(tail), "{tool}: {acknowledged:?} of {all}");
    }
}

#[test]
fn a_full_file_system_and_a_read_only_one_say_so() {
    for write in writes() {
        for (errno, operations, word) in [
            (Errno::NOSPC, vec![Operation::Create, Operation::Write, Operation::Mkdir], "full"),
            (
                Errno::ROFS,
                vec![Operation::Create, Operation::Mkdir, Operation::Rename],
                "read-only",
            ),
        ] {
            let Some(workspace) = prepare(&write) else { return };
            for operation in operations {
                workspace.mounted.fail(Fault::every(operation, Effect::Refuse(errno)));
            }
            let scope = workspace.scope(Resolution::Openat2);
            let error = workspace.run(&scope, write.tool, write.arguments.clone()).unwrap_err();
            assert!(error.message.contains(word), "{error:?}");
            assert!(error.hint.unwrap().contains("operator"), "{}", error.message);
        }
    }
}
