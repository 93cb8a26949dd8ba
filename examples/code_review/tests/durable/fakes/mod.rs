//! A fake workspace in memory: it plays the workers and a person, and remembers what happened.
//!
//! Like the workspace it takes an effect twice: findings and files have names, a proposal is
//! applied once. What must not happen at all it remembers as a violation.

pub(crate) mod binary;
pub(crate) mod real_workspace;
pub(crate) mod service;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use aws_durable_execution_sdk::{BoxError, DurableContext, RetryDecision};
use code_review::agents::{Agent, Phase};
use code_review::durable::{Decisions, Effects, Functions, Request, Totals, Waiting};
use code_review::outcome::Outcome;
use mcp_workspace_tools::name::Name;
use serde_json::{Value, json};

/// What the person does once there are proposals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Person {
    /// Nothing.
    Sleeps,
    /// Approves both proposals when the callback is there.
    Approves,
    /// Approves one, rejects one.
    ApprovesOne,
    /// Approves one and says nothing about the other.
    DecidesOneOnly,
    /// Rejects both.
    RejectsAll,
    /// Approves both before this callback is published; 0 is before any.
    DecidesBefore(u32),
}

const PROPOSALS: [&str; 2] = ["p1", "p2"];

#[derive(Debug)]
struct State {
    person: Person,
    proposing: bool,
    finding: bool,
    at_timeout: bool,
    failing: Option<&'static str>,
    pausing: BTreeMap<&'static str, u32>,
    unanswered: BTreeMap<&'static str, (u32, bool)>,
    missing: u32,
    rounds: BTreeMap<String, u32>,
    asked: BTreeMap<String, u32>,
    staged: bool,
    findings: BTreeSet<String>,
    proposals: BTreeSet<&'static str>,
    decisions: BTreeMap<&'static str, bool>,
    callbacks: BTreeMap<String, Waiting>,
    changed: BTreeMap<&'static str, u32>,
    violations: Vec<String>,
}

/// A workspace in memory.
#[derive(Debug)]
pub(crate) struct FakeWorkspace(Arc<Mutex<State>>);

