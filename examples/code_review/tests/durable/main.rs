//! The durable workflow survives a kill at every checkpoint, and applies only what people approved.
#![cfg(test)]

mod fakes;

use std::sync::Arc;

use aws_durable_execution_sdk::DurableContext;
use aws_durable_execution_sdk::test_util::{LocalRunner, TestResult};
use code_review::durable::{Decisions, Report, Settings, code_review};
use serde_json::{Value, json};

use fakes::real_workspace::{RealWorkspace, Verdict};
use fakes::service::{Ended, Kill, Wake, execute, times};
use fakes::{FakeWorkspace, Invoking, Person, short};

fn request() -> Value {
    json!({"run": "monday", "source": {"path": "incoming/app"}})
}

/// Runs a code review over the fake workspace through the code that runs in production.
async fn run(runner: &LocalRunner, fake: &Arc<FakeWorkspace>) -> TestResult<Report> {
    run_with(runner, fake, Settings::default()).await
}

async fn run_with(
    runner: &LocalRunner,
    fake: &Arc<FakeWorkspace>,
    settings: Settings,
) -> TestResult<Report> {
    let fake = Arc::clone(fake);
    let handler = move |event: Value, context: DurableContext| {
        code_review(Arc::clone(&fake), settings, event, context)
    };
    runner.run(handler, request()).await
}

fn done(result: TestResult<Report>) -> Report {
    let told = format!(
        "{:?} {:?} {:#?}",
        result.error_type(),
        result.error_message(),
        result.operations()
    );
    result.into_output().unwrap_or_else(|| panic!("no report: {told}"))
}

fn endings(report: &Report) -> Vec<(&str, &str)> {
    report.agents.iter().map(|one| (short(one.agent.as_str()), one.ending.as_str())).collect()
}

/// Enough callbacks for every wait.
fn woken() -> LocalRunner {
    (0..20).fold(LocalRunner::new(), |runner, _| runner.callback_success(&"decided"))
}

const ALL: [&str; 4] = ["security", "style", "infrastructure", "remediation"];

#[tokio::test]
async fn a_review_applies_what_people_have_approved() {
    let fake = FakeWorkspace::new().person(Person::Approves);
    let report = done(run(&woken(), &fake).await);
    assert_eq!(endings(&report), ALL.map(|agent| (agent, "completed")));
    assert_eq!((report.totals.findings, report.totals.proposals), (3, 2));
    assert_eq!(report.decisions, Decisions { open: 0, approved: 2, rejected: 0 });
    assert_eq!(report.applied, 2);
    fake.nothing_happened_too_early_or_twice();
}

#[tokio::test]
async fn killed_at_any_checkpoint_it_comes_to_the_same() {
    // People decide while the callback is published, or after one was waited for in vain.
    for person in [Person::Approves, Person::DecidesBefore(2)] {
        let undisturbed = run(&woken(), &FakeWorkspace::new().person(person)).await;
        let invocations = undisturbed.invocation_count();
        let whole = done(undisturbed);
        let mut kills = 0;
        for n in 0.. {
            // The write is lost and the invocation with it; what was done before has been done.
            let fake = FakeWorkspace::new().person(person);
            let result = run(&woken().fail_checkpoints_after_retryable(n, 1), &fake).await;
            let survived = result.invocation_count();
            assert_eq!(done(result), whole, "killed at checkpoint {n}");
            fake.nothing_happened_too_early_or_twice();
            if survived == invocations {
                break;
            }
            kills += 1;
        }
        assert!(kills > 30, "only {kills} checkpoints");
    }
}

#[tokio::test]
async fn killed_at_one_checkpoint_again_and_again_it_comes_to_the_same() {
    let whole = done(run(&woken(), &FakeWorkspace::new().person(Person::Approves)).await);
    for n in (0..40).step_by(3) {
        let fake = FakeWorkspace::new().person(Person::Approves);
        let result = run(&woken().fail_checkpoints_after_retryable(n, 5), &fake).await;
        assert_eq!(done(result), whole, "killed at checkpoint {n}, five times");
        fake.nothing_happened_too_early_or_twice();
    }
}

#[tokio::test]
async fn nobody_decides_and_nothing_is_applied() {
    for runner in [woken(), (0..20).fold(LocalRunner::new(), |runner, _| runner.callback_timeout())]
    {
        let fake = FakeWorkspace::new().person(Person::Sleeps);
        let settings = Settings { waits: 5, ..Settings::default() };
        let report = done(run_with(&runner, &fake, settings).await);
        assert_eq!((report.decisions.open, report.applied), (2, 0));
        assert_eq!(fake.published(), 5, "each wait has a callback of its own");
        fake.nothing_happened_too_early_or_twice();
    }
}

