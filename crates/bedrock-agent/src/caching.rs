//! Where cache points stand in a request. The service reads tools, then system, then messages, and
//! keeps what stands before each point. What agents share stands first: the tools, then the
//! instructions that are the same for all; role and run follow behind their point. Two points move
//! with the conversation: one ends this request, and one stands where the request before had its
//! last, since the service looks back only a few blocks from a point for what it has kept.

use clap::ValueEnum;
use serde::Serialize;

use crate::models::{ASKED_FOR, CacheFacts, ModelFacts};

/// Whether prompts are cached, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CacheMode {
    /// For five minutes, with models that are known to take cache points
    Auto,
    /// Never
    Off,
    /// For five minutes, whatever the model
    #[value(name = "5m")]
    FiveMinutes,
    /// For an hour, whatever the model; five minutes where it is known not to keep it so long
    #[value(name = "1h")]
    Hour,
}

/// How a run's prompts are cached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Caching {
    /// Whether a point may follow the tools.
    pub tools: bool,
    /// The point itself.
    pub point: CachePoint,
}

/// A cache point, as Converse has it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CachePoint {
    cache_point: Point,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
struct Point {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'static str>,
}

/// What tokens of the cache cost, as parts of what those cost that are sent without it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CacheWeights {
    /// To read one.
    pub read: f64,
    /// To write one.
    pub write: f64,
}

impl CacheMode {
    /// The points for this model, if any.
    pub(crate) fn caching(self, model: &str) -> Option<Caching> {
        let facts = self.facts(model)?;
        let ttl = self.keeps_an_hour(facts).then_some("1h");
        let point = CachePoint { cache_point: Point { r#type: "default", ttl } };
        Some(Caching { tools: facts.tools, point })
    }

    /// What tokens of this model's cache cost. A cache that is not known costs what sending costs,
    /// which errs on the safe side.
    pub(crate) fn weights(self, model: &str) -> CacheWeights {
        let Some(facts) = self.facts(model).or(ModelFacts::of(model).cache) else {
            return CacheWeights { read: 1.0, write: 1.25 };
        };
        let write = if self.keeps_an_hour(facts) { facts.write_hour } else { facts.write };
        CacheWeights { read: facts.read, write }
    }

    fn keeps_an_hour(self, facts: CacheFacts) -> bool {
        self == CacheMode::Hour && facts.hour
    }

    fn facts(self, model: &str) -> Option<CacheFacts> {
        let known = ModelFacts::of(model).cache;
        match self {
            CacheMode::Auto => known,
            CacheMode::Off => None,
            CacheMode::FiveMinutes | CacheMode::Hour => Some(known.unwrap_or(ASKED_FOR)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SONNET: &str = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0";

    fn point(mode: CacheMode, model: &str) -> serde_json::Value {
        serde_json::to_value(mode.caching(model).map(|caching| caching.point)).unwrap()
    }

    #[test]
    fn points_go_to_models_that_take_them_or_that_the_operator_says_do() {
        let five = json!({ "cachePoint": { "type": "default" } });
        let hour = json!({ "cachePoint": { "type": "default", "ttl": "1h" } });
        assert_eq!(point(CacheMode::Auto, SONNET), five);
        assert_eq!(point(CacheMode::Off, SONNET), json!(null));
        assert_eq!(point(CacheMode::Auto, "test.model"), json!(null));
        assert_eq!(point(CacheMode::FiveMinutes, "test.model"), five);
        assert_eq!(point(CacheMode::Hour, "test.model"), hour);
        assert_eq!(point(CacheMode::Hour, SONNET), hour);
        assert_eq!(point(CacheMode::Hour, "amazon.nova-pro-v1:0"), five);
    }

    #[test]
    fn an_hour_costs_more_to_write_and_an_unknown_cache_saves_nothing() {
        let weights = |mode: CacheMode, model| mode.weights(model);
        assert_eq!(weights(CacheMode::Auto, SONNET), CacheWeights { read: 0.1, write: 1.25 });
        assert_eq!(weights(CacheMode::Hour, SONNET), CacheWeights { read: 0.1, write: 2.0 });
        assert_eq!(weights(CacheMode::Auto, "x"), CacheWeights { read: 1.0, write: 1.25 });
    }
}
