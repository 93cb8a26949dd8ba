//! The tools in the form of each host that can offer them: pure functions from the catalog to
//! JSON. The generated files lie in `tools/contracts/`.

pub mod agentcore;
pub mod bedrock_functions;
pub mod bedrock_openapi;
pub mod converse;
pub mod mcp;
pub mod reference;
pub mod text_arguments;

use serde_json::Value;

use crate::schema::shape::Shape;
use crate::tool::Entry;

/// A tool's description without the end of its file.
fn description(entry: &Entry) -> Value {
    Value::from(entry.description.trim_end())
}

/// What a tool takes.
fn input(entry: &Entry) -> Shape {
    entry.shape().clone()
}

/// What a tool takes on a host that returns the JSON answer always: `format` has nothing to choose
/// there.
fn input_of_json_host(entry: &Entry) -> Shape {
    let mut shape = input(entry);
    shape.properties.retain(|property| property.name != "format");
    shape
}

/// What a tool answers in JSON.
fn answer(entry: &Entry) -> Shape {
    Shape { description: None, ..Shape::read(entry.answer_schema()) }
}
