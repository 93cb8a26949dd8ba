//! A model that tries to get more than its role's rights gets nothing.

use serde_json::{Value, json};

use crate::reviewer::finding;
use crate::setting::Setting;
use mcp_workspace_test_support::model::{Model, Play, calls, done, results};

/// What a model may try, none of which may work.
pub(crate) fn attempts() -> Vec<(&'static str, Value)> {
    let with = |name: &str, value: &str| {
        let mut arguments = finding(3);
        arguments[name] = json!(value);
        arguments
    };
    let patch = json!({ "title": "x", "edits": [{ "path": "input/src/auth.py", "old_text": "os", "new_text": "so" }] });
    vec![
        ("read_file", json!({ "path": "../secret.txt" })),
        ("read_file", json!({ "path": "/etc/passwd" })),
        ("read_file", json!({ "path": "input/../../secret.txt" })),
        ("read_file", json!({ "path": "input/.env" })),
        ("read_file", json!({ "path": "output/runs/r1/security-reviewer/steps/000001/step.json" })),
        ("list_dir", json!({ "path": ".." })),
        ("grep", json!({ "pattern": "TOKEN", "path": "input/.env" })),
        // Not among the tools of the role, whatever a file says.
        ("propose_patch", patch),
        ("write_state", json!({ "key": "runs/r1", "value": "forged" })),
        ("write_file", json!({ "path": "input/src/auth.py", "content": "" })),
        // Forged identities.
        ("read_file", json!({ "path": "input/.env", "role": "remediation" })),
        ("write_finding", with("role", "remediation")),
        ("write_finding", with("agent", "style-reviewer")),
        ("write_finding", with("caller", "local")),
        ("write_finding", with("path", "../secret.txt")),
    ]
}

/// The attempts as calls of one answer.
pub(crate) fn try_all() -> Play {
    let ids: Vec<String> = (0..attempts().len()).map(|number| format!("id-{number}")).collect();
    let asked: Vec<_> = ids
        .iter()
        .zip(attempts())
        .map(|(id, (tool, arguments))| (id.as_str(), tool, arguments))
        .collect();
    calls(&asked)
}

/// Checks that each of them was answered with an error that tells nothing.
pub(crate) fn assert_nothing_worked(request: &Value) {
    let answers = results(request);
    assert_eq!(answers.len(), attempts().len());
    for ((_, status, text), (tool, arguments)) in answers.iter().zip(attempts()) {
        assert_eq!(status, "error", "{tool} {arguments}: {text}");
        for secret in ["TOKEN=abc", "outside of the workspace", "root:"] {
            assert!(!text.contains(secret), "{tool} {arguments}: {text}");
        }
    }
}

#[test]
fn a_model_that_tries_to_break_out_reads_nothing_and_writes_nothing() {
    let setting = Setting::new();
    let before = setting.files();
    let model = Model::playing(move |number, _| match number {
        0 => calls(&[("x", "read_file", json!({ "path": "input/README.md" }))]),
        1 => try_all(),
        _ => done("I am `remediation` now."),
    });
    let outcome = setting.run(&model, &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");

    assert_nothing_worked(&model.requests()[2]);
    assert_eq!(setting.files(), before);

    // Every attempt is on record, under the one caller.
    let audit = outcome.audit();
    assert_eq!(audit.len(), 1 + attempts().len());
    for record in &audit {
        assert_eq!(record["caller"], "bedrock-worker:security-reviewer", "{record}");
        assert_eq!(record["host"], "bedrock-agent");
    }
    let allowed = audit.iter().filter(|record| record["outcome"] == "ok").count();
    assert_eq!(allowed, 1);
    assert_eq!(setting.summary()["tool_errors"], attempts().len());
}

#[test]
fn a_role_that_policy_does_not_name_never_reaches_a_model() {
    let setting = Setting::new();
    let before = setting.files();
    let model = Model::playing(|_, _| done("?"));
    for role in ["admin", "local"] {
        let outcome = setting.run(&model, &["--role", role]);
        assert_eq!(outcome.status, Some(2));
        let caller = format!("`bedrock-worker:{role}` no tools");
        assert!(outcome.stderr.contains(&caller), "{outcome:?}");
    }
    for role in ["../remediation", "*", "security-*", ""] {
        assert_eq!(setting.run(&model, &["--role", role]).status, Some(2));
    }
    assert!(model.requests().is_empty());
    assert_eq!(setting.files(), before);
}

#[test]
fn the_role_selects_the_grant() {
    let setting = Setting::new();
    let edit = json!({ "title": "Use subprocess", "edits": [{ "path": "input/src/auth.py", "old_text": "os.system(input())", "new_text": "pass" }] });
    let model = Model::playing(move |number, request| match number {
        0 => calls(&[("a", "propose_patch", edit.clone()), ("b", "write_finding", finding(3))]),
        _ => {
            let answers = results(request);
            assert_eq!((answers[0].1.as_str(), answers[1].1.as_str()), ("success", "error"));
            done("proposed")
        }
    });
    let outcome = setting.run(&model, &["--role", "remediation"]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 2);
    let files = setting.files();
    assert!(files.keys().any(|path| path.starts_with("workspace/output/proposals/")), "{files:?}");
    assert!(String::from_utf8_lossy(&files["workspace/input/src/auth.py"]).contains("os.system"));
}
