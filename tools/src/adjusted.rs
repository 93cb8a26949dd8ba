//! How a call was read where it was not written as the schema says: named in its answer.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

/// Most adjustments that an answer names; the others are counted.
const MAX_NAMED: usize = 8;
/// Longest value that is quoted, in characters.
const MAX_QUOTED: usize = 48;

/// The adjustments of one call. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Adjusted(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    named: Vec<String>,
    more: usize,
}

impl Adjusted {
    /// Notes how something was read, such as `` `limit` "10" as 10 ``.
    pub fn note(&self, how: String) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.named.contains(&how) {
        } else if noted.named.len() < MAX_NAMED {
            noted.named.push(how);
        } else {
            noted.more = noted.more.saturating_add(1);
        }
    }

    /// Notes that an argument was read as another value.
    pub(crate) fn value(&self, argument: &str, given: &Value, meant: &Value) {
        self.note(format!("`{argument}` {} as {}", quoted(given), quoted(meant)));
    }

    /// What was noted, a line each; how many more in a last one.
    pub fn lines(&self) -> Vec<String> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let more = (noted.more > 0).then(|| format!("and {} more", noted.more));
        noted.named.iter().cloned().chain(more).collect()
    }
}

/// The adjustments as the line that stands before a text; none where there are none.
pub(crate) fn line(adjusted: &[String]) -> Option<String> {
    (!adjusted.is_empty()).then(|| format!("[read as meant: {}]", adjusted.join("; ")))
}

/// A value in a few words.
pub(crate) fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) if text.chars().nth(MAX_QUOTED).is_some() => {
            let start: String = text.chars().take(MAX_QUOTED).collect();
            format!("{}…", Value::from(start))
        }
        Value::Array(items) => match items.as_slice() {
            [only] if !only.is_array() => format!("a list of {}", quoted(only)),
            _ => format!("a list of {}", items.len()),
        },
        Value::Object(_) => "an object".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_bounded_and_the_rest_is_counted() {
        let adjusted = Adjusted::default();
        for number in 0..20 {
            adjusted.value("limit", &Value::from("x".repeat(100_000)), &Value::from(number));
        }
        let lines = adjusted.lines();
        assert_eq!(lines.len(), MAX_NAMED + 1);
        assert_eq!(lines.last().unwrap(), "and 12 more");
        assert!(lines.iter().all(|line| line.len() < 100), "{lines:?}");
    }
}
