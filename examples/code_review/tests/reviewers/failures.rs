//! One that fails does not lose the others' work, and what was stopped goes on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::conversation::Conversation;
use crate::defects;
use crate::setting::{Setting, play, team};
use mcp_workspace_test_support::model::{Model, Play};

/// Files with a finding, which is proposals that are to be expected.
fn files() -> usize {
    defects::all().into_iter().map(|defect| defect.path).collect::<BTreeSet<_>>().len()
}

#[test]
fn a_whole_review_says_what_came_of_it_and_what_to_do_next() {
    let setting = Setting::new();
    let outcome = setting.review(&team());
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    let said = &outcome.stdout;
    let count = defects::all().len();
    assert!(said.starts_with(&format!("{count} findings (4 critical, ")), "{said}");
    assert!(said.contains("output/reports/r1"), "{said}");
    let approve = said.lines().filter(|line| line.contains("mcp-workspace proposals approve "));
    assert_eq!(approve.count(), files());
    assert!(said.contains("mcp-workspace review --workspace "), "{said}");
    assert!(said.contains("code_review apply --workspace "), "{said}");
    // Without a terminal: a line for each thing that an agent does.
    for agent in ["security-reviewer", "infrastructure-reviewer", "remediation-"] {
        assert!(outcome.stderr.contains(&format!("[{agent}")), "{outcome:?}");
    }
    let page = String::from_utf8(setting.report("summary.md")).unwrap();
    assert!(page.contains("agents: 5 of 5 are done"), "{page}");
    let audit = setting.workspace().join("output/runs/r1/audit.jsonl");
    assert!(std::fs::read_to_string(audit).unwrap().contains("bedrock-worker:remediation"));
}

#[test]
fn an_agent_that_fails_loses_nobody_elses_work_and_goes_on_later() {
    let setting = Setting::new();
    const FAILS: &str = "infrastructure-reviewer";
    let model = Model::playing(|_, request| match Conversation::of(request) {
        // Its findings are half written.
        conversation if conversation.role == FAILS && conversation.messages == 7 => {
            Play::Fail(403, "AccessDeniedException", "no access to this model")
        }
        _ => play(request),
    });
    let outcome = setting.review(&model);
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains(&format!("not done: {FAILS}: failed: ")), "{outcome:?}");

    let defects = defects::all();
    let of_others = defects.iter().filter(|defect| defect.agents.iter().any(|name| name != FAILS));
    let found = setting.results();
    for defect in of_others {
        assert!(found.iter().any(|(path, ..)| *path == defect.path), "{defect:?}");
    }
    assert!(found.len() < defects.len(), "it failed too late");
    let summary = setting.summary();
    let reason = summary["failed"][FAILS].as_str().unwrap();
    assert!(reason.contains("AccessDeniedException"), "{summary}");
    let page = String::from_utf8(setting.report("summary.md")).unwrap();
    assert!(page.contains("agents: 4 of 5 are done") && page.contains("AccessDenied"), "{page}");
    let proposed = setting.standing().proposed.len();
    assert!((1..files()).contains(&proposed), "{proposed}");

    // What it finds later is remedied as well, and nothing is there twice.
    let model = team();
    let outcome = setting.review(&model);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    let roles: BTreeSet<String> =
        model.requests().iter().map(|request| Conversation::of(request).role).collect();
    assert_eq!(roles.into_iter().collect::<Vec<_>>(), [FAILS, "remediation"]);
    assert_eq!(setting.results().len(), defects.len());
    let records: usize = defects.iter().map(|defect| defect.agents.len()).sum();
    assert_eq!(setting.findings().len(), records);
    assert_eq!(setting.standing().proposed.len(), files());
    // Both rounds of the remediation have cost money.
    let agents = setting.summary()["agents"].as_array().unwrap().clone();
    let remedied = agents.iter().filter(|agent| agent["phase"] == "remedy").count();
    assert_eq!(remedied, 2, "{agents:#?}");
}

