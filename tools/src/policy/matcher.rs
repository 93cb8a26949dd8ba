//! Globs by characters: `?` and `[…]` stand for one character, whatever its bytes.
//!
//! globset matches bytes. For a path of ASCII the two are the same, and its sets decide. Any
//! other path is judged by the same globs as Unicode expressions, which are made when the first
//! such path comes: most workspaces have none, and a function on Lambda should start quickly.

use std::sync::OnceLock;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use regex::{RegexSet, RegexSetBuilder};

/// Which letters match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Letters {
    /// Those of the glob.
    AsWritten,
    /// Those of the glob in either case.
    OfEitherCase,
}

/// The expressions are too large to be compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Memory that the expressions of one set may take, in bytes.
const MAX_EXPRESSIONS_BYTES: usize = 64 << 20;

/// A set of globs, in order.
#[derive(Debug)]
pub(super) struct Globs {
    by_bytes: GlobSet,
    expressions: Vec<String>,
    by_characters: OnceLock<Result<RegexSet, TooLarge>>,
}

impl Globs {
    pub(super) fn new<'g>(
        globs: impl IntoIterator<Item = &'g str>,
        letters: Letters,
    ) -> Result<Globs, globset::Error> {
        let mut by_bytes = GlobSetBuilder::new();
        let mut expressions = Vec::new();
        for text in globs {
            let glob = compile(text, letters)?;
            expressions.push(by_characters(glob.regex()));
            by_bytes.add(glob);
        }
        Ok(Globs { by_bytes: by_bytes.build()?, expressions, by_characters: OnceLock::new() })
    }

    /// Whether any glob matches the whole of `path`.
    pub(super) fn is_match(&self, path: &str) -> Result<bool, TooLarge> {
        if path.is_ascii() {
            return Ok(self.by_bytes.is_match(path));
        }
        Ok(self.characters()?.is_match(path))
    }

    /// The first glob that matches.
    pub(super) fn first_match(&self, path: &str) -> Result<Option<usize>, TooLarge> {
        if path.is_ascii() {
            return Ok(self.by_bytes.matches(path).into_iter().min());
        }
        Ok(self.characters()?.matches(path).into_iter().min())
    }

    fn characters(&self) -> Result<&RegexSet, TooLarge> {
        let made = self.by_characters.get_or_init(|| {
            RegexSetBuilder::new(&self.expressions)
                .dot_matches_new_line(true)
                .size_limit(MAX_EXPRESSIONS_BYTES)
                .build()
                .map_err(|_| TooLarge)
        });
        made.as_ref().map_err(|error| *error)
    }
}

fn compile(glob: &str, letters: Letters) -> Result<Glob, globset::Error> {
    GlobBuilder::new(glob)
        .literal_separator(true)
        .backslash_escape(false)
        .case_insensitive(letters == Letters::OfEitherCase)
        .build()
}

/// globset's expression with its escaped bytes (`\xc3\xa9`) as the characters that they are.
fn by_characters(expression: &str) -> String {
    let mut characters = String::with_capacity(expression.len());
    let mut rest = expression.strip_prefix("(?-u)").unwrap_or(expression);
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        characters.push_str(before);
        let (bytes, after) = escaped_bytes(escape);
        if bytes.is_empty() {
            // Another escape: both of its characters stay.
            let end = escape.char_indices().nth(2).map_or(escape.len(), |(end, _)| end);
            let (escape, after) = escape.split_at(end);
            characters.push_str(escape);
            rest = after;
        } else {
            // INVARIANT: a glob is UTF-8, so its bytes are whole characters, and none of those
            // above ASCII means anything in an expression.
            characters.push_str(&String::from_utf8_lossy(&bytes));
            rest = after;
        }
    }
    characters.push_str(rest);
    characters
}

/// A run of `\\xNN` at the start of `text`, and what follows it.
fn escaped_bytes(mut text: &str) -> (Vec<u8>, &str) {
    let mut bytes = Vec::new();
    while let Some((digits, after)) =
        text.strip_prefix("\\x").and_then(|escape| escape.split_at_checked(2))
    {
        let Ok(byte) = u8::from_str_radix(digits, 16) else { break };
        bytes.push(byte);
        text = after;
    }
    (bytes, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(glob: &str, letters: Letters, path: &str) -> bool {
        Globs::new([glob], letters).unwrap().is_match(path).unwrap()
    }

    #[test]
    fn a_question_mark_stands_for_one_character() {
        for (glob, path, expected) in [
            ("secret?", "secreté", true),
            ("secret?", "secret\u{1F511}", true),
            ("secret?", "secretéé", false),
            ("[é]", "é", true),
            ("[à-ü]x", "éx", true),
            ("[!é]", "é", false),
            ("[!é]", "ü", true),
            ("ä?/*", "äö/ß", true),
            ("ä?/*", "äö/ß/x", false),
            ("**/ö.{pem,key}", "a/é/ö.key", true),
            ("a+(é)", "a+(é)", true),
        ] {
            assert_eq!(matches(glob, Letters::AsWritten, path), expected, "{glob} on {path}");
        }
    }

    #[test]
    fn letters_of_either_case_match_beyond_ascii() {
        for (glob, path) in [("é.PEM", "É.pem"), ("straße", "STRAẞE"), ("**/.ssh", "a/.\u{17f}sh")]
        {
            assert!(matches(glob, Letters::OfEitherCase, path), "{glob} on {path}");
            assert!(!matches(glob, Letters::AsWritten, path), "{glob} on {path}");
        }
    }

    /// A glob of `?`, `*`, `**` and letters against a path, by trying everything.
    fn oracle(glob: &[char], path: &[char]) -> bool {
        match glob {
            [] => path.is_empty(),
            ['*', rest @ ..] => (0..=path.len())
                .take_while(|at| !path[..*at].contains(&'/'))
                .any(|at| oracle(rest, &path[at..])),
            ['?', rest @ ..] => path.first().is_some_and(|c| *c != '/') && oracle(rest, &path[1..]),
            [c, rest @ ..] => path.first() == Some(c) && oracle(rest, &path[1..]),
        }
    }

    proptest! {
        #[test]
        fn globs_match_as_by_hand(
            glob in "[aéß😀?/]{1,3}\\*?[aé?/]{0,3}",
            path in "[aéß😀/]{1,6}",
        ) {
            let by_hand = oracle(
                &glob.chars().collect::<Vec<_>>(),
                &path.chars().collect::<Vec<_>>(),
            );
            prop_assert_eq!(matches(&glob, Letters::AsWritten, &path), by_hand);
        }

        #[test]
        fn on_ascii_both_ways_agree(
            glob in "(\\*\\*/)?[ab?*+.()|^$-]{1,4}(/[ab\\[\\]!*?-]{1,4})?(/\\*\\*)?",
            path in "[abA+.()|^$-]{1,3}(/[ab!-]{1,3}){0,2}",
            fold in any::<bool>(),
        ) {
            let letters = if fold { Letters::OfEitherCase } else { Letters::AsWritten };
            if let Ok(globs) = Globs::new([glob.as_str()], letters) {
                let by_characters = globs.characters().unwrap().is_match(&path);
                prop_assert_eq!(globs.by_bytes.is_match(&path), by_characters);
            }
        }
    }
}
