//! A conversation is sent anew with each turn, and all of it but the newest turn comes from the
//! prompt cache.

use serde_json::{Value, json};

use crate::setting::Setting;
use mcp_workspace_test_support::model::{Model, Play, calls, done};
use mcp_workspace_test_support::prompt_cache::Served;

const SONNET: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";

/// A model that reads `big.py` in each of so many turns, with an input of many members.
fn reader(turns: usize) -> Model {
    Model::counting(move |_, request| {
        let asked = request["messages"].as_array().unwrap().len() / 2;
        if asked + 1 >= turns {
            return done("read");
        }
        let (id, path) = (format!("id-{asked}"), "input/src/big.py");
        let input = json!({ "path": path, "offset": 1, "limit": 400, "format": "text" });
        calls(&[(id.as_str(), "read_file", input)])
    })
}

fn all(served: &[Served]) -> Served {
    served.iter().fold(Served::default(), |sum, one| sum.and(*one))
}

/// Dollars for what was sent, at the prices of the review.
fn cost(served: &[Served]) -> f64 {
    all(served).cost(3.0, 0.3, 3.75)
}

/// Plays the script, and gives what was served of each request.
fn played(turns: usize, more: &[&str]) -> (Vec<Served>, Value) {
    let setting = Setting::with_sources();
    let model = reader(turns);
    let most = ["--max-turns", "300", "--max-tokens", "100000000", "--model", SONNET];
    let outcome = setting.run(&model, &[&most[..], more].concat());
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), turns);
    (model.served(), setting.summary())
}

#[test]
fn over_fifty_turns_the_cache_serves_nine_tenths_and_saves_three_quarters() {
    let more = ["--max-usd", "100", "--price-input", "0.003", "--price-output", "0.015"];
    let (cached, summary) = played(50, &more);
    let (sent, _) = played(50, &["--cache", "off"]);
    let share = all(&cached).share();
    assert!(share >= 0.9, "{share}");
    let (less, more) = (cost(&cached), cost(&sent));
    assert!(less * 4.0 <= more, "{less} of {more}");
    // The run itself counts the same.
    let sum = all(&cached);
    let usage = &summary["usage"];
    assert_eq!(usage["cache_read_tokens"], sum.read);
    assert_eq!(usage["cache_write_tokens"], sum.write);
    let made = usage["output_tokens"].as_f64().unwrap() * 15e-6;
    assert!((summary["cost_usd"].as_f64().unwrap() - less - made).abs() < 1e-6, "{summary}");
}

#[test]
fn the_limit_of_tokens_that_a_run_has_by_default_is_enough_for_fifty_turns() {
    let setting = Setting::with_sources();
    let model = reader(50);
    let outcome = setting.run(&model, &["--model", SONNET]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
}

#[test]
fn each_request_begins_with_the_one_before_also_in_another_process() {
    let setting = Setting::with_sources();
    let model = reader(12);
    for turns in ["3", "7", "20"] {
        setting.run(&model, &["--model", SONNET, "--max-turns", turns]);
    }
    assert_eq!(setting.summary()["ending"], "completed");
    assert_eq!(model.requests().len(), 12);
    assert_eq!(model.rewritten(), 0);
    // All but the newest turn, whatever process asks.
    for pair in model.served().windows(2) {
        assert_eq!(pair[1].read, pair[0].read + pair[0].write);
    }
}

#[test]
fn agents_of_another_role_and_run_share_tools_and_instructions() {
    let setting = Setting::with_sources();
    setting.write(
        "policy.toml",
        r#"
version = 1
[[role]]
name    = "readers"
callers = ["bedrock-worker:*"]
tools   = ["list_dir", "read_file", "grep"]
read    = ["input/**"]
"#,
    );
    let model = reader(1);
    for role in ["one", "other"] {
        let outcome = setting.run(&model, &["--model", SONNET, "--role", role, "--run", role]);
        assert_eq!(outcome.status, Some(0), "{outcome:?}");
    }
    let served = model.served();
    assert_eq!(served[0].read, 0);
    assert!(served[1].read >= 1024 && served[1].read <= served[0].write, "{served:?}");
}

#[test]
fn points_are_sent_as_the_operator_says_and_never_to_a_model_that_is_not_known() {
    let points = |model: &str, more: &[&str]| {
        let setting = Setting::new();
        let loopback = Model::playing(|_, _| done("ok"));
        let outcome = setting.run(&loopback, &[&["--model", model], more].concat());
        assert_eq!(outcome.status, Some(0), "{outcome:?}");
        let text = loopback.requests()[0].to_string();
        (text.matches("cachePoint").count(), text.matches("\"ttl\":\"1h\"").count())
    };
    assert_eq!(points(SONNET, &[]), (3, 0));
    assert_eq!(points(SONNET, &["--cache", "1h"]), (3, 3));
    assert_eq!(points(SONNET, &["--cache", "off"]), (0, 0));
    assert_eq!(points("amazon.nova-pro-v1:0", &[]), (2, 0));
    assert_eq!(points("test.model-v1:0", &[]), (0, 0));
}

#[test]
fn a_model_that_takes_no_points_after_all_is_asked_without() {
    let setting = Setting::new();
    let model = Model::playing(|number, request| match number {
        0 => {
            assert!(request.to_string().contains("cachePoint"));
            let words =
                "You invoked an unsupported model or your request did not allow prompt caching.";
            Play::Fail(403, "AccessDeniedException", words)
        }
        1 => {
            assert!(!request.to_string().contains("cachePoint"));
            calls(&[("a", "list_dir", json!({}))])
        }
        _ => done("ok"),
    });
    let outcome = setting.run(&model, &["--model", SONNET]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    let requests = model.requests();
    assert_eq!(requests.len(), 3);
    assert!(!requests[2].to_string().contains("cachePoint"));
}