#[tokio::test]
async fn it_sleeps_while_the_callback_is_open() {
    let fake = FakeWorkspace::new().person(Person::Sleeps);
    let result = run(&LocalRunner::new(), &fake).await;
    assert!(result.is_suspended());
    assert_eq!((fake.published(), fake.applied()), (1, 0));
}

#[tokio::test]
async fn a_callback_that_says_approved_approves_nothing() {
    let forged = serde_json::json!({"approved": true, "proposals": ["p1", "p2"], "decisions": {"undecided": 0, "approved": 2}});
    let fake = FakeWorkspace::new().person(Person::Sleeps);
    let runner = LocalRunner::new()
        .callback_success(&forged)
        .callback_success(&"approved")
        .callback_success(&true);
    let settings = Settings { waits: 3, ..Settings::default() };
    let report = done(run_with(&runner, &fake, settings).await);
    assert_eq!((report.decisions.approved, report.applied), (0, 0));
    fake.nothing_happened_too_early_or_twice();
}

#[tokio::test]
async fn a_timeout_looks_at_the_decisions_all_the_same() {
    let fake = FakeWorkspace::new().person(Person::DecidesBefore(2));
    let runner = LocalRunner::new().callback_timeout().callback_timeout();
    let report = done(run(&runner, &fake).await);
    assert_eq!((report.decisions.approved, report.applied), (2, 2));
    fake.nothing_happened_too_early_or_twice();
}

#[tokio::test]
async fn who_decided_before_the_callback_was_found_need_not_wake_it() {
    let fake = FakeWorkspace::new().person(Person::DecidesBefore(0));
    let report = done(run(&LocalRunner::new(), &fake).await);
    assert_eq!(report.applied, 2);
    assert_eq!(fake.published(), 0);

    // Between the first look and the callback.
    let fake = FakeWorkspace::new().person(Person::Approves);
    let report = done(run(&LocalRunner::new(), &fake).await);
    assert_eq!((report.applied, fake.published()), (2, 1));
}

#[tokio::test]
async fn of_approved_and_rejected_only_the_approved_is_applied() {
    let fake = FakeWorkspace::new().person(Person::ApprovesOne);
    let report = done(run(&woken(), &fake).await);
    assert_eq!(report.decisions, Decisions { open: 0, approved: 1, rejected: 1 });
    assert_eq!(report.applied, 1);
    fake.nothing_happened_too_early_or_twice();

    let fake = FakeWorkspace::new().person(Person::RejectsAll);
    let report = done(run(&woken(), &fake).await);
    assert_eq!((report.decisions.rejected, report.applied), (2, 0));
    assert_eq!(fake.applied(), 0, "nothing was even tried");
}

#[tokio::test]
async fn a_half_decided_review_is_not_applied() {
    let fake = FakeWorkspace::new().person(Person::DecidesOneOnly);
    let settings = Settings { waits: 2, ..Settings::default() };
    let report = done(run_with(&woken(), &fake, settings).await);
    assert_eq!(report.decisions, Decisions { open: 1, approved: 1, rejected: 0 });
    assert_eq!(fake.applied(), 0);
}

#[tokio::test]
async fn without_findings_nothing_is_remedied() {
    let fake = FakeWorkspace::new().without_findings();
    let report = done(run(&LocalRunner::new(), &fake).await);
    assert_eq!((report.agents.len(), report.totals.proposals), (3, 0));
    assert_eq!(fake.asked("remediation"), 0);
    fake.nothing_happened_too_early_or_twice();
}

#[tokio::test]
async fn without_proposals_nobody_is_asked() {
    let fake = FakeWorkspace::new().without_proposals();
    let report = done(run(&LocalRunner::new(), &fake).await);
    assert_eq!((report.totals.findings, report.totals.proposals, report.applied), (3, 0, 0));
    assert_eq!(fake.published(), 0);
}

#[tokio::test]
async fn an_agent_that_fails_is_told_of_and_the_others_go_on() {
    let fake = FakeWorkspace::new().person(Person::Approves).failing("style");
    let report = done(run(&woken(), &fake).await);
    let expected = [
        ("security", "completed"),
        ("style", "not_run"),
        ("infrastructure", "completed"),
        ("remediation", "completed"),
    ];
    assert_eq!(endings(&report), expected);
    let reason = &report.agents.iter().find(|one| one.agent.as_str() == "style").unwrap().reason;
    assert!(reason.contains("out of memory"), "{reason}");
    assert_eq!((report.totals.findings, report.applied), (2, 2));
    fake.nothing_happened_too_early_or_twice();
}

