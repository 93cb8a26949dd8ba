//! A schema in the words that all hosts know, read from the JSON Schema of a type.

use serde_json::{Map, Number, Value, json};

/// A type that every host can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    String,
    Number,
    Integer,
    Boolean,
    Array,
    Object,
}

impl Kind {
    /// The name in JSON Schema and in every host's form.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Kind::String => "string",
            Kind::Number => "number",
            Kind::Integer => "integer",
            Kind::Boolean => "boolean",
            Kind::Array => "array",
            Kind::Object => "object",
        }
    }

    fn named(name: &str) -> Option<Kind> {
        let all =
            [Kind::String, Kind::Number, Kind::Integer, Kind::Boolean, Kind::Array, Kind::Object];
        all.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A value's type and meaning: no references, no alternatives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shape {
    pub(crate) kind: Kind,
    /// One line.
    pub(crate) description: Option<String>,
    /// The only values that a string may have; empty when any may be.
    pub(crate) choices: Vec<String>,
    pub(crate) minimum: Option<Number>,
    pub(crate) maximum: Option<Number>,
    /// The fields of an object; empty for one with free names.
    pub(crate) properties: Vec<Property>,
    /// What an array holds.
    pub(crate) items: Option<Box<Shape>>,
    /// Whether any JSON is taken as it is, whatever `kind` tells a model to send.
    pub(crate) any: bool,
    /// Whether a list of strings is taken where `kind` tells a model to send one.
    pub(crate) several: bool,
}

/// Words in the schema of a type that say what is taken beyond what a model is told; they are not
/// published.
pub(crate) const ANY: &str = "x-any";
pub(crate) const SEVERAL: &str = "x-several";

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Property {
    pub(crate) name: String,
    pub(crate) required: bool,
    pub(crate) shape: Shape,
}

impl Shape {
    /// Reads the JSON Schema of a type, with subschemas inlined.
    /// Alternatives become one shape that admits each of them; a value of any type becomes a
    /// string, whose text the tool takes as it is.
    pub(crate) fn read(schema: &Value) -> Shape {
        let description = schema.get("description").and_then(Value::as_str);
        let mut shape = match alternatives(schema) {
            Some(alternatives) => merged(alternatives.iter().map(Shape::read).collect()),
            None => Shape {
                kind: kind(schema),
                description: None,
                choices: choices(schema),
                minimum: number(schema, "minimum"),
                maximum: number(schema, "maximum"),
                properties: properties(schema),
                items: schema.get("items").map(|items| Box::new(Shape::read(items))),
                any: schema.get(ANY).is_some(),
                several: schema.get(SEVERAL).is_some(),
            },
        };
        shape.description = description.map(one_line);
        shape
    }

    /// A field by its name.
    pub(crate) fn property(&self, name: &str) -> Option<&Property> {
        self.properties.iter().find(|property| property.name == name)
    }

    /// `type`, `description`, `properties`, `required` and `items` alone. What other words say
    /// goes into the description.
    pub(crate) fn to_plain_schema(&self) -> Value {
        let mut schema = self.frame(Shape::to_plain_schema);
        if let Some(description) = self.full_description() {
            schema.insert("description".to_owned(), Value::from(description));
        }
        Value::Object(schema)
    }

    /// JSON Schema with choices and bounds of numbers.
    pub(crate) fn to_schema(&self) -> Value {
        let mut schema = self.frame(Shape::to_schema);
        if let Some(description) = &self.description {
            schema.insert("description".to_owned(), Value::from(description.as_str()));
        }
        if !self.choices.is_empty() {
            schema.insert("enum".to_owned(), json!(self.choices));
        }
        for (word, bound) in [("minimum", &self.minimum), ("maximum", &self.maximum)] {
            if let Some(bound) = bound {
                schema.insert(word.to_owned(), Value::Number(bound.clone()));
            }
        }
        Value::Object(schema)
    }

    /// The description with choices and bounds in words.
    pub(crate) fn full_description(&self) -> Option<String> {
        let mut sentences: Vec<String> = self.description.iter().cloned().collect();
        if !self.choices.is_empty() {
            sentences.push(format!("One of: {}.", self.choices.join(", ")));
        }
        match (&self.minimum, &self.maximum) {
            (Some(least), Some(most)) => sentences.push(format!("From {least} to {most}.")),
            // That a count is not negative need not be said.
            (Some(least), None) if least.as_u64() != Some(0) => {
                sentences.push(format!("At least {least}."));
            }
            (None, Some(most)) => sentences.push(format!("At most {most}.")),
            _ => {}
        }
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }

    fn frame(&self, inner: fn(&Shape) -> Value) -> Map<String, Value> {
        let mut schema = Map::new();
        schema.insert("type".to_owned(), Value::from(self.kind.as_str()));
        if !self.properties.is_empty() {
            let properties: Map<String, Value> = self
                .properties
                .iter()
                .map(|property| (property.name.clone(), inner(&property.shape)))
                .collect();
            schema.insert("properties".to_owned(), Value::Object(properties));
        }
        let required: Vec<&str> = self
            .properties
            .iter()
            .filter(|property| property.required)
            .map(|property| property.name.as_str())
            .collect();
        if !required.is_empty() {
            schema.insert("required".to_owned(), json!(required));
        }
        if let Some(items) = &self.items {
            schema.insert("items".to_owned(), inner(items));
        }
        schema
    }
}

/// The schemas of which one holds, nulls left out; none for a schema without alternatives.
fn alternatives(schema: &Value) -> Option<Vec<Value>> {
    let list = schema.get("oneOf").or_else(|| schema.get("anyOf"))?.as_array()?;
    let is_null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
    let list: Vec<Value> = list.iter().filter(|schema| !is_null(schema)).cloned().collect();
    (!list.is_empty()).then_some(list)
}

