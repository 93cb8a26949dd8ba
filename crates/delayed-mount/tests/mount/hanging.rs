//! A mount that does not answer: each tool comes back at its deadline with an error or with what
//! it has, and its threads come home when the mount answers again.

use std::time::{Duration, Instant};

use delayed_mount::{Effect, Fault, Operation, Options};
use mcp_workspace_test_support::mounted::{MountedWorkspace, run_within};
use mcp_workspace_tools::error::Code;
use mcp_workspace_tools::workspace::Resolution;
use serde_json::json;

fn workspace() -> Option<MountedWorkspace> {
    let workspace = MountedWorkspace::mount(Options::default())?;
    for file in 0..60 {
        workspace.file(&format!("d{}/f{file:02}.txt", file / 20), "needle\n");
    }
    Some(workspace)
}

#[test]
fn walks_answer_at_their_deadline_while_operations_hang() {
    for operation in [Operation::Open, Operation::Read, Operation::Readdir] {
        for (tool, arguments) in [
            ("grep", json!({ "pattern": "needle", "mode": "count", "limit": 1000 })),
            ("list_dir", json!({ "depth": 3 })),
        ] {
            let Some(workspace) = workspace() else { return };
            let scope = workspace.scope(Resolution::Openat2);
            // The walk's own directory is listed at once; what it finds there hangs.
            let first = if operation == Operation::Readdir { 2 } else { 1 };
            let every = Fault::every(operation, Effect::Hang);
            workspace.mounted.fail(Fault { first, ..every });
            let begun = Instant::now();
            let answer = run_within(&scope, tool, arguments, Duration::from_millis(300));
            let took = begun.elapsed();
            assert!(took < Duration::from_secs(2), "{tool} {operation:?}: {took:?}");
            match answer {
                Ok(answer) if tool == "list_dir" && operation != Operation::Readdir => {
                    // Listing opens no file, so nothing of it hangs.
                    assert_eq!(answer["entries"].as_array().unwrap().len(), 63);
                }
                Ok(answer) => assert_eq!(answer["stopped"], "deadline", "{tool} {answer}"),
                Err(error) => assert_eq!(error.code, Code::Deadline, "{tool} {operation:?}"),
            }
            workspace.mounted.clear_faults();
            let begun = Instant::now();
            while workspace.mounted.under_way() > 0 {
                assert!(begun.elapsed() < Duration::from_secs(10));
                std::thread::sleep(Duration::from_millis(5));
            }
            // The workspace is as good as before.
            let found = workspace.run(
                &scope,
                "grep",
                json!({ "pattern": "needle", "mode": "count", "limit": 1000 }),
            );
            assert_eq!(found.unwrap()["files_searched"], 60);
        }
    }
}

#[test]
fn a_walk_gives_what_it_had_before_the_mount_hung() {
    let Some(workspace) = workspace() else { return };
    let scope = workspace.scope(Resolution::Openat2);
    workspace.mounted.fail(Fault { first: 41, ..Fault::every(Operation::Open, Effect::Hang) });
    let arguments = json!({ "pattern": "needle", "mode": "files", "limit": 1000 });
    let answer = run_within(&scope, "grep", arguments.clone(), Duration::from_millis(500));
    workspace.mounted.clear_faults();
    // At least one of the first files was not among those that hung, unless all threads were
    // faster with later ones; then it is an error that says so.
    match answer {
        Ok(answer) => {
            assert_eq!(answer["stopped"], "deadline", "{answer}");
            let had = answer["files"].as_array().unwrap().len();
            assert!(had < 60, "{answer}");
            let mut next = arguments;
            next["cursor"] = answer["next_cursor"].clone();
            let rest = workspace.run(&scope, "grep", next).unwrap();
            assert_eq!(rest["files"].as_array().unwrap().len() + had, 60, "{rest}");
        }
        Err(error) => assert_eq!(error.code, Code::Deadline),
    }
}
