//! What a run may cost, and what it has cost so far.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::caching::CacheWeights;

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
    /// For tokens sent that have nothing to do with the cache.
    pub input: f64,
    /// For tokens made.
    pub output: f64,
    /// For tokens read from the cache.
    pub cache_read: f64,
    /// For tokens written to the cache.
    pub cache_write: f64,
}

impl Prices {
    /// What these tokens cost.
    pub(crate) fn cost(self, usage: Usage) -> f64 {
        thousands(usage.input_tokens) * self.input
            + thousands(usage.output_tokens) * self.output
            + thousands(usage.cache_read_tokens) * self.cache_read
            + thousands(usage.cache_write_tokens) * self.cache_write
    }
}

// Counts stay far below 2^52.
#[expect(clippy::cast_precision_loss, reason = "a sum of money to a fraction of a cent")]
fn thousands(tokens: u64) -> f64 {
    tokens as f64 / 1000.0
}

/// The limits of a run. Time is not among them: a run that is out of time goes on later.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    pub turns: u32,
    /// Tokens; those of the cache count as what they cost.
    pub tokens: u64,
    /// What tokens of the cache cost.
    pub weights: CacheWeights,
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
        if self.weighed(usage) >= self.tokens {
            return Some(Exhausted::Tokens(self.tokens));
        }
        let most = self.usd?;
        (self.cost(usage)? >= most).then_some(Exhausted::Usd(most))
    }

    /// All tokens, with those of the cache as so many that cost the same.
    fn weighed(&self, usage: Usage) -> u64 {
        let cached = thousands(usage.cache_read_tokens) * self.weights.read
            + thousands(usage.cache_write_tokens) * self.weights.write;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative")]
        let cached = (cached * 1000.0).round() as u64;
        usage.input_tokens + usage.output_tokens + cached
    }

    /// What the tokens cost, where prices are known.
    pub(crate) fn cost(&self, usage: Usage) -> Option<f64> {
        self.prices.map(|prices| prices.cost(usage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICES: Prices =
        Prices { input: 0.003, output: 0.015, cache_read: 0.0003, cache_write: 0.00375 };
    const WEIGHTS: CacheWeights = CacheWeights { read: 0.1, write: 1.25 };

    #[test]
    fn tokens_of_the_cache_count_as_what_they_cost() {
        let usage = Usage {
            input_tokens: 1000,
            output_tokens: 100,
            cache_read_tokens: 50_000,
            cache_write_tokens: 4000,
        };
        let cost = PRICES.cost(usage);
        assert!((cost - (0.003 + 0.0015 + 0.015 + 0.015)).abs() < 1e-9, "{cost}");
        let budget = Budget { turns: 5, tokens: 11_101, weights: WEIGHTS, usd: None, prices: None };
        assert_eq!(budget.exhausted(1, usage), None);
        let less = Budget { tokens: 11_100, ..budget };
        assert_eq!(less.exhausted(1, usage), Some(Exhausted::Tokens(11_100)));
    }

    #[test]
    fn each_limit_ends_a_run() {
        let usage = Usage { input_tokens: 2000, output_tokens: 500, ..Usage::default() };
        let prices = Some(PRICES);
        let budget = Budget { turns: 5, tokens: 10_000, weights: WEIGHTS, usd: Some(1.0), prices };
        assert_eq!(budget.exhausted(4, usage), None);
        assert_eq!(budget.exhausted(5, usage), Some(Exhausted::Turns(5)));
        let fewer = Budget { tokens: 2500, ..budget };
        assert_eq!(fewer.exhausted(4, usage), Some(Exhausted::Tokens(2500)));
        let cheaper = Budget { usd: Some(0.013), ..budget };
        assert_eq!(cheaper.exhausted(4, usage), Some(Exhausted::Usd(0.013)));
    }
}
