//! Names of runs, agents and roles: they become names of directories, and a part of a caller id.

use std::fmt;

use serde::{Deserialize, Serialize};

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
    fn a_name_cannot_leave_its_directory_or_widen_a_glob() {
        for bad in ["", ".", "..", "a/b", "../x", "*", "a*", "a b", "ä", "-x", "a\n", "a:b"] {
            assert!(Name::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["security-reviewer", "2026-11-25_1", "a.b"] {
            assert!(Name::parse(good).is_ok(), "{good:?}");
        }
    }
}