/// A model that hangs once, when any agent has come so far.
fn hangs_at(role: &'static str, messages: usize) -> Model {
    let mut hung = false;
    Model::playing(move |_, request| {
        let conversation = Conversation::of(request);
        if !hung && conversation.role == role && conversation.messages == messages {
            hung = true;
            return Play::Hang;
        }
        play(request)
    })
}

/// Waits until the model has been asked that.
fn wait_for(model: &Model, role: &str, messages: usize) {
    let begun = Instant::now();
    let asked = |request: &Value| {
        let conversation = Conversation::of(request);
        conversation.role == role && conversation.messages == messages
    };
    while !model.requests().iter().any(asked) {
        assert!(begun.elapsed() < Duration::from_secs(60), "it did not come so far");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_review_that_is_killed_at_any_stage_goes_on_with_nothing_lost_or_doubled() {
    let records: usize = defects::all().iter().map(|defect| defect.agents.len()).sum();
    for (role, messages) in [("style-reviewer", 1), ("security-reviewer", 7), ("remediation", 7)] {
        let setting = Setting::new();
        let model = hangs_at(role, messages);
        let running = setting.start_review(&model);
        wait_for(&model, role, messages);
        running.kill();
        let outcome = setting.review(&model);
        assert_eq!(outcome.status, Some(0), "{role}: {outcome:?}");
        assert_eq!(setting.findings().len(), records, "{role}");
        assert_eq!(setting.results().len(), defects::all().len(), "{role}");
        assert_eq!(setting.standing().proposed.len(), files(), "{role}");
        let input: Vec<_> = std::fs::read_dir(setting.workspace().join("input")).unwrap().collect();
        assert_eq!(input.len(), 1, "{input:?}");
    }
}

#[test]
fn a_review_that_is_interrupted_pauses_and_the_same_command_goes_on() {
    let setting = Setting::new();
    let model = hangs_at("security-reviewer", 5);
    let running = setting.start_review(&model);
    wait_for(&model, "security-reviewer", 5);
    running.interrupt();
    let outcome = running.end();
    assert_eq!(outcome.status, Some(3), "{outcome:?}");
    assert!(outcome.stdout.contains("paused; the same command goes on"), "{outcome:?}");
    assert_eq!(setting.summary()["failed"]["security-reviewer"], "paused: interrupted");
    // Nobody proposes anything while reviewers are still to go on.
    assert_eq!(setting.standing().count(), 0);
    let outcome = setting.review(&model);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(setting.results().len(), defects::all().len());
    assert_eq!(setting.standing().proposed.len(), files());
}

#[test]
fn other_sources_under_the_same_run_are_refused_before_any_model_is_asked() {
    let setting = Setting::new();
    let model = team();
    assert_eq!(setting.review(&model).status, Some(0));
    let asked = model.requests().len();
    let other = tempfile::tempdir().unwrap();
    std::fs::write(other.path().join("a.py"), "pass\n").unwrap();
    let source = other.path().to_str().unwrap();
    let arguments = ["review", "--source", source, "--model", "test.model-v1:0"];
    let outcome = setting.start(&model, &arguments).end();
    assert_eq!(outcome.status, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("`input/r1` holds other sources already"), "{outcome:?}");
    // Nor is one asked for a report that could not be written in the end.
    let arguments = [&arguments[..], &["--caller", "reviewer"]].concat();
    let outcome = setting.start(&model, &arguments).end();
    assert_eq!(outcome.status, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("not write `output/reports/r1/summary.json`"), "{outcome:?}");
    assert_eq!(model.requests().len(), asked);
}

#[test]
fn nothing_is_remedied_while_a_reviewer_is_out_of_time() {
    let setting = Setting::new();
    let model = hangs_at("security-reviewer", 5);
    let outcome = setting.start_review_with(&model, &["--max-seconds", "3"]).end();
    assert_eq!(outcome.status, Some(3), "{outcome:?}");
    let reason = setting.summary()["failed"]["security-reviewer"].to_string();
    assert!(reason.contains("out of time"), "{reason}");
    assert_eq!(setting.standing().count(), 0);
    let outcome = setting.review(&model);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(setting.standing().proposed.len(), files());
}
