//! The steps that need no model: what the policy grants, what a report says, and that only what
//! somebody else has approved is applied.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use code_review::agents::{Agent, Phase, team};
use code_review::apply::{Applied, apply};
use code_review::decisions::standing;
use code_review::merge::{digest, merge};
use code_review::outcome::Outcome;
use code_review::{ORCHESTRATOR, POLICY};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::decide;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::records::signature::DecisionKeys;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::{Decider, Scope, Workspace};
use serde_json::{Value, json};
use tempfile::TempDir;

const TIME: Duration = Duration::from_secs(60);

struct Fixture {
    directory: TempDir,
    policy: Policy,
}

impl Fixture {
    fn new() -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let fixture = Fixture { directory, policy: Policy::parse(POLICY, "policy.toml").unwrap() };
        for run in ["r1", "r2"] {
            fs::create_dir_all(fixture.root().join("input").join(run)).unwrap();
            for file in ["a.py", "b.py", "c.py"] {
                fs::write(fixture.source(run, file), format!("# {file}\nbad = 1\n")).unwrap();
            }
        }
        fixture
    }

    fn root(&self) -> &Path {
        self.directory.path()
    }

    fn source(&self, run: &str, file: &str) -> std::path::PathBuf {
        self.root().join("input").join(run).join(file)
    }

    fn call(&self, caller: &str, tool: &str, arguments: Value) -> Result<Value, ToolError> {
        let workspace = Workspace::open_with_ambient_authority(self.root()).unwrap();
        let grant = self.policy.grant(caller).unwrap().for_tool(tool);
        let layout = Arc::new(self.policy.layout().clone());
        let scope = Scope::new(Arc::new(workspace), grant, layout);
        let entry = tool::find(tool).unwrap();
        entry.run(&scope, arguments, &Call::new(caller, TIME)).map(|answer| answer.into_json())
    }

    fn find(&self, agent: &str, run: &str, file: &str) {
        let finding = json!({
            "rule_id": "bad", "severity": "high", "message": "this | is <b>bad</b>", "run": run,
            "path": format!("input/{run}/{file}"), "start_line": 2, "end_line": 2,
        });
        self.call(&format!("bedrock-worker:{agent}"), "write_finding", finding).unwrap();
    }

    /// Proposes that the file's second line says this.
    fn propose(&self, run: &str, file: &str, good: &str) -> String {
        let proposal = json!({
            "title": format!("Make {file} {good}"), "run": run,
            "edits": [{ "path": format!("input/{run}/{file}"), "old_text": "bad = 1", "new_text": good }],
        });
        let answer = self.call("bedrock-worker:remediation", "propose_patch", proposal).unwrap();
        answer["id"].as_str().unwrap().to_owned()
    }

    fn decider(&self, caller: &str) -> Decider {
        let workspace = Workspace::open_with_ambient_authority(self.root()).unwrap();
        let grant = self.policy.grant(caller).unwrap();
        let layout = Arc::new(self.policy.layout().clone());
        Decider::new(Arc::new(workspace), &grant, layout, caller)
    }

    fn approve(&self, caller: &str, id: &str) {
        decide::approve(&self.decider(caller), id, None, None).unwrap();
    }

    fn apply(&self, run: &str) -> Applied {
        apply(self.root(), &self.policy, &name(run), ORCHESTRATOR).unwrap()
    }

    fn report(&self, run: &str) -> [String; 3] {
        let directory = self.root().join("output/reports").join(run);
        ["findings.sarif", "summary.md", "summary.json"]
            .map(|file| fs::read_to_string(directory.join(file)).unwrap())
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn outcome(agent: &Agent, ending: &str, cost: Option<f64>) -> Outcome {
    let summary = json!({
        "agent": agent.name, "ending": ending, "reason": "for a reason", "turns": 4,
        "tool_calls": 9, "tool_errors": 1, "cost_usd": cost, "text": "done",
        "usage": { "input_tokens": 10, "output_tokens": 2, "cache_read_tokens": 5, "cache_write_tokens": 0 },
    });
    Outcome::of_summary(agent, &summary).unwrap()
}

#[test]
fn the_policy_holds_its_expectations() {
    let policy = Policy::parse(POLICY, "policy.toml").unwrap();
    let outcomes = policy.test();
    assert!(outcomes.len() >= 15);
    for outcome in outcomes {
        assert!(outcome.holds, "{}\n{}", outcome.place, outcome.explanation);
    }
}

#[test]
fn every_agent_has_a_role_and_a_whole_task() {
    let policy = Policy::parse(POLICY, "policy.toml").unwrap();
    let team = team(policy.layout(), &name("monday"));
    assert_eq!(team.iter().filter(|agent| agent.phase == Phase::Review).count(), 4);
    for agent in &team {
        let grant = policy.grant(format!("bedrock-worker:{}", agent.role).as_str()).unwrap();
        assert!(grant.allows_tool("read_file"), "{agent:?}");
        assert_eq!(grant.allows_tool("propose_patch"), agent.phase == Phase::Remedy);
        assert!(agent.task.contains("input/monday"), "{}", agent.task);
        assert!(!agent.task.contains("{{"), "{}", agent.task);
    }
    let again = team.last().unwrap().clone().for_findings("0123456789abcdef");
    assert_eq!(again.name.as_str(), "remediation-01234567");
    assert!(team.last().unwrap().goes_by(&again.name));
}

#[test]
fn a_report_counts_each_finding_once_and_says_what_failed() {
    let fixture = Fixture::new();
    fixture.find("security-reviewer", "r1", "a.py");
    fixture.find("style-reviewer", "r1", "a.py");
    fixture.find("style-reviewer", "r1", "b.py");
    fixture.find("style-reviewer", "r2", "c.py");
    let id = fixture.propose("r1", "a.py", "good = 1");
    fs::write(fixture.root().join("output/findings/style-reviewer/x.json"), "{}").unwrap();
    let run = name("r1");
    let team = team(fixture.policy.layout(), &run);
    let mut outcomes: Vec<Outcome> =
        team.iter().map(|agent| outcome(agent, "completed", Some(0.25))).collect();
    outcomes[1] = Outcome::not_run(&team[1], "it <crashed>");
    outcomes[2].ending = "budget".to_owned();
    let merged = merge(fixture.root(), &fixture.policy, &run, ORCHESTRATOR, &outcomes).unwrap();
    assert_eq!((merged.findings, merged.proposals), (2, 1));
    assert_eq!(merged.by_severity, [("high".to_owned(), 2)].into());
    assert_eq!(merged.cost_usd, Some(1.0));
    assert_eq!(merged.failed.len(), 2);
    assert_eq!(merged.damaged.len(), 1);
    let [sarif, page, index] = fixture.report("r1");
    let sarif: Value = serde_json::from_str(&sarif).unwrap();
    let results = sarif["runs"][0]["results"].as_array().unwrap();
    let place = &results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!((results.len(), place), (2, &json!("a.py")));
    for expected in [
        "- findings: 2 (2 high)",
        "- proposals: 1 proposed",
        "- cost: 1.0000 USD",
        "- agents: 3 of 5 are done",
        "- agent style-reviewer: not\\_run&#58; it &lt;crashed&gt;",
        "| high | a.py&#58;2 | this \\| is &lt;b&gt;bad&lt;/b&gt; | bad | security-reviewer, style-reviewer |",
        "| security-reviewer | completed | 1 | 4 | 9 | 15 | 2 | 0.2500 |",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    let index: Value = serde_json::from_str(&index).unwrap();
    assert_eq!(index["proposals"]["proposed"][0]["id"], id);
    assert_eq!(index["files"]["summary.md"]["bytes"], page.len());

    // The same records, whatever the order of the outcomes, give the same bytes, and no new file.
    let before = fixture.report("r1");
    let written = fs::metadata(fixture.root().join("output/reports/r1/summary.md")).unwrap();
    outcomes.reverse();
    let again = merge(fixture.root(), &fixture.policy, &run, ORCHESTRATOR, &outcomes).unwrap();
    assert_eq!((again, fixture.report("r1")), (merged, before));
    let now = fs::metadata(fixture.root().join("output/reports/r1/summary.md")).unwrap();
    assert_eq!(written.modified().unwrap(), now.modified().unwrap());
    // Without prices the cost is not known.
    outcomes.iter_mut().for_each(|outcome| outcome.cost_usd = None);
    let merged = merge(fixture.root(), &fixture.policy, &run, ORCHESTRATOR, &outcomes).unwrap();
    assert_eq!(merged.cost_usd, None);
}

#[test]
fn findings_have_a_digest_that_changes_when_there_are_more() {
    let fixture = Fixture::new();
    let now = || digest(fixture.root(), &fixture.policy, &name("r1"), ORCHESTRATOR).unwrap();
    assert_eq!(now(), None);
    fixture.find("style-reviewer", "r2", "a.py");
    assert_eq!(now(), None, "that is another run's");
    fixture.find("style-reviewer", "r1", "a.py");
    let one = now();
    // Seen by another as well it is no other finding.
    fixture.find("security-reviewer", "r1", "a.py");
    assert!(one.is_some() && one == now());
    fixture.find("style-reviewer", "r1", "b.py");
    assert_ne!(one, now());
}

#[test]
fn what_is_signed_is_applied_by_a_program_that_has_the_key_and_told_by_one_that_has_not() {
    // As the commented lines of the policy say.
    let signed = POLICY.replace("# [decisions]\n# key_env", "[decisions]\nkey_env");
    assert_ne!(signed, POLICY);
    let keyless = Policy::parse(&signed, "policy.toml").unwrap();
    let keys = DecisionKeys::new("k3y".repeat(12).as_bytes()).unwrap();
    let with_keys = keyless.clone().with_decision_keys(Some(keys));
    let mut fixture = Fixture { policy: with_keys.clone(), ..Fixture::new() };
    let id = fixture.propose("r1", "a.py", "good = 1");
    fixture.approve("reviewer", &id);

    fixture.policy = keyless;
    let told = fixture.apply("r1");
    assert_eq!((told.applied.len(), told.undecided.len()), (0, 0), "{told:?}");
    assert!(told.conflicts[0].reason.contains("was not given it"), "{told:?}");
    let text = |fixture: &Fixture| fs::read_to_string(fixture.source("r1", "a.py")).unwrap();
    assert!(text(&fixture).contains("bad"));

    fixture.policy = with_keys;
    assert_eq!(fixture.apply("r1").applied, [id]);
    assert!(text(&fixture).contains("good"));
}

#[test]
fn only_what_somebody_else_has_approved_is_applied_and_one_conflict_stops_nothing() {
    let fixture = Fixture::new();
    let good = fixture.propose("r1", "a.py", "good = 1");
    let rival = fixture.propose("r1", "a.py", "better = 1");
    let own = fixture.propose("r1", "b.py", "good = 2");
    let undecided = fixture.propose("r1", "c.py", "good = 3");
    let other_run = fixture.propose("r2", "a.py", "good = 4");
    let rejected = fixture.propose("r1", "c.py", "worse = 3");
    for id in [&good, &rival, &other_run] {
        fixture.approve("reviewer", id);
    }
    fixture.approve(ORCHESTRATOR, &own);
    decide::reject(&fixture.decider("reviewer"), &rejected, "no better").unwrap();

    let first = fixture.apply("r1");
    let conflicts: Vec<&String> = first.conflicts.iter().map(|conflict| &conflict.id).collect();
    // Of the two for one file the first one in time is in; the other one cannot be any more.
    let (inside, outside) =
        if first.applied == [good.clone()] { (&good, &rival) } else { (&rival, &good) };
    assert_eq!(first.applied, std::slice::from_ref(inside));
    assert_eq!(conflicts.len(), 2);
    assert!(conflicts.contains(&outside) && conflicts.contains(&&own), "{first:?}");
    assert!(first.conflicts.iter().any(|conflict| conflict.reason.contains("somebody else must")));
    assert_eq!(first.undecided, std::slice::from_ref(&undecided));
    let text = |run: &str, file: &str| fs::read_to_string(fixture.source(run, file)).unwrap();
    assert!(!text("r1", "a.py").contains("bad"));
    for (run, file) in [("r1", "b.py"), ("r1", "c.py"), ("r2", "a.py")] {
        assert!(text(run, file).contains("bad = 1"), "{run}/{file}");
    }
    // Again: the same answer, and nothing changes.
    assert_eq!(fixture.apply("r1"), first);
    let standing = standing(fixture.root(), &fixture.policy, &name("r1"), "reviewer").unwrap();
    assert_eq!((standing.applied.len(), standing.rejected.len()), (1, 1));
    assert_eq!((standing.conflicted.len(), standing.approved.len()), (1, 1));
    assert!(!standing.is_decided() && standing.count() == 5);
    // What is approved later is applied later.
    fixture.approve("reviewer", &undecided);
    let later = fixture.apply("r1");
    assert!(later.applied.contains(&undecided) && later.undecided.is_empty(), "{later:?}");
    assert!(text("r1", "c.py").contains("good = 3"));
}

#[test]
fn an_agent_or_a_stranger_can_take_no_step() {
    let fixture = Fixture::new();
    let id = fixture.propose("r1", "a.py", "good = 1");
    fixture.approve("reviewer", &id);
    let run = name("r1");
    let applied =
        apply(fixture.root(), &fixture.policy, &run, "bedrock-worker:remediation").unwrap();
    // What it has proposed is not shown to it as something to decide about.
    assert_eq!(applied, Applied::default());
    assert!(fs::read_to_string(fixture.source("r1", "a.py")).unwrap().contains("bad"));
    let stranger = merge(fixture.root(), &fixture.policy, &run, "stranger", &[]).unwrap_err();
    assert!(stranger.to_string().contains("names no role for the caller `stranger`"), "{stranger}");
    let missing = standing(&fixture.root().join("none"), &fixture.policy, &run, ORCHESTRATOR);
    assert!(missing.unwrap_err().to_string().contains("cannot open the workspace"));
}
