//! Cursors: where a listing or a search goes on. A cursor holds a place in the order of paths
//! and no state of the server; it is bound to its caller and its question, and gives no rights:
//! every page is judged by policy anew.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::ToolError;

/// Longest text that is read as a cursor.
const MAX_BYTES: usize = 4_096;

/// A place in the order of paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cursor {
    /// The last path that was given.
    #[serde(rename = "p")]
    pub path: String,
    /// The last line of that path that was given; none when the path is done.
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Binds the cursor to its caller and its question.
    #[serde(rename = "b")]
    binding: String,
}

/// What a cursor is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding(String);

impl Binding {
    /// Of a caller and everything of the question but its page.
    pub(super) fn new(caller: &str, question: &[&str]) -> Binding {
        let mut hash = Sha256::new();
        for part in std::iter::once(&caller).chain(question) {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        Binding(URL_SAFE_NO_PAD.encode(digest.get(..12).unwrap_or_default()))
    }

    /// A cursor at this place.
    pub(super) fn at(&self, path: &str, line: Option<u64>) -> String {
        let cursor = Cursor { path: path.to_owned(), line, binding: self.0.clone() };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
    }

    /// Reads a cursor that an earlier page gave.
    ///
    /// # Errors
    /// When it is none, or belongs to another caller or another question.
    pub(super) fn read(&self, text: &str) -> Result<Cursor, ToolError> {
        let cursor: Option<Cursor> = (text.len() <= MAX_BYTES)
            .then(|| URL_SAFE_NO_PAD.decode(text).ok())
            .flatten()
            .and_then(|json| serde_json::from_slice(&json).ok());
        let again = "leave `cursor` out to start from the beginning";
        match cursor {
            None => {
                Err(ToolError::invalid("`cursor` is not one that this server gave").hint(again))
            }
            Some(cursor) if cursor.binding != self.0 => Err(ToolError::invalid(
                "`cursor` belongs to another caller or to a call with other arguments",
            )
            .hint(format!("repeat the call's other arguments unchanged, or {again}"))),
            Some(cursor) => Ok(cursor),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cursor_serves_only_its_caller_and_question() {
        let binding = Binding::new("local", &["grep", "TODO"]);
        let cursor = binding.at("a/b", Some(3));
        assert_eq!(binding.read(&cursor).unwrap().line, Some(3));
        assert!(Binding::new("other", &["grep", "TODO"]).read(&cursor).is_err());
        assert!(Binding::new("local", &["grep", "TOD", "O"]).read(&cursor).is_err());
    }

    proptest! {
        #[test]
        fn foreign_text_is_refused_without_panic(text in "\\PC{0,80}|[A-Za-z0-9_-]{0,80}") {
            let _ = Binding::new("local", &[]).read(&text);
        }

        #[test]
        fn every_place_survives(path in "\\PC{0,40}", line in proptest::option::of(any::<u64>())) {
            let binding = Binding::new("local", &["list_dir"]);
            let cursor = binding.read(&binding.at(&path, line)).unwrap();
            prop_assert_eq!((cursor.path, cursor.line), (path, line));
        }
    }
}