#[tokio::test]
async fn a_paused_agent_is_asked_again_within_bounds() {
    let fake =
        FakeWorkspace::new().person(Person::Approves).pausing("security", 2).pausing("style", 1000);
    let settings = Settings { rounds: 5, ..Settings::default() };
    let report = done(run_with(&woken(), &fake, settings).await);
    assert_eq!(endings(&report)[..2], [("security", "completed"), ("style", "paused")]);
    assert_eq!(
        [fake.asked("security"), fake.asked("style"), fake.asked("infrastructure")],
        [3, 5, 1]
    );
    assert_eq!(report.applied, 2);
    fake.nothing_happened_too_early_or_twice();
}

#[tokio::test]
async fn an_agent_that_failed_for_a_passing_reason_is_asked_again_and_no_other() {
    let fake = FakeWorkspace::new()
        .person(Person::Approves)
        .unanswered("security", 2, true)
        .unanswered("style", 1000, true)
        .unanswered("infrastructure", 1, false);
    let report = done(run(&woken(), &fake).await);
    assert_eq!(
        endings(&report)[..3],
        [("security", "completed"), ("style", "failed"), ("infrastructure", "failed")]
    );
    assert_eq!(
        [fake.asked("security"), fake.asked("style"), fake.asked("infrastructure")],
        [3, 3, 1]
    );
    fake.nothing_happened_too_early_or_twice();
}

#[tokio::test]
async fn killed_while_agents_pause_and_fail_it_comes_to_the_same() {
    let fake = || {
        FakeWorkspace::new().person(Person::ApprovesOne).failing("style").pausing("remediation", 2)
    };
    let whole = done(run(&woken(), &fake()).await);
    for n in 0..60 {
        let fake = fake();
        let result = run(&woken().fail_checkpoints_after_retryable(n, 1), &fake).await;
        assert_eq!(done(result), whole, "killed at checkpoint {n}");
        fake.nothing_happened_too_early_or_twice();
    }
}

#[tokio::test]
async fn a_run_that_is_started_twice_doubles_nothing() {
    let fake = FakeWorkspace::new().person(Person::Approves);
    let (one, other) = (woken(), woken());
    let (one, other) = tokio::join!(run(&one, &fake), run(&other, &fake));
    let (one, other) = (done(one), done(other));
    assert_eq!((one.totals, one.decisions), (other.totals, other.decisions));
    assert_eq!(one.totals.findings, 3);
    fake.nothing_happened_too_early_or_twice();
}

#[tokio::test]
async fn a_source_that_comes_late_is_waited_for_and_one_that_never_comes_is_an_error() {
    let fake = FakeWorkspace::new().without_proposals().arriving_after(3);
    assert_eq!(done(run(&LocalRunner::new(), &fake).await).files, 7);

    let fake = FakeWorkspace::new().arriving_after(1000);
    let result = run(&LocalRunner::new(), &fake).await;
    assert!(result.is_failure());
    assert!(
        result.error_message().unwrap().contains("incoming/app"),
        "{:?}",
        result.error_message()
    );
}

#[tokio::test]
async fn what_is_no_run_is_refused_before_anything_is_done() {
    let fake = FakeWorkspace::new();
    let taken = Arc::clone(&fake);
    let handler = move |event: Value, context: DurableContext| {
        code_review(Arc::clone(&taken), Settings::default(), event, context)
    };
    let wrong = json!({"run": "../elsewhere", "source": {"path": "incoming/app"}});
    let result: TestResult<Report> = LocalRunner::new().run(handler, wrong).await;
    assert!(result.is_failure() && result.operations().is_empty());
}

/// Runs a code review over the wire, its workers as functions that are invoked.
async fn over_the_wire(fake: &Arc<FakeWorkspace>, kill: Kill, wakes: Vec<Wake>) -> Ended<Report> {
    let effects = Arc::new(Invoking::new(fake));
    let settings = Settings { waits: 4, ..Settings::default() };
    let handler = move |event: Value, context: DurableContext| {
        code_review(Arc::clone(&effects), settings, event, context)
    };
    execute(
        handler,
        request(),
        kill,
        wakes,
        |function, event| fake.invoked(function, &event),
        || fake.timeout_is_near(),
    )
    .await
}

