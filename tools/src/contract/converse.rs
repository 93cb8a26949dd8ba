//! Amazon Bedrock's Converse: the tools of a `toolConfig`.

use serde_json::{Value, json};

use crate::tool::Entry;

/// A `toolConfig`.
pub fn document(tools: &[Entry]) -> Value {
    json!({ "tools": tools.iter().map(tool).collect::<Vec<_>>() })
}

/// A `toolSpec`. Models differ in how much JSON Schema they take: the top level has `type`,
/// `properties` and `required` only, and nothing below has references or alternatives.
pub fn tool(entry: &Entry) -> Value {
    json!({
        "toolSpec": {
            "name": entry.name,
            "description": super::description(entry),
            "inputSchema": { "json": super::input(entry).to_schema() },
        },
    })
}
