//! Chooses which tools of a server's list a model is offered. The list is not ours, so a tool that
//! Converse would refuse, or that would fill the request, is left out with a line that says so.

use std::collections::HashSet;

use rmcp::model::Tool;
use serde_json::{Map, Value, json};

use crate::context::RECALL;

/// Longest name that Converse takes.
const MAX_NAME: usize = 64;
/// Tools in one request, beside the worker's own.
const MAX_TOOLS: usize = 127;
/// Characters of a description; what is longer is cut.
const MAX_DESCRIPTION: usize = 10_000;
/// Bytes of one tool's schema, and of all that is offered.
const MAX_SCHEMA: usize = 65_536;
const MAX_TOTAL: usize = 1_048_576;
/// Lines about tools that are left out; then they are only counted.
const MAX_LINES: usize = 10;
/// What the top level of a schema may have: models refuse alternatives there, and the server
/// judges the arguments whatever a model was told.
const TOP_LEVEL: [&str; 5] = ["type", "properties", "required", "$defs", "definitions"];

/// The tools that are offered.
#[derive(Debug, Default)]
pub(super) struct Offer {
    /// As Converse describes them.
    pub tools: Vec<Value>,
    /// Names of those that may be called twice: they read, or do nothing the second time.
    pub repeatable: HashSet<String>,
    /// What is left out, and why.
    pub left_out: Vec<String>,
    names: HashSet<String>,
    bytes: usize,
    unmentioned: usize,
}

impl Offer {
    /// Whether no more tools fit, so that the rest of a list need not be fetched.
    pub(super) fn is_full(&self) -> bool {
        self.tools.len() >= MAX_TOOLS
    }

    /// Takes one more tool of the list.
    pub(super) fn add(&mut self, tool: &Tool) {
        if let Err(reason) = self.take(tool) {
            let name: String = tool.name.chars().take(MAX_NAME).collect();
            let dots = if name.len() < tool.name.len() { "…" } else { "" };
            self.leave_out(format!("the tool `{name}{dots}` is left out: {reason}"));
        }
    }

    /// Takes note of something in the list that is not offered.
    pub(super) fn leave_out(&mut self, line: String) {
        if self.left_out.len() < MAX_LINES {
            self.left_out.push(line);
        } else {
            self.unmentioned += 1;
        }
    }

    /// Says how many were not mentioned.
    pub(super) fn finish(mut self) -> Offer {
        if self.unmentioned > 0 {
            self.left_out.push(format!("and {} more are left out", self.unmentioned));
        }
        self
    }

    fn take(&mut self, tool: &Tool) -> Result<(), String> {
        let name = &*tool.name;
        let accepted = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !(1..=MAX_NAME).contains(&name.len()) || !name.chars().all(accepted) {
            return Err(format!("Bedrock takes names of 1 to {MAX_NAME} of A-Z a-z 0-9 _ -"));
        }
        if self.names.contains(name) {
            return Err("there is one of that name already".to_owned());
        }
        if name == RECALL {
            return Err("the worker has a tool of that name itself".to_owned());
        }
        let schema = schema(&tool.input_schema)?;
        let bytes = schema.to_string().len();
        if bytes > MAX_SCHEMA {
            return Err(format!("its schema has {bytes} bytes, more than {MAX_SCHEMA}"));
        }
        if self.is_full() {
            return Err(format!("a model is offered {MAX_TOOLS} tools at most"));
        }
        let described = [tool.description.as_deref(), tool.title.as_deref()].into_iter().flatten();
        let mut described = described.filter(|text| !text.trim().is_empty());
        let description = described.next().unwrap_or(name);
        let description = match description.char_indices().nth(MAX_DESCRIPTION) {
            Some((end, _)) => format!("{} …", description.get(..end).unwrap_or_default()),
            None => description.to_owned(),
        };
        let bytes = self.bytes + bytes + name.len() + description.len();
        if bytes > MAX_TOTAL {
            return Err(format!("all descriptions together have more than {MAX_TOTAL} bytes"));
        }
        self.bytes = bytes;
        self.names.insert(name.to_owned());
        if tool.annotations.as_ref().is_some_and(|hints| {
            hints.read_only_hint == Some(true) || hints.idempotent_hint == Some(true)
        }) {
            self.repeatable.insert(name.to_owned());
        }
        self.tools.push(json!({
            "toolSpec": {
                "name": name,
                "description": description,
                "inputSchema": { "json": schema },
            },
        }));
        Ok(())
    }
}

