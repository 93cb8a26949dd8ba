//! What Converse offers besides the conversation: how the model thinks, what guards it, how the
//! request is billed and marked. Flags for what most models have, and any JSON for the rest.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use crate::models::{ModelFacts, Thinking};
use crate::question::{Guardrail, ServiceTier, Tuning};

/// How the model answers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "How the model answers")]
pub(super) struct TuningOptions {
    /// How much chance there is in an answer [default: the model's own]
    #[arg(long, env = "BEDROCK_AGENT_TEMPERATURE", value_name = "0..1", value_parser = part)]
    temperature: Option<f64>,
    /// How much the model thinks before it answers
    #[arg(long, env = "BEDROCK_AGENT_REASONING_EFFORT", value_enum)]
    reasoning_effort: Option<Effort>,
    /// Tokens that the model may think before it answers, where it takes a number
    #[arg(long, env = "BEDROCK_AGENT_REASONING_TOKENS", value_name = "N",
          conflicts_with = "reasoning_effort", value_parser = clap::value_parser!(u32).range(1024..=1_000_000))]
    reasoning_tokens: Option<u32>,
    /// A guardrail of the account, by id or ARN and version
    #[arg(long, env = "BEDROCK_AGENT_GUARDRAIL", value_name = "ID:VERSION", value_parser = guardrail)]
    guardrail: Option<Guardrail>,
    /// The service tier that answers and is paid for
    #[arg(long, env = "BEDROCK_AGENT_SERVICE_TIER", value_enum)]
    service_tier: Option<ServiceTier>,
    /// Whether the first answer has to call a tool (any) or may (auto)
    #[arg(long, env = "BEDROCK_AGENT_TOOL_CHOICE", value_enum, default_value_t = ToolChoice::Auto)]
    tool_choice: ToolChoice,
    /// Something to find and count requests by in the account's invocation logs, besides `run`, `agent` and `role`
    #[arg(long = "tag", env = "BEDROCK_AGENT_TAGS", value_name = "KEY=VALUE", value_delimiter = ',', value_parser = tag)]
    tags: Vec<(String, String)>,
    /// Fields of the model's own: a JSON object, or `@FILE` with one
    #[arg(long, env = "BEDROCK_AGENT_REQUEST_FIELDS", value_name = "JSON|@FILE", value_parser = fields)]
    request_fields: Option<Value>,
}

/// How much a model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Effort {
    Low,
    Medium,
    High,
    Max,
}

/// Whether the first answer has to call a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ToolChoice {
    Auto,
    Any,
}

/// Most tags of a request, and characters of one.
const MAX_TAGS: usize = 16;
const MAX_TAG: usize = 256;

impl TuningOptions {
    /// What a request to this model has besides the conversation.
    ///
    /// # Errors
    /// When options do not go together, or not with this model.
    pub(super) fn tuning(
        &self,
        model: &str,
        max_output_tokens: u32,
        who: [(&str, &str); 3],
    ) -> anyhow::Result<Tuning> {
        let mut fields = match &self.request_fields {
            Some(Value::Object(fields)) => fields.clone(),
            _ => Map::new(),
        };
        for (name, value) in self.thinking(model, max_output_tokens)? {
            if fields.insert(name.clone(), value).is_some() {
                bail!(
                    "--request-fields has `{name}`, which --reasoning-* gives: leave one of them out"
                );
            }
        }
        let mut tags: BTreeMap<String, String> =
            who.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        tags.extend(self.tags.iter().cloned());
        if tags.len() > MAX_TAGS {
            bail!(
                "{} tags: a request has {MAX_TAGS} at most, with run, agent and role",
                tags.len()
            );
        }
        Ok(Tuning {
            temperature: self.temperature,
            must_call_first: self.tool_choice == ToolChoice::Any,
            guardrail: self.guardrail.clone(),
            tier: self.service_tier,
            tags,
            fields: (!fields.is_empty()).then_some(Value::Object(fields)),
        })
    }

    /// The fields with which this model is told how much to think.
    fn thinking(
        &self,
        model: &str,
        max_output_tokens: u32,
    ) -> anyhow::Result<Vec<(String, Value)>> {
        let field = |name: &str, value: Value| (name.to_owned(), value);
        let thinking = ModelFacts::of(model).thinking;
        if let Some(tokens) = self.reasoning_tokens {
            if thinking != Some(Thinking::Budget) {
                bail!(
                    "`{model}` is not known to take --reasoning-tokens: give --reasoning-effort, \
                     or its own fields by --request-fields"
                );
            }
            if tokens >= max_output_tokens {
                bail!(
                    "--reasoning-tokens {tokens} leaves no room for an answer: give more than that \
                     by --max-output-tokens, which is {max_output_tokens}"
                );
            }
            if self.temperature.is_some() {
                bail!("--temperature does not go with --reasoning-tokens: leave one of them out");
            }
            let thinking = json!({ "type": "enabled", "budget_tokens": tokens });
            return Ok(vec![field("thinking", thinking)]);
        }
        let Some(effort) = self.reasoning_effort else { return Ok(Vec::new()) };
        let effort = effort.to_possible_value().map(|value| value.get_name().to_owned());
        Ok(match thinking {
            Some(Thinking::Adaptive) => vec![
                field("thinking", json!({ "type": "adaptive" })),
                field("output_config", json!({ "effort": effort })),
            ],
            Some(Thinking::Nova) => vec![field(
                "reasoningConfig",
                json!({ "type": "enabled", "maxReasoningEffort": effort }),
            )],
            Some(Thinking::OpenAi) => vec![field("reasoning_effort", json!(effort))],
            Some(Thinking::Budget) | None => bail!(
                "`{model}` is not known to take --reasoning-effort: give --reasoning-tokens, or its \
                 own fields by --request-fields"
            ),
        })
    }
}

