//! Finds out whether two patterns overlap: whether they name a common caller or match a common
//! path.

use globset::GlobSet;

use super::glob::{CallerPattern, Case, compile, pieces};

/// Most globs that the alternatives of one (`{a,b}`) are written out as.
const MAX_ALTERNATIVES: usize = 64;

/// Whether some caller matches both patterns.
pub(super) fn callers_overlap(one: &CallerPattern, other: &CallerPattern) -> bool {
    let tokens = |pattern: &CallerPattern| -> Vec<Token> {
        let token = |character| if character == '*' { Token::Many } else { Token::This(character) };
        pattern.as_str().chars().map(token).collect()
    };
    meet(&tokens(one), &tokens(other), Token::is_many, Token::meets)
}

/// Whether some path matches both globs, which the check of the policy has passed. Two classes of
/// characters (`[a-c]` and `[d-f]`) are taken to have one in common, and globs with very many
/// alternatives or nested ones to have nothing.
pub(super) fn globs_overlap(one: &str, other: &str) -> bool {
    let (one, other) = (alternatives(one), alternatives(other));
    one.iter().any(|one| {
        let one = components(one);
        other
            .iter()
            .any(|other| meet(&one, &components(other), Component::is_any_depth, Component::meets))
    })
}

/// What a pattern of one component, or of a caller, is made of.
enum Token {
    /// One character.
    This(char),
    /// Any one character of a class.
    Of(GlobSet),
    /// Any number of characters.
    Many,
}

impl Token {
    fn is_many(&self) -> bool {
        matches!(self, Token::Many)
    }

    fn meets(&self, other: &Token) -> bool {
        match (self, other) {
            (Token::This(one), Token::This(other)) => one == other,
            (Token::This(character), Token::Of(class))
            | (Token::Of(class), Token::This(character)) => {
                class.is_match(&*character.encode_utf8(&mut [0; 4]))
            }
            _ => true,
        }
    }
}

enum Component {
    /// `**`: any number of components, also none.
    AnyDepth,
    One(Vec<Token>),
}

impl Component {
    fn is_any_depth(&self) -> bool {
        matches!(self, Component::AnyDepth)
    }

    fn meets(&self, other: &Component) -> bool {
        match (self, other) {
            (Component::One(one), Component::One(other)) => {
                meet(one, other, Token::is_many, Token::meets)
            }
            _ => true,
        }
    }
}

/// Whether some sequence matches both patterns, where `is_many` stands for any number of elements.
fn meet<T>(
    one: &[T],
    other: &[T],
    is_many: impl Fn(&T) -> bool,
    meets: impl Fn(&T, &T) -> bool,
) -> bool {
    // Which beginnings of `other` match a sequence that the beginning of `one` so far matches.
    let mut reached = vec![false; other.len() + 1];
    let begin = |reached: &mut Vec<bool>| {
        for (at, element) in other.iter().enumerate() {
            if reached.get(at) == Some(&true)
                && is_many(element)
                && let Some(next) = reached.get_mut(at + 1)
            {
                *next = true;
            }
        }
    };
    if let Some(first) = reached.first_mut() {
        *first = true;
    }
    begin(&mut reached);
    for element in one {
        let mut next = vec![false; other.len() + 1];
        for (at, _) in reached.iter().enumerate().filter(|(_, reached)| **reached) {
            let facing = other.get(at);
            let ways = if is_many(element) {
                // It ends here, or takes what stands there.
                let rest = other.get(at..).unwrap_or_default().len();
                at..=at + rest
            } else if facing.is_some_and(&is_many) {
                at..=at
            } else if facing.is_some_and(|facing| meets(element, facing)) {
                at + 1..=at + 1
            } else {
                continue;
            };
            next.get_mut(ways).into_iter().flatten().for_each(|reached| *reached = true);
        }
        reached = next;
        begin(&mut reached);
    }
    reached.last() == Some(&true)
}

/// The components of a glob without alternatives.
fn components(glob: &str) -> Vec<Component> {
    let mut components: Vec<Component> = glob
        .split('/')
        .map(|part| if part == "**" { Component::AnyDepth } else { Component::One(tokens(part)) })
        .collect();
    // `a/**` is what lies below `a`, not `a` itself.
    if components.last().is_some_and(Component::is_any_depth) {
        components.push(Component::One(vec![Token::Many]));
    }
    components
}

fn tokens(component: &str) -> Vec<Token> {
    let token = |piece: &str| {
        let mut characters = piece.chars();
        match (characters.next(), characters.next()) {
            (Some('*'), None) => Token::Many,
            (Some(character), None) => Token::This(character),
            // A class that does not compile, which none is that the check has passed, meets all.
            _ => compile([piece], Case::AsWritten).map_or(Token::Many, Token::Of),
        }
    };
    pieces(component).map(token).collect()
}

