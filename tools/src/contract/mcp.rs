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
        tool.insert("outputSchema".to_owned(), unnamed(schema.clone()));
    }
    let annotations = json!({
        "readOnlyHint": entry.effect == Effect::Reads,
        "destructiveHint": false,
        "idempotentHint": entry.idempotent,
        "openWorldHint": false,
    });
    tool.insert("annotations".to_owned(), annotations);
    tool.insert("_meta".to_owned(), json!({ "anthropic/maxResultSizeChars": MAX_RESULT_CHARS }));
    Value::Object(tool)
}

/// The tool's own description says what the type's would say again.
fn unnamed(mut schema: Value) -> Value {
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("description");
    }
    schema
}
