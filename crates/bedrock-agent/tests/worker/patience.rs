//! A service that throttles is waited for, and no agent is given up because many ask at once.

use std::time::{Duration, Instant};

use crate::setting::Setting;
use mcp_workspace_test_support::model::{Model, Play, done};

/// A model that answers once in so long, and throttles all other requests.
fn limited(each: Duration) -> Model {
    let mut free = Instant::now();
    Model::playing(move |_, _| {
        let now = Instant::now();
        if now < free {
            return Play::Fail(429, "ThrottlingException", "Too many requests");
        }
        free = now + each;
        done("ok")
    })
}

#[test]
fn fifty_workers_that_are_throttled_together_all_complete() {
    let setting = Setting::new();
    let model = limited(Duration::from_millis(30));
    let workers: Vec<_> = (0..50)
        .map(|number| {
            let agent = format!("agent-{number}");
            // Attempts are for a service that fails, and this one does not.
            let more = ["--agent", &agent, "--max-attempts", "1"];
            setting.command(&model, &more).spawn().unwrap()
        })
        .collect();
    for worker in workers {
        let outcome = setting.end_of(worker);
        assert_eq!(outcome.status, Some(0), "{outcome:?}");
    }
    assert!(model.requests().len() >= 50);
}

#[test]
fn a_service_that_stays_busy_pauses_the_run_and_the_same_command_goes_on() {
    let setting = Setting::new();
    let model = Model::playing(|number, _| match number {
        0 => Play::Fail(503, "ServiceUnavailableException", "Bedrock is overloaded"),
        _ => done("ok"),
    });
    let outcome = setting.run(&model, &["--busy-seconds", "0"]);
    assert_eq!(outcome.status, Some(3), "{outcome:?}");
    let summary = setting.summary();
    assert_eq!(summary["ending"], "paused");
    assert_eq!(summary["passing"], true);
    let reason = summary["reason"].as_str().unwrap();
    assert!(reason.contains("--busy-seconds") && reason.contains("overloaded"), "{reason}");
    assert_eq!(setting.run(&model, &[]).status, Some(0));
    assert_eq!(model.requests().len(), 2);
}
