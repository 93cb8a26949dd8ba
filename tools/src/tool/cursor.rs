//! Cursors: where a listing or a search goes on. A cursor holds a place in the order of paths
//! and no state of the server; it is bound to its caller and its question, and gives no rights:
//! every page is judged by policy anew.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};

use crate::error::ToolError;

/// Longest text that is read as a cursor.
const MAX_BYTES: usize = 16_384;
/// What of the hash of caller and question stands in a cursor. It keeps a page from being asked of
/// another question by mistake, and gives no rights.
const BINDING_BYTES: usize = 6;
/// What a model might copy otherwise than it is.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'\\').add(b'%');

/// A place in the order of paths. It is written `BINDING.LINE.PATH`, which costs a model a third of
/// the tokens of the same in base64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The last path that was given.
    pub path: String,
    /// The last line of that path that was given; none when the path is done.
    pub line: Option<u64>,
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
        Binding(URL_SAFE_NO_PAD.encode(digest.get(..BINDING_BYTES).unwrap_or_default()))
    }

    /// A cursor at this place.
    pub(super) fn at(&self, path: &str, line: Option<u64>) -> String {
        let line = line.map(|line| line.to_string()).unwrap_or_default();
        format!("{}.{line}.{}", self.0, utf8_percent_encode(path, ENCODED))
    }

    /// Reads a cursor that an earlier page gave.
    ///
    /// # Errors
    /// When it is none, or belongs to another caller or another question.
    pub(super) fn read(&self, text: &str) -> Result<Cursor, ToolError> {
        let again = "leave `cursor` out to start from the beginning";
        match parts(text) {
            None => {
                Err(ToolError::invalid("`cursor` is not one that this server gave").hint(again))
            }
            Some((binding, _)) if binding != self.0 => Err(ToolError::invalid(
                "`cursor` belongs to another caller or to a call with other arguments",
            )
            .hint(format!("repeat the call's other arguments unchanged, or {again}"))),
            Some((_, cursor)) => Ok(cursor),
        }
    }
}

/// What a cursor is bound to, and its place.
fn parts(text: &str) -> Option<(&str, Cursor)> {
    let (binding, place) = text.split_once('.').filter(|_| text.len() <= MAX_BYTES)?;
    let (line, path) = place.split_once('.')?;
    let line = if line.is_empty() { None } else { Some(line.parse().ok()?) };
    let path = percent_decode_str(path).decode_utf8().ok()?.into_owned();
    let whole = URL_SAFE_NO_PAD.decode(binding).is_ok_and(|bytes| bytes.len() == BINDING_BYTES);
    whole.then_some((binding, Cursor { path, line }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cursor_serves_only_its_caller_and_question() {
        let binding = Binding::new("local", &["grep", "TODO"]);
        let cursor = binding.at("a/b", Some(3));
        assert!(cursor.ends_with(".3.a/b"), "{cursor}");
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
