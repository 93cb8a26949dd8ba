//! The patterns of a policy: callers, paths, and denied paths.

use std::borrow::Cow;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::path::WorkspacePath;

use super::case::{fold, fold_beyond_ascii};

/// A pattern of caller ids: `*` stands for any characters, all else for itself.
#[derive(Debug, Clone)]
pub(super) struct CallerPattern(String);

impl CallerPattern {
    pub(super) fn new(pattern: &str) -> CallerPattern {
        CallerPattern(pattern.to_owned())
    }

    /// The pattern as it stands in the file.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it names every caller: `*` and nothing else.
    pub(super) fn is_everybody(&self) -> bool {
        !self.0.is_empty() && self.0.bytes().all(|byte| byte == b'*')
    }

    /// Whether it matches some text that begins with `prefix`.
    pub(super) fn can_begin_with(&self, prefix: &str) -> bool {
        match self.0.split_once('*') {
            Some((first, _)) => first.starts_with(prefix) || prefix.starts_with(first),
            None => self.0.starts_with(prefix),
        }
    }

    /// Whether the whole of `caller` matches.
    pub(super) fn matches(&self, caller: &str) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else { return self.0 == caller };
        let Some(mut left) = caller.strip_prefix(first) else { return false };
        let mut pieces: Vec<&str> = rest.split('*').collect();
        let last = pieces.pop().unwrap_or_default();
        for piece in pieces {
            // The leftmost place leaves the most for the pieces that follow.
            let Some((_, after)) = left.split_once(piece) else { return false };
            left = after;
        }
        left.ends_with(last)
    }
}

/// Which letters match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// Those of the glob.
    AsWritten,
    /// Those of the glob in either case; paths are to be folded first.
    Either,
}

/// A glob with its place in the file.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub text: String,
    pub line: usize,
}

/// What a role allows.
#[derive(Debug)]
pub(super) struct PathRules {
    rules: Vec<Rule>,
    globs: GlobSet,
    components: Vec<Vec<Component>>,
}

#[derive(Debug)]
enum Component {
    /// `**`
    AnyDepth,
    One(GlobSet),
}

impl PathRules {
    /// Compiles globs that the check of the policy has passed.
    pub(super) fn new(rules: Vec<Rule>) -> Result<PathRules, globset::Error> {
        let mut components = Vec::new();
        for rule in &rules {
            let parts = rule.text.split('/').map(|part| {
                Ok(match part {
                    "**" => Component::AnyDepth,
                    one => Component::One(compile([one], Case::AsWritten)?),
                })
            });
            components.push(parts.collect::<Result<_, globset::Error>>()?);
        }
        let globs = compile(rules.iter().map(|rule| rule.text.as_str()), Case::AsWritten)?;
        Ok(PathRules { rules, globs, components })
    }

    pub(super) fn is_match(&self, path: &WorkspacePath) -> bool {
        self.globs.is_match(path.as_str())
    }

    /// The first rule that matches.
    pub(super) fn find(&self, path: &WorkspacePath) -> Option<&Rule> {
        self.rules.get(first_match(&self.globs, path.as_str())?)
    }

    /// The first rule that matches something below `directory`, or could.
    pub(super) fn find_leading(&self, directory: &WorkspacePath) -> Option<&Rule> {
        let wanted: Vec<&str> = directory.components().collect();
        self.components
            .iter()
            .position(|glob| leads(glob, &wanted))
            .and_then(|index| self.rules.get(index))
    }

