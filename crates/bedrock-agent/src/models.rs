//! What this worker has to know of models and that Converse does not tell: how long a conversation
//! may be, and whether and how prompts are cached. The tables are those of the model cards and of
//! the page on prompt caching in the Bedrock user guide; the options of a run are stronger.

/// What is known of a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ModelFacts {
    /// Tokens of a conversation, with the answer.
    pub window: u32,
    /// How it caches prompts, if it takes cache points.
    pub cache: Option<CacheFacts>,
    /// How it is told how much to think, if it is known to think.
    pub thinking: Option<Thinking>,
}

/// In whose words a model is told how much to think.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thinking {
    /// Claude until 4.5: a number of tokens.
    Budget,
    /// Claude from 4.6 on: an effort, and the model decides.
    Adaptive,
    /// Nova 2: an effort.
    Nova,
    /// OpenAI's open models: an effort.
    OpenAi,
}

/// The first row whose text is in the model's id holds.
const THINKING: [(&str, Thinking); 11] = [
    ("claude-3-7-sonnet", Thinking::Budget),
    ("claude-opus-4-2025", Thinking::Budget),
    ("claude-opus-4-1", Thinking::Budget),
    ("claude-opus-4-5", Thinking::Budget),
    ("claude-sonnet-4-2025", Thinking::Budget),
    ("claude-sonnet-4-5", Thinking::Budget),
    ("claude-haiku-4-5", Thinking::Budget),
    ("claude-opus-", Thinking::Adaptive),
    ("claude-sonnet-4-6", Thinking::Adaptive),
    ("nova-2-", Thinking::Nova),
    ("openai.gpt-oss", Thinking::OpenAi),
];

/// How a model caches prompts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CacheFacts {
    /// Whether a cache point may follow the tools.
    pub tools: bool,
    /// Whether an entry can be kept for an hour.
    pub hour: bool,
    /// What a token read from the cache costs, as a part of one that is sent without it.
    pub read: f64,
    /// What a token written to the cache costs, likewise.
    pub write: f64,
    /// Likewise, for an entry that is kept for an hour.
    pub write_hour: f64,
}

/// Cache points everywhere; reading costs a tenth.
const CLAUDE: CacheFacts =
    CacheFacts { tools: true, hour: false, read: 0.1, write: 1.25, write_hour: 2.0 };
const CLAUDE_HOUR: CacheFacts = CacheFacts { hour: true, ..CLAUDE };
/// No cache point after tools; writing costs no more than sending.
const NOVA: CacheFacts =
    CacheFacts { tools: false, hour: false, read: 0.25, write: 1.0, write_hour: 1.0 };
/// A model that is not in the table and for which the operator asks for cache points.
pub(crate) const ASKED_FOR: CacheFacts = CLAUDE_HOUR;

/// A window that nearly every model on Bedrock with tools has.
const USUAL_WINDOW: u32 = 128_000;

/// The first row whose text is in the model's id holds.
const MODELS: [(&str, u32, Option<CacheFacts>); 31] = [
    ("claude-opus-4-5", 200_000, Some(CLAUDE_HOUR)),
    ("claude-opus-4-6", 200_000, Some(CLAUDE)),
    ("claude-opus-4-1", 200_000, Some(CLAUDE)),
    ("claude-opus-4-2025", 200_000, Some(CLAUDE)),
    ("claude-opus-4-", 200_000, Some(CLAUDE_HOUR)),
    ("claude-sonnet-4-5", 200_000, Some(CLAUDE_HOUR)),
    ("claude-sonnet-4-6", 200_000, Some(CLAUDE)),
    ("claude-sonnet-4-2025", 200_000, Some(CLAUDE)),
    ("claude-haiku-4-5", 200_000, Some(CLAUDE_HOUR)),
    ("claude-3-7-sonnet", 200_000, Some(CLAUDE)),
    ("claude-3-5-haiku", 200_000, Some(CLAUDE)),
    // Only accounts of a preview may cache with the older ones.
    ("claude-3", 200_000, None),
    ("claude-v2", 200_000, None),
    ("claude-instant", 100_000, None),
    ("anthropic.claude", 200_000, Some(CLAUDE)),
    ("nova-micro", 128_000, Some(NOVA)),
    ("nova-premier", 1_000_000, Some(NOVA)),
    ("nova-2-", 1_000_000, Some(NOVA)),
    ("nova-", 300_000, Some(NOVA)),
    ("llama3-1", 128_000, None),
    ("llama3-2", 128_000, None),
    ("llama3-3", 128_000, None),
    ("llama4-scout", 3_500_000, None),
    ("llama4-maverick", 1_000_000, None),
    ("llama3", 8_000, None),
    ("mistral-large-2402", 32_000, None),
    ("mistral-small", 32_000, None),
    ("mixtral", 32_000, None),
    ("mistral-7b", 32_000, None),
    ("jamba", 256_000, None),
    ("command-r", 128_000, None),
];

impl ModelFacts {
    /// What is known of the model with this id, inference profile or ARN. The ARN of an
    /// application's own profile does not name the model: give the options then.
    pub(crate) fn of(model: &str) -> ModelFacts {
        let thinking = THINKING.iter().find(|(text, _)| model.contains(text));
        let row = MODELS.iter().find(|(text, ..)| model.contains(text));
        let (window, cache) =
            row.map_or((USUAL_WINDOW, None), |(_, window, cache)| (*window, *cache));
        ModelFacts { window, cache, thinking: thinking.map(|(_, thinking)| *thinking) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_known_by_id_by_profile_and_by_arn() {
        let cache = |model| ModelFacts::of(model).cache;
        for model in [
            "anthropic.claude-sonnet-4-5-20250929-v1:0",
            "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ] {
            assert_eq!(cache(model), Some(CLAUDE_HOUR), "{model}");
        }
        assert_eq!(cache("anthropic.claude-sonnet-4-20250514-v1:0"), Some(CLAUDE));
        assert_eq!(cache("anthropic.claude-3-haiku-20240307-v1:0"), None);
        assert_eq!(cache("amazon.nova-pro-v1:0"), Some(NOVA));
        assert_eq!(cache("meta.llama3-70b-instruct-v1:0"), None);
        assert_eq!(ModelFacts::of("meta.llama3-70b-instruct-v1:0").window, 8_000);
        assert_eq!(ModelFacts::of("us.amazon.nova-pro-v1:0").window, 300_000);
        let own = ModelFacts::of("arn:aws:bedrock:eu-west-1:1:application-inference-profile/x");
        assert_eq!(own, ModelFacts { window: USUAL_WINDOW, cache: None, thinking: None });
    }

    #[test]
    fn every_row_can_be_reached() {
        for (number, (text, ..)) in MODELS.iter().enumerate() {
            let first = MODELS.iter().position(|(earlier, ..)| text.contains(earlier));
            assert_eq!(first, Some(number), "{text}");
        }
    }
}
