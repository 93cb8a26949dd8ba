//! Each tool's contract keeps within what its host accepts.

use mcp_workspace_tools::contract::{agentcore, bedrock_functions, bedrock_openapi, converse, mcp};
use mcp_workspace_tools::tool::{Entry, catalog};
use serde_json::{Map, Value};

/// Words of JSON Schema 2020-12 that MCP clients are known to cope with.
/// Of an output, which no model has to fill in: it has no descriptions.
const OUTPUT_WORDS: &[&str] = &[
    "type",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "enum",
    "const",
    "oneOf",
    "anyOf",
    "minimum",
    "maximum",
    "default",
];
/// All that AgentCore's `SchemaDefinition` has, and all that Bedrock is known to read in OpenAPI.
const PLAIN_WORDS: &[&str] = &["type", "description", "properties", "required", "items"];
const CONVERSE_WORDS: &[&str] =
    &["type", "description", "properties", "required", "items", "enum", "minimum", "maximum"];
const TYPES: &[&str] = &["string", "number", "integer", "boolean", "array", "object"];

/// Checks a schema and all below it: known words only, each with a value that JSON Schema 2020-12
/// allows, and a description for every property where there are any.
fn check_schema(at: &str, schema: &Value, words: &[&str]) {
    let schema = schema.as_object().unwrap_or_else(|| panic!("{at} is not an object: {schema}"));
    for (word, value) in schema {
        assert!(words.contains(&word.as_str()), "{at} has `{word}`, which the host does not know");
        let at = format!("{at}.{word}");
        match word.as_str() {
            "type" => assert!(TYPES.contains(&value.as_str().unwrap()), "{at} is {value}"),
            "description" => assert!(!value.as_str().unwrap().is_empty(), "{at} is empty"),
            "properties" => check_properties(&at, value.as_object().unwrap(), words),
            "required" => check_required(&at, value, schema),
            "items" => check_schema(&at, value, words),
            "additionalProperties" if value.is_boolean() => {}
            "additionalProperties" => check_schema(&at, value, words),
            "enum" => assert!(!value.as_array().unwrap().is_empty(), "{at} is empty"),
            "oneOf" | "anyOf" => {
                let list = value.as_array().unwrap();
                assert!(!list.is_empty(), "{at} is empty");
                list.iter().for_each(|schema| check_schema(&at, schema, words));
            }
            "minimum" | "maximum" => assert!(value.is_number(), "{at} is {value}"),
            _ => {}
        }
    }
}

fn check_properties(at: &str, properties: &Map<String, Value>, words: &[&str]) {
    for (name, schema) in properties {
        let at = format!("{at}.{name}");
        let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(name.len() <= 64 && name.bytes().all(known), "{at}: the name is not plain");
        // A variant that repeats a field need not describe it again.
        let in_variant = at.contains(".oneOf.") || at.contains(".anyOf.");
        let needed = words.contains(&"description") && !in_variant;
        assert!(!needed || schema.get("description").is_some(), "{at} has no description");
        check_schema(&at, schema, words);
    }
}

fn check_required(at: &str, names: &Value, schema: &Map<String, Value>) {
    for name in names.as_array().unwrap() {
        let known = schema["properties"].get(name.as_str().unwrap()).is_some();
        assert!(known, "{at} names {name}, which is no property");
    }
}

/// An object at the top, with nothing that the top must not have.
fn check_input(entry: &Entry, schema: &Value, words: &[&str]) {
    assert_eq!(schema["type"], "object", "the input of {}", entry.name);
    assert!(!schema.to_string().contains("$ref"), "the input of {} has references", entry.name);
    check_schema(entry.name, schema, words);
}

