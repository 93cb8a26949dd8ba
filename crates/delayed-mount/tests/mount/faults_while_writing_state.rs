//! Faults at each operation of a write of shared state: what was acknowledged is there, what was
//! not is whole or absent, no version is lost, and the error says what to do.

use delayed_mount::{ERRORS, Effect, Errno, Fault, Mounted, Operation, Options};
use mcp_workspace_test_support::mounted::{MountedWorkspace, run_within, scope_at};
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::workspace::Resolution;
use serde_json::{Value, json};
use std::time::Duration;

const KEY: &str = "tasks/review";

/// How many versions there are before the write under test. The last one prunes old versions.
const BEFORE: [u64; 3] = [0, 1, 23];

fn options() -> Options {
    Options { threads: 4, ..Options::default() }
}

fn write(expected: u64) -> Value {
    json!({ "key": KEY, "value": { "after": expected }, "expected_version": expected })
}

fn prepare(before: u64) -> Option<MountedWorkspace> {
    let workspace = MountedWorkspace::mount(options())?;
    for version in 0..before {
        workspace
            .run(&workspace.scope(Resolution::Openat2), "write_state", write(version))
            .unwrap();
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
    assert!(error.message.contains(KEY), "{error:?}");
}

/// Writes under one fault; says whether the write was acknowledged all the same.
fn trial(before: u64, fault: Fault) -> Option<bool> {
    let workspace = prepare(before)?;
    let scope = workspace.scope(Resolution::Openat2);
    workspace.mounted.fail(fault);
    let answer = workspace.run(&scope, "write_state", write(before));
    workspace.mounted.clear_faults();

    // Another Lambda sees the version before, or the new one, whole.
    let other = Mounted::over(workspace.source(), options()).unwrap();
    let other_scope = scope_at(other.path(), Resolution::Components);
    let read = |arguments: Value| {
        run_within(&other_scope, "read_state", arguments, Duration::from_secs(60))
    };
    let newest = match read(json!({ "key": KEY })) {
        Ok(found) => {
            let version = found["version"].as_u64().unwrap();
            assert_eq!(found["value"]["after"].as_u64(), Some(version - 1), "{fault:?}: {found}");
            version
        }
        Err(error) => {
            assert_eq!((error.code, before), (Code::NotFound, 0), "{fault:?}: {error:?}");
            0
        }
    };
    assert!(newest == before || newest == before + 1, "{fault:?}: {newest} after {before}");
    if before > 0 {
        let kept = read(json!({ "key": KEY, "version": before })).unwrap();
        assert_eq!(kept["value"]["after"], before - 1, "{fault:?} lost version {before}");
    }
    match (&answer, fault.effect) {
        (Ok(answer), _) => {
            assert_eq!(answer["version"], before + 1, "{fault:?}");
            assert_eq!(newest, before + 1, "{fault:?} lost an acknowledged version");
        }
        (Err(error), Effect::Refuse(errno) | Effect::LoseReply(errno)) => is_clear(error, errno),
        (Err(error), _) => panic!("{fault:?}: {error:?}"),
    }
    // Trying again succeeds, or says that the version is there already.
    let again = run_within(&other_scope, "write_state", write(before), Duration::from_secs(60));
    match again {
        Ok(answer) => assert_eq!((answer["version"].as_u64(), newest), (Some(before + 1), before)),
        Err(error) => {
            assert_eq!((error.code, newest), (Code::Conflict, before + 1), "{fault:?}: {error:?}");
            assert!(error.message.contains(&format!("version {}", before + 1)), "{error:?}");
        }
    }
    Some(answer.is_ok())
}

fn changes(operation: Operation) -> bool {
    use Operation::{Create, Flush, Fsync, Fsyncdir, Mkdir, Rename, Rmdir, Unlink, Write};
    [Create, Flush, Fsync, Fsyncdir, Mkdir, Rename, Rmdir, Unlink, Write].contains(&operation)
}

/// The requests of the write without a fault.
fn requests(before: u64) -> Option<Vec<(Operation, u64)>> {
    let workspace = prepare(before)?;
    let scope = workspace.scope(Resolution::Openat2);
    workspace.mounted.reset_counts();
    workspace.run(&scope, "write_state", write(before)).unwrap();
    Some(workspace.mounted.counts().seen().collect())
}

#[test]
fn each_error_at_each_operation_leaves_a_whole_version_or_none() {
    let mut refused = 0;
    for before in BEFORE {
        let Some(requests) = requests(before) else { return };
        for (operation, count) in requests {
            for nth in 1..=count {
                let errors = if changes(operation) { ERRORS } else { &ERRORS[1..2] };
                for (_, errno) in errors {
                    let fault = Fault::nth(operation, Effect::Refuse(*errno), nth);
                    refused += usize::from(!trial(before, fault).unwrap());
                }
            }
        }
    }
    assert!(refused > 60, "refused {refused} times only");
}

#[test]
fn a_reply_that_is_lost_leaves_a_whole_version_or_none() {
    for before in BEFORE {
        let Some(requests) = requests(before) else { return };
        for (operation, count) in requests {
            for nth in (1..=count).filter(|_| changes(operation)) {
                trial(before, Fault::nth(operation, Effect::LoseReply(Errno::IO), nth));
            }
        }
    }
}
