//! Keeps the conversation within the model's window: something gives way before the service has to
//! refuse, and if it refuses all the same, then more does.

use tokio_util::sync::CancellationToken;

use super::Worker;
use super::asking::Asked;
use crate::context;
use crate::conversation::{Block, Message, Speaker, ToolResult};
use crate::model::Model;
use crate::steps::Event;
use crate::summary::Ending;

/// What the model is asked when only a summary makes room.
const SUM_UP: &str = "This conversation is nearly as long as it can be. Before it goes on, \
    everything between the task and the last results is taken out of it. Write now what you need \
    to go on without it: what you did, what you found and where (paths and lines), what you have \
    recorded already, and what is still to do. Call no tool: only this text is kept.";
/// Bytes of what the model said last, where it gives no summary.
const LAST_WORDS: usize = 8000;
/// Tokens of 1,000 bytes: before anything was counted, and the least and most that are believed.
const USUAL_TOKENS: u64 = 300;
const FEWEST_TOKENS: u64 = 200;
const MOST_TOKENS: u64 = 500;

/// What came of making room.
pub(super) enum Room {
    Made,
    /// Nothing is left that could give way.
    None,
    Pause(String),
}

impl Worker {
    /// Whether the next request is longer than it should be: over four fifths of the window, or
    /// with no room for the answer.
    pub(super) fn is_too_long(&self) -> bool {
        self.tokens() > self.most()
    }

    /// Notes that the service refused the conversation as too long: the window is smaller than it
    /// was taken for.
    pub(super) fn was_refused(&mut self) {
        self.window = self.window.min(self.tokens() * 9 / 10).max(1);
    }

    /// Makes room for the next answer, if anything can give way.
    pub(super) async fn make_room(
        &mut self,
        model: &impl Model,
        interrupted: &CancellationToken,
    ) -> anyhow::Result<Room> {
        let messages = self.course.conversation.messages();
        if let Some(before) = context::giving_way(messages, self.bytes(self.beyond_half(0))) {
            self.progress.line("makes room: old results are taken out");
            self.record(Event::Elide { before })?;
            return Ok(Room::Made);
        }
        if context::has_history(messages) {
            self.progress.line("makes room: sums up what was done");
            return self.sum_up(model, interrupted).await;
        }
        if let Some(room) = context::half_of_current(self.course.conversation.messages_mut()) {
            self.progress.line("makes room: the last results are cut");
            self.record(Event::Fit { room })?;
            return Ok(Room::Made);
        }
        Ok(Room::None)
    }

    /// Records results. Old ones give way to them, and then they are cut to what fits.
    pub(super) fn take_results(&mut self, results: Vec<ToolResult>) -> anyhow::Result<()> {
        let bytes: usize = results.iter().map(context::bytes_of).sum();
        let more = self.tokens_of(bytes);
        if self.tokens() + more > self.most() {
            let wanted = self.bytes(self.beyond_half(more));
            let messages = self.course.conversation.messages();
            if let Some(before) = context::giving_way(messages, wanted) {
                self.progress.line("makes room: old results are taken out");
                self.record(Event::Elide { before })?;
            }
        }
        let room = self.bytes(self.most().saturating_sub(self.tokens()).max(self.window / 20));
        let room = (bytes > room).then_some(room);
        if room.is_some() {
            self.progress.line("the results are cut to fit; the rest can be recalled");
        }
        self.record(Event::Results { results, room })
    }

    async fn sum_up(
        &mut self,
        model: &impl Model,
        interrupted: &CancellationToken,
    ) -> anyhow::Result<Room> {
        let mut messages = self.course.conversation.messages().to_vec();
        let ask = Block::Text(SUM_UP.to_owned());
        match messages.last_mut() {
            Some(last) if last.role == Speaker::User => last.content.push(ask),
            _ => messages.push(Message { role: Speaker::User, content: vec![ask] }),
        }
        let asked = self.ask(model, &self.question_of(&messages), interrupted).await;
        let event = match asked {
            Asked::Answer(reply, attempts) => {
                let texts = reply.content.into_iter().filter_map(|block| match block {
                    Block::Text(text) => Some(text),
                    _ => None,
                });
                let text = texts.collect::<Vec<_>>().join("\n");
                let text = if text.trim().is_empty() { self.last_words() } else { text };
                let (usage, latency_ms) = (Some(reply.usage), reply.latency_ms);
                Event::Summary { text, usage, attempts, latency_ms }
            }
            // Even that is too much for it.
            Asked::TooLong => {
                let text = self.last_words();
                Event::Summary { text, usage: None, attempts: 1, latency_ms: 0 }
            }
            Asked::NoCache(reason) => {
                self.without_cache(reason)?;
                return Ok(Room::Made);
            }
            Asked::Failed(reason, passing) => {
                self.passing = passing;
                Event::End { ending: Ending::Failed, reason }
            }
            Asked::Pause(reason) => return Ok(Room::Pause(reason)),
        };
        self.record(event)?;
        Ok(Room::Made)
    }

    /// Goes on without cache points, which the model does not take; without them, that is no
    /// reason to fail.
    pub(super) fn without_cache(&mut self, reason: String) -> anyhow::Result<()> {
        if self.orders.caching.take().is_none() {
            return self.record(Event::End { ending: Ending::Failed, reason });
        }
        self.progress.line(&format!("goes on without a cache: {reason}"));
        Ok(())
    }

    fn last_words(&self) -> String {
        let words = context::last_words(self.course.conversation.messages(), LAST_WORDS);
        if words.trim().is_empty() { "(There is no summary.)".to_owned() } else { words }
    }

    /// Tokens beyond half of the window, with so many more.
    fn beyond_half(&self, more: u64) -> u64 {
        (self.tokens() + more).saturating_sub(self.window / 2)
    }

    /// Tokens of the next request.
    fn tokens(&self) -> u64 {
        let bytes = context::bytes(self.course.conversation.messages());
        self.tokens_of(self.overhead + bytes)
    }

    /// Most tokens of a request.
    fn most(&self) -> u64 {
        let answer = u64::from(self.orders.max_output_tokens).min(self.window / 4);
        (self.window * 4 / 5).min(self.window.saturating_sub(answer)).max(1)
    }

    fn tokens_of(&self, bytes: usize) -> u64 {
        u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(self.rate()) / 1000
    }

    fn bytes(&self, tokens: u64) -> usize {
        usize::try_from(tokens.saturating_mul(1000) / self.rate()).unwrap_or(usize::MAX)
    }

    /// Tokens of 1,000 bytes, as the service counted them last.
    fn rate(&self) -> u64 {
        let counted = self.course.sent.and_then(|(tokens, bytes)| {
            let bytes = u64::try_from(self.overhead + bytes).ok()?;
            tokens.checked_mul(1000)?.checked_div(bytes)
        });
        counted.unwrap_or(USUAL_TOKENS).clamp(FEWEST_TOKENS, MOST_TOKENS)
    }
}
