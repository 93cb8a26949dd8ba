//! The input schemas keep within what clients and the models behind them accept. One schema that a
//! client does not understand makes it refuse every tool of a server.
//!
//! `additionalProperties` is in none of them. Gemini's function declarations and Nova refuse it;
//! OpenAI's strict mode wants it in every object, and so do hosts that use that mode put it there
//! themselves (openai-agents' `strict_schema.py` where it is missing, and it fails where it is
//! `true`). Without it a client also lets names through that the server understands or refuses by
//! name itself.

use mcp_workspace_tools::contract::mcp;
use mcp_workspace_tools::tool::catalog;
use serde_json::Value;

/// The words that the schemas use, whoever reads them.
const DIALECT: &[&str] =
    &["type", "properties", "required", "items", "enum", "description", "minimum", "maximum"];
const TYPES: &[&str] = &["string", "number", "integer", "boolean", "array", "object"];

/// What a client says that it accepts.
struct Rules {
    client: &'static str,
    /// Words of any schema.
    words: &'static [&'static str],
    /// Words of the schema of all arguments.
    top: &'static [&'static str],
    /// Longest description in characters.
    description: usize,
    /// Most levels of objects and arrays.
    depth: usize,
    /// Most properties of a tool.
    properties: usize,
    /// Most values of an `enum`.
    choices: usize,
}

const ANY: usize = usize::MAX;

const CLIENTS: &[Rules] = &[
    // The fields of `Schema`, a subset of OpenAPI 3.0: https://ai.google.dev/api/caching#Schema
    // (the same at https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/Schema).
    // `const`, `oneOf` and `additionalProperties` are none of them:
    // https://github.com/taylorwilsdon/google_workspace_mcp/issues/1099
    // https://github.com/promptfoo/promptfoo/issues/6902
    Rules {
        client: "Gemini",
        words: &[
            "type",
            "format",
            "title",
            "description",
            "nullable",
            "enum",
            "maxItems",
            "minItems",
            "properties",
            "required",
            "minProperties",
            "maxProperties",
            "minLength",
            "maxLength",
            "pattern",
            "example",
            "anyOf",
            "propertyOrdering",
            "default",
            "items",
            "minimum",
            "maximum",
        ],
        top: &["type", "description", "properties", "required"],
        description: ANY,
        depth: ANY,
        properties: ANY,
        choices: ANY,
    },
    // https://platform.openai.com/docs/guides/structured-outputs#supported-schemas
    // The limits are those of 2024, the narrower ones:
    // https://community.openai.com/t/measuring-maximum-depth-and-object-properties-in-structured-outputs/918388
    // What hosts add for strict mode:
    // https://github.com/openai/openai-agents-python/blob/main/src/agents/strict_schema.py
    Rules {
        client: "OpenAI strict mode",
        words: &[
            "type",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "enum",
            "const",
            "description",
            "anyOf",
            "pattern",
            "format",
            "minimum",
            "maximum",
            "multipleOf",
            "minItems",
            "maxItems",
        ],
        top: &["type", "description", "properties", "required", "additionalProperties"],
        description: ANY,
        depth: 5,
        properties: 100,
        choices: 500,
    },
    // https://docs.aws.amazon.com/nova/latest/userguide/prompting-tool-troubleshooting.html
    Rules {
        client: "Bedrock (Nova)",
        words: DIALECT,
        top: &["type", "properties", "required"],
        description: ANY,
        depth: ANY,
        properties: ANY,
        choices: ANY,
    },
    // It compares `type` with the type of a value as one text, and passes no schema on that has
    // `oneOf`, `anyOf` or `allOf`:
    // https://github.com/cursor/cursor/issues/3778, https://github.com/cursor/cursor/issues/3540,
    // https://github.com/code-yeongyu/senpi/issues/952
    Rules {
        client: "Cursor",
        words: DIALECT,
        top: &["type", "description", "properties", "required", "additionalProperties"],
        description: ANY,
        depth: ANY,
        properties: ANY,
        choices: ANY,
    },
    // What it refuses, and what it cuts for some models:
    // https://github.com/microsoft/vscode-copilot-chat/blob/main/src/extension/tools/common/toolSchemaNormalizer.ts
    Rules {
        client: "VS Code",
        words: DIALECT,
        top: &["type", "description", "properties", "required", "additionalProperties"],
        description: 1_024,
        depth: ANY,
        properties: 128,
        choices: ANY,
    },
];

