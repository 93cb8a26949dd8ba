//! Arguments from JSON: unknown names are refused with the nearest known one, and a wrong type
//! names the argument and what it should be.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::ToolError;

/// Reads `arguments` as `T`, whose schema is `schema`.
///
/// # Errors
/// [`Code::InvalidArgument`](crate::error::Code::InvalidArgument), in words for a model.
pub(super) fn parse<T: DeserializeOwned>(
    arguments: Value,
    schema: &Value,
    aliases: &[(&str, &str)],
    may_be_empty: &[&str],
) -> Result<T, ToolError> {
    let mut given = match arguments {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        other => {
            return Err(ToolError::invalid(format!(
                "the arguments must be a JSON object, not {}",
                kind(&other)
            )));
        }
    };
    for (alias, name) in aliases {
        if let Some(value) = given.remove(*alias) {
            if given.contains_key(*name) {
                return Err(ToolError::invalid(format!(
                    "`{alias}` and `{name}` mean the same argument; give one"
                )));
            }
            given.insert((*name).to_owned(), value);
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    // An explicit null means "not given", as several clients send it for optional arguments; so
    // does an empty text, since others make their model fill in every argument that there is.
    given.retain(|name, value| {
        let required = required.contains(&name.as_str());
        may_be_empty.contains(&name.as_str())
            || !(value.is_null() || value.as_str() == Some("") && !required)
    });
    let known: Vec<&str> =
        properties.map(|map| map.keys().map(String::as_str).collect()).unwrap_or_default();
    if let Some(unknown) = given.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(unknown_argument(unknown, &known));
    }
    for name in required {
        if !given.contains_key(name) {
            return Err(ToolError::invalid(format!("missing argument `{name}`"))
                .hint(describe(properties, name)));
        }
    }
    serde_path_to_error::deserialize(Value::Object(given)).map_err(|error| {
        let at = error.path().to_string();
        let name = at.split(['.', '[']).next().unwrap_or_default().to_owned();
        let error = ToolError::invalid(format!("argument `{at}`: {}", error.inner()));
        if name == "." || name.is_empty() { error } else { error.hint(describe(properties, &name)) }
    })
}

/// What other file tools call an argument, and what it may be called here.
const ELSEWHERE: [(&[&str], &[&str]); 7] = [
    (
        &["length", "max_results", "max_count", "head_limit", "num_lines", "count", "max"],
        &["limit"],
    ),
    (&["file_path", "filepath", "filename", "directory", "dir", "uri"], &["path"]),
    (&["query", "regex", "regexp", "search", "text"], &["pattern", "message"]),
    (&["include", "include_pattern", "file_pattern", "patterns"], &["glob"]),
    (&["start", "start_line", "line_offset", "line", "from"], &["offset", "start_line"]),
    (&["diff", "unified_diff"], &["patch"]),
    (&["description", "body", "details"], &["message", "rationale"]),
];

fn unknown_argument(unknown: &str, known: &[&str]) -> ToolError {
    let elsewhere = ELSEWHERE
        .iter()
        .filter(|(others, _)| others.contains(&unknown.to_ascii_lowercase().as_str()))
        .flat_map(|(_, ours)| *ours)
        .find(|name| known.contains(*name))
        .copied();
    let nearest = elsewhere.or_else(|| {
        known
            .iter()
            .map(|name| (strsim::jaro_winkler(unknown, name), *name))
            .filter(|(likeness, _)| *likeness > 0.75)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| name)
    });
    let error = ToolError::invalid(format!("unknown argument `{unknown}`"));
    let all = format!("the arguments are: {}", known.join(", "));
    match nearest {
        Some(name) => error.hint(format!("did you mean `{name}`? {all}")),
        None => error.hint(all),
    }
}

fn describe(properties: Option<&Map<String, Value>>, name: &str) -> String {
    match properties
        .and_then(|map| map.get(name))
        .and_then(|property| property.get("description"))
        .and_then(Value::as_str)
    {
        Some(description) => format!("`{name}`: {description}"),
        None => format!("give `{name}`"),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_argument_names_the_one_that_was_meant() {
        let hint = |unknown: &str, known: &[&str]| unknown_argument(unknown, known).hint.unwrap();
        let reading = ["format", "limit", "offset", "path"];
        for (unknown, meant) in [
            ("length", "limit"),
            ("max_results", "limit"),
            ("file_path", "path"),
            ("line", "offset"),
            ("limt", "limit"),
        ] {
            let hint = hint(unknown, &reading);
            assert!(hint.starts_with(&format!("did you mean `{meant}`?")), "{unknown}: {hint}");
        }
        assert!(hint("query", &["pattern", "path"]).starts_with("did you mean `pattern`?"));
        assert!(hint("zzz", &reading).starts_with("the arguments are"));
    }
}
