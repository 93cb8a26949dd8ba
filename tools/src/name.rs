//! Names of runs, agents and roles: they become names of directories, and a part of a caller id.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::ToolError;
use crate::text::visible::{is_hidden_in_a_name, written_out};

/// A name that is safe in a path, in a policy and in a terminal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Longest name.
const MAX: usize = 64;

impl Name {
    /// Reads a name.
    ///
    /// # Errors
    /// A sentence that says what a name is.
    pub fn parse(text: &str) -> Result<Name, String> {
        let accepted = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if starts_well && text.len() <= MAX && text.bytes().all(accepted) {
            Ok(Name(text.to_owned()))
        } else {
            Err(format!(
                "`{text}` is no name: 1 to {MAX} of A-Z a-z 0-9 . _ -, the first a letter or digit"
            ))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Refuses a new name in which a character is not seen, or not where it is: two names that look the
/// same must be the same. `argument` is how the caller calls it.
///
/// # Errors
/// [`Code::InvalidArgument`](crate::error::Code::InvalidArgument), with the name written out.
pub fn must_be_seen(argument: &str, name: &str) -> Result<(), ToolError> {
    let Some(hidden) = name.chars().find(|character| is_hidden_in_a_name(*character)) else {
        return Ok(());
    };
    Err(ToolError::invalid(format!(
        "`{argument}` has U+{:04X}, a character that is not seen: `{}`",
        u32::from(hidden),
        written_out(name)
    ))
    .hint("leave it out: two names that look the same must be the same"))
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Name, String> {
        Name::parse(&text)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_which_a_character_is_not_seen_is_refused_and_written_out() {
        let error = must_be_seen("key", "tasks/a\u{ad}b").unwrap_err();
        assert!(error.message.contains("U+00AD") && error.message.contains("a\\u{ad}b"), "{error}");
        for good in ["tasks/review-auth", "données/été", "日本/語", "a b"] {
            assert_eq!(must_be_seen("key", good), Ok(()), "{good:?}");
        }
    }

    #[test]
    fn a_name_cannot_leave_its_directory_or_widen_a_glob() {
        for bad in ["", ".", "..", "a/b", "../x", "*", "a*", "a b", "ä", "-x", "a\n", "a:b"] {
            assert!(Name::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["security-reviewer", "2026-11-25_1", "a.b"] {
            assert!(Name::parse(good).is_ok(), "{good:?}");
        }
    }
}