impl FakeWorkspace {
    pub(crate) fn new() -> Arc<FakeWorkspace> {
        Arc::new(FakeWorkspace(Arc::new(Mutex::new(State {
            person: Person::Sleeps,
            proposing: true,
            finding: true,
            at_timeout: false,
            failing: None,
            pausing: BTreeMap::new(),
            unanswered: BTreeMap::new(),
            missing: 0,
            rounds: BTreeMap::new(),
            asked: BTreeMap::new(),
            staged: false,
            findings: BTreeSet::new(),
            proposals: BTreeSet::new(),
            decisions: BTreeMap::new(),
            callbacks: BTreeMap::new(),
            changed: BTreeMap::new(),
            violations: Vec::new(),
        }))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn with(self: Arc<FakeWorkspace>, change: impl FnOnce(&mut State)) -> Arc<FakeWorkspace> {
        change(&mut self.state());
        self
    }

    pub(crate) fn person(self: Arc<FakeWorkspace>, person: Person) -> Arc<FakeWorkspace> {
        self.with(|state| state.person = person)
    }

    pub(crate) fn without_proposals(self: Arc<FakeWorkspace>) -> Arc<FakeWorkspace> {
        self.with(|state| state.proposing = false)
    }

    /// The person decides when the callback is about to end, and not before.
    pub(crate) fn deciding_at_timeout(self: Arc<FakeWorkspace>) -> Arc<FakeWorkspace> {
        self.with(|state| state.at_timeout = true)
    }

    /// The callback is about to end.
    pub(crate) fn timeout_is_near(&self) {
        let mut state = self.state();
        if state.at_timeout {
            state.decide();
        }
    }

    pub(crate) fn without_findings(self: Arc<FakeWorkspace>) -> Arc<FakeWorkspace> {
        self.with(|state| state.finding = false)
    }

    /// This agent's function ends with an error, always.
    pub(crate) fn failing(self: Arc<FakeWorkspace>, agent: &'static str) -> Arc<FakeWorkspace> {
        self.with(|state| state.failing = Some(agent))
    }

    /// This agent pauses so often before it is done.
    pub(crate) fn pausing(
        self: Arc<FakeWorkspace>,
        agent: &'static str,
        times: u32,
    ) -> Arc<FakeWorkspace> {
        self.with(|state| {
            state.pausing.insert(agent, times);
        })
    }

    /// This agent's run fails so often before it is done, for reasons that pass or do not.
    pub(crate) fn unanswered(
        self: Arc<FakeWorkspace>,
        agent: &'static str,
        times: u32,
        passing: bool,
    ) -> Arc<FakeWorkspace> {
        self.with(|state| {
            state.unanswered.insert(agent, (times, passing));
        })
    }

    /// The source can be seen after so many attempts.
    pub(crate) fn arriving_after(self: Arc<FakeWorkspace>, attempts: u32) -> Arc<FakeWorkspace> {
        self.with(|state| state.missing = attempts)
    }

    /// A worker's function is invoked. How often it was before says which round it is.
    pub(crate) fn invoked(&self, function: &str, event: &Value) -> Result<Value, String> {
        let mut state = self.state();
        if format!("{}-function", short(event["agent"].as_str().unwrap_or_default())) != function {
            state
                .violations
                .push(format!("{function} was asked for another agent's work: {event}"));
        }
        let round = state.rounds.entry(function.to_owned()).or_default();
        *round += 1;
        let round = *round;
        state.work(event, round)
    }

    /// How often an agent's worker was asked.
    pub(crate) fn asked(&self, agent: &str) -> u32 {
        self.state().asked.get(agent).copied().unwrap_or_default()
    }

    pub(crate) fn published(&self) -> usize {
        self.state().callbacks.len()
    }

    pub(crate) fn applied(&self) -> usize {
        self.state().changed.len()
    }

    pub(crate) fn nothing_happened_too_early_or_twice(&self) {
        let state = self.state();
        assert!(state.violations.is_empty(), "{:?}", state.violations);
        assert!(state.changed.values().all(|times| *times == 1), "{:?}", state.changed);
        for proposal in state.changed.keys() {
            assert_eq!(state.decisions.get(proposal), Some(&true), "{proposal} was not approved");
        }
    }
}

impl State {
    fn decide(&mut self) {
        let decisions: &[(&str, bool)] = match self.person {
            Person::Sleeps => &[],
            Person::Approves | Person::DecidesBefore(_) => &[("p1", true), ("p2", true)],
            Person::ApprovesOne => &[("p1", true), ("p2", false)],
            Person::DecidesOneOnly => &[("p1", true)],
            Person::RejectsAll => &[("p1", false), ("p2", false)],
        };
        for proposal in PROPOSALS {
            if let Some((_, decision)) = decisions.iter().find(|(name, _)| *name == proposal) {
                self.decisions.insert(proposal, *decision);
            }
        }
    }

    /// What a worker does in one invocation.
    pub(crate) fn work(&mut self, event: &Value, round: u32) -> Result<Value, String> {
        let name = event["agent"].as_str().unwrap_or_default();
        let agent = short(name).to_owned();
        *self.asked.entry(agent.clone()).or_default() += 1;
        if !self.staged || event["run"] != "monday" {
            self.violations
                .push(format!("{agent} was asked before there was anything to review: {event}"));
        }
        if self.failing == Some(agent.as_str()) {
            return Err("the function ran out of memory".to_owned());
        }
        if self.pausing.get(agent.as_str()).is_some_and(|times| round <= *times) {
            return Ok(summary(name, "paused", "out of time"));
        }
        if let Some((times, passing)) = self.unanswered.get(agent.as_str())
            && round <= *times
        {
            let mut failed = summary(name, "failed", "Bedrock gave no answer");
            failed["passing"] = json!(passing);
            return Ok(failed);
        }
        match agent.as_str() {
            "remediation" if self.proposing => self.proposals.extend(PROPOSALS),
            "remediation" => {}
            _ if self.finding => {
                self.findings.insert(format!("{agent}/1"));
            }
            _ => {}
        }
        Ok(summary(name, "completed", "the model is done"))
    }
}

impl Effects for FakeWorkspace {
    async fn stage(&self, request: &Request) -> Result<u64, BoxError> {
        let mut state = self.state();
        if state.missing > 0 {
            state.missing -= 1;
            return Err(format!("there is no {:?}", request.source).into());
        }
        state.staged = true;
        Ok(7)
    }

    fn team(&self, run: &Name) -> Vec<Agent> {
        assert_eq!(run.as_str(), "monday");
        let agent = |name: &str, phase| Agent {
            name: Name::parse(name).unwrap(),
            role: Name::parse(&format!("{name}-role")).unwrap(),
            task: format!("look for {name}"),
            phase,
        };
        vec![
            agent("security", Phase::Review),
            agent("style", Phase::Review),
            agent("infrastructure", Phase::Review),
            agent("remediation", Phase::Remedy),
        ]
    }

    /// `LocalRunner` has no functions to invoke, so here a worker is a step; [`Invoking`] invokes.
    async fn ask(
        &self,
        context: &DurableContext,
        name: String,
        _: &Agent,
        event: Value,
    ) -> Result<Value, BoxError> {
        let round = name.rsplit('-').next().unwrap().parse().unwrap();
        let state = Arc::clone(&self.0);
        let step = context.step(move |_| async move {
            let answer = state.lock().unwrap().work(&event, round);
            answer.map_err(BoxError::from)
        });
        Ok(step.name(name).retry_strategy(|_, _| RetryDecision::Stop).await?)
    }

    async fn findings(&self, _: &Name) -> Result<Option<String>, BoxError> {
        let found = self.state().findings.len();
        Ok((found > 0).then(|| format!("{found:064x}")))
    }

    async fn merge(&self, _: &Name, outcomes: &[Outcome]) -> Result<Totals, BoxError> {
        let mut state = self.state();
        if outcomes.len() != if state.findings.is_empty() { 3 } else { 4 } {
            state.violations.push(format!("merged with {outcomes:?}"));
        }
        Ok(Totals { findings: state.findings.len(), proposals: state.proposals.len() })
    }

    async fn publish(&self, run: &Name, waiting: &Waiting) -> Result<(), BoxError> {
        assert_eq!(run.as_str(), "monday");
        let mut state = self.state();
        state.callbacks.insert(waiting.callback_id.clone(), waiting.clone());
        match state.person {
            Person::DecidesBefore(round) if waiting.round < round => {}
            _ if state.at_timeout => {}
            _ => state.decide(),
        }
        Ok(())
    }

    async fn decisions(&self, _: &Name) -> Result<Decisions, BoxError> {
        let mut state = self.state();
        if state.person == Person::DecidesBefore(0) {
            state.decide();
        }
        let approved = state.decisions.values().filter(|approved| **approved).count();
        let rejected = state.decisions.len() - approved;
        Ok(Decisions { open: state.proposals.len() - approved - rejected, approved, rejected })
    }

    async fn apply(&self, _: &Name) -> Result<usize, BoxError> {
        let mut state = self.state();
        if state.decisions.len() < state.proposals.len() {
            state.violations.push("applied while people were deciding".to_owned());
        }
        let approved: Vec<_> = state
            .decisions
            .iter()
            .filter(|(_, approved)| **approved)
            .map(|(name, _)| *name)
            .collect();
        for proposal in &approved {
            state.changed.entry(proposal).or_insert(1);
        }
        Ok(approved.len())
    }
}

/// The fake workspace, with the workers as functions that the service invokes.
#[derive(Debug)]
pub(crate) struct Invoking(Arc<FakeWorkspace>, Functions);

impl Invoking {
    pub(crate) fn new(fake: &Arc<FakeWorkspace>) -> Invoking {
        Invoking::without(fake, "")
    }

    /// One role has no function.
    pub(crate) fn without(fake: &Arc<FakeWorkspace>, role: &str) -> Invoking {
        let mut functions: BTreeMap<_, _> = ["security", "style", "infrastructure", "remediation"]
            .map(|agent| (format!("{agent}-role"), format!("{agent}-function")))
            .into();
        functions.remove(role);
        Invoking(Arc::clone(fake), Functions::parse(&json!(functions).to_string()).unwrap())
    }
}

impl Effects for Invoking {
    async fn stage(&self, request: &Request) -> Result<u64, BoxError> {
        self.0.stage(request).await
    }

    fn team(&self, run: &Name) -> Vec<Agent> {
        self.0.team(run)
    }

    async fn ask(
        &self,
        context: &DurableContext,
        name: String,
        agent: &Agent,
        event: Value,
    ) -> Result<Value, BoxError> {
        self.1.ask(context, name, agent, event).await
    }

    async fn findings(&self, run: &Name) -> Result<Option<String>, BoxError> {
        self.0.findings(run).await
    }

    async fn merge(&self, run: &Name, outcomes: &[Outcome]) -> Result<Totals, BoxError> {
        self.0.merge(run, outcomes).await
    }

    async fn publish(&self, run: &Name, waiting: &Waiting) -> Result<(), BoxError> {
        self.0.publish(run, waiting).await
    }

    async fn decisions(&self, run: &Name) -> Result<Decisions, BoxError> {
        self.0.decisions(run).await
    }

    async fn apply(&self, run: &Name) -> Result<usize, BoxError> {
        self.0.apply(run).await
    }
}

/// A worker's answer, with as many last words as a model may have.
fn summary(agent: &str, ending: &str, reason: &str) -> Value {
    json!({
        "run": "monday", "agent": agent, "ending": ending, "reason": reason, "turns": 3, "tool_calls": 5,
        "tool_errors": 1, "usage": {"input_tokens": 100, "output_tokens": 10}, "text": "x".repeat(30_000),
    })
}

/// An agent's name without the digest of the findings that it is for.
pub(crate) fn short(name: &str) -> &str {
    name.split('-').next().unwrap_or(name)
}
