//! A run never costs more than it may.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::setting::Setting;
use mcp_workspace_test_support::model::{Model, Play, calls, done, results};

/// A model that calls a tool in each answer, for ever.
fn never_stops() -> Model {
    Model::playing(|number, _| {
        let id = format!("id-{number}");
        calls(&[(id.as_str(), "list_dir", json!({}))])
    })
}

#[test]
fn a_model_that_never_stops_is_stopped_by_each_limit() {
    // One answer is 1,100 tokens, and 0.0045 USD at these prices.
    let prices = ["--price-input", "0.003", "--price-output", "0.015"];
    for (limit, turns) in [
        (vec!["--max-turns", "3"], 3),
        (vec!["--max-tokens", "4000"], 4),
        ([&["--max-usd", "0.02"], &prices[..]].concat(), 5),
    ] {
        let setting = Setting::new();
        let model = never_stops();
        let outcome = setting.run(&model, &limit);
        assert_eq!(outcome.status, Some(1), "{outcome:?}");
        assert_eq!(model.requests().len(), turns, "{limit:?}");
        let summary = setting.summary();
        assert_eq!(summary["ending"], "budget");
        assert!(summary["reason"].as_str().unwrap().contains(limit[0]), "{summary}");
    }
}

#[test]
fn a_larger_budget_goes_on_where_the_smaller_one_ended() {
    let setting = Setting::new();
    let model = never_stops();
    assert_eq!(setting.run(&model, &["--max-turns", "2"]).status, Some(1));
    assert_eq!(setting.run(&model, &["--max-turns", "2"]).status, Some(1));
    assert_eq!(model.requests().len(), 2);
    assert_eq!(setting.run(&model, &["--max-turns", "5"]).status, Some(1));
    assert_eq!(model.requests().len(), 5);
    assert_eq!(setting.summary()["turns"], 5);
}

#[test]
fn money_without_prices_and_prices_without_numbers_are_refused() {
    let setting = Setting::new();
    let model = Model::playing(|_, _| done("?"));
    for wrong in [
        &["--max-usd", "1"][..],
        &["--price-input", "1"],
        &["--price-input", "-1", "--price-output", "1"],
        &["--price-input", "NaN", "--price-output", "1"],
    ] {
        assert_eq!(setting.run(&model, wrong).status, Some(2), "{wrong:?}");
    }
    assert!(model.requests().is_empty());
}

#[test]
fn a_run_that_is_out_of_time_pauses_and_the_same_command_goes_on() {
    let setting = Setting::new();
    let model = Model::playing(|number, _| match number {
        0 => calls(&[("a", "list_dir", json!({}))]),
        1 => Play::Hang,
        _ => done("later"),
    });
    let outcome = setting.run(&model, &["--max-seconds", "4"]);
    assert_eq!(outcome.status, Some(3), "{outcome:?}");
    let summary = setting.summary();
    assert_eq!(summary["ending"], "paused");
    assert!(summary["seconds"].as_f64().unwrap() < 4.0, "{summary}");
    let outcome = setting.run(&model, &["--max-seconds", "60"]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    let requests = model.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[1]["messages"], requests[2]["messages"]);
}

#[test]
fn an_answer_that_does_not_come_is_asked_for_again() {
    let setting = Setting::new();
    let model = Model::playing(|number, _| if number == 0 { Play::Hang } else { done("ok") });
    let outcome = setting.run(&model, &["--answer-seconds", "1"]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 2);
}

#[test]
fn a_throttled_run_waits_no_longer_than_it_may_and_goes_on_later() {
    let setting = Setting::new();
    let throttled = Arc::new(AtomicBool::new(true));
    let busy = Arc::clone(&throttled);
    let model = Model::playing(move |_, _| match busy.load(Ordering::SeqCst) {
        true => Play::Fail(429, "ThrottlingException", "Too many requests"),
        false => done("at last"),
    });
    let more = ["--max-seconds", "3", "--max-attempts", "100"];
    let outcome = setting.run(&model, &more);
    assert_eq!(outcome.status, Some(3), "{outcome:?}");
    let summary = setting.summary();
    assert_eq!((&summary["ending"], &summary["turns"]), (&json!("paused"), &json!(0)));
    assert!(summary["seconds"].as_f64().unwrap() < 3.0, "{summary}");
    throttled.store(false, Ordering::SeqCst);
    assert_eq!(setting.run(&model, &[]).status, Some(0));
    // Attempts that failed cost no turn.
    assert_eq!(setting.summary()["turns"], 1);
}

#[test]
fn an_answer_that_asks_for_too_much_at_once_gets_as_much_as_is_allowed() {
    let setting = Setting::new();
    let model = Model::playing(|number, request| match number {
        0 => {
            let ids: Vec<String> = (0..40).map(|number| format!("id-{number}")).collect();
            let all: Vec<_> = ids.iter().map(|id| (id.as_str(), "list_dir", json!({}))).collect();
            calls(&all)
        }
        _ => {
            let answers = results(request);
            let ran = answers.iter().take_while(|(_, status, _)| status == "success").count();
            assert_eq!((answers.len(), ran), (40, 32));
            assert!(answers[32..].iter().all(|(_, status, text)| status == "error"
                && text.contains("32 tools at most")));
            done("ok")
        }
    });
    let outcome = setting.run(&model, &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 2);
    assert_eq!(outcome.audit().len(), 32);
}
