//! The patterns of a policy: callers, paths, and denied paths.

use crate::path::WorkspacePath;

use super::matcher::{Globs, Letters};

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
    globs: Globs,
    components: Vec<Vec<Component>>,
}

#[derive(Debug)]
enum Component {
    /// `**`
    AnyDepth,
    One(Globs),
}

impl PathRules {
    /// Compiles globs that [`refusal`] has passed.
    pub(super) fn new(rules: Vec<Rule>) -> Result<PathRules, globset::Error> {
        let mut components = Vec::new();
        for rule in &rules {
            let parts = rule.text.split('/').map(|part| {
                Ok(match part {
                    "**" => Component::AnyDepth,
                    one => Component::One(Globs::new([one], Letters::AsWritten)?),
                })
            });
            components.push(parts.collect::<Result<_, globset::Error>>()?);
        }
        let globs = Globs::new(rules.iter().map(|rule| rule.text.as_str()), Letters::AsWritten)?;
        Ok(PathRules { rules, globs, components })
    }

    pub(super) fn is_match(&self, path: &WorkspacePath) -> bool {
        // A set that cannot be had allows nothing.
        !self.rules.is_empty() && self.globs.is_match(path.as_str()).unwrap_or(false)
    }

    /// The first rule that matches.
    pub(super) fn find(&self, path: &WorkspacePath) -> Option<&Rule> {
        self.rules.get(self.globs.first_match(path.as_str()).ok()??)
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
                    Component::One(matcher) => matcher.is_match(name).unwrap_or(true),
                })
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }
}

/// Whether a path below `directory` can match the glob.
fn leads(glob: &[Component], directory: &[&str]) -> bool {
    match (glob.split_first(), directory.split_first()) {
        (None, _) => false,
        (Some(_), None) | (Some((Component::AnyDepth, _)), Some(_)) => true,
        (Some((Component::One(matcher), glob)), Some((name, directory))) => {
            matcher.is_match(name).unwrap_or(false) && leads(glob, directory)
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
    globs: Globs,
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
        let globs = Globs::new(globs, Letters::OfEitherCase)?;
        Ok(DenyRules { rules, owners, globs })
    }

    pub(super) fn is_match(&self, path: &WorkspacePath) -> bool {
        // A set that cannot be had denies everything.
        !self.rules.is_empty()
            && path.ancestors_and_self().any(|part| self.globs.is_match(part).unwrap_or(true))
    }

    /// The rule that denies `path`.
    pub(super) fn find(&self, path: &WorkspacePath) -> Option<&Rule> {
        path.ancestors_and_self().find_map(|part| {
            let first = self.globs.first_match(part).ok()??;
            self.rules.get(*self.owners.get(first)?)
        })
    }
}

/// Why a text is no glob of a policy, and the fix.
pub(super) fn refusal(glob: &str) -> Option<(String, String)> {
    let refused = |why: &str, fix: String| Some((format!("`{glob}` {why}"), fix));
    let bare = glob.trim_matches('/');
    if bare.is_empty() {
        return refused("matches nothing", "for the whole workspace write `**`".to_owned());
    }
    if glob.starts_with('/') {
        return refused("is absolute", format!("paths are relative to the workspace: `{bare}`"));
    }
    if glob.ends_with('/') {
        return refused("ends with `/` and matches nothing", format!("write `{bare}/**`"));
    }
    if glob.contains('\\') {
        return refused("contains a backslash", "separate components with `/`".to_owned());
    }
    if glob.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return refused(
            "has a component that is empty, `.` or `..`",
            "write the path as it is from the workspace root".to_owned(),
        );
    }
    let mut open = 0_usize;
    for character in glob.chars() {
        match character {
            '{' | '[' => open += 1,
            '}' | ']' => open = open.saturating_sub(1),
            '/' if open > 0 => {
                return refused(
                    "has `/` inside of `{}` or `[]`",
                    "write one glob for each alternative".to_owned(),
                );
            }
            _ => {}
        }
    }
    Globs::new([glob], Letters::AsWritten).err().and_then(|error| {
        refused(&format!("is no glob: {}", error.kind()), "close every `[` and `{`".to_owned())
    })
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
    fn globs_with_surprises_are_refused() {
        for glob in [
            "", "/", "/a", "a/", "a//b", "./a", "../a", "a/..", "{a/b,c}", "[a/b]", "a\\b", "[a",
            "{a",
        ] {
            assert!(refusal(glob).is_some(), "{glob}");
        }
        for glob in ["**", "a/**", "**/.env*", "*.{pem,key}", "a[0-9]", "ä/*"] {
            assert!(refusal(glob).is_none(), "{glob}");
        }
    }
}
