//! An Avro schema, parsed once: names are resolved to places in a list, so that a type may hold
//! itself.
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::error::TableError;
use crate::table::{MAX_DEPTH, Shape};
use crate::time::Unit;

/// Most types of a schema.
const MAX_TYPES: usize = 20_000;

/// A place in the list of types.
pub(super) type Id = usize;

/// A type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Null,
    Boolean,
    Int(Option<Logical>),
    Long(Option<Logical>),
    Float,
    Double,
    Bytes(Option<Logical>),
    String,
    Record(Vec<(Arc<str>, Id)>),
    Enum(Vec<Arc<str>>),
    Array(Id),
    Map(Id),
    Union(Vec<Id>),
    Fixed(usize, Option<Logical>),
}

/// What a value means beyond its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logical {
    Date,
    Time(Unit),
    Timestamp(Unit, bool),
    Decimal { precision: i32, scale: i32 },
    Uuid,
    Duration,
}

/// A schema: its types, of which one is that of a row.
#[derive(Debug, Clone)]
pub(super) struct Schema {
    types: Vec<Type>,
    pub row: Id,
}

impl Schema {
    /// Parses the text that a file's header holds.
    pub(super) fn parse(text: &[u8]) -> Result<Schema, TableError> {
        let json: Value = serde_json::from_slice(text)
            .map_err(|error| TableError::broken(format!("its schema is no JSON: {error}")))?;
        let mut parser = Parser { types: Vec::new(), names: HashMap::new() };
        let row = parser.parse(&json, "")?;
        Ok(Schema { types: parser.types, row })
    }

    pub(super) fn get(&self, id: Id) -> &Type {
        self.types.get(id).unwrap_or(&Type::Null)
    }

    /// What the schema looks like to people.
    pub(super) fn shape(&self) -> Shape {
        let mut left = MAX_TYPES;
        self.shape_of(self.row, 0, &mut left).0
    }

    /// The shape of a type, and whether it may be null.
    fn shape_of(&self, id: Id, depth: usize, left: &mut usize) -> (Shape, bool) {
        // A type that holds itself has no end.
        *left = left.saturating_sub(1);
        if depth > MAX_DEPTH / 4 || *left == 0 {
            return (Shape::plain("…"), false);
        }
        let shape = match self.get(id) {
            Type::Null => return (Shape::plain("null"), true),
            Type::Boolean => Shape::plain("boolean"),
            Type::Int(logical) => Shape::plain(logical_name(*logical, "int")),
            Type::Long(logical) => Shape::plain(logical_name(*logical, "long")),
            Type::Float => Shape::plain("float"),
            Type::Double => Shape::plain("double"),
            Type::Bytes(logical) => Shape::plain(logical_name(*logical, "bytes")),
            Type::String => Shape::plain("string"),
            Type::Fixed(size, logical) => {
                Shape::plain(logical_name(*logical, &format!("bytes({size})")))
            }
            Type::Enum(symbols) => {
                let some: Vec<&str> = symbols.iter().take(20).map(|symbol| &**symbol).collect();
                let more = if symbols.len() > some.len() { ", …" } else { "" };
                Shape::plain(format!("enum({}{more})", some.join(", ")))
            }
            Type::Array(items) => Shape::List(Box::new(self.shape_of(*items, depth + 1, left).0)),
            Type::Map(values) => Shape::Map(
                Box::new(Shape::plain("string")),
                Box::new(self.shape_of(*values, depth + 1, left).0),
            ),
            Type::Record(fields) => {
                let mut parts = Vec::new();
                for (name, id) in fields {
                    let (shape, nullable) = self.shape_of(*id, depth + 1, left);
                    parts.push((name.to_string(), shape, nullable));
                }
                Shape::Struct(parts)
            }
            Type::Union(branches) => return self.union_of(branches, depth, left),
        };
        (shape, false)
    }

    fn union_of(&self, branches: &[Id], depth: usize, left: &mut usize) -> (Shape, bool) {
        let mut nullable = false;
        let mut shapes = Vec::new();
        for branch in branches {
            let (shape, null) = self.shape_of(*branch, depth + 1, left);
            nullable |= null;
            if !null {
                shapes.push(shape);
            }
        }
        if shapes.len() == 1 {
            return (shapes.pop().unwrap_or_else(|| Shape::plain("null")), nullable);
        }
        let names: Vec<String> = shapes.iter().map(Shape::name).collect();
        (Shape::plain(names.join(" | ")), nullable)
    }
}

fn logical_name(logical: Option<Logical>, plain: &str) -> String {
    let unit = |unit| match unit {
        Unit::Millis => "ms",
        Unit::Micros => "us",
        Unit::Nanos => "ns",
    };
    match logical {
        None => plain.to_owned(),
        Some(Logical::Date) => "date".to_owned(),
        Some(Logical::Time(part)) => format!("time({})", unit(part)),
        Some(Logical::Timestamp(part, true)) => format!("timestamp({}, UTC)", unit(part)),
        Some(Logical::Timestamp(part, false)) => format!("timestamp({}, no zone)", unit(part)),
        Some(Logical::Decimal { precision, scale }) => format!("decimal({precision},{scale})"),
        Some(Logical::Uuid) => "uuid".to_owned(),
        Some(Logical::Duration) => "duration".to_owned(),
    }
}

struct Parser {
    types: Vec<Type>,
    names: HashMap<String, Id>,
}

