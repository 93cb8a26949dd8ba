//! JSON schemas of tool arguments and outputs, generated from the types.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RestrictFormats, Transform, transform_subschemas};
use serde_json::Value;

/// The schema of what is read: arguments.
pub(crate) fn of_input<T: JsonSchema>() -> Value {
    generate::<T>(SchemaSettings::draft2020_12())
}

/// The schema of what is written: outputs and records. A field that may be left out is not
/// required.
pub(crate) fn of_output<T: JsonSchema>() -> Value {
    generate::<T>(SchemaSettings::draft2020_12().for_serialize())
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
