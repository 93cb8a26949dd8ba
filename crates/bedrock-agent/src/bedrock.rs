//! Calls Converse through the AWS SDK: it sends our messages, returns the model's answer, and tells
//! errors apart by what can be done about them.

use anyhow::{Context, anyhow, bail};
use aws_config::{BehaviorVersion, Region};
use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::config::retry::RetryConfig;
use aws_sdk_bedrockruntime::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_bedrockruntime::operation::converse::ConverseError;
use aws_sdk_bedrockruntime::types as sdk;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_types::{Blob, Document, Number};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json};

use crate::budget::Usage;
use crate::conversation::{
    Block, Image, Message, Reasoning, Shown, Speaker, Status, ToolResult, ToolUse,
};

/// Bedrock's runtime, with credentials and a region.
pub struct Bedrock {
    client: Client,
}

/// A request to a model. Its JSON is the body that is sent, and the model is named beside it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Question<'a> {
    pub model_id: &'a str,
    pub system: Value,
    pub messages: &'a [Message],
    pub tool_config: Value,
    pub inference_config: Value,
}

impl<'a> Question<'a> {
    pub fn new(
        model: &'a str,
        system: &str,
        messages: &'a [Message],
        tools: &[Value],
        max_tokens: u32,
    ) -> Question<'a> {
        Question {
            model_id: model,
            system: json!([{ "text": system }]),
            messages,
            tool_config: json!({ "tools": tools }),
            inference_config: json!({ "maxTokens": max_tokens }),
        }
    }
}

/// What the model answered.
#[derive(Debug)]
pub struct Reply {
    pub content: Vec<Block>,
    pub stop_reason: String,
    pub usage: Usage,
    pub latency_ms: i64,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// Throttled, overloaded or cut off: it may work later.
    Transient(String),
    /// The conversation is longer than the model takes.
    TooLong(String),
    /// It will not work by itself.
    Lasting(String),
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
        Ok(Bedrock { client: Client::new(&config) })
    }

    /// Asks once.
    ///
    /// # Errors
    /// By what can be done about it.
    pub async fn converse(&self, question: &Question<'_>) -> Result<Reply, Failure> {
        let request = self.request(question).map_err(|error| {
            Failure::Lasting(format!("the conversation cannot be sent: {error:#}"))
        })?;
        let output = request.send().await.map_err(|error| failure(&error))?;
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

    fn request(
        &self,
        question: &Question<'_>,
    ) -> anyhow::Result<aws_sdk_bedrockruntime::operation::converse::builders::ConverseFluentBuilder>
    {
        let text = question.system.pointer("/0/text").and_then(Value::as_str).unwrap_or_default();
        let tools = question.tool_config.get("tools").and_then(Value::as_array);
        let tools = tools.into_iter().flatten().map(tool).collect::<anyhow::Result<Vec<_>>>()?;
        let tool_config = sdk::ToolConfiguration::builder().set_tools(Some(tools)).build()?;
        let max_tokens = question.inference_config.get("maxTokens").and_then(Value::as_i64);
        let max_tokens = max_tokens.and_then(|tokens| i32::try_from(tokens).ok());
        let inference = sdk::InferenceConfiguration::builder().set_max_tokens(max_tokens).build();
        let messages = question.messages.iter().map(message).collect::<anyhow::Result<_>>()?;
        Ok(self
            .client
            .converse()
            .model_id(question.model_id)
            .system(sdk::SystemContentBlock::Text(text.to_owned()))
            .set_messages(Some(messages))
            .tool_config(tool_config)
            .inference_config(inference))
    }
}

