//! Two mounts of one tree, as two Lambdas have: each learns late what the other wrote, and still
//! nothing that was acknowledged is lost or there twice.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use delayed_mount::{Mounted, Options};
use mcp_workspace_test_support::mounted::{MODES, MountedWorkspace, run_within, scope_at};
use serde_json::{Value, json};

const TIME: Duration = Duration::from_secs(60);

#[test]
fn findings_and_proposals_of_two_lambdas_are_all_there_once() {
    let delayed = Options { delay: Duration::from_micros(200), ..Options::default() };
    let Some(workspace) = MountedWorkspace::mount(delayed.clone()) else { return };
    let other = Mounted::over(workspace.source(), delayed).unwrap();
    let lines: String = (0..40).map(|line| format!("line {line}\n")).collect();
    workspace.file("input/main.rs", &lines);
    let acknowledged: Mutex<Vec<(String, Value)>> = Mutex::default();
    let roots = [workspace.mounted.path().to_owned(), other.path().to_owned()];
    std::thread::scope(|scope| {
        for worker in 0..4_usize {
            let (root, acknowledged) = (&roots[worker % 2], &acknowledged);
            scope.spawn(move || {
                let scope = scope_at(root, MODES[worker / 2]);
                for number in 0..25_usize {
                    // Workers 0 and 1 write the same, as agents that find the same do.
                    let line = (worker / 2) * 20 + number % 20 + 1;
                    let finding = json!({
                        "rule_id": "rule", "severity": "low", "message": "found",
                        "path": "input/main.rs", "start_line": line,
                    });
                    let answer = run_within(&scope, "write_finding", finding, TIME).unwrap();
                    acknowledged.lock().unwrap().push(("finding".into(), answer));
                    if number % 5 == 0 {
                        let proposal = json!({ "title": "a change", "edits": [{
                            "path": "input/main.rs", "old_text": format!("line {number}\n"),
                            "new_text": format!("changed {}\n", worker / 2),
                        }]});
                        let answer = run_within(&scope, "propose_patch", proposal, TIME).unwrap();
                        acknowledged.lock().unwrap().push(("proposal".into(), answer));
                    }
                }
            });
        }
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    assert_eq!(acknowledged.len(), 120);
    let mut paths = BTreeSet::new();
    let mut proposals_created = Vec::new();
    for (kind, answer) in acknowledged {
        let path = answer["path"].as_str().unwrap().to_owned();
        if kind == "finding" {
            let record: Value =
                serde_json::from_slice(&fs::read(workspace.source().join(&path)).unwrap()).unwrap();
            assert_eq!(record["id"], answer["id"]);
        } else {
            let json = fs::read(workspace.source().join(&path).join("proposal.json")).unwrap();
            assert_eq!(serde_json::from_slice::<Value>(&json).unwrap()["id"], answer["id"]);
            if answer["status"] == "created" {
                proposals_created.push(path.clone());
            }
        }
        paths.insert(path);
    }
    // 40 findings; 10 proposals, of which each was created by exactly one writer.
    assert_eq!(paths.len(), 50, "{paths:?}");
    let once: BTreeSet<_> = proposals_created.iter().collect();
    assert_eq!((proposals_created.len(), once.len()), (10, 10), "{proposals_created:?}");
    let findings = fs::read_dir(workspace.source().join("output/findings/agent")).unwrap();
    assert_eq!(findings.count(), 40, "nothing unfinished is left");
}

#[test]
fn one_lambda_sees_at_once_what_the_other_acknowledged() {
    let Some(workspace) = MountedWorkspace::mount(Options::default()) else { return };
    let other = Mounted::over(workspace.source(), Options::default()).unwrap();
    workspace.file("input/main.rs", "one\ntwo\n");
    let (here, there) = (workspace.scope(MODES[0]), scope_at(other.path(), MODES[0]));
    for rule in ["a", "b", "c", "d"] {
        let finding = json!({
            "rule_id": rule, "severity": "low", "message": "found", "path": "input/main.rs",
            "start_line": 1,
        });
        // `there` has just learned that the record does not exist, and remembers that.
        let path = format!("output/findings/agent/{rule}.json");
        assert!(workspace.run(&there, "read_file", json!({ "path": path })).is_err());
        let first = workspace.run(&here, "write_finding", finding.clone()).unwrap();
        let second = workspace.run(&there, "write_finding", finding).unwrap();
        assert_eq!(first["status"], "created");
        assert_eq!(second["status"], "duplicate", "{second}");
        assert_eq!(second["fingerprint"], first["fingerprint"]);
        let read =
            workspace.run(&there, "read_file", json!({ "path": first["path"], "format": "json" }));
        assert!(read.unwrap()["content"].as_str().unwrap().contains("\"rule_id\""));
        let listed = workspace.run(&there, "list_dir", json!({ "path": "output/findings/agent" }));
        let listed = listed.unwrap().to_string();
        assert!(listed.contains(first["path"].as_str().unwrap()), "{listed}");
    }
}

/// Each mount remembers for half a minute what it has seen, and that there was nothing.
#[test]
fn a_file_that_another_lambda_has_made_or_changed_is_never_replaced_unread() {
    for mode in MODES {
        let Some(workspace) = MountedWorkspace::mount(Options::default()) else { return };
        let other = Mounted::over(workspace.source(), Options::default()).unwrap();
        let (one, two) = (workspace.scope(mode), scope_at(other.path(), mode));
        let write = |scope, arguments: Value| run_within(scope, "write_file", arguments, TIME);
        let path = "output/work/deep/a.md";
        let there = || fs::read_to_string(workspace.source().join(path)).unwrap();
        // The folder is there, and the second knows that the file is not.
        workspace.file("output/work/deep/b.md", "b");
        let read = run_within(&two, "read_file", json!({ "path": path }), TIME);
        assert_eq!(read.unwrap_err().code.as_str(), "not_found");
        let made = write(&one, json!({ "path": path, "content": "one" })).unwrap();
        let late = write(&two, json!({ "path": path, "content": "two" })).unwrap_err();
        assert_eq!((late.code.as_str(), there()), ("conflict", "one".to_owned()), "{late}");
        let shown = made["version"].as_str().unwrap().get(..20).unwrap();
        assert!(late.message.contains(shown), "{late}");

        let replace = |scope, content: &str, expected: &Value| {
            let arguments =
                json!({ "path": path, "content": content, "expected_version": expected });
            write(scope, arguments)
        };
        let second = replace(&two, "two", &made["version"]).unwrap();
        let late = replace(&one, "three", &made["version"]).unwrap_err();
        assert_eq!((late.code.as_str(), there()), ("conflict", "two".to_owned()), "{late}");
        let appended = json!({ "path": path, "content": "+", "append": true,
            "expected_version": second["version"] });
        assert_eq!(write(&one, appended).unwrap()["status"], "appended");
        assert_eq!(there(), "two+");
    }
}
