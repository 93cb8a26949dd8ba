//! JSON schemas of tool arguments and outputs, generated from the types.

pub(crate) mod shape;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RestrictFormats, Transform, transform_subschemas};
use serde_json::{Value, json};

use shape::Shape;

/// The shape of what is read: arguments. It becomes the published schema by [`Shape::to_schema`],
/// in the words that every client knows.
pub(crate) fn of_input<T: JsonSchema>() -> Shape {
    // A model has the tool's own description; the type's adds nothing to it.
    Shape { description: None, ..Shape::read(&generate::<T>(SchemaSettings::draft2020_12())) }
}

/// The schema of what is written: outputs and records. A field that may be left out is not
/// required.
pub(crate) fn of_output<T: JsonSchema>() -> Value {
    generate::<T>(SchemaSettings::draft2020_12().for_serialize())
}

/// The schema of what a tool answers: its output, and how the call was read.
pub(crate) fn of_answer<T: JsonSchema>() -> Value {
    let mut schema = of_output::<T>();
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        fields.entry("adjusted").or_insert_with(|| {
            json!({
                "type": "array",
                "items": { "type": "string" },
                "description": "How arguments were read that were not as the schema says.",
            })
        });
    }
    schema
}

/// JSON Schema 2020-12, subschemas inlined, no Rust-specific formats.
fn generate<T: JsonSchema>(settings: SchemaSettings) -> Value {
    let settings = settings.with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // Clients with a strict validator complain about formats such as `uint64`.
    let mut formats = RestrictFormats::default();
    formats.infer_from_meta_schema = false;
    formats.transform(&mut schema);
    DropTitles.transform(&mut schema);
    schema.into()
}

/// Type names and nulls cost tokens and tell a model nothing.
struct DropTitles;

impl Transform for DropTitles {
    fn transform(&mut self, schema: &mut schemars::Schema) {
        schema.remove("title");
        if let Some(object) = schema.as_object_mut() {
            if object.get("default").is_some_and(Value::is_null) {
                object.remove("default");
            }
            // `Option<T>` is an optional argument: absence says it, `null` need not be taught.
            if let Some(Value::Array(types)) = object.get_mut("type") {
                types.retain(|kind| kind != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    object.insert("type".into(), only);
                }
            }
            if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    object.remove("anyOf");
                    for (key, value) in only {
                        object.entry(key).or_insert(value);
                    }
                }
            }
        }
        transform_subschemas(self, schema);
    }
}
