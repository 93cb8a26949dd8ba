//! Faults at each operation while a file is made, replaced or appended to: it is as it was, or as it
//! was to be, and another Lambda that tries again ends with what was to be.

use std::fs;
use std::time::Duration;

use delayed_mount::{ERRORS, Effect, Errno, Fault, Mounted, Operation, Options};
use mcp_workspace_test_support::mounted::{MountedWorkspace, run_within, scope_at};
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::patch::version;
use mcp_workspace_tools::workspace::Resolution;
use serde_json::{Value, json};

const PATH: &str = "output/work/a.md";
const OLD: &str = "old\n";

/// How a file is written, and what stands there then.
const KINDS: [(&str, &str); 3] =
    [("created", "new\n"), ("replaced", "new\n"), ("appended", "old\nnew\n")];

fn options() -> Options {
    Options { threads: 4, ..Options::default() }
}

fn arguments(kind: &str) -> Value {
    let mut arguments = json!({ "path": PATH, "content": "new\n" });
    if kind != "created" {
        arguments["expected_version"] = version(OLD.as_bytes()).into();
        arguments["append"] = (kind == "appended").into();
    }
    arguments
}

fn prepare(kind: &str) -> Option<MountedWorkspace> {
    let workspace = MountedWorkspace::mount(options())?;
    if kind != "created" {
        workspace.file(PATH, OLD);
    }
    Some(workspace)
}

fn is_clear(error: &ToolError, errno: Errno) {
    let expected = match errno {
        Errno::ACCESS | Errno::ROFS => Code::Denied,
        _ => Code::Io,
    };
    assert_eq!(error.code, expected, "{errno:?}: {error:?}");
    assert!(error.hint.as_ref().is_some_and(|hint| !hint.is_empty()), "{errno:?}: {error:?}");
    assert!(error.message.contains("output/work"), "{error:?}");
}

/// Writes under one fault; says whether the write was acknowledged all the same.
fn trial((kind, after): (&str, &str), fault: Fault) -> Option<bool> {
    let workspace = prepare(kind)?;
    let scope = workspace.scope(Resolution::Openat2);
    workspace.mounted.fail(fault);
    let answer = workspace.run(&scope, "write_file", arguments(kind));
    workspace.mounted.clear_faults();

    let there = fs::read_to_string(workspace.source().join(PATH)).ok();
    let before = (kind != "created").then(|| OLD.to_owned());
    let done = there.as_deref() == Some(after);
    assert!(done || there == before, "{kind} {fault:?}: {there:?}");
    match (&answer, fault.effect) {
        (Ok(answer), _) => {
            assert_eq!(answer["status"], kind, "{fault:?}");
            assert!(done, "{kind} {fault:?}: an acknowledged file is not there");
        }
        (Err(error), Effect::Refuse(errno) | Effect::LoseReply(errno)) => is_clear(error, errno),
        (Err(error), _) => panic!("{fault:?}: {error:?}"),
    }
    let other = Mounted::over(workspace.source(), options()).unwrap();
    let scope = scope_at(other.path(), Resolution::Components);
    let again = run_within(&scope, "write_file", arguments(kind), Duration::from_secs(60));
    let again = again.unwrap_or_else(|error| panic!("{kind} {fault:?}: {error}"));
    assert_eq!(again["status"], if done { "unchanged" } else { kind }, "{fault:?}");
    assert_eq!(fs::read_to_string(workspace.source().join(PATH)).unwrap(), after, "{fault:?}");
    Some(answer.is_ok())
}

fn changes(operation: Operation) -> bool {
    use Operation::{Create, Flush, Fsync, Fsyncdir, Mkdir, Rename, Rmdir, Unlink, Write};
    [Create, Flush, Fsync, Fsyncdir, Mkdir, Rename, Rmdir, Unlink, Write].contains(&operation)
}

/// The requests of the write without a fault.
fn requests(kind: &str) -> Option<Vec<(Operation, u64)>> {
    let workspace = prepare(kind)?;
    let scope = workspace.scope(Resolution::Openat2);
    workspace.mounted.reset_counts();
    workspace.run(&scope, "write_file", arguments(kind)).unwrap();
    Some(workspace.mounted.counts().seen().collect())
}

#[test]
fn each_error_at_each_operation_leaves_the_old_file_or_the_new_one() {
    let mut refused = 0;
    for kind in KINDS {
        let Some(requests) = requests(kind.0) else { return };
        for (operation, count) in requests.into_iter().filter(|(one, _)| changes(*one)) {
            let errors = if kind.0 == "replaced" { ERRORS } else { &ERRORS[1..3] };
            for (nth, (_, errno)) in
                (1..=count).flat_map(|nth| errors.iter().map(move |e| (nth, e)))
            {
                let fault = Fault::nth(operation, Effect::Refuse(*errno), nth);
                refused += usize::from(!trial(kind, fault).unwrap());
            }
        }
    }
    assert!(refused > 20, "refused {refused} times only");
}

#[test]
fn a_reply_that_is_lost_leaves_the_old_file_or_the_new_one() {
    for kind in KINDS {
        let Some(requests) = requests(kind.0) else { return };
        for (operation, count) in requests.into_iter().filter(|(one, _)| changes(*one)) {
            for nth in 1..=count {
                trial(kind, Fault::nth(operation, Effect::LoseReply(Errno::IO), nth));
            }
        }
    }
}

#[test]
fn a_mount_that_is_lost_at_any_request_leaves_the_old_file_or_the_new_one() {
    let Some(requests) = requests("appended") else { return };
    let all: u64 = requests.iter().map(|(_, count)| count).sum();
    for nth in 1..=all {
        trial(KINDS[2], Fault::all_from(Effect::Refuse(Errno::IO), nth));
    }
}
