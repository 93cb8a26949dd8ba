//! What Converse offers beside the conversation is sent as the operator says, and nothing of it
//! otherwise.

use serde_json::{Value, json};

use crate::setting::Setting;
use mcp_workspace_test_support::model::{Model, calls, done};

/// The two requests of a run with these options, without what every request has.
fn requests(more: &[&str]) -> Vec<Value> {
    let setting = Setting::new();
    let model = Model::playing(|number, _| match number {
        0 => calls(&[("a", "list_dir", json!({}))]),
        _ => done("ok"),
    });
    let outcome = setting.run(&model, more);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    let mut requests = model.requests();
    for request in &mut requests {
        let fields = request.as_object_mut().unwrap();
        for usual in ["messages", "system"] {
            fields.remove(usual).unwrap();
        }
        fields["toolConfig"].as_object_mut().unwrap().remove("tools").unwrap();
    }
    requests
}

#[test]
fn by_default_there_are_only_the_tags_of_the_run() {
    let usual = json!({
        "toolConfig": {},
        "inferenceConfig": { "maxTokens": 8192 },
        "requestMetadata": { "run": "r1", "agent": "security-reviewer", "role": "security-reviewer" },
    });
    assert_eq!(requests(&[]), [usual.clone(), usual]);
}

#[test]
fn each_option_comes_where_converse_has_it() {
    let sent = requests(&[
        "--temperature",
        "0.2",
        "--guardrail",
        "abc:DRAFT",
        "--service-tier",
        "flex",
        "--tag",
        "team=data,cost=42",
        "--request-fields",
        r#"{"top_k":5}"#,
        "--tool-choice",
        "any",
    ]);
    let mut expected = json!({
        "toolConfig": { "toolChoice": { "any": {} } },
        "inferenceConfig": { "maxTokens": 8192, "temperature": 0.2 },
        "guardrailConfig": { "guardrailIdentifier": "abc", "guardrailVersion": "DRAFT" },
        "serviceTier": { "type": "flex" },
        "requestMetadata": {
            "run": "r1", "agent": "security-reviewer", "role": "security-reviewer",
            "team": "data", "cost": "42",
        },
        "additionalModelRequestFields": { "top_k": 5 },
    });
    assert_eq!(sent[0], expected);
    // Only the first answer has to call a tool: a run must be able to end.
    expected["toolConfig"] = json!({});
    assert_eq!(sent[1], expected);
}

#[test]
fn what_does_not_go_together_never_reaches_a_model() {
    let setting = Setting::new();
    let model = Model::playing(|_, _| done("?"));
    let outcome = setting.run(&model, &["--reasoning-effort", "high"]);
    assert_eq!(outcome.status, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("--request-fields"), "{outcome:?}");
    assert!(model.requests().is_empty());
}