fn part(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        _ => Err(format!("`{text}` is no number from 0 to 1")),
    }
}

fn guardrail(text: &str) -> Result<Guardrail, String> {
    // An ARN has colons of its own.
    let (id, version) = text.rsplit_once(':').unwrap_or_default();
    let is_version =
        version == "DRAFT" || (!version.is_empty() && version.chars().all(|c| c.is_ascii_digit()));
    if id.is_empty() || id == "arn" || !is_version {
        return Err(format!("`{text}` is not ID:VERSION, with a number or DRAFT as the version"));
    }
    Ok(Guardrail { guardrail_identifier: id.to_owned(), guardrail_version: version.to_owned() })
}

fn tag(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').unwrap_or_default();
    let accepted = |c: char| c.is_ascii_alphanumeric() || " :_@$#=/+,-.".contains(c);
    let is_text = |text: &str| text.len() <= MAX_TAG && text.chars().all(accepted);
    if key.is_empty() || !is_text(key) || !is_text(value) {
        return Err(format!(
            "`{text}` is not KEY=VALUE of at most {MAX_TAG} of A-Z a-z 0-9 and space : _ @ $ # = / + , - ."
        ));
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn fields(text: &str) -> Result<Value, String> {
    let text = match text.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file)
            .with_context(|| format!("cannot read `{file}`"))
            .map_err(|error| format!("{error:#}"))?,
        None => text.to_owned(),
    };
    match serde_json::from_str(&text) {
        Ok(Value::Object(fields)) => Ok(Value::Object(fields)),
        Ok(_) => Err("it is no JSON object".to_owned()),
        Err(error) => Err(format!("it is no JSON: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        tuning: TuningOptions,
    }

    const WHO: [(&str, &str); 3] = [("run", "r"), ("agent", "a"), ("role", "o")];

    fn tuning(model: &str, line: &[&str]) -> Result<Tuning, String> {
        let line = [&["x"], line].concat();
        let line = Line::try_parse_from(line).map_err(|error| error.to_string())?;
        line.tuning.tuning(model, 8192, WHO).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn each_family_is_told_in_its_own_words_how_much_to_think() {
        let fields = |model: &str, line: &[&str]| tuning(model, line).unwrap().fields.unwrap();
        assert_eq!(
            fields("anthropic.claude-sonnet-4-5-20250929-v1:0", &["--reasoning-tokens", "4000"]),
            json!({ "thinking": { "type": "enabled", "budget_tokens": 4000 } })
        );
        assert_eq!(
            fields("global.anthropic.claude-opus-4-6-v1", &["--reasoning-effort", "low"]),
            json!({ "thinking": { "type": "adaptive" }, "output_config": { "effort": "low" } })
        );
        assert_eq!(
            fields("us.amazon.nova-2-lite-v1:0", &["--reasoning-effort", "high"]),
            json!({ "reasoningConfig": { "type": "enabled", "maxReasoningEffort": "high" } })
        );
        assert_eq!(
            fields("openai.gpt-oss-120b-1:0", &["--reasoning-effort", "medium"]),
            json!({ "reasoning_effort": "medium" })
        );
    }

    #[test]
    fn what_does_not_go_together_is_refused_with_what_to_do() {
        let sonnet = "anthropic.claude-sonnet-4-5-20250929-v1:0";
        for (model, line, words) in [
            ("x", &["--reasoning-effort", "low"][..], "--request-fields"),
            (sonnet, &["--reasoning-effort", "low"], "--reasoning-tokens"),
            (sonnet, &["--reasoning-tokens", "9000"], "--max-output-tokens"),
            (sonnet, &["--reasoning-tokens", "2000", "--temperature", "1"], "--temperature"),
            (
                sonnet,
                &["--reasoning-tokens", "2000", "--request-fields", r#"{"thinking":{}}"#],
                "`thinking`",
            ),
            (sonnet, &["--temperature", "2"], "0 to 1"),
            (sonnet, &["--guardrail", "abc"], "ID:VERSION"),
            (sonnet, &["--tag", "noequals"], "KEY=VALUE"),
            (sonnet, &["--request-fields", "[]"], "no JSON object"),
            (sonnet, &["--request-fields", "@/nowhere"], "cannot read"),
        ] {
            let refused = tuning(model, line).unwrap_err();
            assert!(refused.contains(words), "{line:?}: {refused}");
        }
    }

    #[test]
    fn a_guardrails_version_stands_behind_its_last_colon() {
        let arn = "arn:aws:bedrock:eu-west-1:1:guardrail/abc:7";
        let guardrail = guardrail(arn).unwrap();
        assert_eq!(guardrail.guardrail_identifier, "arn:aws:bedrock:eu-west-1:1:guardrail/abc");
        assert_eq!(guardrail.guardrail_version, "7");
    }
}
