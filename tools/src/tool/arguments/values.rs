//! Values of arguments in the types of the schema: numbers and flags as text, one for a list and a
//! list of one, choices in other letters, lists and objects as JSON text.

use mcp_workspace_json::Limits;
use serde_json::{Map, Number, Value};

use super::{Habits, names};
use crate::adjusted::Adjusted;
use crate::schema::shape::{Kind, Shape};

/// Reads values by the shape that they should have.
pub(crate) struct Reader<'a> {
    /// The names and words that are understood beside the schema's.
    pub(crate) habits: Option<&'a Habits>,
    /// Where it is noted what was read otherwise than it was written, if anywhere.
    pub(crate) adjusted: Option<&'a Adjusted>,
}

impl<'a> Reader<'a> {
    /// `value` in the type of `shape`, or as it is where it has no single reading in that type: the
    /// tool says what is wrong with it. `at` is the name of the argument.
    pub(crate) fn read(&self, shape: &Shape, at: &str, value: Value) -> Value {
        if shape.any {
            return value;
        }
        if let Some(meant) = self.synonym(at, &value) {
            self.note(|adjusted| adjusted.value(at, &value, &meant));
            return meant;
        }
        match (shape.kind, value) {
            (Kind::String, Value::Array(items)) if shape.several && items.len() > 1 => {
                self.note(|adjusted| {
                    adjusted.note(format!("`{at}` a list of {} taken together", items.len()))
                });
                Value::Array(items)
            }
            (Kind::Array, Value::Array(items)) => self.items(shape, at, items),
            (Kind::Object, Value::Object(fields)) => self.fields(shape, at, fields),
            (kind, value) => match self.otherwise(shape, kind, at, &value) {
                Some(meant) if meant != value => {
                    self.note(|adjusted| adjusted.value(at, &value, &meant));
                    meant
                }
                _ => value,
            },
        }
    }

    /// A value that is not of the wanted type.
    fn otherwise(&self, shape: &Shape, kind: Kind, at: &str, value: &Value) -> Option<Value> {
        match (kind, value) {
            (Kind::Integer, Value::Number(number)) if number.is_f64() => {
                integer(&number.to_string())
            }
            (Kind::Integer, Value::String(text)) => integer(text.trim()),
            (Kind::Number, Value::String(text)) => number(text.trim()),
            (Kind::Boolean, Value::String(text)) => boolean(text.trim()),
            (Kind::String, Value::String(text)) => choice(shape, text),
            (Kind::String, Value::Number(number)) if !number.is_f64() => {
                Some(Value::from(number.to_string()))
            }
            (Kind::String, Value::Bool(flag)) => Some(Value::from(flag.to_string())),
            (Kind::Array, Value::String(text)) => self.list_of_text(shape, at, text),
            (Kind::Array, Value::Object(_)) => self.only_object(shape, at, value.clone()),
            (Kind::Array, Value::Number(_) | Value::Bool(_)) => {
                let of = shape.items.as_deref().filter(|of| of.kind != Kind::Object)?;
                Some(Value::Array(vec![self.quiet().read(of, at, value.clone())]))
            }
            (Kind::Object, Value::String(text)) => match json(text)? {
                Value::Object(fields) => Some(self.quiet().fields(shape, at, fields)),
                _ => None,
            },
            (kind, Value::Array(items)) if kind != Kind::Object => match items.as_slice() {
                [only] if !only.is_array() => Some(self.quiet().read(shape, at, only.clone())),
                _ => None,
            },
            _ => None,
        }
    }

