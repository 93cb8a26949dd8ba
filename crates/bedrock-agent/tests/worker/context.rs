//! A conversation never becomes longer than its model takes: something gives way before, nothing
//! goes unseen, and a service that refuses all the same is no end.

use serde_json::{Value, json};

use crate::setting::Setting;
use mcp_workspace_test_support::model::{Model, Play, calls, done, remark, results};

/// A read of `big.py`.
fn read(id: &str) -> (&str, &'static str, Value) {
    (id, "read_file", json!({ "path": "input/src/big.py" }))
}

/// The kinds of the steps of a run.
fn kinds(setting: &Setting) -> Vec<String> {
    let kind = |step: &Value| step["kind"].as_str().unwrap().to_owned();
    setting.transcript().iter().map(kind).collect()
}

/// Most tokens of any request.
fn longest(model: &Model) -> usize {
    let served = model.served();
    served.iter().map(|one| one.input + one.read + one.write).max().unwrap()
}

#[test]
fn old_results_give_way_at_four_fifths_of_the_window() {
    let setting = Setting::with_sources();
    let model = Model::counting(|number, request| {
        if number > 0 {
            // Never those of the current turn.
            let shown = &results(request)[0].2;
            assert!(shown.contains("value_300") && !shown.contains("taken out"), "{shown}");
        }
        let id = format!("id-{number}");
        if number < 30 { calls(&[read(&id)]) } else { done("read") }
    });
    let more = ["--context-tokens", "60000", "--max-tokens", "10000000"];
    let outcome = setting.run(&model, &more);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 31);
    assert!(longest(&model) <= 50_000, "{}", longest(&model));
    // Seldom, and then much: each time, the cache is written anew.
    let kinds = kinds(&setting);
    let times = kinds.iter().filter(|kind| *kind == "elide").count();
    assert!((1..=10).contains(&times), "{kinds:?}");
    assert!(!kinds.iter().any(|kind| kind == "summary"), "{kinds:?}");
}

#[test]
fn twenty_reads_at_once_are_cut_to_fit_and_each_can_be_read_on() {
    let setting = Setting::with_sources();
    let model = Model::counting(|number, request| match number {
        0 => {
            let ids: Vec<String> = (0..20).map(|number| format!("id-{number}")).collect();
            calls(&ids.iter().map(|id| read(id)).collect::<Vec<_>>())
        }
        1 => {
            let answers = results(request);
            assert_eq!(answers.len(), 20);
            for (id, status, text) in &answers {
                assert_eq!(status, "success");
                assert!(text.contains("value_1 ") && !text.contains("value_300 "), "{text}");
                assert!(text.contains(&format!("`recall_result` with id `{id}`")), "{text}");
            }
            let rest = answers[7].2.split_once("and offset ").unwrap().1;
            let offset: usize = rest.split_once(' ').unwrap().0.parse().unwrap();
            calls(&[("rest", "recall_result", json!({ "id": "id-7", "offset": offset }))])
        }
        2 => {
            let (_, status, text) = &results(request)[0];
            assert_eq!(status, "success");
            assert!(text.contains("value_300 ") && !text.contains("value_1 "), "{text}");
            done("all of it")
        }
        _ => panic!("{request}"),
    });
    let outcome = setting.run(&model, &["--context-tokens", "60000"]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 3);
    assert!(longest(&model) <= 50_000, "{}", longest(&model));
    // The worker's own tool is no call of the workspace.
    assert_eq!(outcome.audit().len(), 20);
}

#[test]
fn what_was_taken_out_can_be_recalled_also_in_another_process() {
    let setting = Setting::with_sources();
    let model = Model::counting(|number, request| match number {
        0..12 => {
            let id = format!("id-{number}");
            calls(&[read(&id)])
        }
        12 => {
            assert!(request.to_string().contains("`recall_result` with id `id-0`"), "{request}");
            calls(&[("again", "recall_result", json!({ "id": "id-0" })), read("other")])
        }
        _ => {
            let answers = results(request);
            assert!(answers[0].2.contains("value_1 "), "{answers:?}");
            assert!(answers[1].2.contains("value_1 "), "{answers:?}");
            done("read")
        }
    });
    let more = ["--context-tokens", "40000"];
    let less = [&more[..], &["--max-turns", "12"]].concat();
    assert_eq!(setting.run(&model, &less).status, Some(1));
    let outcome = setting.run(&model, &more);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 14);
}

