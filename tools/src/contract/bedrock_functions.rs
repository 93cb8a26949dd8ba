//! Agents for Amazon Bedrock (Classic): an action group by function details.

use serde_json::{Map, Value, json};

use crate::schema::shape::{Kind, Property, Shape};
use crate::tool::Entry;

/// Parameters of one function that every account's quota allows.
pub const MAX_PARAMETERS: usize = 5;

/// An action group's `functionSchema`. Tools that cannot be called with
/// [`MAX_PARAMETERS`] flat parameters are left out.
pub fn document(tools: &[Entry]) -> Value {
    json!({ "functions": tools.iter().filter_map(function).collect::<Vec<_>>() })
}

/// A function; none for a tool whose required arguments do not fit.
///
/// The parameters are the required arguments, then the optional ones that the tool calls
/// essential, then any others, as far as there is room. Objects and lists of objects cannot be
/// said here.
pub fn function(entry: &Entry) -> Option<Value> {
    let input = super::input_of_json_host(entry);
    let mut chosen: Vec<&Property> =
        input.properties.iter().filter(|property| property.required).collect();
    if chosen.len() > MAX_PARAMETERS || !chosen.iter().all(|property| is_flat(&property.shape)) {
        return None;
    }
    let essential = entry.essential.iter().filter_map(|name| input.property(name));
    for property in essential.chain(&input.properties) {
        let known = chosen.iter().any(|other| other.name == property.name);
        if chosen.len() < MAX_PARAMETERS && !known && is_flat(&property.shape) {
            chosen.push(property);
        }
    }
    let parameters: Map<String, Value> =
        chosen.into_iter().map(|property| (property.name.clone(), parameter(property))).collect();
    Some(json!({
        "name": entry.name,
        "description": super::description(entry),
        "parameters": parameters,
        // Nothing that a tool does needs a person first; a person decides on what it recorded.
        "requireConfirmation": "DISABLED",
    }))
}

fn parameter(property: &Property) -> Value {
    json!({
        "type": property.shape.kind.as_str(),
        "description": property.shape.full_description(),
        "required": property.required,
    })
}

/// Whether one parameter can carry it: a scalar or a list of them.
fn is_flat(shape: &Shape) -> bool {
    match shape.kind {
        Kind::Object => false,
        Kind::Array => shape
            .items
            .as_ref()
            .is_none_or(|items| !matches!(items.kind, Kind::Array | Kind::Object)),
        Kind::String | Kind::Number | Kind::Integer | Kind::Boolean => true,
    }
}
