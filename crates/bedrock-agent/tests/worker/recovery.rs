//! What the worker does when a model or the service does not do what it should.

use serde_json::json;

use crate::reviewer::finding;
use crate::setting::Setting;
use mcp_workspace_test_support::model::{Model, Play, calls, done, remark, results};

#[test]
fn wrong_arguments_come_back_as_errors_and_the_model_recovers() {
    let setting = Setting::new();
    let model = Model::playing(|number, request| match number {
        0 => calls(&[
            ("a", "read_file", json!({ "path": "input/src/auth.py", "words": 3 })),
            ("b", "read_file", json!("input/src/auth.py")),
            ("c", "read file", json!({ "path": "input/src/auth.py" })),
            ("d", "write_finding", json!({ "rule_id": "x" })),
        ]),
        1 => {
            let answers = results(request);
            assert_eq!(answers.len(), 4);
            for (id, status, text) in answers {
                assert_eq!(status, "error", "{id}: {text}");
            }
            calls(&[("e", "write_finding", finding(3))])
        }
        _ => done("ok"),
    });
    let outcome = setting.run(&model, &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 3);
    assert_eq!(setting.findings().len(), 1);
    assert_eq!(setting.summary()["tool_errors"], 4);
}

#[test]
fn throttling_and_passing_faults_are_tried_again() {
    let setting = Setting::new();
    let model = Model::playing(|number, _| match number {
        0 => Play::Fail(429, "ThrottlingException", "Too many requests"),
        1 => Play::Fail(503, "ServiceUnavailableException", "later"),
        2 => Play::Fail(500, "InternalServerException", "oops"),
        3 => Play::Fail(424, "ModelErrorException", "the model failed"),
        4 => Play::Fail(429, "ModelNotReadyException", "loading"),
        5 => Play::Fail(408, "ModelTimeoutException", "slow"),
        6 => Play::Fail(502, "", "not from the service"),
        _ => done("at last"),
    });
    let outcome = setting.run(&model, &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 8);
    let answer = setting.transcript().into_iter().find(|step| step["kind"] == "answer").unwrap();
    assert_eq!(answer["attempts"], 8);
}

#[test]
fn attempts_end_and_the_same_command_tries_again() {
    let setting = Setting::new();
    let model = Model::playing(|number, _| match number {
        0..3 => Play::Fail(500, "InternalServerException", "Too bad"),
        _ => done("ok"),
    });
    let outcome = setting.run(&model, &["--max-attempts", "3"]);
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert_eq!(model.requests().len(), 3);
    let summary = setting.summary();
    assert_eq!(summary["ending"], "failed");
    let reason = summary["reason"].as_str().unwrap();
    assert!(reason.contains("3 attempts") && reason.contains("Too bad"), "{reason}");
    assert_eq!(summary["passing"], true);
    assert_eq!(setting.run(&model, &[]).status, Some(0));
    assert_eq!(setting.summary()["ending"], "completed");
}

#[test]
fn what_cannot_work_is_not_tried_again_and_says_what_to_do() {
    let cases = [
        ("AccessDeniedException", 403, "bedrock:InvokeModel"),
        ("ResourceNotFoundException", 404, "list-inference-profiles"),
        ("ValidationException", 400, "ValidationException: no such model"),
    ];
    for (kind, status, advice) in cases {
        let setting = Setting::new();
        let model = Model::playing(move |_, _| Play::Fail(status, kind, "no such model"));
        let outcome = setting.run(&model, &[]);
        assert_eq!(outcome.status, Some(1), "{outcome:?}");
        assert_eq!(model.requests().len(), 1);
        assert!(outcome.stdout.contains(advice), "{outcome:?}");
        assert_eq!(setting.summary()["passing"], false);
    }
}

#[test]
fn an_answer_that_was_cut_off_is_gone_on_with_and_its_tools_are_not_run() {
    let setting = Setting::new();
    let model = Model::playing(|number, request| match number {
        0 => {
            let cut = json!({ "toolUse": { "toolUseId": "a", "name": "write_finding", "input": finding(3) } });
            Play::Say(json!([{ "text": "First I" }, cut]), "max_tokens")
        }
        1 => {
            assert!(remark(request).contains("cut off"), "{request}");
            // Nothing at all was said before the limit.
            Play::Say(json!([]), "max_tokens")
        }
        _ => done("shorter"),
    });
    let outcome = setting.run(&model, &["--max-output-tokens", "100"]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 3);
    assert_eq!(model.requests()[0]["inferenceConfig"]["maxTokens"], 100);
    assert!(setting.findings().is_empty());
}

#[test]
fn a_model_that_is_always_cut_off_or_never_understood_ends() {
    for (stop_reason, ending) in [
        ("max_tokens", "cut_off"),
        ("malformed_model_output", "malformed"),
        ("malformed_tool_use", "malformed"),
        // No tool is called, although it says so.
        ("tool_use", "malformed"),
    ] {
        let setting = Setting::new();
        let model = Model::playing(move |_, _| Play::Say(json!([{ "text": "…" }]), stop_reason));
        let outcome = setting.run(&model, &[]);
        assert_eq!(outcome.status, Some(1), "{outcome:?}");
        assert_eq!(model.requests().len(), 3, "{stop_reason}");
        assert_eq!(setting.summary()["ending"], ending);
    }
}

#[test]
fn guardrails_filters_and_unknown_reasons_end_the_run_for_good() {
    for (stop_reason, ending, status) in [
        ("guardrail_intervened", "guardrail", 1),
        ("content_filtered", "filtered", 1),
        ("a_reason_of_next_year", "unknown", 1),
        ("stop_sequence", "completed", 0),
    ] {
        let setting = Setting::new();
        let model = Model::playing(move |_, _| Play::Say(json!([{ "text": "…" }]), stop_reason));
        for _ in 0..2 {
            assert_eq!(setting.run(&model, &[]).status, Some(status), "{stop_reason}");
            assert_eq!(setting.summary()["ending"], ending);
        }
        assert_eq!(model.requests().len(), 1, "{stop_reason}");
    }
}

#[test]
fn what_a_model_has_thought_goes_back_to_it_with_its_tool_calls() {
    let setting = Setting::new();
    let thought =
        json!({ "reasoningContent": { "reasoningText": { "text": "hm", "signature": "s" } } });
    let sent = thought.clone();
    let model = Model::playing(move |number, _| match number {
        0 => {
            let call = json!({ "toolUse": { "toolUseId": "a", "name": "list_dir", "input": {} } });
            Play::Say(json!([sent, call]), "tool_use")
        }
        _ => done("ok"),
    });
    assert_eq!(setting.run(&model, &[]).status, Some(0));
    assert_eq!(model.requests()[1]["messages"][1]["content"][0], thought);
}