#[test]
fn where_only_words_are_left_the_model_sums_them_up_and_a_resumed_run_has_the_summary() {
    let setting = Setting::new();
    let model = Model::counting(|number, request| {
        if remark(request).contains("nearly as long as it can be") {
            return done("I have listed often.");
        }
        let id = format!("id-{number}");
        if number >= 14 {
            return done("done");
        }
        let call = json!({ "toolUse": { "toolUseId": id, "name": "list_dir", "input": {} } });
        Play::Say(json!([{ "text": "word ".repeat(1200) }, call]), "tool_use")
    });
    let more = ["--context-tokens", "20000"];
    let less = [&more[..], &["--max-turns", "12"]].concat();
    assert_eq!(setting.run(&model, &less).status, Some(1));
    let outcome = setting.run(&model, &more);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert!(kinds(&setting).iter().any(|kind| kind == "summary"));
    assert!(longest(&model) <= 18_000, "{}", longest(&model));
    let requests = model.requests();
    // The summary is an answer like any other, and counts.
    assert_eq!(setting.summary()["turns"], requests.len());
    let last = &requests[requests.len() - 1]["messages"];
    let first = last[0]["content"].to_string();
    assert!(first.contains("Review it.") && first.contains("I have listed often."), "{first}");
    // The request before the process ended, and the first one of the next.
    assert_eq!(requests[11]["messages"][0], requests[12]["messages"][0]);
}

#[test]
fn a_refusal_in_any_familys_words_makes_room_and_the_run_goes_on() {
    for (kind, words) in [
        ("ValidationException", "Input is too long for requested model."),
        (
            "ValidationException",
            "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000",
        ),
        ("ValidationException", "prompt is too long: 903884 tokens > 200000 maximum"),
        ("ValidationException", "too many total text bytes: 5238000 > 5000000"),
        (
            "ValidationException",
            "This model's maximum context length is 131072 tokens. However, you requested 131134",
        ),
        ("ValidationException", "Input Tokens Exceeded: Number of input tokens exceeds maximum"),
        ("", "Input is too long for requested model."),
    ] {
        let setting = Setting::with_sources();
        let model = Model::playing(move |number, request| match number {
            0..3 => {
                let id = format!("id-{number}");
                calls(&[read(&id)])
            }
            // Both ways: by refusing the request, and in the answer.
            3 if kind.is_empty() => Play::Say(json!([]), "model_context_window_exceeded"),
            3 => Play::Fail(400, kind, words),
            _ => {
                assert_eq!(request.to_string().matches("were taken out").count(), 2, "{request}");
                done("ok")
            }
        });
        let outcome = setting.run(&model, &[]);
        assert_eq!(outcome.status, Some(0), "{words}: {outcome:?}");
        assert_eq!(model.requests().len(), 5, "{words}");
    }
}

#[test]
fn what_does_not_fit_whatever_gives_way_goes_on_with_a_model_that_takes_more() {
    let setting = Setting::with_sources();
    let model = Model::playing(|number, _| match number {
        0 => calls(&[read("a"), read("b")]),
        _ if number < 12 => {
            Play::Fail(400, "ValidationException", "prompt is too long: 9 tokens > 8 maximum")
        }
        _ => done("ok"),
    });
    let outcome = setting.run(&model, &[]);
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert_eq!(setting.summary()["ending"], "too_long");
    let asked = model.requests().len();
    assert!(asked < 12, "{asked}");
    for _ in asked..12 {
        setting.run(&model, &[]);
    }
    let outcome = setting.run(&model, &["--context-tokens", "1000000"]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
}