fn decided() -> Vec<Wake> {
    vec![Wake::Success("null"); 4]
}

#[tokio::test]
async fn workers_are_invoked_as_functions_of_their_own() {
    let fake =
        FakeWorkspace::new().person(Person::Approves).pausing("security", 2).failing("style");
    let ended = over_the_wire(&fake, Kill::Never, decided()).await;
    let report = ended.output.unwrap();
    let expected = [
        ("security", "completed"),
        ("style", "not_run"),
        ("infrastructure", "completed"),
        ("remediation", "completed"),
    ];
    assert_eq!(endings(&report), expected);
    let expected = [
        ("infrastructure-function", 1),
        ("remediation-function", 1),
        ("security-function", 3),
        ("style-function", 3),
    ];
    assert_eq!(times(&ended.invoked), expected.into());
    assert_eq!(report.applied, 2);
    assert!(ended.largest < 256 * 1024);
    fake.nothing_happened_too_early_or_twice();
}

#[tokio::test]
async fn killed_before_and_after_any_write_it_comes_to_the_same() {
    let fake = || {
        FakeWorkspace::new()
            .person(Person::ApprovesOne)
            .deciding_at_timeout()
            .pausing("style", 1)
            .failing("infrastructure")
    };
    let whole = over_the_wire(&fake(), Kill::Never, decided()).await;
    let (report, times_of_whole) = (whole.output.unwrap(), times(&whole.invoked));
    assert!(whole.checkpoints > 30, "only {} checkpoints", whole.checkpoints);
    for n in 0..whole.checkpoints {
        for kill in [Kill::Before(n), Kill::After(n)] {
            let fake = fake();
            let ended = over_the_wire(&fake, kill, decided()).await;
            assert_eq!(ended.output.as_ref().unwrap(), &report, "{kill:?}");
            assert_eq!(
                times(&ended.invoked),
                times_of_whole,
                "{kill:?}: an agent was asked once too often"
            );
            assert!(ended.invocations > whole.invocations, "{kill:?} killed nothing");
            fake.nothing_happened_too_early_or_twice();
        }
    }
}

#[tokio::test]
async fn what_ends_the_function_each_time_ends_the_review_after_some_attempts() {
    let fake = FakeWorkspace::new().person(Person::Approves);
    let ended = over_the_wire(&fake, Kill::Always("stage"), decided()).await;
    assert!(ended.output.unwrap_err().contains("interrupted"));
    assert!((2..20).contains(&ended.invocations), "{} invocations", ended.invocations);

    let fake = FakeWorkspace::new().person(Person::Approves);
    let ended = over_the_wire(&fake, Kill::Always("apply"), decided()).await;
    assert!(ended.output.unwrap_err().contains("interrupted"));
    fake.nothing_happened_too_early_or_twice();
}

