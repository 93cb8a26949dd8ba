//! The loop: ask the model, run its tools, record each step, until it is done, a limit is
//! reached, or time is up.

use std::time::{Duration, Instant};

use anyhow::bail;
use tokio_util::sync::CancellationToken;

use crate::backoff;
use crate::bedrock::{Bedrock, Failure, Question, Reply};
use crate::budget::Budget;
use crate::journal::Journal;
use crate::progress::Progress;
use crate::steps::{Course, Event, Next};
use crate::summary::{Ending, Summary};
use crate::task::system_prompt;
use crate::tool_calls::{ToolRunner, Unreachable};
use mcp_workspace_tools::name::Name;

/// What a worker is to do, and how far it may go.
pub(crate) struct Orders {
    pub role: Name,
    pub agent: Name,
    pub run: Name,
    pub task: String,
    pub model: String,
    pub budget: Budget,
    /// When this invocation must have ended.
    pub until: Option<Instant>,
    pub max_output_tokens: u32,
    /// Time for one answer of the model.
    pub answer_time: Duration,
    /// Attempts at one answer.
    pub attempts: u32,
    /// The longest wait after the first failed attempt.
    pub first_wait: Duration,
}

/// One agent at work.
pub struct Worker {
    orders: Orders,
    system: String,
    tools: Vec<serde_json::Value>,
    runner: ToolRunner,
    journal: Journal,
    course: Course,
    progress: Progress,
    began: Instant,
}

/// What came of asking.
enum Asked {
    Answer(Reply, u32),
    TooLong,
    Failed(String),
    Pause(&'static str),
}

impl Worker {
    /// A worker at the place where the journal ends.
    ///
    /// # Errors
    /// When policy grants the role no tools, or the journal is that of another task.
    pub(crate) fn new(
        orders: Orders,
        runner: ToolRunner,
        journal: Journal,
        events: &[Event],
        progress: Progress,
    ) -> anyhow::Result<Worker> {
        let tools = runner.tools();
        if tools.is_empty() {
            bail!("{}", runner.without_tools());
        }
        for line in runner.left_out() {
            progress.line(line);
            tracing::warn!("{line}");
        }
        let mut course = Course::default();
        for event in events {
            course.apply(event);
        }
        if let Some(Event::Begin { caller, task, .. }) = events.first()
            && (caller != runner.caller() || *task != orders.task)
        {
            bail!(
                "the run `{}` of agent `{}` has begun with another task or role, see `{}`; give \
                 this one another --run",
                orders.run,
                orders.agent,
                journal.directory()
            );
        }
        let system = system_prompt(&orders.role, &orders.run);
        let began = Instant::now();
        Ok(Worker { orders, system, tools, runner, journal, course, progress, began })
    }

    /// The next request as JSON, which is the first one of a new run.
    ///
    /// # Errors
    /// Never in practice: the types are those of JSON.
    pub fn next_request(&mut self) -> anyhow::Result<String> {
        if !self.has_begun() {
            let begin = self.begin();
            self.course.apply(&begin);
        }
        Ok(serde_json::to_string_pretty(&self.question())?)
    }

    /// Works until the run ends or pauses.
    ///
    /// # Errors
    /// When a step cannot be recorded; whatever is recorded stays.
    pub async fn run(
        self,
        bedrock: &Bedrock,
        interrupted: CancellationToken,
    ) -> anyhow::Result<Summary> {
        let runner = self.runner.clone();
        let summary = self.work(bedrock, interrupted).await;
        runner.close().await;
        summary
    }

    async fn work(
        mut self,
        bedrock: &Bedrock,
        interrupted: CancellationToken,
    ) -> anyhow::Result<Summary> {
        if let Some((ending, reason)) = self.course.ended.clone()
            && !ending.can_go_on()
        {
            self.progress.line("this run has ended before; nothing is left to do");
            return self.conclude(ending, reason);
        }
        let first = if self.has_begun() {
            self.progress.line(&format!("goes on after {} turns", self.course.turns));
            Event::Resume { model: self.orders.model.clone() }
        } else {
            self.begin()
        };
        self.record(first)?;
        loop {
            match self.course.next() {
                Next::End(ending, reason) => {
                    if self.course.ended.is_none() {
                        self.record(Event::End { ending, reason: reason.clone() })?;
                    }
                    return self.conclude(ending, reason);
                }
                Next::Remark(text) => self.record(Event::Remark { text })?,
                Next::Shorten => {
                    self.progress.line("the conversation is too long: old results are taken out");
                    self.record(Event::Shorten)?;
                }
                Next::RunTools => {
                    let images = self.course.conversation.images();
                    let calls = std::mem::take(&mut self.course.pending);
                    let running = self.runner.run(&calls, images, self.orders.until);
                    let results = tokio::select! {
                        results = running => results,
                        () = interrupted.cancelled() => return self.pause("interrupted"),
                    };
                    if self.is_late() {
                        // Their deadline was ours: what they say may be that they ran out of time.
                        return self.pause("out of time (--max-seconds)");
                    }
                    let results = match results {
                        Ok(results) => results,
                        Err(Unreachable(reason)) => {
                            self.record(Event::End { ending: Ending::Failed, reason })?;
                            continue;
                        }
                    };
                    self.progress.calls(&calls, &results);
                    self.record(Event::Results { results })?;
                }
                Next::Ask => {
                    let (turns, usage) = (self.course.turns, self.course.usage);
                    if let Some(limit) = self.orders.budget.exhausted(turns, usage) {
                        let reason = format!("the run has used up its {limit}");
                        self.record(Event::End { ending: Ending::Budget, reason })?;
                        continue;
                    }
                    match self.ask(bedrock, &interrupted).await {
                        Asked::Answer(reply, attempts) => self.take(reply, attempts)?,
                        Asked::TooLong => self.course.too_long(),
                        Asked::Failed(reason) => {
                            self.record(Event::End { ending: Ending::Failed, reason })?;
                        }
                        Asked::Pause(reason) => return self.pause(reason),
                    }
                }
            }
        }
    }

