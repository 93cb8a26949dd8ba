//! What a run may cost, and what it has cost so far.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Tokens as the service has counted them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens sent, without those of the cache.
    pub input_tokens: u64,
    /// Tokens that the model made.
    pub output_tokens: u64,
    /// Tokens sent that came from the prompt cache.
    #[serde(default)]
    pub cache_read_tokens: u64,
    /// Tokens sent that went into the prompt cache.
    #[serde(default)]
    pub cache_write_tokens: u64,
}

impl Usage {
    /// All of them.
    pub fn total(self) -> u64 {
        self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens
    }

    /// Adds those of one more answer.
    pub fn add(&mut self, other: Usage) {
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cache_read_tokens += other.cache_read_tokens;
        self.cache_write_tokens += other.cache_write_tokens;
    }
}

/// US dollars for 1,000 tokens. They differ by model, region and contract, so the operator
/// gives them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Prices {
    /// For tokens sent, those of the cache included: caches cost less to read, so this errs on
    /// the safe side for most models.
    pub input: f64,
    /// For tokens made.
    pub output: f64,
}

impl Prices {
    /// What these tokens cost.
    pub(crate) fn cost(self, usage: Usage) -> f64 {
        let sent = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens;
        // Counts stay far below 2^52.
        #[expect(clippy::cast_precision_loss, reason = "a sum of money to a fraction of a cent")]
        let thousands = |tokens: u64| tokens as f64 / 1000.0;
        thousands(sent) * self.input + thousands(usage.output_tokens) * self.output
    }
}

/// The limits of a run. Time is not among them: a run that is out of time goes on later.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub turns: u32,
    pub tokens: u64,
    pub usd: Option<f64>,
    pub prices: Option<Prices>,
}

/// The limit that a run has reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Exhausted {
    Turns(u32),
    Tokens(u64),
    Usd(f64),
}

impl fmt::Display for Exhausted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exhausted::Turns(most) => write!(f, "{most} turns (--max-turns)"),
            Exhausted::Tokens(most) => write!(f, "{most} tokens (--max-tokens)"),
            Exhausted::Usd(most) => write!(f, "{most} USD (--max-usd)"),
        }
    }
}

impl Budget {
    /// The limit that forbids one more turn.
    pub(crate) fn exhausted(&self, turns: u32, usage: Usage) -> Option<Exhausted> {
        if turns >= self.turns {
            return Some(Exhausted::Turns(self.turns));
        }
        if usage.total() >= self.tokens {
            return Some(Exhausted::Tokens(self.tokens));
        }
        let most = self.usd?;
        (self.cost(usage)? >= most).then_some(Exhausted::Usd(most))
    }

    /// What the tokens cost, where prices are known.
    pub(crate) fn cost(&self, usage: Usage) -> Option<f64> {
        self.prices.map(|prices| prices.cost(usage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_ends_a_run() {
        let usage = Usage { input_tokens: 2000, output_tokens: 500, ..Usage::default() };
        let prices = Some(Prices { input: 0.003, output: 0.015 });
        let budget = Budget { turns: 5, tokens: 10_000, usd: Some(1.0), prices };
        assert_eq!(budget.exhausted(4, usage), None);
        assert_eq!(budget.exhausted(5, usage), Some(Exhausted::Turns(5)));
        let fewer = Budget { tokens: 2500, ..budget };
        assert_eq!(fewer.exhausted(4, usage), Some(Exhausted::Tokens(2500)));
        let cheaper = Budget { usd: Some(0.013), ..budget };
        assert_eq!(cheaper.exhausted(4, usage), Some(Exhausted::Usd(0.013)));
    }
}