    /// The same without notes, for what is part of something that is noted as a whole.
    fn quiet(&self) -> Reader<'a> {
        Reader { habits: self.habits, adjusted: None }
    }

    fn note(&self, how: impl FnOnce(&Adjusted)) {
        if let Some(adjusted) = self.adjusted {
            how(adjusted);
        }
    }

    /// What another tool's word for a value means here.
    fn synonym(&self, at: &str, value: &Value) -> Option<Value> {
        let written = value.as_str()?.trim().to_lowercase();
        let mut synonyms = self.habits?.synonyms.iter();
        let found = synonyms.find(|(argument, other, _)| *argument == at && *other == written);
        found.map(|(_, _, meant)| Value::from(*meant))
    }

    fn items(&self, shape: &Shape, at: &str, items: Vec<Value>) -> Value {
        let Some(of) = shape.items.as_deref() else { return Value::Array(items) };
        items.into_iter().map(|item| self.read(of, at, item)).collect()
    }

    fn fields(&self, shape: &Shape, at: &str, fields: Map<String, Value>) -> Value {
        let mut read = Map::new();
        let mut others = Vec::new();
        for (name, value) in fields {
            match shape.property(&name) {
                Some(property) => {
                    let value = self.read(&property.shape, &format!("{at}.{name}"), value);
                    read.insert(name, value);
                }
                None => others.push((name, value)),
            }
        }
        for (name, value) in others {
            let meant = names::field(&name, at, shape, self.habits)
                .filter(|meant| !read.contains_key(*meant))
                .and_then(|meant| shape.property(meant));
            match meant {
                Some(property) => {
                    self.note(|adjusted| {
                        adjusted.note(format!("`{at}.{name}` as `{}`", property.name))
                    });
                    let at = format!("{at}.{}", property.name);
                    read.insert(property.name.clone(), self.read(&property.shape, &at, value));
                }
                // Refused by its name.
                None => {
                    read.insert(name, value);
                }
            }
        }
        Value::Object(read)
    }

    /// The list of one object, where it has all that such an object must have.
    fn only_object(&self, shape: &Shape, at: &str, value: Value) -> Option<Value> {
        let of = shape.items.as_deref().filter(|of| of.kind == Kind::Object)?;
        let read = self.quiet().read(of, at, value);
        let mut required = of.properties.iter().filter(|property| property.required);
        let is_whole = read.is_object() && required.all(|one| read.get(&one.name).is_some());
        is_whole.then(|| Value::Array(vec![read]))
    }

    /// A list that is written as text: as JSON, or as its only item.
    fn list_of_text(&self, shape: &Shape, at: &str, text: &str) -> Option<Value> {
        let of = shape.items.as_deref()?;
        let trimmed = text.trim();
        if trimmed.starts_with('[') || of.kind == Kind::Object {
            let list = match json(trimmed)? {
                Value::Array(items) => items,
                one => return self.only_object(shape, at, one),
            };
            // `[1]` may be a list, or the text of one item.
            let is_list = of.kind != Kind::String || list.iter().all(Value::is_string);
            return is_list.then(|| self.quiet().items(shape, at, list));
        }
        Some(Value::Array(vec![self.quiet().read(of, at, Value::from(text))]))
    }
}

/// A choice in other letters.
fn choice(shape: &Shape, text: &str) -> Option<Value> {
    let meant = |choice: &&String| choice.eq_ignore_ascii_case(text.trim());
    shape.choices.iter().find(meant).map(|choice| Value::from(choice.as_str()))
}

/// A whole number; models write 3.0 for 3.
pub(crate) fn integer(text: &str) -> Option<Value> {
    let whole = text.split_once('.').map_or(text, |(whole, rest)| {
        if rest.bytes().all(|byte| byte == b'0') { whole } else { text }
    });
    whole.parse::<i64>().map(Value::from).or_else(|_| whole.parse::<u64>().map(Value::from)).ok()
}

fn number(text: &str) -> Option<Value> {
    integer(text).or_else(|| Number::from_f64(text.parse().ok()?).map(Value::Number))
}

/// `true` or `false`, in any letters.
pub(crate) fn boolean(text: &str) -> Option<Value> {
    ["false", "true"]
        .iter()
        .position(|word| text.eq_ignore_ascii_case(word))
        .map(|position| Value::Bool(position == 1))
}

/// What an agent wrote as JSON; none for text over the limits of a message.
pub(crate) fn json(text: &str) -> Option<Value> {
    mcp_workspace_json::parse(text.as_bytes(), &Limits::MESSAGE).ok()
}
