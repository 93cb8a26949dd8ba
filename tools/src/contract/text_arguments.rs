//! Restores the types of arguments from Bedrock's action groups, whose values arrive as text.

use serde_json::{Map, Value};

use crate::schema::shape::{Kind, Shape};
use crate::tool::Entry;
use crate::tool::arguments::{Reader, json};

/// Longest list that may be written loosely.
const MAX_LOOSE_BYTES: usize = 64 * 1024;

/// Makes arguments of `pairs`, each value in the type that the tool's input schema names.
///
/// Lists may be JSON or loosely written (`[a, b]`, `a, b`). What does not read as its type, and
/// what the tool does not know, is left as it came: the tool says what is wrong with it.
pub fn read(tool: Option<&Entry>, pairs: impl Iterator<Item = (String, Value)>) -> Value {
    let shape = tool.map(super::input);
    let typed = pairs.filter_map(|(name, value)| {
        let known = shape.as_ref().and_then(|shape| shape.property(&name));
        let value = match known {
            // Nothing written for a number, a flag or a list is an argument not given.
            Some(property) if is_blank(&value) && property.shape.kind != Kind::String => {
                return None;
            }
            Some(property) => typed(&property.shape, value),
            None => value,
        };
        Some((name, value))
    });
    Value::Object(typed.collect::<Map<_, _>>())
}

fn is_blank(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// `value` in the type of `shape`, or as it is. That it was text is no adjustment here.
fn typed(shape: &Shape, value: Value) -> Value {
    match (shape.kind, value) {
        (Kind::Array, Value::String(text)) => array(shape, text.trim()),
        (_, value) => Reader { habits: None, adjusted: None }.read(shape, "", value),
    }
}

fn typed_items(shape: &Shape, items: Vec<Value>) -> Value {
    typed(shape, Value::Array(items))
}

fn array(shape: &Shape, text: &str) -> Value {
    if let Some(Value::Array(items)) = json(text) {
        return typed_items(shape, items);
    }
    let of_objects = shape.items.as_ref().is_some_and(|items| items.kind == Kind::Object);
    if of_objects || text.len() > MAX_LOOSE_BYTES {
        // A guess at an edit would be worse than the question what was meant.
        return Value::from(text);
    }
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    typed_items(shape, loose_items(inner).into_iter().map(Value::from).collect())
}

/// Splits at commas outside of quotes and brackets, which globs such as `*.{rs,toml}` have.
fn loose_items(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut quote = None;
    let mut depth = 0_usize;
    for character in text.chars() {
        match (quote, character) {
            (Some(open), _) if open == character => quote = None,
            (None, '"') => quote = Some('"'),
            (None, '{' | '[' | '(') => depth += 1,
            (None, '}' | ']' | ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth == 0 => {
                items.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = items.last_mut() {
            last.push(character);
        }
    }
    items.iter().map(|item| unquoted(item.trim())).filter(|item| !item.is_empty()).collect()
}

fn unquoted(text: &str) -> String {
    let inner = ['"', '\'']
        .iter()
        .find_map(|quote| text.strip_prefix(*quote).and_then(|text| text.strip_suffix(*quote)));
    inner.unwrap_or(text).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::tool;

    fn read_for(tool: &str, pairs: &[(&str, &str)]) -> Value {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), Value::from(*value)));
        read(tool::find(tool), pairs)
    }

    #[test]
    fn text_becomes_what_the_schema_names() {
        let read = read_for(
            "grep",
            &[("pattern", "12"), ("limit", " 5 "), ("ignore_case", "True"), ("before", "2.0")],
        );
        assert_eq!(read, json!({ "pattern": "12", "limit": 5, "ignore_case": true, "before": 2 }));
    }

    #[test]
    fn lists_may_be_written_loosely() {
        for text in ["[\"a\", \"b,c\"]", "[a, \"b,c\"]", "a, \"b,c\"", "['a', \"b,c\"]"] {
            let read = read_for("write_finding", &[("tags", text)]);
            assert_eq!(read, json!({ "tags": ["a", "b,c"] }), "{text}");
        }
        let read = read_for("write_finding", &[("tags", "[*.{rs,toml}, [x], it's]")]);
        assert_eq!(read, json!({ "tags": ["*.{rs,toml}", "[x]", "it's"] }));
        assert_eq!(read_for("write_finding", &[("tags", "[]")]), json!({ "tags": [] }));
    }

    #[test]
    fn what_does_not_read_is_left_for_the_tool_to_refuse() {
        let read = read_for("grep", &[("limit", "many"), ("ignore_case", "yes"), ("lmit", "3")]);
        assert_eq!(read, json!({ "limit": "many", "ignore_case": "yes", "lmit": "3" }));
        assert_eq!(read_for("grep", &[("limit", "")]), json!({}));
        assert_eq!(read_for("no_such_tool", &[("n", "1")]), json!({ "n": "1" }));
    }

    #[test]
    fn a_list_over_the_limits_is_left_as_text() {
        let dense = format!("[{}\"a\"]", "\"a\",".repeat(30_000));
        let loose = "a,".repeat(40_000);
        for text in [dense, loose] {
            assert_eq!(read_for("write_finding", &[("tags", &text)]), json!({ "tags": text }));
        }
    }

    #[test]
    fn edits_are_json_with_values_of_their_own_types() {
        let edits = json!([{ "path": "a", "old_text": "1", "new_text": "2" }]);
        let read = read_for("propose_patch", &[("title", "t"), ("edits", &edits.to_string())]);
        assert_eq!(read, json!({ "title": "t", "edits": edits }));
        let loose = read_for("propose_patch", &[("edits", "[{path=a, old_text=1}]")]);
        assert_eq!(loose, json!({ "edits": "[{path=a, old_text=1}]" }));
    }
}