fn schema(schema: &Map<String, Value>) -> Result<Value, String> {
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err("its input schema is not of the type `object`".to_owned());
    }
    if schema.get("properties").is_some_and(|properties| !properties.is_object()) {
        return Err("the `properties` of its input schema are not an object".to_owned());
    }
    let kept = schema.iter().filter(|(key, _)| TOP_LEVEL.contains(&key.as_str()));
    Ok(kept.map(|(key, value)| (key.clone(), value.clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tool(value: Value) -> Tool {
        serde_json::from_value(value).unwrap()
    }

    fn named(name: &str) -> Tool {
        tool(json!({ "name": name, "description": "d", "inputSchema": { "type": "object" } }))
    }

    #[test]
    fn names_that_converse_refuses_are_left_out_and_never_renamed() {
        let mut offer = Offer::default();
        let (long, longest) = ("x".repeat(65), "x".repeat(64));
        for bad in ["", "a.b", "a/b", "ä", "a b", "a:b", long.as_str()] {
            offer.add(&named(bad));
        }
        for good in ["read_file", "files___read_file", "a-b", &longest] {
            offer.add(&named(good));
        }
        offer.add(&named("read_file"));
        let offer = offer.finish();
        let names: Vec<_> =
            offer.tools.iter().map(|tool| tool["toolSpec"]["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["read_file", "files___read_file", "a-b", &longest]);
        assert_eq!(offer.left_out.len(), 8, "{:#?}", offer.left_out);
        assert!(offer.left_out[1].contains("`a.b`"), "{:#?}", offer.left_out);
    }

    #[test]
    fn only_schemas_of_objects_are_offered_and_only_what_models_take_of_them() {
        let mut offer = Offer::default();
        let properties = json!({ "a": { "type": "string" } });
        for (name, schema) in [
            (
                "good",
                json!({ "type": "object", "properties": properties, "additionalProperties": false, "oneOf": [], "$schema": "x" }),
            ),
            ("array", json!({ "type": "array" })),
            ("none", json!({})),
            ("list", json!({ "type": "object", "properties": [] })),
            (
                "huge",
                json!({ "type": "object", "properties": { "a": { "description": "x".repeat(70_000) } } }),
            ),
        ] {
            offer.add(&tool(json!({ "name": name, "inputSchema": schema })));
        }
        assert_eq!(offer.left_out.len(), 4, "{:#?}", offer.left_out);
        assert_eq!(
            offer.tools,
            [json!({ "toolSpec": {
                "name": "good", "description": "good",
                "inputSchema": { "json": { "type": "object", "properties": properties } },
            } })]
        );
    }

    #[test]
    fn an_offer_is_bounded_whatever_is_listed() {
        let mut offer = Offer::default();
        let mut tool = named("t");
        tool.description = Some("ä".repeat(20_000).into());
        for number in 0..500 {
            tool.name = format!("t{number}").into();
            offer.add(&tool);
        }
        let offer = offer.finish();
        assert!(offer.tools.len() < MAX_TOOLS);
        assert!(Value::from(offer.tools).to_string().len() < MAX_TOTAL + 100_000);
        assert_eq!(offer.left_out.len(), MAX_LINES + 1);
    }

    #[test]
    fn what_reads_or_does_nothing_twice_may_be_called_again() {
        let mut offer = Offer::default();
        for (name, hints) in [
            ("reads", json!({ "readOnlyHint": true })),
            ("once", json!({ "readOnlyHint": false, "idempotentHint": true })),
            ("writes", json!({ "readOnlyHint": false, "idempotentHint": false })),
            ("unsaid", json!({})),
        ] {
            offer.add(&tool(json!({
                "name": name, "inputSchema": { "type": "object" }, "annotations": hints,
            })));
        }
        assert_eq!(offer.repeatable, HashSet::from(["reads", "once"].map(str::to_owned)));
    }
}
