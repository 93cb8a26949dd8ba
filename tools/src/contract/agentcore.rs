//! AgentCore Gateway: the tool schema of a Lambda target.

use serde_json::{Value, json};

use crate::tool::Entry;

/// The list of tool definitions: a target's `toolSchema.inlinePayload`, or the file in S3 that
/// its `toolSchema.s3` names.
pub fn document(tools: &[Entry]) -> Value {
    tools.iter().map(tool).collect()
}

/// A `ToolDefinition`. Its `SchemaDefinition` knows types, fields and descriptions only.
///
/// It has no `outputSchema`: MCP clients refuse a result without structured content where one is
/// declared, and a Lambda target's answer need not reach them as that.
pub fn tool(entry: &Entry) -> Value {
    json!({
        "name": entry.name,
        "description": super::description(entry),
        "inputSchema": super::input_of_json_host(entry).to_plain_schema(),
    })
}
