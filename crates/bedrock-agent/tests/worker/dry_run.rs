//! What can be seen before anything is spent.

use serde_json::Value;

use crate::setting::Setting;
use mcp_workspace_test_support::model::{Model, done};

#[test]
fn a_dry_run_prints_the_request_that_would_be_sent_and_does_nothing() {
    let setting = Setting::new();
    let before = setting.files();
    let model = Model::playing(|_, _| done("ok"));
    let outcome = setting.run(&model, &["--dry-run"]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert!(model.requests().is_empty());
    assert_eq!(setting.files(), before);
    assert!(!setting.workspace().join("output").exists());

    let mut printed: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let id = printed.as_object_mut().unwrap().remove("modelId").unwrap();
    assert_eq!(id, "test.model-v1:0");
    assert_eq!(setting.run(&model, &[]).status, Some(0));
    assert_eq!(model.requests(), [printed]);
}

#[test]
fn a_task_comes_from_a_file_too() {
    let setting = Setting::new();
    setting.write("task.md", "Look at `auth.py`.\n");
    let file = format!("@{}", setting.workspace().join("../task.md").display());
    let model = Model::playing(|_, _| done("ok"));
    assert_eq!(setting.run(&model, &["--task", &file, "--json"]).status, Some(0));
    assert_eq!(model.requests()[0]["messages"][0]["content"][0]["text"], "Look at `auth.py`.");
    assert_eq!(setting.run(&model, &["--task", "@/nowhere", "--agent", "b"]).status, Some(2));
    assert_eq!(setting.run(&model, &["--task", " ", "--agent", "c"]).status, Some(2));
}

#[test]
fn progress_shows_turns_tools_and_cost() {
    let setting = Setting::new();
    let model = Model::playing(|number, _| match number {
        0 => mcp_workspace_test_support::model::calls(&[(
            "a",
            "read_file",
            serde_json::json!({ "path": "\u{1b}[2J" }),
        )]),
        _ => done("ok"),
    });
    let more = ["--progress", "always", "--price-input", "1", "--price-output", "1"];
    let outcome = setting.run(&model, &more);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    let lines: Vec<_> =
        outcome.stderr.lines().filter(|line| line.starts_with("[security-reviewer]")).collect();
    assert!(lines.iter().any(|line| line.contains("turn 1: 1100 tokens, 1.1000 USD")), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("read_file") && line.contains('✗')), "{lines:?}");
    assert!(!outcome.stderr.contains('\u{1b}'), "{outcome:?}");
}
