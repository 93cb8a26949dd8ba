//! The loop: ask the model, run its tools, record each step, until it is done, a limit is
//! reached, or time is up.

mod asking;
mod room;

use std::time::{Duration, Instant};

use anyhow::bail;
use tokio_util::sync::CancellationToken;

use crate::budget::Budget;
use crate::caching::Caching;
use crate::conversation::{Message, ToolResult, ToolUse};
use crate::journal::Journal;
use crate::model::{Model, Reply};
use crate::progress::Progress;
use crate::question::{Asking, Instructions, Question, Tuning};
use crate::recall;
use crate::steps::{Course, Event, Next};
use crate::summary::{Ending, Summary};
use crate::task::instructions;
use crate::tool_calls::{ToolRunner, Unreachable};
use asking::{Asked, INTERRUPTED, OUT_OF_TIME};
use mcp_workspace_tools::name::Name;
use room::Room;

/// What a worker is to do, and how far it may go.
pub(crate) struct Orders {
    pub role: Name,
    pub agent: Name,
    pub run: Name,
    pub task: String,
    pub model: String,
    /// What a request has besides the conversation.
    pub tuning: Tuning,
    /// How prompts are cached, if they are.
    pub caching: Option<Caching>,
    pub budget: Budget,
    /// When this invocation must have ended.
    pub until: Option<Instant>,
    pub max_output_tokens: u32,
    /// Tokens that the model takes.
    pub window: u32,
    /// Time for one answer of the model.
    pub answer_time: Duration,
    /// Attempts at one answer, when the service fails.
    pub attempts: u32,
    /// How long to ask a service that is busy, where no time is set.
    pub patience: Duration,
    /// The longest wait after the first failed attempt.
    pub first_wait: Duration,
}

/// One agent at work.
pub struct Worker {
    orders: Orders,
    instructions: Instructions,
    tools: Vec<serde_json::Value>,
    runner: ToolRunner,
    journal: Journal,
    course: Course,
    /// Tokens that the model takes, as far as is known.
    window: u64,
    /// Bytes of tools and instructions.
    overhead: usize,
    /// Whether the run has stopped for a reason that may pass by itself.
    passing: bool,
    progress: Progress,
    began: Instant,
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
        let mut tools = runner.tools();
        if tools.is_empty() {
            bail!("{}", runner.without_tools());
        }
        for line in runner.left_out() {
            progress.line(line);
            tracing::warn!("{line}");
        }
        tools.push(recall::tool());
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
        let instructions = instructions(&orders.role, &orders.run);
        let began = Instant::now();
        let window = u64::from(orders.window);
        let overhead = instructions.shared.len()
            + instructions.own.len()
            + tools.iter().map(|tool| tool.to_string().len()).sum::<usize>();
        Ok(Worker {
            orders,
            instructions,
            tools,
            runner,
            journal,
            course,
            window,
            overhead,
            passing: false,
            progress,
            began,
        })
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
        #[derive(serde::Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Shown<'a> {
            model_id: &'a str,
            #[serde(flatten)]
            question: Question<'a>,
        }
        let shown = Shown { model_id: &self.orders.model, question: self.question() };
        Ok(serde_json::to_string_pretty(&shown)?)
    }

    /// Works until the run ends or pauses.
    ///
    /// # Errors
    /// When a step cannot be recorded; whatever is recorded stays.
    pub async fn run(
        self,
        model: &impl Model,
        interrupted: CancellationToken,
    ) -> anyhow::Result<Summary> {
        let runner = self.runner.clone();
        let summary = self.work(model, interrupted).await;
        runner.close().await;
        summary
    }

    async fn work(
        mut self,
        model: &impl Model,
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
                Next::Compact => {
                    self.was_refused();
                    match self.make_room(model, &interrupted).await? {
                        Room::Made => {}
                        Room::Pause(reason) => return self.pause(&reason),
                        Room::None => {
                            let reason = "the conversation does not fit the model's context \
                                          window; a model that takes more goes on with it"
                                .to_owned();
                            self.record(Event::End { ending: Ending::TooLong, reason })?;
                        }
                    }
                }
                Next::RunTools => {
                    let calls = std::mem::take(&mut self.course.pending);
                    let results = tokio::select! {
                        results = self.run_tools(&calls) => results,
                        () = interrupted.cancelled() => return self.pause(INTERRUPTED),
                    };
                    if self.is_late() {
                        // Their deadline was ours: what they say may be that they ran out of time.
                        return self.pause(OUT_OF_TIME);
                    }
                    let results = match results {
                        Ok(results) => results,
                        Err(Unreachable(reason)) => {
                            self.passing = true;
                            self.record(Event::End { ending: Ending::Failed, reason })?;
                            continue;
                        }
                    };
                    self.progress.calls(&calls, &results);
                    self.take_results(results)?;
                }
                Next::Ask => {
                    let (turns, usage) = (self.course.turns, self.course.usage);
                    if let Some(limit) = self.orders.budget.exhausted(turns, usage) {
                        let reason = format!("the run has used up its {limit}");
                        self.record(Event::End { ending: Ending::Budget, reason })?;
                        continue;
                    }
                    if self.is_too_long() {
                        match self.make_room(model, &interrupted).await? {
                            Room::Made => continue,
                            Room::Pause(reason) => return self.pause(&reason),
                            // The service may still take it.
                            Room::None => {}
                        }
                    }
                    let asked = self.ask(model, &self.question(), &interrupted).await;
                    match asked {
                        Asked::Answer(reply, attempts) => self.take(reply, attempts)?,
                        Asked::TooLong => self.course.too_long(),
                        Asked::NoCache(reason) => self.without_cache(reason)?,
                        Asked::Failed(reason, passing) => {
                            self.passing = passing;
                            self.record(Event::End { ending: Ending::Failed, reason })?;
                        }
                        Asked::Pause(reason) => return self.pause(&reason),
                    }
                }
            }
        }
    }

    /// Runs the calls of an answer: those that only look into the journal here.
    async fn run_tools(&self, calls: &[ToolUse]) -> Result<Vec<ToolResult>, Unreachable> {
        let others: Vec<ToolUse> =
            calls.iter().filter(|call| !recall::is_recall(call)).cloned().collect();
        let images = self.course.conversation.images();
        let made = self.runner.run(&others, images, self.orders.until).await?;
        let mut made = made.into_iter();
        let in_order = calls.iter().filter_map(|call| match recall::is_recall(call) {
            true => Some(recall::answer(call, &self.course.results)),
            false => made.next(),
        });
        Ok(in_order.collect())
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
        self.passing = true;
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
            passing: self.passing,
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
        let event = tokio::task::block_in_place(|| self.journal.append(&event))?;
        self.course.apply(&event);
        Ok(())
    }

    fn question(&self) -> Question<'_> {
        self.question_of(self.course.conversation.messages())
    }

    fn question_of<'a>(&'a self, messages: &'a [Message]) -> Question<'a> {
        Question::new(&Asking {
            model_id: &self.orders.model,
            tools: &self.tools,
            instructions: &self.instructions,
            messages,
            caching: self.orders.caching,
            max_tokens: self.orders.max_output_tokens,
            tuning: &self.orders.tuning,
            is_first: self.course.turns == 0,
        })
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