/// The globs that a glob with `{a,b}` stands for; none where they are very many, or nested.
fn alternatives(glob: &str) -> Vec<String> {
    let mut globs = vec![String::new()];
    // The choices of the braces that are open, the last one growing.
    let mut choices: Option<(Vec<String>, String)> = None;
    for piece in pieces(glob) {
        match (piece, &mut choices) {
            ("{", None) => choices = Some((Vec::new(), String::new())),
            ("{", Some(_)) => return Vec::new(),
            (",", Some((done, last))) => done.push(std::mem::take(last)),
            ("}", Some((done, last))) => {
                done.push(std::mem::take(last));
                if globs.len() * done.len() > MAX_ALTERNATIVES {
                    return Vec::new();
                }
                globs = globs
                    .iter()
                    .flat_map(|glob| done.iter().map(move |choice| format!("{glob}{choice}")))
                    .collect();
                choices = None;
            }
            (piece, Some((_, last))) => last.push_str(piece),
            (piece, None) => globs.iter_mut().for_each(|glob| glob.push_str(piece)),
        }
    }
    globs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::WorkspacePath;
    use crate::policy::glob::{PathRules, Rule};
    use proptest::prelude::*;

    #[test]
    fn what_two_globs_have_in_common_is_found() {
        for (one, other, expected) in [
            ("**", "src/main.rs", true),
            ("src/**", "src", false),
            ("src/**", "src/*", true),
            ("src/**", "docs/**", false),
            ("**/*.rs", "src/**", true),
            ("**/*.rs", "**/*.md", false),
            ("*.{rs,md}", "README.md", true),
            ("*.{rs,toml}", "README.md", false),
            ("a/**/z", "a/z", true),
            ("a/*/z", "a/z", false),
            ("[a-c]x", "bx", true),
            ("[ac]x", "bx", false),
            ("[]]x", "]x", true),
            ("ä*", "äö", true),
            ("a[bd]c", "a*d", false),
            ("[{]{[,],b}", "[{],", true),
            ("[{]{[,],b}", "[{]c", false),
            ("{a,{b,c}}", "b", false),
        ] {
            assert_eq!(globs_overlap(one, other), expected, "{one} and {other}");
            assert_eq!(globs_overlap(other, one), expected, "{other} and {one}");
        }
    }

    #[test]
    fn what_two_patterns_of_callers_have_in_common_is_found() {
        for (one, other, expected) in [
            ("anna", "anna", true),
            ("anna", "*", true),
            ("role/people-*", "role/agents-*", false),
            ("role/people-*", "role/*-agent", true),
            ("a*b*c", "abc", true),
            ("a*b", "ba*", false),
            ("a?", "ab", false),
        ] {
            let patterns = [one, other].map(CallerPattern::new);
            assert_eq!(callers_overlap(&patterns[0], &patterns[1]), expected, "{one} and {other}");
            assert_eq!(callers_overlap(&patterns[1], &patterns[0]), expected, "{other} and {one}");
        }
    }

    /// All paths of up to four components of one or two letters.
    fn paths() -> Vec<WorkspacePath> {
        let names = ["a", "b", "aa", "ab", "ba", "bb"];
        let mut all: Vec<String> = names.map(str::to_owned).into();
        let mut last = all.clone();
        for _ in 0..3 {
            last = last
                .iter()
                .flat_map(|path| names.iter().map(move |name| format!("{path}/{name}")))
                .collect();
            all.extend(last.clone());
        }
        all.iter().map(|path| WorkspacePath::parse(path).unwrap()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]
        #[test]
        fn globs_overlap_when_a_path_matches_both(
            one in "(\\*\\*/)?([ab]|\\[ab\\]|\\*|a\\*|\\*b|ab|\\{a,b\\}b?|[ab]\\[ab\\])(/(b|\\*|\\*\\*))?",
            other in "(\\*\\*/)?([ab]|\\[ab\\]|\\*|b\\*|\\*a|ba|\\{ab,b\\}|\\[ab\\][ab])(/(a|\\*|\\*\\*))?",
        ) {
            let rules = [&one, &other].map(|text| {
                PathRules::new(vec![Rule { text: text.clone(), line: 1 }]).unwrap()
            });
            let both = paths().into_iter().find(|path| rules.iter().all(|rule| rule.is_match(path)));
            prop_assert_eq!(globs_overlap(&one, &other), both.is_some(), "{:?}", both);
        }
    }
}
