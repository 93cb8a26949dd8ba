//! How far a run may go.

use clap::Args;

use crate::budget::{Budget, Prices};

/// Limits of a run, of an answer and of a call.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits of a run")]
pub struct LimitOptions {
    /// Answers of the model
    #[arg(long, env = "BEDROCK_AGENT_MAX_TURNS", value_name = "N", default_value_t = 50)]
    pub max_turns: u32,
    /// Tokens sent and made, over all turns
    #[arg(long, env = "BEDROCK_AGENT_MAX_TOKENS", value_name = "N", default_value_t = 2_000_000)]
    pub max_tokens: u64,
    /// US dollars; needs the prices
    #[arg(long, env = "BEDROCK_AGENT_MAX_USD", value_name = "USD", value_parser = amount, requires = "price_input")]
    pub max_usd: Option<f64>,
    /// US dollars for 1,000 tokens sent
    #[arg(long, env = "BEDROCK_AGENT_PRICE_INPUT", value_name = "USD", value_parser = amount, requires = "price_output")]
    pub price_input: Option<f64>,
    /// US dollars for 1,000 tokens made
    #[arg(long, env = "BEDROCK_AGENT_PRICE_OUTPUT", value_name = "USD", value_parser = amount, requires = "price_input")]
    pub price_output: Option<f64>,
    /// Seconds of this invocation; then the run pauses, and the same command goes on
    #[arg(long, value_name = "SECONDS")]
    pub max_seconds: Option<u64>,
    /// Tokens of one answer
    #[arg(long, env = "BEDROCK_AGENT_MAX_OUTPUT_TOKENS", value_name = "N", default_value_t = 8192,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_output_tokens: u32,
    /// Seconds for one answer
    #[arg(long, value_name = "SECONDS", default_value_t = 300,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub answer_seconds: u64,
    /// Attempts at one answer, when Bedrock is throttled or fails
    #[arg(long, value_name = "N", default_value_t = 8,
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub max_attempts: u32,
    /// The longest wait after the first failed attempt, in milliseconds; it doubles each time
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    pub first_wait_ms: u64,
    /// Seconds that one tool call may take
    #[arg(long, value_name = "SECONDS", env = "MCP_WORKSPACE_TIMEOUT", default_value_t = 60,
          value_parser = clap::value_parser!(u64).range(1..=900))]
    pub timeout: u64,
}

impl LimitOptions {
    /// The budget of a run.
    pub fn budget(&self) -> Budget {
        let prices = self.price_input.zip(self.price_output);
        Budget {
            turns: self.max_turns,
            tokens: self.max_tokens,
            usd: self.max_usd,
            prices: prices.map(|(input, output)| Prices { input, output }),
        }
    }
}

fn amount(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(amount) if amount.is_finite() && amount >= 0.0 => Ok(amount),
        _ => Err(format!("`{text}` is no amount of money")),
    }
}
