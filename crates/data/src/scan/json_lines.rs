//! JSON lines: an object on each line. What nests stays the text that it is in the file.
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::notes::Odd;
use super::text::{Buffer, Packed};
use super::value::Value;
use super::{Affinity, Bounds, Column, MAX_COLUMNS};
use crate::error::TableError;

/// Lines whose keys are the columns.
const FIRST_LINES: usize = 1_000;
/// What is read at most for them, in bytes.
const FIRST_BYTES: usize = 16 * 1024 * 1024;

/// The rows of a file.
pub(crate) struct JsonLines {
    packed: Packed,
    buffer: Buffer,
    wanted: HashMap<String, usize>,
    values: Vec<Value<'static>>,
    line: u64,
    broken: Odd,
    malformed: Odd,
}

impl JsonLines {
    pub(super) fn columns(mut packed: Packed, bounds: &Bounds) -> Result<Vec<Column>, TableError> {
        let mut buffer = Buffer::new(packed.room());
        let mut keys = Keys::default();
        let (mut lines, mut bytes) = (0, 0);
        while lines < FIRST_LINES && bytes < FIRST_BYTES && packed.line(&mut buffer)? {
            bounds.stop.check()?;
            bytes += buffer.bytes.len();
            if buffer.bytes.trim_ascii().is_empty() {
                continue;
            }
            lines += 1;
            let text = String::from_utf8_lossy(&buffer.bytes);
            // A line that is none is told of when it is scanned.
            let _ = serde_json::Deserializer::from_str(&text).deserialize_map(&mut keys);
            if keys.names.len() > MAX_COLUMNS {
                return Err(TableError::broken(format!(
                    "its first lines have more than {MAX_COLUMNS} different keys"
                )));
            }
        }
        if keys.names.is_empty() {
            return Err(TableError::broken("none of its first lines is a JSON object with keys"));
        }
        let columns = keys.names.into_iter();
        Ok(columns.map(|name| Column { name, affinity: Affinity::Any }).collect())
    }

    pub(super) fn open(
        packed: Packed,
        wanted: &[&str],
        _bounds: &Bounds,
    ) -> Result<JsonLines, TableError> {
        let buffer = Buffer::new(packed.room());
        let places = wanted.iter().enumerate().map(|(at, name)| ((*name).to_owned(), at));
        Ok(JsonLines {
            packed,
            buffer,
            wanted: places.collect(),
            values: vec![Value::Null; wanted.len()],
            line: 0,
            broken: Odd::default(),
            malformed: Odd::default(),
        })
    }

    pub(super) fn advance(&mut self) -> Result<bool, TableError> {
        loop {
            if !self.packed.line(&mut self.buffer)? {
                return Ok(false);
            }
            self.line += 1;
            if self.buffer.bytes.trim_ascii().is_empty() {
                continue;
            }
            self.values.fill(Value::Null);
            let text = String::from_utf8_lossy(&self.buffer.bytes);
            if matches!(text, std::borrow::Cow::Owned(_)) {
                self.malformed.add(self.line);
            }
            let row = Row { wanted: &self.wanted, values: &mut self.values };
            let mut json = serde_json::Deserializer::from_str(&text);
            if json.deserialize_map(row).is_ok() && json.end().is_ok() {
                return Ok(true);
            }
            self.broken.add(self.line);
        }
    }

    pub(super) fn value(&self, at: usize) -> Value<'_> {
        match self.values.get(at) {
            Some(Value::Text(text)) => Value::Text(text.as_ref().into()),
            Some(other) => other.clone(),
            None => Value::Null,
        }
    }

    pub(super) fn line(&self) -> u64 {
        self.line
    }

    pub(super) fn notes(&self) -> Vec<String> {
        [
            self.broken.note("left out, since they are no JSON objects"),
            self.malformed.note("with bytes that are no UTF-8, shown as \u{fffd}"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// Collects the keys of objects.
#[derive(Default)]
struct Keys {
    names: Vec<String>,
    known: std::collections::HashSet<String>,
}

impl<'de> Visitor<'de> for &mut Keys {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if self.names.len() <= MAX_COLUMNS && self.known.insert(key.clone()) {
                self.names.push(key);
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Takes the wanted values of an object.
struct Row<'a> {
    wanted: &'a HashMap<String, usize>,
    values: &'a mut [Value<'static>],
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(place) = map.next_key_seed(Place(self.wanted))? {
            match place.and_then(|at| self.values.get_mut(at)) {
                Some(value) => *value = of_json(map.next_value::<&RawValue>()?.get()),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Finds the place of a key.
struct Place<'a>(&'a HashMap<String, usize>);

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Option<usize>, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for Place<'_> {
    type Value = Option<usize>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(self.0.get(key).copied())
    }
}

/// The value that a JSON text stands for.
fn of_json(json: &str) -> Value<'static> {
    match json.as_bytes().first() {
        Some(b'n') => Value::Null,
        Some(b't') => Value::Integer(1),
        Some(b'f') => Value::Integer(0),
        Some(b'"') => match serde_json::from_str::<String>(json) {
            Ok(text) => Value::Text(text.into()),
            Err(_) => Value::Text(json.to_owned().into()),
        },
        Some(b'-' | b'0'..=b'9') => {
            Value::of_number(json.as_bytes()).unwrap_or(Value::Text(json.to_owned().into()))
        }
        _ => Value::Text(json.to_owned().into()),
    }
}
