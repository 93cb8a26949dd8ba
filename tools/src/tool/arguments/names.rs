//! Names of arguments: the schema's own, those that models know from other tools, and the nearest
//! one where a name is unknown.

use serde_json::{Map, Value};

use super::{Habits, Reader};
use crate::adjusted::{Adjusted, quoted};
use crate::error::ToolError;
use crate::schema::shape::Shape;

/// An argument, and the name that it was given by.
struct Given {
    by: String,
    value: Value,
}

/// The arguments under the schema's own names, in its types.
pub(super) fn resolve(
    given: Map<String, Value>,
    shape: &Shape,
    habits: &Habits,
    adjusted: &Adjusted,
) -> Result<Map<String, Value>, ToolError> {
    let reader = Reader { habits: Some(habits), adjusted: Some(adjusted) };
    let mut taken: Vec<(&str, Given)> = Vec::new();
    let mut take = |argument: &'static str, by: &str, value: Value| {
        let Some(property) = shape.property(argument) else { return Ok(()) };
        let value = reader.read(&property.shape, argument, value);
        offer(&mut taken, &property.name, by, value)
    };
    for (by, value) in &given {
        if shape.property(by).is_some() || is_nothing(value, None) {
            continue;
        }
        let Some((name, means)) = habits.foreign.iter().find(|(name, _)| is_name(by, name)) else {
            continue;
        };
        let Some(meant) = means(value, &given) else {
            return Err(ToolError::invalid(format!(
                "`{by}` is {}, and `{}` has nothing that this means",
                quoted(value),
                habits.tool
            ))
            .hint(all(shape)));
        };
        let told: Vec<String> = meant
            .iter()
            .map(|(argument, value)| format!("`{argument}` {}", quoted(value)))
            .collect();
        adjusted.note(match told.as_slice() {
            [] => format!("`{by}` {} as what is done anyway", quoted(value)),
            told => format!("`{by}` {} as {}", quoted(value), told.join(", ")),
        });
        for (argument, value) in meant {
            take(argument, name, value)?;
        }
    }
    for (by, value) in given {
        let Some(argument) = argument(&by, shape, habits) else {
            let foreign = habits.foreign.iter().any(|(name, _)| is_name(&by, name));
            if foreign || is_nothing(&value, None) {
                continue;
            }
            return Err(unknown(&by, shape));
        };
        let Some(property) = shape.property(argument) else { continue };
        let may_be_empty = habits.may_be_empty.contains(&argument);
        // An explicit null means "not given", as several clients send it for optional arguments;
        // so does an empty text, since others make their model fill in every argument.
        let is_empty_text = value.as_str() == Some("");
        let stands_by_itself = is_empty_text && property.required && by == argument;
        if !may_be_empty && !stands_by_itself && is_nothing(&value, Some(&property.shape)) {
            continue;
        }
        if by != argument {
            adjusted.note(format!("`{by}` as `{argument}`"));
        }
        let value = reader.read(&property.shape, argument, value);
        offer(&mut taken, &property.name, &by, value)?;
    }
    Ok(taken.into_iter().map(|(name, given)| (name.to_owned(), given.value)).collect())
}

/// Takes a value for an argument, unless another one was given for it.
fn offer<'a>(
    taken: &mut Vec<(&'a str, Given)>,
    argument: &'a str,
    by: &str,
    value: Value,
) -> Result<(), ToolError> {
    match taken.iter().find(|(known, _)| *known == argument) {
        None => taken.push((argument, Given { by: by.to_owned(), value })),
        Some((_, first)) if first.value == value => {}
        Some((_, first)) => {
            return Err(ToolError::invalid(format!(
                "`{}` is {} and `{by}` is {}, and both mean `{argument}`",
                first.by,
                quoted(&first.value),
                quoted(&value)
            ))
            .hint(format!("give `{argument}` once")));
        }
    }
    Ok(())
}

/// Whether nothing is given: null, an empty text, or no items where one value is wanted.
fn is_nothing(value: &Value, shape: Option<&Shape>) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => {
            items.is_empty() && shape.is_some_and(|shape| shape.items.is_none() && !shape.any)
        }
        _ => false,
    }
}

/// The argument that a name means by itself; none for a name that is unknown, and for one whose
/// meaning depends on its value.
pub(super) fn argument<'a>(name: &str, shape: &'a Shape, habits: &Habits) -> Option<&'a str> {
    let own = |wanted: &str| shape.property(wanted).map(|property| property.name.as_str());
    let alias = |same: &dyn Fn(&str) -> bool| {
        habits.aliases.iter().find(|(other, _)| same(other)).and_then(|(_, means)| own(means))
    };
    if habits.foreign.iter().any(|(foreign, _)| is_name(name, foreign)) && own(name).is_none() {
        return None;
    }
    own(name).or_else(|| alias(&|other| other == name)).or_else(|| {
        let spelled = |other: &str| is_name(name, other);
        let known = shape.properties.iter().map(|property| property.name.as_str());
        known.into_iter().find(|known| spelled(known)).or_else(|| alias(&spelled))
    })
}

/// The field of an object that a name means.
pub(super) fn field<'a>(
    name: &str,
    at: &str,
    shape: &'a Shape,
    habits: Option<&Habits>,
) -> Option<&'a str> {
    let own = |wanted: &str| shape.property(wanted).map(|property| property.name.as_str());
    let aliased = || {
        let mut inside = habits?.aliases.iter().filter_map(|(other, means)| {
            let of = |text: &'static str| text.strip_prefix(at)?.strip_prefix('.');
            Some((of(other)?, of(means)?))
        });
        inside.find(|(other, _)| is_name(name, other)).and_then(|(_, means)| own(means))
    };
    let spelled = || {
        let known = shape.properties.iter().map(|property| property.name.as_str());
        known.into_iter().find(|known| is_name(name, known))
    };
    own(name).or_else(spelled).or_else(aliased)
}

/// Whether two names are the same but for case and separators: `filePath`, `file-path`.
/// Flags such as `-A` and `-a` differ.
pub(in crate::tool) fn is_name(given: &str, known: &str) -> bool {
    let plain = |name: &str| name.starts_with(|first: char| first.is_ascii_alphanumeric());
    given == known || plain(given) && plain(known) && letters(given).eq(letters(known))
}

fn letters(name: &str) -> impl Iterator<Item = char> {
    name.chars().filter(|c| !matches!(c, '_' | '-')).map(|c| c.to_ascii_lowercase())
}

/// The error for a name that means nothing here.
fn unknown(name: &str, shape: &Shape) -> ToolError {
    let nearest = shape
        .properties
        .iter()
        .map(|property| (strsim::jaro_winkler(name, &property.name), &property.name))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    let error = ToolError::invalid(format!("unknown argument `{name}`"));
    match nearest {
        Some((_, near)) => error.hint(format!("did you mean `{near}`? {}", all(shape))),
        None => error.hint(all(shape)),
    }
}

fn all(shape: &Shape) -> String {
    let known: Vec<&str> = shape.properties.iter().map(|property| property.name.as_str()).collect();
    format!("the arguments are: {}", known.join(", "))
}
