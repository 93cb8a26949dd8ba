//! The Model Context Protocol: `tools/list`.

use serde_json::{Map, Value, json};

use crate::tool::{Effect, Entry};

/// Claude Code saves longer results to a file instead of showing them. Answers have at most
/// 48,000 characters; as JSON, with escapes, they may have more.
const MAX_RESULT_CHARS: u64 = 100_000;

/// The `result` of `tools/list` without its freshness, which is the host's to say.
pub fn document(tools: &[Entry]) -> Value {
    json!({ "tools": tools.iter().map(tool).collect::<Vec<_>>() })
}

/// A tool as `tools/list` shows it.
pub fn tool(entry: &Entry) -> Value {
    let mut tool = Map::new();
    tool.insert("name".to_owned(), Value::from(entry.name));
    tool.insert("title".to_owned(), Value::from(entry.title));
    tool.insert("description".to_owned(), super::description(entry));
    tool.insert("inputSchema".to_owned(), entry.input_schema().clone());
    if let Some(schema) = entry.output_schema() {
        tool.insert("outputSchema".to_owned(), types_alone(schema));
    }
    // What only reads needs no more hints, and is what has long answers.
    let annotations = match entry.effect {
        Effect::Reads => json!({ "readOnlyHint": true, "openWorldHint": false }),
        Effect::Records => json!({
            "readOnlyHint": false,
            "destructiveHint": false,
            "idempotentHint": entry.idempotent,
            "openWorldHint": false,
        }),
    };
    tool.insert("annotations".to_owned(), annotations);
    if entry.effect == Effect::Reads {
        let meta = json!({ "anthropic/maxResultSizeChars": MAX_RESULT_CHARS });
        tool.insert("_meta".to_owned(), meta);
    }
    Value::Object(tool)
}

/// A schema without its descriptions: programs check answers by it, and models are not shown it.
/// docs/tools.md has the words.
fn types_alone(schema: &Value) -> Value {
    match schema {
        Value::Object(words) => {
            // A field that is named so is a schema; a description is a text.
            let kept = words
                .iter()
                .filter(|(name, value)| *name != "description" || !value.is_string())
                .map(|(name, value)| (name.clone(), types_alone(value)));
            Value::Object(kept.collect())
        }
        Value::Array(all) => all.iter().map(types_alone).collect(),
        other => other.clone(),
    }
}