/// One shape that admits what each of `shapes` admits.
fn merged(shapes: Vec<Shape>) -> Shape {
    let mut shapes = shapes.into_iter();
    let Some(mut all) = shapes.next() else { return Shape::read(&Value::Null) };
    for shape in shapes {
        if shape.kind != all.kind {
            // A string carries anything.
            return Shape::read(&Value::Null);
        }
        if all.choices.is_empty() || shape.choices.is_empty() {
            all.choices.clear();
        } else {
            let new: Vec<String> =
                shape.choices.into_iter().filter(|choice| !all.choices.contains(choice)).collect();
            all.choices.extend(new);
        }
        all.minimum = all.minimum.filter(|least| shape.minimum.as_ref() == Some(least));
        all.maximum = all.maximum.filter(|most| shape.maximum.as_ref() == Some(most));
        for property in &mut all.properties {
            property.required &=
                shape.properties.iter().any(|other| other.name == property.name && other.required);
        }
        for property in shape.properties {
            match all.properties.iter_mut().find(|known| known.name == property.name) {
                Some(known) => {
                    let description = known.shape.description.take();
                    let both = vec![known.shape.clone(), property.shape.clone()];
                    known.shape = merged(both);
                    known.shape.description = description.or(property.shape.description);
                }
                None => all.properties.push(Property { required: false, ..property }),
            }
        }
        all.items = match (all.items, shape.items) {
            (Some(one), Some(other)) if one != other => Some(Box::new(merged(vec![*one, *other]))),
            (one, other) => one.or(other),
        };
    }
    all
}

fn kind(schema: &Value) -> Kind {
    let name = match schema.get("type") {
        Some(Value::String(name)) => Some(name.as_str()),
        // `null` says that the value may be missing, which `required` says already.
        Some(Value::Array(names)) => {
            let mut names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            let first = names.next();
            if names.next().is_some() { None } else { first }
        }
        _ => None,
    };
    name.and_then(Kind::named).unwrap_or(Kind::String)
}

fn choices(schema: &Value) -> Vec<String> {
    let list = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    list.chain(schema.get("const")).filter_map(Value::as_str).map(str::to_owned).collect()
}

fn number(schema: &Value, word: &str) -> Option<Number> {
    schema.get(word).and_then(Value::as_number).cloned()
}

fn properties(schema: &Value) -> Vec<Property> {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let fields = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    fields
        .map(|(name, schema)| Property {
            name: name.clone(),
            required: required.contains(&name.as_str()),
            shape: Shape::read(schema),
        })
        .collect()
}

/// Doc comments are wrapped; a model and a table want a line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_choices_become_an_enum() {
        let shape = Shape::read(&json!({
            "description": "How bad\nit is.",
            "oneOf": [
                { "const": "high", "type": "string", "description": "Bad." },
                { "const": "low", "type": "string", "description": "Not so bad." },
            ],
        }));
        assert_eq!(
            shape.to_schema(),
            json!({ "type": "string", "description": "How bad it is.", "enum": ["high", "low"] })
        );
        assert_eq!(
            shape.to_plain_schema(),
            json!({ "type": "string", "description": "How bad it is. One of: high, low." })
        );
    }

    #[test]
    fn tagged_objects_become_one_object_with_the_common_fields_required() {
        let shape = Shape::read(&json!({
            "oneOf": [
                {
                    "type": "object",
                    "properties": {
                        "kind": { "const": "create", "type": "string", "description": "What." },
                        "path": { "type": "string", "description": "Where." },
                        "text": { "type": "string", "description": "With what." },
                    },
                    "required": ["kind", "path", "text"],
                },
                {
                    "type": "object",
                    "properties": {
                        "kind": { "const": "delete", "type": "string" },
                        "path": { "type": "string" },
                    },
                    "required": ["kind", "path"],
                },
            ],
        }));
        assert_eq!(
            shape.to_schema(),
            json!({
                "type": "object",
                "properties": {
                    "kind": {
                        "type": "string", "description": "What.", "enum": ["create", "delete"],
                    },
                    "path": { "type": "string", "description": "Where." },
                    "text": { "type": "string", "description": "With what." },
                },
                "required": ["kind", "path"],
            })
        );
    }

    #[test]
    fn a_value_that_may_be_null_keeps_its_type() {
        let of = |schema: &Value| Shape::read(schema).kind;
        assert_eq!(of(&json!({ "type": ["integer", "null"] })), Kind::Integer);
        assert_eq!(of(&json!({ "anyOf": [{ "type": "null" }, { "type": "array" }] })), Kind::Array);
    }

    #[test]
    fn a_value_of_any_type_becomes_a_string() {
        let of = |schema: &Value| Shape::read(schema).kind;
        assert_eq!(of(&json!(true)), Kind::String);
        assert_eq!(of(&json!({ "description": "Any JSON." })), Kind::String);
        assert_eq!(of(&json!({ "type": ["string", "object"] })), Kind::String);
        let mixed = json!({ "anyOf": [{ "type": "object" }, { "type": "integer" }] });
        assert_eq!(of(&mixed), Kind::String);
    }

    #[test]
    fn bounds_are_said_in_words_where_a_host_knows_none() {
        let said = |schema: &Value| Shape::read(schema).full_description();
        let between = json!({ "type": "integer", "minimum": 1, "maximum": 5 });
        assert_eq!(said(&between).as_deref(), Some("From 1 to 5."));
        assert_eq!(said(&json!({ "type": "integer", "minimum": 0 })), None);
    }
}
