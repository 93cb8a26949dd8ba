//! The whole way: staged on a slow network mount, reviewed by four agents at once of which one is
//! killed, merged, decided by a person, applied; every seeded defect is found once and fixed.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::time::Duration;

use code_review::stage::{Source, stage};
use delayed_mount::{Mounted, Options};
use serde_json::Value;

use crate::conversation::Conversation;
use crate::defects::{self, seeded};
use crate::setting::{Setting, play, policy, run};
use mcp_workspace_test_support::model::{Model, Play};

const REVIEWERS: [&str; 4] =
    ["security-reviewer", "style-reviewer", "maintainability-reviewer", "infrastructure-reviewer"];
const KILLED: &str = "security-reviewer";

/// Something that happens once, and can be waited for.
#[derive(Default)]
struct Event {
    is_set: Mutex<bool>,
    told: Condvar,
}

impl Event {
    fn set(&self) {
        *self.is_set.lock().unwrap() = true;
        self.told.notify_all();
    }

    fn wait(&self) {
        let is_set = self.is_set.lock().unwrap();
        let wait = self.told.wait_timeout_while(is_set, Duration::from_secs(60), |is_set| !*is_set);
        assert!(!wait.unwrap().1.timed_out(), "it did not come");
    }
}

#[test]
fn seeded_defects_are_found_once_and_fixed_although_an_agent_is_killed() {
    let backing = tempfile::tempdir().unwrap();
    let options = Options { delay: Duration::from_millis(1), ..Options::default() };
    let Some(mounted) = Mounted::or_skip(backing.path(), options).unwrap() else { return };
    let setting = Setting::at(mounted.path());
    let staged =
        stage(setting.workspace(), policy().layout(), &run(), &Source::at(&seeded()).unwrap());
    let staged = staged.unwrap();
    assert!(!staged.already && staged.files >= 25, "{staged:?}");

    // All four are at work at the same time: none gets its first answer before all have asked.
    let together = Arc::new(Barrier::new(REVIEWERS.len()));
    let (hanging, hung) = (Arc::new(Event::default()), AtomicBool::new(false));
    let reached = Arc::clone(&hanging);
    let model = Model::playing(move |_, request| {
        let conversation = Conversation::of(request);
        let next = play(request);
        let is_reviewer = REVIEWERS.contains(&conversation.role.as_str());
        if conversation.messages == 1 && is_reviewer {
            let together = Arc::clone(&together);
            return Play::After(
                Box::new(move || {
                    together.wait();
                }),
                Box::new(next),
            );
        }
        // In the middle: half of its findings are written.
        if conversation.role == KILLED
            && conversation.messages == 7
            && !hung.swap(true, Ordering::SeqCst)
        {
            reached.set();
            return Play::Hang;
        }
        next
    });
    let mut running: Vec<_> =
        REVIEWERS.iter().map(|agent| (*agent, setting.start_agent(&model, agent))).collect();
    hanging.wait();
    let (_, killed) = running.remove(0);
    killed.kill();
    for (agent, running) in running {
        let outcome = running.end();
        assert_eq!(outcome.status, Some(0), "{agent}: {outcome:?}");
    }
    let defects = defects::all();
    let half = setting.findings().len();
    let all: usize = defects.iter().map(|defect| defect.agents.len()).sum();
    assert!(half < all, "nothing was left to do: {half}");
    let asked = model.requests().len();

    // The whole review goes on: who is done is not asked again.
    let outcome = setting.review(&model);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    let later = model.requests().split_off(asked);
    let roles: BTreeSet<String> =
        later.iter().map(|request| Conversation::of(request).role).collect();
    assert_eq!(roles.into_iter().collect::<Vec<_>>(), ["remediation", KILLED]);

    // Complete, and nothing twice or besides.
    let mut expected: Vec<_> = defects
        .iter()
        .map(|defect| {
            let level = match defect.severity.as_str() {
                "critical" | "high" => "error",
                "medium" => "warning",
                _ => "note",
            };
            let (path, rule) = (defect.path.clone(), defect.rule.clone());
            (path, defect.line as u64, rule, level.to_owned())
        })
        .collect();
    expected.sort();
    assert_eq!(setting.results(), expected);
    assert_eq!(setting.findings().len(), all);
    for defect in &defects {
        let place = format!("input/r1/{}", defect.path);
        let of_defect = setting.findings().into_iter().filter(|(_, finding)| {
            finding["location"]["path"] == place.as_str() && finding["rule_id"] == defect.rule
        });
        let mut agents: Vec<String> =
            of_defect.map(|(_, finding)| finding["agent"].as_str().unwrap().to_owned()).collect();
        agents.sort();
        assert_eq!(agents, defect.agents, "{defect:?}");
        assert!(!defect.is_fixed(&setting.sources()), "{defect:?}: nobody has decided yet");
    }
    let summary = setting.summary();
    assert_eq!(summary["findings"], defects.len());
    assert_eq!(summary["failed"], serde_json::json!({}));
    assert!(summary["cost_usd"].as_f64().unwrap() > 0.0, "{summary}");
    keep(&setting.report("findings.sarif"));

    // Before a person has decided nothing is applied.
    let outcome = setting.start(&model, &["apply"]).end();
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert!(outcome.stdout.lines().all(|line| line.starts_with("undecided")), "{outcome:?}");
    let files: BTreeSet<&str> = defects.iter().map(|defect| defect.path.as_str()).collect();
    assert_eq!(setting.approve_all(), files.len());
    let outcome = setting.start(&model, &["apply"]).end();
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(setting.standing().applied.len(), files.len());
    for defect in &defects {
        assert!(defect.is_fixed(&setting.sources()), "{defect:?}");
    }
    its_tests_pass(&setting);

    // The same command again asks nobody, and gives the same bytes.
    let asked = model.requests().len();
    let mut reports = Vec::new();
    for _ in 0..2 {
        let outcome = setting.review(&model);
        assert_eq!(outcome.status, Some(0), "{outcome:?}");
        reports.push(
            ["findings.sarif", "summary.md", "summary.json"].map(|file| setting.report(file)),
        );
    }
    assert_eq!(reports[0], reports[1]);
    assert_eq!(model.requests().len(), asked);
    assert_eq!(setting.findings().len(), all);
}

/// Where `tests/reports/run` looks for it, to hold it against the schema of the standard.
fn keep(sarif: &[u8]) {
    let directory = env!("CARGO_TARGET_TMPDIR");
    std::fs::write(format!("{directory}/code-review.sarif"), sarif).unwrap();
    let log: Value = serde_json::from_slice(sarif).unwrap();
    assert_eq!(log["version"], "2.1.0");
}

/// The fixes break nothing that the repository tests.
fn its_tests_pass(setting: &Setting) {
    let tests = Command::new("python3")
        .args(["-m", "unittest", "discover", "-s", "tests"])
        .current_dir(setting.sources())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output();
    match tests {
        Err(error) => eprintln!("SKIPPED the repository's own tests: no python3 ({error})"),
        Ok(tests) => assert!(tests.status.success(), "{}", String::from_utf8_lossy(&tests.stderr)),
    }
}
