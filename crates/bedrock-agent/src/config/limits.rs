//! How far a run may go, how patient it is and what it costs.

use std::time::{Duration, Instant};

use clap::Args;
use mcp_workspace_tools::name::Name;

use super::RESERVE;
use super::tuning::TuningOptions;
use crate::budget::{Budget, Prices};
use crate::caching::{CacheMode, CacheWeights};
use crate::models::ModelFacts;
use crate::worker::Orders;

/// How far a run may go.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits of a run")]
pub struct LimitOptions {
    /// Answers of the model
    #[arg(long, env = "BEDROCK_AGENT_MAX_TURNS", value_name = "N", default_value_t = 50)]
    max_turns: u32,
    /// Tokens sent and made, over all turns; those of the prompt cache count as what they cost
    #[arg(long, env = "BEDROCK_AGENT_MAX_TOKENS", value_name = "N", default_value_t = 2_000_000)]
    max_tokens: u64,
    /// US dollars; needs the prices
    #[arg(long, env = "BEDROCK_AGENT_MAX_USD", value_name = "USD", value_parser = amount, requires = "price_input")]
    max_usd: Option<f64>,
    /// US dollars for 1,000 tokens sent
    #[arg(long, env = "BEDROCK_AGENT_PRICE_INPUT", value_name = "USD", value_parser = amount, requires = "price_output")]
    price_input: Option<f64>,
    /// US dollars for 1,000 tokens made
    #[arg(long, env = "BEDROCK_AGENT_PRICE_OUTPUT", value_name = "USD", value_parser = amount, requires = "price_input")]
    price_output: Option<f64>,
    /// US dollars for 1,000 tokens read from the prompt cache [default: a part of --price-input that the model's family has]
    #[arg(long, env = "BEDROCK_AGENT_PRICE_CACHE_READ", value_name = "USD", value_parser = amount, requires = "price_input")]
    price_cache_read: Option<f64>,
    /// US dollars for 1,000 tokens written to the prompt cache [default: likewise]
    #[arg(long, env = "BEDROCK_AGENT_PRICE_CACHE_WRITE", value_name = "USD", value_parser = amount, requires = "price_input")]
    price_cache_write: Option<f64>,
    /// Whether prompts are cached, and for how long
    #[arg(long, env = "BEDROCK_AGENT_CACHE", value_enum, default_value_t = CacheMode::Auto)]
    cache: CacheMode,
    /// Seconds of this invocation; then the run pauses, and the same command goes on
    #[arg(long, value_name = "SECONDS")]
    pub(super) max_seconds: Option<u64>,
    /// Tokens of one answer
    #[arg(long, env = "BEDROCK_AGENT_MAX_OUTPUT_TOKENS", value_name = "N", default_value_t = 8192,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_output_tokens: u32,
    /// Tokens of a conversation with its answer; old results give way before it is so long [default: as is known of the model, or 128,000]
    #[arg(long, env = "BEDROCK_AGENT_CONTEXT_TOKENS", value_name = "N",
          value_parser = clap::value_parser!(u32).range(1000..=100_000_000))]
    context_tokens: Option<u32>,
    /// Seconds for one answer
    #[arg(long, env = "BEDROCK_AGENT_ANSWER_SECONDS", value_name = "SECONDS", default_value_t = 300,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    answer_seconds: u64,
    /// Seconds to ask a service that throttles or is overloaded, where no time is set (--max-seconds, or Lambda's); then the run pauses
    #[arg(
        long,
        env = "BEDROCK_AGENT_BUSY_SECONDS",
        value_name = "SECONDS",
        default_value_t = 3600
    )]
    busy_seconds: u64,
    /// Attempts at one answer, when Bedrock fails
    #[arg(long, env = "BEDROCK_AGENT_MAX_ATTEMPTS", value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) max_attempts: u32,
    /// The longest wait after the first failed attempt, in milliseconds; it doubles each time
    #[arg(long, env = "BEDROCK_AGENT_FIRST_WAIT_MS", value_name = "MS", default_value_t = 1000)]
    pub(super) first_wait_ms: u64,
    /// Seconds that one tool call may take
    #[arg(long, value_name = "SECONDS", env = "MCP_WORKSPACE_TIMEOUT", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=900))]
    pub(super) timeout: u64,
    #[command(flatten)]
    tuning: TuningOptions,
}

impl LimitOptions {
    /// What a worker with these limits is to do.
    ///
    /// # Errors
    /// When options do not go together, or not with this model.
    pub(crate) fn orders(
        &self,
        role: Name,
        agent: Name,
        run: Name,
        task: String,
        model: &str,
    ) -> anyhow::Result<Orders> {
        let window = self.context_tokens.unwrap_or_else(|| ModelFacts::of(model).window);
        let max_output_tokens = self.max_output_tokens.min((window / 4).max(1));
        let who = [("run", run.as_str()), ("agent", agent.as_str()), ("role", role.as_str())];
        let tuning = self.tuning.tuning(model, max_output_tokens, who)?;
        Ok(Orders {
            role,
            agent,
            run,
            task,
            model: model.to_owned(),
            caching: self.cache.caching(model),
            budget: self.budget(model),
            until: self.max_seconds.map(|seconds| {
                let time = Duration::from_secs(seconds);
                Instant::now() + time.saturating_sub(RESERVE.min(time / 4))
            }),
            max_output_tokens,
            tuning,
            window,
            answer_time: Duration::from_secs(self.answer_seconds),
            attempts: self.max_attempts,
            patience: Duration::from_secs(self.busy_seconds),
            first_wait: Duration::from_millis(self.first_wait_ms),
        })
    }

    /// Time for one tool call.
    pub(crate) fn time_for_a_call(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    fn budget(&self, model: &str) -> Budget {
        let known = self.cache.weights(model);
        let weight = |price: Option<f64>, known: f64| match (price, self.price_input) {
            (Some(price), Some(input)) if input > 0.0 => price / input,
            _ => known,
        };
        let weights = CacheWeights {
            read: weight(self.price_cache_read, known.read),
            write: weight(self.price_cache_write, known.write),
        };
        let prices = self.price_input.zip(self.price_output).map(|(input, output)| Prices {
            input,
            output,
            cache_read: self.price_cache_read.unwrap_or(input * known.read),
            cache_write: self.price_cache_write.unwrap_or(input * known.write),
        });
        Budget {
            turns: self.max_turns,
            tokens: self.max_tokens,
            weights,
            usd: self.max_usd,
            prices,
        }
    }
}

fn amount(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(amount) if amount.is_finite() && amount >= 0.0 => Ok(amount),
        _ => Err(format!("`{text}` is no amount of money")),
    }
}