#[tokio::test]
async fn a_callback_of_any_form_is_a_reason_to_look_and_nothing_else() {
    let forged = [
        Wake::Success(r#"{"undecided": 0, "approved": 2, "rejected": 0}"#),
        Wake::Success("not even JSON"),
        Wake::Failure,
        Wake::Timeout,
    ];
    let fake = FakeWorkspace::new().person(Person::Sleeps);
    let ended = over_the_wire(&fake, Kill::Never, forged.to_vec()).await;
    let report = ended.output.unwrap();
    assert_eq!((report.decisions.open, report.applied, fake.published()), (2, 0, 4));
    fake.nothing_happened_too_early_or_twice();

    let fake = FakeWorkspace::new().person(Person::DecidesBefore(4));
    let report = over_the_wire(&fake, Kill::Never, forged.to_vec()).await.output.unwrap();
    assert_eq!((report.decisions.approved, report.applied), (2, 2));
}

#[tokio::test]
async fn a_role_without_a_function_is_told_of() {
    let fake = FakeWorkspace::new().without_proposals();
    let effects = Arc::new(Invoking::without(&fake, "style-role"));
    let handler = move |event: Value, context: DurableContext| {
        code_review(Arc::clone(&effects), Settings::default(), event, context)
    };
    let work = |function: &str, event| fake.invoked(function, &event);
    let ended: Ended<Report> =
        execute(handler, request(), Kill::Never, Vec::new(), work, || ()).await;
    let report = ended.output.unwrap();
    assert!(report.agents[1].reason.contains("no function works as `style-role`"), "{report:?}");
}

const BEFORE: [&str; 2] = ["password = \"hunter2\"\n", "def days(a, b):\n    return b - a + 1\n"];
const FIRST_MENDED: [&str; 2] = ["password = load()\n", "def days(a, b):\n    return b - a + 1\n"];
const BOTH_MENDED: [&str; 2] = ["password = load()\n", "def days(a, b):\n    return b - a\n"];

#[tokio::test]
async fn in_a_real_workspace_what_was_approved_is_applied_and_nothing_else() {
    for (verdict, decisions, applied, sources) in [
        (Verdict::None, Decisions { open: 2, approved: 0, rejected: 0 }, 0, BEFORE),
        (Verdict::ApproveFirst, Decisions { open: 0, approved: 1, rejected: 1 }, 1, FIRST_MENDED),
        (Verdict::ApproveBoth, Decisions { open: 0, approved: 2, rejected: 0 }, 2, BOTH_MENDED),
    ] {
        let real = RealWorkspace::new();
        let ended = real.review(Kill::Never, verdict).await;
        let report = ended.output.unwrap();
        assert_eq!((report.decisions, report.applied), (decisions, applied), "{verdict:?}");
        assert_eq!((report.files, report.totals.proposals), (2, 2));
        assert_eq!(real.sources(), sources, "{verdict:?}");
    }
}

#[tokio::test]
async fn in_a_real_workspace_no_kill_doubles_a_finding_or_applies_twice() {
    let undisturbed = RealWorkspace::new();
    let whole = undisturbed.review(Kill::Never, Verdict::ApproveFirst).await;
    let report = whole.output.unwrap();
    assert_eq!((report.totals.findings, report.applied), (2, 1));
    for n in 0..whole.checkpoints {
        let real = RealWorkspace::new();
        let ended = real.review(Kill::Before(n), Verdict::ApproveFirst).await;
        assert_eq!(ended.output.unwrap(), report, "killed at checkpoint {n}");
        assert_eq!(real.files(), undisturbed.files(), "killed at checkpoint {n}");
        assert_eq!(real.sources(), FIRST_MENDED, "killed at checkpoint {n}");
    }
}

#[tokio::test]
async fn in_a_real_workspace_a_second_execution_of_a_run_adds_nothing() {
    let real = RealWorkspace::new();
    let first = real.review(Kill::Never, Verdict::ApproveFirst).await.output.unwrap();
    let files = real.files();
    let second = real.review(Kill::Never, Verdict::ApproveBoth).await;
    assert_eq!(second.output.unwrap(), first);
    assert_eq!((real.files(), real.sources()), (files, FIRST_MENDED.map(str::to_owned)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_binary_reviews_as_lambda_runs_it() {
    let real = RealWorkspace::new();
    let ended = real.review_with_binary(Verdict::ApproveFirst).await;
    let report = ended.output.unwrap();
    assert_eq!((report.totals.findings, report.totals.proposals, report.applied), (2, 2, 1));
    assert_eq!(real.sources(), FIRST_MENDED);
}

#[tokio::test]
async fn in_a_real_workspace_two_executions_at_once_are_as_one() {
    let one_alone = RealWorkspace::new();
    one_alone.review(Kill::Never, Verdict::ApproveFirst).await;
    let real = RealWorkspace::new();
    let (one, other) = tokio::join!(
        real.review(Kill::Never, Verdict::ApproveFirst),
        real.review(Kill::Never, Verdict::ApproveFirst),
    );
    let (one, other) = (one.output.unwrap(), other.output.unwrap());
    assert_eq!((one.totals, one.decisions), (other.totals, other.decisions));
    assert_eq!(
        (real.files(), real.sources()),
        (one_alone.files(), FIRST_MENDED.map(str::to_owned))
    );
}

#[test]
fn the_real_binary_says_what_is_missing() {
    const API: (&str, &str) = ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9");
    for (environment, expected) in [
        (vec![], "this is a Lambda function"),
        (vec![API], "CODE_REVIEW_WORKERS is not set"),
        (vec![API, ("CODE_REVIEW_WORKERS", "{}")], "MCP_WORKSPACE_POLICY is not set"),
    ] {
        let binary = std::process::Command::new(env!("CARGO_BIN_EXE_code-review-function"))
            .env_clear()
            .envs(environment)
            .output()
            .unwrap();
        let said = String::from_utf8(binary.stderr).unwrap();
        assert!(binary.status.code() == Some(2) && said.contains(expected), "{said}");
    }
}
