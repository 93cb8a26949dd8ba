//! Calls Converse through the AWS SDK: it sends our body as it is, signed, and returns the model's
//! answer.

use std::time::{Duration, Instant};

use anyhow::bail;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::http::HttpRequest;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::types as sdk;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::{Document, Number};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::budget::Usage;
use crate::conversation::{Block, Reasoning, ToolUse};
use crate::failure::{Failure, failure};
use crate::model::{Model, Reply};
use crate::pace::Pace;
use crate::question::Question;

/// Bedrock's runtime, with credentials and a region.
pub struct Bedrock {
    client: Client,
    pace: Pace,
}

impl Bedrock {
    /// Finds credentials, region and endpoint as every AWS tool does. Nothing is sent yet.
    ///
    /// # Errors
    /// When no region is set.
    pub async fn connect(region: Option<String>) -> anyhow::Result<Bedrock> {
        let https = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        // Attempts count against the run's own budget of time, so the SDK makes one.
        let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
            .http_client(https)
            .retry_config(RetryConfig::disabled());
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        let config = loader.load().await;
        if config.region().is_none() {
            bail!("no AWS region is set: give --region, or set AWS_REGION");
        }
        Ok(Bedrock { client: Client::new(&config), pace: Pace::default() })
    }
}

impl Model for Bedrock {
    fn turn(&self) -> Duration {
        self.pace.turn(Instant::now())
    }

    async fn ask(&self, question: &Question<'_>) -> Result<Reply, Failure> {
        let body = question.body().map_err(|error| {
            Failure::Lasting(format!("the conversation cannot be sent: {error:#}"))
        })?;
        // The SDK would write JSON objects in the order of a hash map, which is another one in each
        // request; a prompt cache serves only the same bytes. It is signed after this.
        let put = move |request: &mut HttpRequest| {
            let length = body.len().to_string();
            request.headers_mut().insert("content-length", length);
            *request.body_mut() = SdkBody::from(body.clone());
        };
        let request = self.client.converse().model_id(question.model_id);
        let output = request.customize().mutate_request(put).send().await;
        let output = output.map_err(|error| failure(&error));
        self.pace.learn(&output);
        let output = output?;
        let usage = output.usage().map_or_else(Usage::default, |usage| {
            let count = |tokens: i32| u64::try_from(tokens).unwrap_or(0);
            Usage {
                input_tokens: count(usage.input_tokens()),
                output_tokens: count(usage.output_tokens()),
                cache_read_tokens: count(usage.cache_read_input_tokens().unwrap_or(0)),
                cache_write_tokens: count(usage.cache_write_input_tokens().unwrap_or(0)),
            }
        });
        let content = match output.output() {
            Some(sdk::ConverseOutput::Message(message)) => {
                message.content().iter().filter_map(from_sdk).collect()
            }
            _ => Vec::new(),
        };
        Ok(Reply {
            content,
            stop_reason: output.stop_reason().as_str().to_owned(),
            usage,
            latency_ms: output.metrics().map_or(0, sdk::ConverseMetrics::latency_ms),
        })
    }
}

/// The model's words in our form; what a worker does not ask for is none.
fn from_sdk(block: &sdk::ContentBlock) -> Option<Block> {
    match block {
        sdk::ContentBlock::Text(text) => Some(Block::Text(text.clone())),
        sdk::ContentBlock::ToolUse(call) => Some(Block::ToolUse(ToolUse {
            tool_use_id: call.tool_use_id().to_owned(),
            name: call.name().to_owned(),
            input: json_of(call.input()),
        })),
        sdk::ContentBlock::ReasoningContent(sdk::ReasoningContentBlock::ReasoningText(thought)) => {
            Some(Block::ReasoningContent(Reasoning::ReasoningText {
                text: thought.text().to_owned(),
                signature: thought.signature().map(str::to_owned),
            }))
        }
        sdk::ContentBlock::ReasoningContent(sdk::ReasoningContentBlock::RedactedContent(blob)) => {
            let base64 = STANDARD.encode(blob.as_ref());
            Some(Block::ReasoningContent(Reasoning::RedactedContent(base64)))
        }
        _ => None,
    }
}

fn json_of(document: &Document) -> Value {
    match document {
        Document::Null => Value::Null,
        Document::Bool(bool) => Value::Bool(*bool),
        Document::String(text) => Value::String(text.clone()),
        Document::Number(Number::PosInt(number)) => Value::from(*number),
        Document::Number(Number::NegInt(number)) => Value::from(*number),
        // JSON has no infinities.
        Document::Number(Number::Float(number)) => Value::from(*number),
        Document::Array(items) => items.iter().map(json_of).collect(),
        Document::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), json_of(value))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_survives_the_sdk() {
        let numbers = [Number::PosInt(u64::MAX), Number::NegInt(i64::MIN), Number::Float(2.5)];
        let numbers = Document::Array(numbers.map(Document::Number).into());
        let rest = Document::Array(vec![
            Document::Bool(true),
            Document::Null,
            Document::String("ä\u{1F600}".to_owned()),
            Document::Object([("c".to_owned(), Document::Object([].into()))].into()),
        ]);
        assert_eq!(json_of(&numbers), json!([u64::MAX, i64::MIN, 2.5]));
        assert_eq!(json_of(&rest), json!([true, null, "ä\u{1F600}", { "c": {} }]));
    }
}
