//! Arguments from JSON, read as they were meant: where a name, a type or a path is not what the
//! schema says and has one possible meaning, that is taken and noted. What has two is refused with
//! both, and unknown names are refused with the nearest known one.

mod names;
mod paths;
mod values;

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::adjusted::Adjusted;
use crate::error::ToolError;
use crate::schema::shape::Shape;
use crate::workspace::Scope;

pub(super) use names::is_name;
pub(crate) use values::{Reader, json};

use super::{Alias, Foreign, Synonym, Tool};

/// What the arguments of a tool are understood by beside its schema.
#[derive(Debug)]
pub(crate) struct Habits {
    tool: &'static str,
    aliases: &'static [Alias],
    foreign: &'static [Foreign],
    synonyms: &'static [Synonym],
    may_be_empty: &'static [&'static str],
    paths: &'static [&'static str],
    glob_in_path: bool,
}

impl Habits {
    /// Those of a tool.
    pub(super) const fn of<T: Tool>() -> Habits {
        Habits {
            tool: T::NAME,
            aliases: T::ALIASES,
            foreign: T::FOREIGN,
            synonyms: T::SYNONYMS,
            may_be_empty: T::MAY_BE_EMPTY,
            paths: T::PATHS,
            glob_in_path: T::GLOB_IN_PATH,
        }
    }
}

/// Reads `arguments` under the names and in the types of `shape`, and their paths as the caller
/// may see them in `scope`.
///
/// # Errors
/// [`Code::InvalidArgument`](crate::error::Code::InvalidArgument), in words for a model.
pub(super) fn read(
    arguments: Value,
    shape: &Shape,
    habits: &Habits,
    scope: &Scope,
    adjusted: &Adjusted,
) -> Result<Map<String, Value>, ToolError> {
    let given = match arguments {
        Value::Object(map) => map,
        Value::Null => Map::new(),
        other => {
            return Err(ToolError::invalid(format!(
                "the arguments must be a JSON object, not {}",
                kind(&other)
            )));
        }
    };
    let mut read = names::resolve(given, shape, habits, adjusted)?;
    paths::read(&mut read, shape, habits, scope, adjusted)?;
    for property in shape.properties.iter().filter(|property| property.required) {
        if !read.contains_key(&property.name) {
            return Err(ToolError::invalid(format!("missing argument `{}`", property.name))
                .hint(describe(shape, &property.name)));
        }
    }
    Ok(read)
}

/// What these arguments say for the argument `name`, in the caller's own words.
pub(super) fn said<'a>(
    arguments: &'a Value,
    name: &str,
    shape: &Shape,
    habits: &Habits,
) -> Option<&'a str> {
    let given = arguments.as_object()?;
    let others =
        || given.iter().filter(|(other, _)| names::argument(other, shape, habits) == Some(name));
    let text = |value: &'a Value| match value {
        Value::Array(items) => items.first().filter(|_| items.len() == 1).and_then(Value::as_str),
        other => other.as_str(),
    };
    given.get(name).and_then(text).or_else(|| others().find_map(|(_, value)| text(value)))
}

/// The path that is meant by a text, where there is exactly one other than the text itself.
pub(super) fn meant_path(scope: &Scope, text: &str) -> Option<String> {
    paths::meant(scope, text).ok().flatten()
}

/// The arguments as the tool's own type.
///
/// # Errors
/// [`Code::InvalidArgument`](crate::error::Code::InvalidArgument), which names the argument.
pub(super) fn typed<T: DeserializeOwned>(
    read: Map<String, Value>,
    shape: &Shape,
) -> Result<T, ToolError> {
    serde_path_to_error::deserialize(Value::Object(read)).map_err(|error| {
        let at = error.path().to_string();
        let name = at.split(['.', '[']).next().unwrap_or_default().to_owned();
        let error = ToolError::invalid(format!("argument `{at}`: {}", error.inner()));
        if name == "." || name.is_empty() { error } else { error.hint(describe(shape, &name)) }
    })
}

/// How many items a page may have: what the argument `limit` says, from 1 to `most`.
///
/// # Errors
/// [`Code::InvalidArgument`](crate::error::Code::InvalidArgument), with the value and the range.
pub(super) fn limit<N>(given: Option<N>, default: N, most: N) -> Result<N, ToolError>
where
    N: Copy + PartialOrd + From<u8> + Display,
{
    let limit = given.unwrap_or(default);
    if limit < N::from(1) || limit > most {
        return Err(ToolError::invalid(format!("`limit` is {limit}; it goes from 1 to {most}")));
    }
    Ok(limit)
}

/// A flag, also as text.
pub(super) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::String(text) => values::boolean(text.trim())?.as_bool(),
        other => other.as_bool(),
    }
}

/// A whole number, also as text and as `10.0`.
pub(super) fn whole(value: &Value) -> Option<i64> {
    match value {
        Value::String(text) => values::integer(text.trim())?.as_i64(),
        Value::Number(number) => values::integer(&number.to_string())?.as_i64(),
        _ => None,
    }
}

fn describe(shape: &Shape, name: &str) -> String {
    match shape.property(name).and_then(|property| property.shape.description.as_deref()) {
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