/// What is wrong with a schema for a client, with the place.
fn faults(rules: &Rules, at: &str, schema: &Value, depth: usize, found: &mut Vec<String>) {
    let mut fault = |what: String| found.push(format!("{at}: {what}"));
    let Some(words) = schema.as_object() else {
        fault("no object".to_owned());
        return;
    };
    for word in words.keys() {
        if !rules.words.contains(&word.as_str()) {
            fault(format!("`{word}`"));
        }
    }
    let kind = schema["type"].as_str().unwrap_or_default();
    if !TYPES.contains(&kind) {
        fault(format!("its type is {}", schema["type"]));
    }
    if schema.get("items").is_some() != (kind == "array") {
        fault("`items` belongs to arrays, and to each of them".to_owned());
    }
    // A map with free names has none.
    let named = schema["properties"].as_object();
    if named.is_some_and(|named| !named.is_empty()) != (kind == "object") {
        fault("`properties` belongs to objects, and to each of them".to_owned());
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if schema["properties"].get(name.as_str().unwrap_or_default()).is_none() {
            fault(format!("it requires {name}, which is no property"));
        }
    }
    if let Some(choices) = schema.get("enum") {
        let choices = choices.as_array().map(Vec::as_slice).unwrap_or_default();
        let are_texts = !choices.is_empty() && choices.iter().all(Value::is_string);
        if kind != "string" || !are_texts || choices.len() > rules.choices {
            fault("`enum` is a list of texts".to_owned());
        }
    }
    let bounded = ["minimum", "maximum"].iter().any(|word| schema.get(word).is_some());
    if bounded && !["integer", "number"].contains(&kind) {
        fault("only numbers have bounds".to_owned());
    }
    if schema["description"].as_str().is_some_and(|text| text.chars().count() > rules.description) {
        fault("its description is too long".to_owned());
    }
    if depth > rules.depth {
        fault(format!("it lies {depth} levels deep"));
    }
    let fields = named.into_iter().flatten().map(|(name, field)| (format!("{at}.{name}"), field));
    let items = schema.get("items").map(|items| (format!("{at}[]"), items));
    for (at, inner) in fields.chain(items) {
        faults(rules, &at, inner, depth + 1, found);
    }
}

fn count_properties(schema: &Value) -> usize {
    let fields = schema["properties"].as_object().into_iter().flatten();
    let inner: usize = fields.map(|(_, field)| 1 + count_properties(field)).sum();
    inner + schema.get("items").map_or(0, count_properties)
}

fn faults_of_tool(rules: &Rules, name: &str, schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for word in schema.as_object().unwrap().keys() {
        if !rules.top.contains(&word.as_str()) {
            found.push(format!("{name}: `{word}` at the top"));
        }
    }
    if schema["type"] != "object" || count_properties(schema) > rules.properties {
        found.push(format!("{name}: it is no object, or has too many properties"));
    }
    faults(rules, name, schema, 0, &mut found);
    found
}

#[test]
fn every_client_accepts_the_arguments_of_every_tool() {
    for rules in CLIENTS {
        for entry in catalog() {
            let schema = mcp::tool(entry)["inputSchema"].take();
            let found = faults_of_tool(rules, entry.name, &schema);
            assert!(found.is_empty(), "{} refuses {found:#?}", rules.client);
        }
    }
}

#[test]
fn the_schemas_use_no_word_beyond_the_dialect() {
    let dialect = Rules { words: DIALECT, top: &["type", "properties", "required"], ..CLIENTS[2] };
    for entry in catalog() {
        let found = faults_of_tool(&dialect, entry.name, entry.input_schema());
        assert!(found.is_empty(), "{found:#?}");
        assert_eq!(&mcp::tool(entry)["inputSchema"], entry.input_schema());
    }
}

/// What public reports show clients to fail on is found by the tables.
#[test]
fn the_tables_find_what_clients_are_known_to_refuse() {
    use serde_json::json;
    let argument = |schema: Value| json!({ "type": "object", "properties": { "x": schema } });
    for (client, schema) in [
        ("Gemini", argument(json!({ "type": "string", "const": "a" }))),
        ("Gemini", argument(json!({ "oneOf": [{ "type": "string", "const": "a" }] }))),
        ("Gemini", argument(json!({ "type": ["string", "null"] }))),
        ("Gemini", argument(json!({ "type": "array" }))),
        ("Gemini", argument(json!({ "type": "integer", "enum": [1, 2] }))),
        ("Gemini", json!({ "type": "object", "properties": {}, "additionalProperties": false })),
        (
            "OpenAI strict mode",
            argument(json!({ "type": "object", "additionalProperties": { "type": "string" } })),
        ),
        ("OpenAI strict mode", argument(json!({ "type": "object" }))),
        (
            "Bedrock (Nova)",
            json!({ "type": "object", "properties": { "x": { "type": "string" } },
                "description": "d" }),
        ),
        ("Cursor", argument(json!({ "anyOf": [{ "type": "string" }, { "type": "number" }] }))),
        ("Cursor", argument(json!({ "type": ["string", "null"] }))),
        ("VS Code", argument(json!({ "type": "array", "description": "a list" }))),
        ("VS Code", argument(json!({ "type": "string", "description": "x".repeat(1_025) }))),
    ] {
        let rules = CLIENTS.iter().find(|rules| rules.client == client).unwrap();
        assert!(!faults_of_tool(rules, "tool", &schema).is_empty(), "{client}: {schema}");
        let plain = argument(json!({ "type": "string", "description": "d" }));
        assert_eq!(faults_of_tool(rules, "tool", &plain), Vec::<String>::new());
    }
}
