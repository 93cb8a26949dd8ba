//! A run that was stopped at any moment goes on where it stood, with nothing lost or doubled.

use std::process::Command;

use serde_json::{Value, json};

use crate::reviewer::finding;
use crate::setting::{RUNS, Setting};
use mcp_workspace_test_support::model::{Model, Play, calls, done};

/// A reviewer that reports two findings, one an answer, and hangs once at this request.
fn reviewer(hangs_at: usize) -> Model {
    let mut hung = false;
    Model::playing(move |number, request| {
        if number == hangs_at && !hung {
            hung = true;
            return Play::Hang;
        }
        // What to do follows from the conversation alone, as with a real model.
        match request["messages"].as_array().unwrap().len() {
            1 => calls(&[
                ("a", "write_finding", finding(2)),
                ("b", "read_file", json!({ "path": "input/src/db.py" })),
            ]),
            3 => calls(&[("c", "write_finding", finding(3))]),
            _ => done("two findings"),
        }
    })
}

#[test]
fn a_worker_that_was_killed_goes_on_with_nothing_lost_or_doubled() {
    for hangs_at in 0..3 {
        let setting = Setting::new();
        let model = reviewer(hangs_at);
        let mut child = setting.command(&model, &[]).spawn().unwrap();
        model.wait_for(hangs_at + 1);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(setting.findings().len(), hangs_at);

        let outcome = setting.run(&model, &[]);
        assert_eq!(outcome.status, Some(0), "{outcome:?}");
        let requests = model.requests();
        assert_eq!(requests.len(), 4);
        assert_eq!(requests[hangs_at]["messages"], requests[hangs_at + 1]["messages"]);
        assert_eq!(setting.findings().len(), 2);
        let summary = setting.summary();
        assert_eq!((&summary["turns"], &summary["tool_calls"]), (&json!(3), &json!(3)));
        let steps = setting.transcript();
        assert!(steps.iter().any(|step| step["kind"] == "resume"));
        let numbers: Vec<Value> = steps.iter().map(|step| step["step"].clone()).collect();
        assert_eq!(numbers, (1..=steps.len()).map(Value::from).collect::<Vec<_>>());
    }
}

#[test]
fn a_crash_between_a_tool_call_and_its_record_doubles_no_finding() {
    let setting = Setting::new();
    let model = reviewer(usize::MAX);
    assert_eq!(setting.run(&model, &["--max-turns", "1"]).status, Some(1));
    // As after a crash: the finding is written, but not that its call was answered.
    let steps = setting.workspace().join(RUNS).join("steps");
    for step in ["000003", "000004"] {
        std::fs::remove_dir_all(steps.join(step)).unwrap();
    }
    let outcome = setting.run(&model, &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert!(model.requests()[1].to_string().contains("duplicate"));
    assert_eq!(setting.findings().len(), 2);
}

#[test]
fn a_worker_that_is_asked_to_stop_pauses() {
    let setting = Setting::new();
    let model = reviewer(1);
    let child = setting.command(&model, &[]).spawn().unwrap();
    model.wait_for(2);
    let stopped = Command::new("kill").arg(child.id().to_string()).status().unwrap();
    assert!(stopped.success());
    let outcome = setting.end_of(child);
    assert_eq!(outcome.status, Some(3), "{outcome:?}");
    assert_eq!(setting.summary()["reason"], "interrupted");
    assert_eq!(setting.run(&model, &[]).status, Some(0));
    assert_eq!(setting.findings().len(), 2);
}

#[test]
fn a_run_that_is_done_asks_nothing_more() {
    let setting = Setting::new();
    let model = reviewer(usize::MAX);
    for _ in 0..2 {
        let outcome = setting.run(&model, &[]);
        assert_eq!(outcome.status, Some(0), "{outcome:?}");
        assert!(outcome.stdout.contains("two findings"), "{outcome:?}");
        assert_eq!(model.requests().len(), 3);
    }
}

#[test]
fn a_second_worker_on_the_same_run_stops() {
    let setting = Setting::new();
    let model = reviewer(1);
    let first = setting.command(&model, &[]).spawn().unwrap();
    model.wait_for(2);
    // The second does what the first had still to do; the first learns that at its next step.
    let second = setting.run(&model, &[]);
    assert_eq!(second.status, Some(0), "{second:?}");
    let stopped = Command::new("kill").arg(first.id().to_string()).status().unwrap();
    assert!(stopped.success());
    let outcome = setting.end_of(first);
    assert_eq!(outcome.status, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("another worker is at work"), "{outcome:?}");
    assert_eq!(setting.findings().len(), 2);
    assert_eq!(setting.summary()["ending"], "completed");
}

#[test]
fn a_run_keeps_its_task_and_its_role() {
    let setting = Setting::new();
    let model = reviewer(usize::MAX);
    assert_eq!(setting.run(&model, &["--max-turns", "1"]).status, Some(1));
    let other_task = setting.run(&model, &["--task", "Something else."]);
    let other_role =
        setting.run(&model, &["--role", "remediation", "--agent", "security-reviewer"]);
    for outcome in [other_task, other_role] {
        assert_eq!(outcome.status, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains("another task or role"), "{outcome:?}");
    }
    assert_eq!(model.requests().len(), 1);
}

#[test]
fn a_journal_with_a_gap_is_refused() {
    let setting = Setting::new();
    let model = reviewer(usize::MAX);
    assert_eq!(setting.run(&model, &["--max-turns", "1"]).status, Some(1));
    std::fs::remove_dir_all(setting.workspace().join(RUNS).join("steps/000002")).unwrap();
    let outcome = setting.run(&model, &[]);
    assert_eq!(outcome.status, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("step 2 is missing"), "{outcome:?}");
}
