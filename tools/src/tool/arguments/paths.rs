//! Paths as callers write them: where nothing lies at a path as it is written, and exactly one
//! other reading of it names something that the caller may see, that one is taken. A reading only
//! ever leads to a path that the policy judges as any other.

use serde_json::{Map, Value};

use super::Habits;
use crate::adjusted::{Adjusted, quoted};
use crate::error::ToolError;
use crate::path::{MAX_PATH_BYTES, WorkspacePath};
use crate::schema::shape::{Kind, Shape};
use crate::workspace::Scope;

/// Most readings of one path; each may cost a look at the file system.
const MAX_READINGS: usize = 16;
/// Longest text that is read otherwise than it is written: a URI takes three bytes for one.
const MAX_BYTES: usize = 3 * MAX_PATH_BYTES + 64;

/// Reads the arguments that name a path.
pub(super) fn read(
    arguments: &mut Map<String, Value>,
    shape: &Shape,
    habits: &Habits,
    scope: &Scope,
    adjusted: &Adjusted,
) -> Result<(), ToolError> {
    let is_text =
        |name: &str| shape.property(name).is_some_and(|one| one.shape.kind == Kind::String);
    for name in habits.paths.iter().copied().filter(|name| is_text(name)) {
        let Some(Value::String(text)) = arguments.get(name) else { continue };
        if let Some(meant) = meant(scope, text)? {
            let meant = Value::from(if meant.is_empty() { "." } else { &meant });
            adjusted.value(name, &Value::from(text.as_str()), &meant);
            arguments.insert(name.to_owned(), meant);
        } else if habits.glob_in_path
            && !arguments.contains_key("glob")
            && let Some(glob) = glob(scope, text)
        {
            adjusted.note(format!("`{name}` {} as `glob`", quoted(&Value::from(text.as_str()))));
            arguments.insert("glob".to_owned(), Value::from(glob));
            arguments.remove(name);
        }
    }
    Ok(())
}

/// The one other path that is meant by a text at which nothing lies; none for a text that means
/// what it says or nothing.
///
/// # Errors
/// Where two other paths may be meant, both.
pub(super) fn meant(scope: &Scope, text: &str) -> Result<Option<String>, ToolError> {
    let readings = readings(text);
    if readings.is_empty() || there(scope, text).is_some() {
        return Ok(None);
    }
    let mut found: Vec<WorkspacePath> = Vec::new();
    for path in readings.iter().filter_map(|reading| there(scope, reading)) {
        if !found.contains(&path) {
            found.push(path);
        }
    }
    match found.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only.as_str().to_owned())),
        [one, other, ..] => Err(ToolError::invalid(format!(
            "nothing lies at {}, which may mean `{one}` or `{other}`",
            Value::from(text)
        ))
        .hint("give the path of the one that is meant")),
    }
}

/// The path of a text, where something lies there that the caller may see.
fn there(scope: &Scope, text: &str) -> Option<WorkspacePath> {
    let path = WorkspacePath::parse(text).ok()?;
    scope.stat(&path).ok().flatten().map(|_| path)
}

/// Other ways to read a text as a path: without what surrounds it, with other separators, and out
/// of a URI.
fn readings(text: &str) -> Vec<String> {
    let mut readings = vec![text.to_owned()];
    if text.len() > MAX_BYTES {
        return Vec::new();
    }
    let mut next = 0;
    while let Some(reading) = readings.get(next).cloned() {
        next += 1;
        for other in steps(&reading) {
            if readings.len() < MAX_READINGS && !readings.contains(&other) {
                readings.push(other);
            }
        }
    }
    readings.remove(0);
    readings
}

/// What a text may be read as in one step.
fn steps(text: &str) -> Vec<String> {
    let mut steps = Vec::new();
    let trimmed = text.trim();
    if trimmed != text {
        steps.push(trimmed.to_owned());
    }
    for quote in ['"', '\'', '`'] {
        let inner = text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote));
        steps.extend(inner.map(str::to_owned));
    }
    if text.contains('\\') {
        steps.push(text.replace('\\', "/"));
    }
    for scheme in ["workspace://", "file://localhost/", "file://"] {
        if let Some(rest) = text.strip_prefix(scheme) {
            let rest = format!("/{}", rest.trim_start_matches('/'));
            steps.extend(percent_decoded(&rest));
            steps.push(rest);
        }
    }
    if let Some(rest) = text.strip_prefix('/') {
        steps.push(rest.trim_start_matches('/').to_owned());
    }
    steps
}

/// The text with `%2e` and its like as what they stand for; none where there are none, or where
/// they stand for no text.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut any = false;
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            (rest, any) = (after, true);
        } else {
            bytes.push(first);
        }
    }
    any.then(|| String::from_utf8(bytes).ok()).flatten()
}

/// The glob that a text is which is no path of something that is there. Brackets and braces are in
/// names of files too.
fn glob(scope: &Scope, text: &str) -> Option<String> {
    if !text.contains(['*', '?']) || there(scope, text).is_some() {
        return None;
    }
    let below_root = WorkspacePath::parse(text.trim_start_matches('/'));
    WorkspacePath::parse(text).or(below_root).ok().map(|path| path.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_without_what_surrounds_it() {
        for (text, meant) in [
            (" a.md ", "a.md"),
            ("'a.md'", "a.md"),
            ("`a.md`\n", "a.md"),
            ("/a.md", "a.md"),
            ("workspace:///a.md", "a.md"),
            ("file:///mnt/workspace/a%20b.md", "/mnt/workspace/a b.md"),
            ("\"src\\main.py\"", "src/main.py"),
            ("/", ""),
        ] {
            let readings = readings(text);
            assert!(readings.iter().any(|reading| reading == meant), "{text:?}: {readings:?}");
        }
        assert!(readings("src/main.py").is_empty());
        assert!(readings("").is_empty());
    }

    #[test]
    fn readings_are_bounded() {
        assert!(readings(&"/".repeat(100_000)).is_empty());
        let nested = format!("{}a{}", " '\"`".repeat(100), "`\"' ".repeat(100));
        assert!(readings(&nested).len() < MAX_READINGS);
    }
}