impl Parser {
    // The depth of the JSON is bounded by its parser.
    fn parse(&mut self, json: &Value, space: &str) -> Result<Id, TableError> {
        match json {
            Value::String(name) => self.named(name, space),
            Value::Array(branches) => {
                let ids: Result<Vec<Id>, _> =
                    branches.iter().map(|branch| self.parse(branch, space)).collect();
                let ids = ids?;
                self.add(Type::Union(ids))
            }
            Value::Object(_) => self.complex(json, space),
            other => Err(wrong(&format!("`{other}` is no type"))),
        }
    }

    fn add(&mut self, kind: Type) -> Result<Id, TableError> {
        if self.types.len() >= MAX_TYPES {
            return Err(wrong(&format!("it has more than {MAX_TYPES} types")));
        }
        self.types.push(kind);
        Ok(self.types.len() - 1)
    }

    fn named(&mut self, name: &str, space: &str) -> Result<Id, TableError> {
        let kind = match name {
            "null" => Type::Null,
            "boolean" => Type::Boolean,
            "int" => Type::Int(None),
            "long" => Type::Long(None),
            "float" => Type::Float,
            "double" => Type::Double,
            "bytes" => Type::Bytes(None),
            "string" => Type::String,
            other => {
                let full = full_name(other, space);
                let found = self.names.get(&full).or_else(|| self.names.get(other));
                return found.copied().ok_or_else(|| wrong(&format!("no type `{other}`")));
            }
        };
        self.add(kind)
    }

    fn complex(&mut self, json: &Value, space: &str) -> Result<Id, TableError> {
        let Some(Value::String(kind)) = json.get("type") else {
            // A type may stand inside of another `type`.
            return match json.get("type") {
                Some(inner @ (Value::Object(_) | Value::Array(_))) => self.parse(inner, space),
                _ => Err(wrong("a type has no `type`")),
            };
        };
        let logical = logical(json);
        match kind.as_str() {
            "int" => self.add(Type::Int(logical)),
            "long" => self.add(Type::Long(logical)),
            "bytes" => self.add(Type::Bytes(logical)),
            "array" => {
                let items = self.part(json, "items", space)?;
                self.add(Type::Array(items))
            }
            "map" => {
                let values = self.part(json, "values", space)?;
                self.add(Type::Map(values))
            }
            "enum" => {
                let symbols = json.get("symbols").and_then(Value::as_array);
                let symbols = symbols.into_iter().flatten().filter_map(Value::as_str);
                let id = self.add(Type::Enum(symbols.map(Arc::from).collect()))?;
                self.name(json, space, id);
                Ok(id)
            }
            "fixed" => {
                let size = json.get("size").and_then(Value::as_u64).unwrap_or(0);
                let size = usize::try_from(size).map_err(|_| wrong("a size is too large"))?;
                let id = self.add(Type::Fixed(size, logical))?;
                self.name(json, space, id);
                Ok(id)
            }
            "record" | "error" => self.record(json, space),
            other => self.named(other, space),
        }
    }

    fn part(&mut self, json: &Value, part: &str, space: &str) -> Result<Id, TableError> {
        match json.get(part) {
            Some(part) => self.parse(part, space),
            None => Err(wrong(&format!("a type has no `{part}`"))),
        }
    }

    fn record(&mut self, json: &Value, space: &str) -> Result<Id, TableError> {
        let id = self.add(Type::Record(Vec::new()))?;
        let space = self.name(json, space, id);
        let mut fields = Vec::new();
        for field in json.get("fields").and_then(Value::as_array).into_iter().flatten() {
            let name = field.get("name").and_then(Value::as_str).unwrap_or_default();
            fields.push((name.into(), self.part(field, "type", &space)?));
        }
        if let Some(place) = self.types.get_mut(id) {
            *place = Type::Record(fields);
        }
        Ok(id)
    }

    /// Remembers the name of a type; the namespace inside of it.
    fn name(&mut self, json: &Value, space: &str, id: Id) -> String {
        let text = |key| json.get(key).and_then(Value::as_str);
        let own = text("namespace").unwrap_or(space);
        let full = full_name(text("name").unwrap_or_default(), own);
        let inner = full.rsplit_once('.').map_or("", |(space, _)| space).to_owned();
        self.names.insert(full, id);
        inner
    }
}

fn full_name(name: &str, space: &str) -> String {
    if name.contains('.') || space.is_empty() { name.to_owned() } else { format!("{space}.{name}") }
}

fn logical(json: &Value) -> Option<Logical> {
    let number = |key| json.get(key).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
    Some(match json.get("logicalType")?.as_str()? {
        "date" => Logical::Date,
        "time-millis" => Logical::Time(Unit::Millis),
        "time-micros" => Logical::Time(Unit::Micros),
        "timestamp-millis" => Logical::Timestamp(Unit::Millis, true),
        "timestamp-micros" => Logical::Timestamp(Unit::Micros, true),
        "timestamp-nanos" => Logical::Timestamp(Unit::Nanos, true),
        "local-timestamp-millis" => Logical::Timestamp(Unit::Millis, false),
        "local-timestamp-micros" => Logical::Timestamp(Unit::Micros, false),
        "local-timestamp-nanos" => Logical::Timestamp(Unit::Nanos, false),
        "decimal" => Logical::Decimal {
            precision: number("precision").unwrap_or(0),
            scale: number("scale").unwrap_or(0),
        },
        "uuid" => Logical::Uuid,
        "duration" => Logical::Duration,
        _ => return None,
    })
}

fn wrong(what: &str) -> TableError {
    let what: String = what.chars().take(200).collect();
    TableError::broken(format!("its schema is malformed: {what}"))
}
