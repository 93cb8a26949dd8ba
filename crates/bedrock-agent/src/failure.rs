//! Errors of Bedrock, told apart by what can be done about them.

use std::time::Duration;

use aws_sdk_bedrockruntime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockruntime::operation::converse::ConverseError;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// Throttled or overloaded: it will work when there is room, perhaps not before this time.
    Busy(String, Option<Duration>),
    /// Failed or cut off: it may work if it is tried again.
    Transient(String),
    /// The conversation is longer than the model takes.
    TooLong(String),
    /// The model takes no cache points.
    NoCache(String),
    /// It will not work by itself.
    Lasting(String),
}

/// What services and models say of a conversation that is too long, in lower case, and where that
/// is written down. Bedrock passes on what each family's own server says.
const TOO_LONG: [(&str, &str); 12] = [
    // Bedrock itself, for Claude and Nova.
    ("input is too long", "strands-agents/sdk-python, models/bedrock.py"),
    // Claude.
    ("input length and `max_tokens` exceed context limit", "strands-agents/sdk-python"),
    ("prompt is too long", "strands-agents/harness-sdk, pull request 1663"),
    // Amazon's Titan and Nova.
    ("too many input tokens", "Bedrock user guide, errors of Titan"),
    ("too many total text bytes", "strands-agents/sdk-python"),
    ("input tokens exceeded", "strands-agents/harness-sdk, issue 3969"),
    // Llama, Mistral and others that are served by vLLM or as OpenAI's are.
    ("maximum context length", "strands-agents/harness-sdk, issue 3973; vLLM"),
    ("context length exceeded", "OpenAI's `context_length_exceeded`"),
    ("context_length_exceeded", "OpenAI's code"),
    // Text Generation Inference, behind imported models.
    ("`inputs` tokens + `max_new_tokens` must be", "huggingface/llm-vscode, issue 94"),
    // Cohere.
    ("total number of tokens in the prompt cannot exceed", "Cohere's API"),
    // Converse's stop reason, and the words of several.
    ("context window", "Converse, `model_context_window_exceeded`"),
];

/// What is said where a model takes no cache points, in lower case.
const NO_CACHE: [&str; 3] = ["cachepoint", "cache point", "prompt caching"];

/// Whether these words say that the conversation is too long.
pub(crate) fn says_too_long(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    TOO_LONG.iter().any(|(words, _)| text.contains(words))
}

/// Tells errors apart. What a service error is called is closed; what a connection does is not.
pub(crate) fn failure(error: &SdkError<ConverseError>) -> Failure {
    let told = || {
        let code = error.code().unwrap_or("error");
        match error.message() {
            Some(message) => format!("{code}: {message}"),
            None => chain(error),
        }
    };
    match error {
        SdkError::ServiceError(_) => of_service(error, told()),
        SdkError::TimeoutError(_) | SdkError::ResponseError(_) => Failure::Transient(told()),
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
            Failure::Transient(told())
        }
        _ => {
            let text = told();
            let hint = if text.contains("credential") {
                "\ngive credentials as to every AWS tool: a profile (AWS_PROFILE), a role, or keys"
            } else {
                ""
            };
            Failure::Lasting(format!("{text}{hint}"))
        }
    }
}

fn of_service(error: &SdkError<ConverseError>, text: String) -> Failure {
    let response = error.raw_response();
    let status = response.map_or(0, |response| response.status().as_u16());
    let after = response.and_then(|response| response.headers().get("retry-after"));
    let after = after.and_then(seconds);
    match error.code().unwrap_or_default() {
        "ThrottlingException"
        | "ModelNotReadyException"
        | "ServiceUnavailableException"
        | "ServiceQuotaExceededException" => Failure::Busy(text, after),
        // Some families' servers say so with a status of their own.
        _ if says_too_long(&text) && (400..500).contains(&status) => Failure::TooLong(text),
        "InternalServerException" | "ModelTimeoutException" | "ModelErrorException" => {
            Failure::Transient(text)
        }
        "ValidationException" | "AccessDeniedException" if says_no_cache(&text) => {
            Failure::NoCache(text)
        }
        "AccessDeniedException" => Failure::Lasting(format!(
            "{text}\nthe credentials need bedrock:InvokeModel on this model, and the account needs \
             access to it"
        )),
        "ResourceNotFoundException" => Failure::Lasting(format!(
            "{text}\n`aws bedrock list-inference-profiles` shows what --model can be"
        )),
        _ if status == 429 || status == 503 => Failure::Busy(text, after),
        _ if status >= 500 => Failure::Transient(text),
        _ => Failure::Lasting(text),
    }
}

/// The time of a header `Retry-After`, where it is a number of seconds.
pub(crate) fn seconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_secs)
}

fn says_no_cache(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    NO_CACHE.iter().any(|words| text.contains(words))
}

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_familys_words_for_too_long_are_known() {
        for words in [
            "Input is too long for requested model.",
            "input length and `max_tokens` exceed context limit: 199759 + 8192 > 200000, decrease \
             input length or `max_tokens` and try again",
            "The model returned the following errors: prompt is too long: 903884 tokens > 200000 \
             maximum",
            "400 Bad Request: Too many input tokens. Max input tokens: 8192, request input token \
             count: 9001",
            "The model returned the following errors: too many total text bytes: 5238000 > 5000000",
            "Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
            "This model's maximum context length is 131072 tokens. However, you requested 131134 \
             tokens (122942 in the messages, 8192 in the completion).",
        ] {
            assert!(says_too_long(words), "{words}");
        }
        for words in ["no such model", "The maximum number of tools is 128", "max_tokens: 0"] {
            assert!(!says_too_long(words), "{words}");
        }
    }
}
