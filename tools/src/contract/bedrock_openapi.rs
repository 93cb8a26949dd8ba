//! Agents for Amazon Bedrock (Classic): an action group by OpenAPI schema.

use serde_json::{Map, Value, json};

use crate::tool::Entry;

/// The action group's OpenAPI document. Bedrock takes version 3.0.0 only, and no `enum`.
pub fn document(tools: &[Entry]) -> Value {
    let paths: Map<String, Value> = tools
        .iter()
        .map(|entry| (format!("/{}", entry.name), json!({ "post": operation(entry) })))
        .collect();
    json!({
        "openapi": "3.0.0",
        "info": {
            "title": "mcp-workspace",
            "description": "Sandboxed, policy-scoped file tools over one workspace.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "paths": paths,
    })
}

/// A tool as an operation: its name is the path and the operation's id, its arguments are the
/// body.
pub fn operation(entry: &Entry) -> Value {
    let input = super::input_of_json_host(entry);
    let required = input.properties.iter().any(|property| property.required);
    json!({
        "operationId": entry.name,
        "summary": entry.title,
        "description": super::description(entry),
        "requestBody": {
            "required": required,
            "content": { "application/json": { "schema": input.to_plain_schema() } },
        },
        "responses": {
            "200": {
                "description": "The tool's answer.",
                "content": {
                    "application/json": { "schema": super::answer(entry).to_plain_schema() },
                },
            },
        },
    })
}