    /// Asks until there is an answer, or no use in asking.
    async fn ask(&self, bedrock: &Bedrock, interrupted: &CancellationToken) -> Asked {
        let question = self.question();
        let mut failed = 0;
        loop {
            let time = self.time_left().unwrap_or(self.orders.answer_time);
            if time.is_zero() {
                return Asked::Pause("out of time (--max-seconds)");
            }
            let time = time.min(self.orders.answer_time);
            let answer = tokio::select! {
                answer = tokio::time::timeout(time, bedrock.converse(&question)) => answer,
                () = interrupted.cancelled() => return Asked::Pause("interrupted"),
            };
            let reason = match answer {
                Ok(Ok(reply)) => return Asked::Answer(reply, failed + 1),
                Ok(Err(Failure::TooLong(_))) => return Asked::TooLong,
                Ok(Err(Failure::Lasting(reason))) => return Asked::Failed(reason),
                Ok(Err(Failure::Transient(reason))) => reason,
                Err(_) => format!("no answer within {} seconds", time.as_secs()),
            };
            if self.is_late() {
                return Asked::Pause("out of time (--max-seconds)");
            }
            failed += 1;
            if failed >= self.orders.attempts {
                return Asked::Failed(format!("gave up after {failed} attempts: {reason}"));
            }
            let wait = backoff::wait(self.orders.first_wait, failed);
            if self.time_left().is_some_and(|left| wait >= left) {
                return Asked::Pause("out of time (--max-seconds)");
            }
            self.progress.line(&format!("waits {:.1} s: {reason}", wait.as_secs_f64()));
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = interrupted.cancelled() => return Asked::Pause("interrupted"),
            }
        }
    }

    fn take(&mut self, reply: Reply, attempts: u32) -> anyhow::Result<()> {
        self.record(Event::Answer {
            content: reply.content,
            stop_reason: reply.stop_reason,
            usage: reply.usage,
            attempts,
            latency_ms: reply.latency_ms,
        })?;
        let tokens = self.course.usage.total();
        let cost = self.orders.budget.cost(self.course.usage);
        let cost = cost.map_or_else(String::new, |usd| format!(", {usd:.4} USD"));
        self.progress.line(&format!("turn {}: {tokens} tokens{cost}", self.course.turns));
        Ok(())
    }

    fn pause(mut self, reason: &str) -> anyhow::Result<Summary> {
        self.record(Event::Pause { reason: reason.to_owned() })?;
        self.conclude(Ending::Paused, reason.to_owned())
    }

    fn conclude(self, ending: Ending, reason: String) -> anyhow::Result<Summary> {
        self.progress.line(&reason);
        let summary = Summary {
            run: self.orders.run.to_string(),
            agent: self.orders.agent.to_string(),
            caller: self.runner.caller().to_owned(),
            model: self.orders.model,
            ending,
            reason,
            turns: self.course.turns,
            tool_calls: self.course.tool_calls,
            tool_errors: self.course.tool_errors,
            usage: self.course.usage,
            cost_usd: self.orders.budget.cost(self.course.usage),
            seconds: self.began.elapsed().as_secs_f64(),
            directory: self.journal.directory().to_owned(),
            text: self.course.text,
        };
        tokio::task::block_in_place(|| self.journal.conclude(&summary))?;
        Ok(summary)
    }

    /// Writes the step down, then counts it.
    fn record(&mut self, event: Event) -> anyhow::Result<()> {
        tokio::task::block_in_place(|| self.journal.append(&event))?;
        self.course.apply(&event);
        Ok(())
    }

    fn question(&self) -> Question<'_> {
        Question::new(
            &self.orders.model,
            &self.system,
            self.course.conversation.messages(),
            &self.tools,
            self.orders.max_output_tokens,
        )
    }

    fn has_begun(&self) -> bool {
        !self.course.conversation.messages().is_empty()
    }

    fn begin(&self) -> Event {
        Event::Begin {
            run: self.orders.run.to_string(),
            agent: self.orders.agent.to_string(),
            caller: self.runner.caller().to_owned(),
            model: self.orders.model.clone(),
            task: self.orders.task.clone(),
        }
    }

    fn time_left(&self) -> Option<Duration> {
        self.orders.until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    fn is_late(&self) -> bool {
        self.time_left().is_some_and(|left| left.is_zero())
    }
}