    /// Whether a rule matches `directory`, or something below it, by the names of all of its
    /// components and not by `**`.
    pub(super) fn names(&self, directory: &WorkspacePath) -> bool {
        let wanted: Vec<&str> = directory.components().collect();
        self.components.iter().any(|glob| {
            glob.len() >= wanted.len()
                && glob.iter().zip(&wanted).all(|(component, name)| match component {
                    Component::AnyDepth => false,
                    Component::One(matcher) => matcher.is_match(name),
                })
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The directory of each rule that all of its matches are in: the beginning of the glob, as far
    /// as it names directories.
    pub(super) fn folders(&self) -> impl Iterator<Item = WorkspacePath> {
        self.rules.iter().filter_map(|rule| WorkspacePath::parse(leading_folder(&rule.text)).ok())
    }
}

/// The beginning of a glob that names directories without any pattern.
pub(super) fn leading_folder(glob: &str) -> &str {
    let plain = glob.find(['*', '[', '{', '?']).unwrap_or(glob.len());
    let named = glob.get(..plain).unwrap_or_default();
    named.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Whether a path below `directory` can match the glob.
fn leads(glob: &[Component], directory: &[&str]) -> bool {
    match (glob.split_first(), directory.split_first()) {
        (None, _) => false,
        (Some(_), None) | (Some((Component::AnyDepth, _)), Some(_)) => true,
        (Some((Component::One(matcher), glob)), Some((name, directory))) => {
            matcher.is_match(name) && leads(glob, directory)
        }
    }
}

/// What a role denies: each match and everything below it. `X/**` denies `X` as well, so that
/// the name of a hidden directory is not shown. Letters of either case match, so that another
/// spelling on a case-insensitive file system finds no way around.
#[derive(Debug)]
pub(super) struct DenyRules {
    rules: Vec<Rule>,
    /// The rule of each glob in the set.
    owners: Vec<usize>,
    globs: GlobSet,
}

impl DenyRules {
    pub(super) fn new(rules: Vec<Rule>) -> Result<DenyRules, globset::Error> {
        let mut globs = Vec::new();
        let mut owners = Vec::new();
        for (index, rule) in rules.iter().enumerate() {
            let itself = rule.text.strip_suffix("/**");
            for glob in std::iter::once(rule.text.as_str()).chain(itself) {
                globs.push(glob);
                owners.push(index);
            }
        }
        let globs = compile(globs, Case::Either)?;
        Ok(DenyRules { rules, owners, globs })
    }

    pub(super) fn is_match(&self, path: &WorkspacePath) -> bool {
        !self.rules.is_empty()
            && path.ancestors_and_self().any(|part| self.globs.is_match(&*fold(part)))
    }

    /// The rule that denies `path`.
    pub(super) fn find(&self, path: &WorkspacePath) -> Option<&Rule> {
        path.ancestors_and_self().find_map(|part| {
            let first = first_match(&self.globs, &fold(part))?;
            self.rules.get(*self.owners.get(first)?)
        })
    }
}

/// The pieces of a glob: each is one character, or a class with its brackets (`[a-z]`). A class
/// that does not end is the last piece.
pub(super) fn pieces(glob: &str) -> impl Iterator<Item = &str> {
    let mut rest = glob;
    std::iter::from_fn(move || {
        let length = match rest.chars().next()? {
            '[' => class_length(rest),
            other => other.len_utf8(),
        };
        let (piece, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(piece)
    })
}

/// The bytes of the class that `text` begins with.
fn class_length(text: &str) -> usize {
    let inside = text.strip_prefix('[').unwrap_or(text);
    let inside = inside.strip_prefix(['!', '^']).unwrap_or(inside);
    // The first character may be a `]` that ends nothing.
    let mut characters = inside.chars();
    characters.next();
    match characters.as_str().split_once(']') {
        Some((_, after)) => text.len() - after.len(),
        None => text.len(),
    }
}

/// Compiles globs. What they mean does not depend on whether globset takes a character or a byte
/// for its unit, since a policy has no `?` and only classes of ASCII that say what they hold.
pub(super) fn compile<'g>(
    globs: impl IntoIterator<Item = &'g str>,
    case: Case,
) -> Result<GlobSet, globset::Error> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        let folded = match case {
            Case::AsWritten => Cow::Borrowed(glob),
            Case::Either => fold_beyond_ascii(glob),
        };
        let glob = GlobBuilder::new(&folded)
            .literal_separator(true)
            .backslash_escape(false)
            .empty_alternates(true)
            .case_insensitive(case == Case::Either)
            .build()?;
        set.add(glob);
    }
    set.build()
}

/// The first glob that matches, in the order of the set.
fn first_match(globs: &GlobSet, path: &str) -> Option<usize> {
    globs.matches(path).into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `*` against the text, by trying every length.
    fn oracle(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'*', rest)) => (0..=text.len()).any(|at| oracle(rest, &text[at..])),
            Some((byte, rest)) => text.first() == Some(byte) && oracle(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn caller_patterns_match_as_by_hand(pattern in "[ab:*]{0,6}", text in "[ab:]{0,8}") {
            prop_assert_eq!(
                CallerPattern::new(&pattern).matches(&text),
                oracle(pattern.as_bytes(), text.as_bytes())
            );
        }

        #[test]
        fn what_matches_can_be_reached(
            glob in "(\\*\\*|a|b|\\*|a\\*)(/(\\*\\*|a|b|\\*)){0,3}",
            path in "[ab](/[ab]){0,3}",
        ) {
            let rules = PathRules::new(vec![Rule { text: glob, line: 1 }]).unwrap();
            let path = WorkspacePath::parse(&path).unwrap();
            if rules.is_match(&path) {
                let mut parent = path.parent();
                while let Some(directory) = parent.filter(|directory| !directory.is_root()) {
                    prop_assert!(rules.find_leading(&directory).is_some());
                    parent = directory.parent();
                }
            }
        }
    }

    #[test]
    fn a_directory_is_shown_only_if_it_leads_somewhere() {
        let rules =
            |text: &str| PathRules::new(vec![Rule { text: text.to_owned(), line: 1 }]).unwrap();
        let leads = |glob: &str, path: &str| {
            rules(glob).find_leading(&WorkspacePath::parse(path).unwrap()).is_some()
        };
        assert!(leads("input/**", "input"));
        assert!(leads("input/**", "input/deep/er"));
        assert!(!leads("input/**", "secret"));
        assert!(!leads("input/a.txt", "input/a.txt"));
        assert!(leads("input/*/x", "input/any"));
        assert!(!leads("input/*/x", "input/any/x"));
        assert!(leads("**/*.rs", "any/where"));
    }

    #[test]
    fn a_class_is_one_piece() {
        for (glob, expected) in [
            ("a[b-d]é", vec!["a", "[b-d]", "é"]),
            ("[]]x", vec!["[]]", "x"]),
            ("[!]]x", vec!["[!]]", "x"]),
            ("{[{,],b}", vec!["{", "[{,]", ",", "b", "}"]),
            ("a[b", vec!["a", "[b"]),
            ("a[", vec!["a", "["]),
            ("a[é", vec!["a", "[é"]),
        ] {
            assert_eq!(pieces(glob).collect::<Vec<_>>(), expected, "{glob}");
        }
    }
}