fn property_names(schema: &Value) -> Vec<&str> {
    schema["properties"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn names_fit_every_host() {
    for entry in catalog() {
        // MCP allows more; Converse 64 of `[a-zA-Z0-9_-]`.
        let plain = entry.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(plain && (1..=64).contains(&entry.name.len()), "the tool name `{}`", entry.name);
    }
}

#[test]
fn descriptions_are_short() {
    for entry in catalog() {
        // Bedrock's function details take 1,200 characters; every client's model pays for each.
        let length = entry.description.trim_end().chars().count();
        assert!((1..1_200).contains(&length), "{} has {length} characters", entry.name);
        assert!(entry.title.len() <= 40, "the title of {} is long", entry.name);
    }
}

#[test]
fn the_list_of_tools_stays_short() {
    // A model pays for all of it in each of its sessions.
    let tools = catalog().iter().filter(|entry| entry.name != "query_table");
    let bytes: usize = tools.map(|entry| mcp::tool(entry).to_string().len()).sum();
    assert!(bytes <= 18_800, "{bytes} bytes");
}

#[test]
fn mcp_schemas_are_plain_json_schema() {
    for entry in catalog() {
        let tool = mcp::tool(entry);
        check_input(entry, &tool["inputSchema"], CONVERSE_WORDS);
        assert_eq!(tool.get("outputSchema").is_some(), entry.structured, "{}", entry.name);
        if let Some(output) = tool.get("outputSchema") {
            check_input(entry, output, OUTPUT_WORDS);
        }
        // It says nothing of a tool that only reads.
        let annotations = &tool["annotations"];
        let only_reads = annotations["readOnlyHint"] == true;
        assert_eq!(annotations.get("destructiveHint").is_none(), only_reads, "{}", entry.name);
        assert!(only_reads || annotations["destructiveHint"] == false, "{}", entry.name);
        assert_eq!(tool["annotations"]["openWorldHint"], false);
    }
}

#[test]
fn agentcore_schemas_have_the_words_of_schema_definition() {
    for entry in catalog() {
        let tool = agentcore::tool(entry);
        check_input(entry, &tool["inputSchema"], PLAIN_WORDS);
    }
    // The limit of an inline schema.
    assert!(agentcore::document(catalog()).to_string().len() < 1024 * 1024);
}

#[test]
fn agentcore_says_in_words_which_values_an_argument_takes() {
    let tool = agentcore::tool(entry("grep"));
    let mode = &tool["inputSchema"]["properties"]["mode"];
    assert_eq!(mode["description"], "Default: content. One of: content, files, count.");
    assert_eq!(mode["type"], "string");
}

#[test]
fn bedrock_functions_keep_within_their_limits() {
    for entry in functions() {
        let function = bedrock_functions::function(entry)
            .unwrap_or_else(|| panic!("{} cannot be said as a function", entry.name));
        assert!(is_bedrock_name(function["name"].as_str().unwrap()));
        assert!((1..=1_200).contains(&characters(&function["description"])), "{}", entry.name);
        let parameters = function["parameters"].as_object().unwrap();
        assert!(parameters.len() <= bedrock_functions::MAX_PARAMETERS, "{}", entry.name);
        for (name, parameter) in parameters {
            let at = format!("{}.{name}", entry.name);
            assert!(is_bedrock_name(name), "{at}: the name");
            assert!(
                (1..=500).contains(&characters(&parameter["description"])),
                "{at}: description"
            );
            let kinds = ["string", "number", "integer", "boolean", "array"];
            assert!(kinds.contains(&parameter["type"].as_str().unwrap()), "{at}: type");
            assert!(parameter["required"].is_boolean(), "{at}: required");
        }
    }
}

/// Tools whose required arguments function details cannot carry, such as a list of objects: an action
/// group by function details is made without them.
const NO_FUNCTIONS: [&str; 1] = ["query_table"];

/// The tools that can be said as functions.
fn functions() -> impl Iterator<Item = &'static Entry> {
    catalog().iter().filter(|entry| !NO_FUNCTIONS.contains(&entry.name))
}

#[test]
fn only_known_tools_cannot_be_said_as_functions() {
    for entry in catalog() {
        let said = bedrock_functions::function(entry).is_some();
        assert_eq!(said, !NO_FUNCTIONS.contains(&entry.name), "{}", entry.name);
    }
}

/// `([0-9a-zA-Z][_-]?){1,100}`.
fn is_bedrock_name(name: &str) -> bool {
    let mut after_separator = true;
    for byte in name.bytes() {
        let separator = matches!(byte, b'_' | b'-');
        if separator && after_separator || !separator && !byte.is_ascii_alphanumeric() {
            return false;
        }
        after_separator = separator;
    }
    (1..=100).contains(&name.len())
}

fn characters(value: &Value) -> usize {
    value.as_str().unwrap_or_default().chars().count()
}

#[test]
fn every_required_argument_is_a_function_parameter() {
    for entry in functions() {
        let function = bedrock_functions::function(entry).unwrap();
        for name in entry.input_schema()["required"].as_array().into_iter().flatten() {
            let parameter = &function["parameters"][name.as_str().unwrap()];
            assert_eq!(parameter["required"], true, "{}.{name}", entry.name);
        }
    }
}

/// Nothing is left to the alphabet where parameters have to be left out.
#[test]
fn essential_arguments_decide_which_parameters_a_function_has() {
    for entry in functions() {
        let input = agentcore::tool(entry)["inputSchema"].take();
        let known = property_names(&input);
        let required: Vec<&str> =
            input["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let arguments = entry.input_schema();
        for name in entry.essential {
            assert!(
                arguments["properties"].get(name).is_some(),
                "{} has no argument `{name}`",
                entry.name
            );
            assert!(!required.contains(name), "{}: `{name}` is required anyway", entry.name);
        }
        let function = bedrock_functions::function(entry).unwrap();
        let offered = property_names_of_function(&function);
        let can_be_said = known.iter().filter(|name| is_flat(&input["properties"][**name])).count();
        if offered.len() < can_be_said {
            for name in offered {
                assert!(
                    required.contains(&name) || entry.essential.contains(&name),
                    "{} has more arguments than a function may have: `ESSENTIAL` must say which \
                     matter most; `{name}` was taken for want of a better one",
                    entry.name
                );
            }
        }
    }
}

fn property_names_of_function(function: &Value) -> Vec<&str> {
    function["parameters"].as_object().unwrap().keys().map(String::as_str).collect()
}

fn is_flat(schema: &Value) -> bool {
    schema["type"] != "object"
        && !["array", "object"].iter().any(|kind| schema["items"]["type"] == *kind)
}

#[test]
fn grep_as_a_function_can_go_on_to_the_next_page() {
    let function = bedrock_functions::function(entry("grep")).unwrap();
    assert_eq!(
        property_names_of_function(&function),
        ["cursor", "glob", "mode", "path", "pattern"]
    );
}

#[test]
fn bedrock_openapi_keeps_within_its_limits() {
    let document = bedrock_openapi::document(catalog());
    assert_eq!(document["openapi"], "3.0.0");
    let paths = document["paths"].as_object().unwrap();
    assert_eq!(paths.len(), catalog().len());
    assert!(paths.len() <= 11, "an action group has at most 11 operations");
    for entry in catalog() {
        let operation = &paths[&format!("/{}", entry.name)]["post"];
        assert_eq!(operation["operationId"], entry.name);
        assert!(characters(&operation["description"]) > 0);
        let request = operation.pointer("/requestBody/content/application~1json/schema").unwrap();
        check_input(entry, request, PLAIN_WORDS);
        let answer = operation.pointer("/responses/200/content/application~1json/schema").unwrap();
        check_input(entry, answer, PLAIN_WORDS);
        assert!(characters(&operation["responses"]["200"]["description"]) > 0);
    }
}

#[test]
fn converse_tool_specs_are_what_every_model_takes() {
    for entry in catalog() {
        let tool = converse::tool(entry);
        let schema = &tool["toolSpec"]["inputSchema"]["json"];
        check_input(entry, schema, CONVERSE_WORDS);
        for word in schema.as_object().unwrap().keys() {
            assert!(["type", "properties", "required"].contains(&word.as_str()), "{word}");
        }
        assert!(characters(&tool["toolSpec"]["description"]) > 0);
    }
}

#[test]
fn converse_keeps_the_choices_of_an_argument() {
    let tool = converse::tool(entry("grep"));
    let mode = &tool["toolSpec"]["inputSchema"]["json"]["properties"]["mode"];
    assert_eq!(mode["enum"], serde_json::json!(["content", "files", "count"]));
}

#[test]
fn hosts_that_return_json_offer_no_format() {
    let tool = agentcore::tool(entry("grep"));
    assert!(tool["inputSchema"]["properties"].get("format").is_none());
    let tool = converse::tool(entry("grep"));
    assert!(tool["toolSpec"]["inputSchema"]["json"]["properties"].get("format").is_some());
}

fn entry(name: &str) -> &'static Entry {
    mcp_workspace_tools::tool::find(name).unwrap()
}