/// Tells errors apart. What a service error is called is closed; what a connection does is not.
fn failure(error: &SdkError<ConverseError>) -> Failure {
    let told = || {
        let code = error.code().unwrap_or("error");
        match error.message() {
            Some(message) => format!("{code}: {message}"),
            None => chain(error),
        }
    };
    match error {
        SdkError::ServiceError(_) => {
            let text = told();
            let code = error.code().unwrap_or_default();
            let too_long = ["too long", "context window", "too many input tokens"]
                .iter()
                .any(|words| text.to_ascii_lowercase().contains(words));
            match code {
                "ThrottlingException"
                | "ModelNotReadyException"
                | "ServiceUnavailableException"
                | "InternalServerException"
                | "ModelTimeoutException"
                | "ModelErrorException"
                | "ServiceQuotaExceededException" => Failure::Transient(text),
                "ValidationException" if too_long => Failure::TooLong(text),
                "AccessDeniedException" => Failure::Lasting(format!(
                    "{text}\nthe credentials need bedrock:InvokeModel on this model, and the \
                     account needs access to it"
                )),
                "ResourceNotFoundException" => Failure::Lasting(format!(
                    "{text}\n`aws bedrock list-inference-profiles` shows what --model can be"
                )),
                _ if server_fault(error) => Failure::Transient(text),
                _ => Failure::Lasting(text),
            }
        }
        SdkError::TimeoutError(_) => Failure::Transient(told()),
        SdkError::ResponseError(_) => Failure::Transient(told()),
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

/// An error and its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut texts: Vec<String> = causes.map(ToString::to_string).collect();
    texts.dedup();
    texts.join(": ").replace('\n', " ")
}

fn server_fault(error: &SdkError<ConverseError>) -> bool {
    error.raw_response().is_some_and(|response| response.status().as_u16() >= 500)
}

fn message(message: &Message) -> anyhow::Result<sdk::Message> {
    let role = match message.role {
        Speaker::User => sdk::ConversationRole::User,
        Speaker::Assistant => sdk::ConversationRole::Assistant,
    };
    let content = message.content.iter().map(to_sdk).collect::<anyhow::Result<_>>()?;
    Ok(sdk::Message::builder().role(role).set_content(Some(content)).build()?)
}

fn to_sdk(block: &Block) -> anyhow::Result<sdk::ContentBlock> {
    Ok(match block {
        Block::Text(text) => sdk::ContentBlock::Text(text.clone()),
        Block::ToolUse(call) => sdk::ContentBlock::ToolUse(
            sdk::ToolUseBlock::builder()
                .tool_use_id(&call.tool_use_id)
                .name(&call.name)
                .input(document(&call.input))
                .build()?,
        ),
        Block::ToolResult(result) => sdk::ContentBlock::ToolResult(tool_result(result)?),
        Block::ReasoningContent(Reasoning::ReasoningText { text, signature }) => {
            let text = sdk::ReasoningTextBlock::builder().text(text);
            sdk::ContentBlock::ReasoningContent(sdk::ReasoningContentBlock::ReasoningText(
                text.set_signature(signature.clone()).build()?,
            ))
        }
        Block::ReasoningContent(Reasoning::RedactedContent(base64)) => {
            sdk::ContentBlock::ReasoningContent(sdk::ReasoningContentBlock::RedactedContent(
                Blob::new(STANDARD.decode(base64)?),
            ))
        }
    })
}

fn tool_result(result: &ToolResult) -> anyhow::Result<sdk::ToolResultBlock> {
    let content = result.content.iter().map(|shown| match shown {
        Shown::Text(text) => Ok(sdk::ToolResultContentBlock::Text(text.clone())),
        Shown::Image(image) => Ok(sdk::ToolResultContentBlock::Image(picture(image)?)),
    });
    let status = match result.status {
        Status::Success => sdk::ToolResultStatus::Success,
        Status::Error => sdk::ToolResultStatus::Error,
    };
    Ok(sdk::ToolResultBlock::builder()
        .tool_use_id(&result.tool_use_id)
        .set_content(Some(content.collect::<anyhow::Result<_>>()?))
        .status(status)
        .build()?)
}

fn picture(image: &Image) -> anyhow::Result<sdk::ImageBlock> {
    let bytes = STANDARD.decode(&image.source.bytes)?;
    Ok(sdk::ImageBlock::builder()
        .format(sdk::ImageFormat::from(image.format.as_str()))
        .source(sdk::ImageSource::Bytes(Blob::new(bytes)))
        .build()?)
}

/// A `toolSpec` of the contract.
fn tool(contract: &Value) -> anyhow::Result<sdk::Tool> {
    let spec = contract.get("toolSpec").context("a contract has no `toolSpec`")?;
    let text = |name: &str| {
        let value = spec.get(name).and_then(Value::as_str);
        value.ok_or_else(|| anyhow!("a tool has no `{name}`"))
    };
    let schema = spec.pointer("/inputSchema/json").context("a tool has no input schema")?;
    Ok(sdk::Tool::ToolSpec(
        sdk::ToolSpecification::builder()
            .name(text("name")?)
            .description(text("description")?)
            .input_schema(sdk::ToolInputSchema::Json(document(schema)))
            .build()?,
    ))
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

fn document(value: &Value) -> Document {
    match value {
        Value::Null => Document::Null,
        Value::Bool(bool) => Document::Bool(*bool),
        Value::String(text) => Document::String(text.clone()),
        Value::Number(number) => Document::Number(match (number.as_u64(), number.as_i64()) {
            (Some(positive), _) => Number::PosInt(positive),
            (None, Some(negative)) => Number::NegInt(negative),
            (None, None) => Number::Float(number.as_f64().unwrap_or(0.0)),
        }),
        Value::Array(items) => Document::Array(items.iter().map(document).collect()),
        Value::Object(fields) => Document::Object(
            fields.iter().map(|(name, value)| (name.clone(), document(value))).collect(),
        ),
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
    use super::*;

    #[test]
    fn json_survives_the_sdk() {
        let value = json!({
            "a": [1, -2, 2.5, u64::MAX, i64::MIN, true, null, "ä\u{1F600}"],
            "b": { "c": {} },
        });
        assert_eq!(json_of(&document(&value)), value);
    }
}
