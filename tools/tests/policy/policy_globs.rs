//! Globs of policies against a matcher by hand, on characters: what is granted is exactly what
//! the glob says, and what is denied is at least that, in any case of the letters.

use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::policy::{Access, Policy};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};

/// What a component of a glob is made of.
#[derive(Debug, Clone)]
enum Piece {
    This(char),
    Many,
    Of(Vec<(char, char)>),
    OneOf(Vec<Vec<Piece>>),
}

#[derive(Debug, Clone)]
enum Component {
    AnyDepth,
    One(Vec<Piece>),
}

type Glob = Vec<Component>;

/// Letters of one, two, three and four bytes, those that Unicode folds to ASCII among them, and
/// signs that regular expressions know.
const LETTERS: &str = "aAbBkKsSz09.+-_|^$(]!éÉßẞſ\u{212a}µΜςσΣıİ日😀\n";

fn letter() -> impl Strategy<Value = char> {
    proptest::sample::select(LETTERS.chars().collect::<Vec<_>>())
}

fn simple_piece() -> impl Strategy<Value = Piece> {
    let class = proptest::sample::select(vec![
        vec![('a', 'a')],
        vec![('a', 'k')],
        vec![('A', 'K')],
        vec![('s', 's'), ('0', '9')],
        vec![('Z', 'a')],
        vec![('+', '9')],
        vec![(']', ']'), ('b', 'b')],
        vec![('?', '?'), ('*', '*'), ('{', '{'), (',', ',')],
    ]);
    prop_oneof![
        6 => letter().prop_map(Piece::This),
        2 => Just(Piece::Many),
        1 => class.prop_map(Piece::Of),
    ]
}

/// Without `*` after `*`, whose text would be another glob.
fn single_stars(mut pieces: Vec<Piece>) -> Vec<Piece> {
    pieces.dedup_by(|one, other| matches!((one, other), (Piece::Many, Piece::Many)));
    pieces
}

fn component() -> impl Strategy<Value = Component> {
    let choice = proptest::collection::vec(proptest::collection::vec(simple_piece(), 0..3), 1..4);
    let piece = prop_oneof![8 => simple_piece(), 1 => choice.prop_map(Piece::OneOf)];
    prop_oneof![
        1 => Just(Component::AnyDepth),
        3 => proptest::collection::vec(piece, 1..5).prop_map(|pieces| Component::One(single_stars(pieces))),
    ]
}

fn glob() -> impl Strategy<Value = Glob> {
    proptest::collection::vec(component(), 1..4)
}

/// The text of a glob; a range takes its ends as they are.
fn text_of(glob: &Glob) -> String {
    fn pieces(pieces: &[Piece]) -> String {
        pieces.iter().map(piece).collect()
    }
    fn piece(piece: &Piece) -> String {
        match piece {
            Piece::This(letter) => letter.to_string(),
            Piece::Many => "*".to_owned(),
            Piece::Of(ranges) => {
                let inside = ranges.iter().map(|(first, last)| match first == last {
                    true => first.to_string(),
                    false => format!("{first}-{last}"),
                });
                format!("[{}]", inside.collect::<String>())
            }
            Piece::OneOf(choices) => {
                let choices: Vec<_> = choices.iter().map(|choice| pieces(choice)).collect();
                format!("{{{}}}", choices.join(","))
            }
        }
    }
    let components = glob.iter().map(|component| match component {
        Component::AnyDepth => "**".to_owned(),
        Component::One(one) => pieces(one),
    });
    components.collect::<Vec<_>>().join("/")
}

/// Some path that the glob matches, chosen by `seed`.
fn instance(glob: &Glob, seed: &mut impl Iterator<Item = usize>) -> String {
    fn fill(pieces: &[Piece], seed: &mut impl Iterator<Item = usize>, name: &mut String) {
        let letters: Vec<char> = LETTERS.chars().collect();
        for piece in pieces {
            let chosen = seed.next().unwrap();
            match piece {
                Piece::This(letter) => name.push(*letter),
                Piece::Many => name.extend(letters.iter().cycle().skip(chosen).take(chosen % 3)),
                Piece::Of(ranges) => {
                    let (first, last) = ranges[chosen % ranges.len()];
                    name.push((first..=last).filter(|c| *c != '/').cycle().nth(chosen).unwrap());
                }
                Piece::OneOf(choices) => {
                    fill(&choices[chosen % choices.len()], seed, name);
                }
            }
        }
    }
    let mut names = Vec::new();
    for component in glob {
        match component {
            Component::AnyDepth => {
                let depth = seed.next().unwrap() % 3;
                names.extend((0..depth).map(|_| "é".to_owned()));
            }
            Component::One(pieces) => {
                let mut name = String::new();
                fill(pieces, seed, &mut name);
                names.push(name);
            }
        }
    }
    names.join("/")
}

/// The same letters in another case, where the seed says so.
fn respelled(path: &str, seed: &mut impl Iterator<Item = usize>) -> String {
    let other = |letter: char| {
        let same: Vec<char> = folded(&[(letter, letter)])
            .ranges()
            .iter()
            .flat_map(|range| range.start()..=range.end())
            .collect();
        same[seed.next().unwrap() % same.len()]
    };
    path.chars().map(other).collect()
}

fn folded(ranges: &[(char, char)]) -> ClassUnicode {
    let mut class =
        ClassUnicode::new(ranges.iter().map(|(first, last)| ClassUnicodeRange::new(*first, *last)));
    class.case_fold_simple();
    class
}

/// Whether the letter is one of these, in either case where `fold` says so.
fn is_of(ranges: &[(char, char)], letter: char, fold: bool) -> bool {
    if letter == '/' {
        return false;
    }
    let among = |ranges: &[(char, char)]| {
        ranges.iter().any(|(first, last)| (*first..=*last).contains(&letter))
    };
    match fold {
        false => among(ranges),
        true => {
            let class = folded(ranges);
            let all: Vec<_> = class.ranges().iter().map(|r| (r.start(), r.end())).collect();
            among(&all)
        }
    }
}

fn name_matches(pieces: &[Piece], name: &[char], fold: bool) -> bool {
    let Some((piece, rest)) = pieces.split_first() else { return name.is_empty() };
    match piece {
        Piece::Many => (0..=name.len()).any(|at| name_matches(rest, &name[at..], fold)),
        Piece::This(letter) => {
            name.first().is_some_and(|first| is_of(&[(*letter, *letter)], *first, fold))
                && name_matches(rest, &name[1..], fold)
        }
        Piece::Of(ranges) => {
            name.first().is_some_and(|first| is_of(ranges, *first, fold))
                && name_matches(rest, &name[1..], fold)
        }
        Piece::OneOf(choices) => choices.iter().any(|choice| {
            let all: Vec<Piece> = choice.iter().chain(rest).cloned().collect();
            name_matches(&all, name, fold)
        }),
    }
}

fn matches(glob: &[Component], path: &[Vec<char>], fold: bool) -> bool {
    match glob.split_first() {
        None => path.is_empty(),
        // At the end `**` needs something to match; before more it may match nothing.
        Some((Component::AnyDepth, [])) => !path.is_empty(),
        Some((Component::AnyDepth, rest)) => {
            (0..=path.len()).any(|at| matches(rest, &path[at..], fold))
        }
        Some((Component::One(pieces), rest)) => path.split_first().is_some_and(|(name, path)| {
            name_matches(pieces, name, fold) && matches(rest, path, fold)
        }),
    }
}

fn by_hand(glob: &[Component], path: &str, fold: bool) -> bool {
    let names: Vec<Vec<char>> = path.split('/').map(|name| name.chars().collect()).collect();
    matches(glob, &names, fold)
}

/// Whether the path, or a directory above it, is denied; `X/**` denies `X` too.
fn denied_by_hand(glob: &Glob, path: &WorkspacePath) -> bool {
    let itself = match glob.as_slice() {
        [rest @ .., Component::AnyDepth] if !rest.is_empty() => Some(rest),
        _ => None,
    };
    path.ancestors_and_self().any(|part| {
        by_hand(glob, part, true) || itself.is_some_and(|glob| by_hand(glob, part, true))
    })
}

/// A policy of one role; none where the glob is one that policies refuse.
fn policy(read: &str, deny: &[&str]) -> Option<Policy> {
    let quoted = |glob: &str| toml::Value::String(glob.to_owned()).to_string();
    let deny: Vec<String> = deny.iter().map(|glob| quoted(glob)).collect();
    let text = format!(
        "version = 1\n[[role]]\nname = \"r\"\ncallers = [\"local\"]\ntools = [\"grep\"]\n\
         read = [{read}]\nwrite = [{read}]\ndeny = [{}]\n",
        deny.join(", "),
        read = quoted(read),
    );
    Policy::parse(&text, "test").ok()
}

fn may(policy: &Policy, access: Access, path: &WorkspacePath) -> bool {
    policy.grant("local").unwrap().for_tool("grep").may(access, path)
}

/// A glob and a path, which it matches about every second time.
fn cases() -> impl Strategy<Value = (Glob, String, bool)> {
    let name = proptest::collection::vec(letter(), 1..5).prop_map(String::from_iter);
    let path = proptest::collection::vec(name, 1..4).prop_map(|names| names.join("/"));
    let seed = proptest::collection::vec(0_usize..1_000, 64);
    (glob(), path, seed, any::<[bool; 2]>()).prop_map(|(glob, path, seed, [fitting, spelled])| {
        let seed = &mut seed.into_iter().cycle();
        let path = if fitting { instance(&glob, seed) } else { path };
        let path = if spelled { respelled(&path, seed) } else { path };
        (glob, path, fitting)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, max_global_rejects: 60_000, ..Default::default() })]

    #[test]
    fn what_is_granted_is_exactly_what_the_glob_says((glob, path, _) in cases()) {
        let path = WorkspacePath::parse(&path);
        let policy = policy(&text_of(&glob), &[]);
        prop_assume!(path.is_ok() && policy.is_some());
        let (path, policy) = (path.unwrap(), policy.unwrap());
        let expected = by_hand(&glob, path.as_str(), false);
        prop_assert_eq!(may(&policy, Access::Read, &path), expected);
        prop_assert_eq!(may(&policy, Access::Write, &path), expected);
    }

    #[test]
    fn what_is_denied_is_at_least_what_the_glob_says_in_any_case((glob, path, _) in cases()) {
        let path = WorkspacePath::parse(&path);
        let text = text_of(&glob);
        let policy = policy("**", &[&text]);
        prop_assume!(path.is_ok() && policy.is_some());
        let (path, policy) = (path.unwrap(), policy.unwrap());
        prop_assume!(!path.is_root());
        let expected = denied_by_hand(&glob, &path);
        let denied = !may(&policy, Access::Read, &path);
        prop_assert!(denied || !expected);
        // Nothing that has only one case, or ASCII's two, is denied beyond that.
        if path.as_str().is_ascii() && text.is_ascii() {
            prop_assert_eq!(denied, expected);
        }
    }
}

#[test]
fn the_cases_are_no_idle_ones() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut accepted, mut granted, mut folded, mut beyond) = (0, 0, 0, 0);
    for _ in 0..500 {
        let (glob, path, _) = cases().new_tree(&mut runner).unwrap().current();
        let Ok(path) = WorkspacePath::parse(&path) else { continue };
        if policy(&text_of(&glob), &[]).is_none() {
            continue;
        }
        accepted += 1;
        let exact = by_hand(&glob, path.as_str(), false);
        granted += usize::from(exact);
        folded += usize::from(!exact && by_hand(&glob, path.as_str(), true));
        beyond += usize::from(exact && !path.as_str().is_ascii());
    }
    assert!(
        accepted > 200 && granted > 50 && folded > 12 && beyond > 25,
        "{accepted} accepted, {granted} granted, {folded} only by case, {beyond} beyond ASCII"
    );
}

#[test]
fn no_character_beyond_ascii_is_a_way_around_a_deny() {
    // A `?` or a class that could miss one is refused; what stands instead hides it.
    for refused in ["secret?", "**/secret?", "[!a]x", "[^a]x", "[é]x", "[à-ü]x", "[[:alpha:]]x"]
    {
        assert!(policy("**", &[refused]).is_none(), "{refused}");
    }
    for (glob, path) in [
        ("secret*", "secreté"),
        ("**/.ssh/**", "a/.\u{17f}\u{17f}h"),
        ("**/*.key", "a/b.\u{212a}EY"),
        ("**/*.[k]ey", "a/b.\u{212a}EY"),
        ("**/straße", "a/STRAẞE"),
        ("**/STRASSE", "a/straße"),
        ("É.pem", "é.PEM"),
        ("**/id_{rsa,dsa}", "ID_R\u{17f}A"),
    ] {
        let path = WorkspacePath::parse(path).unwrap();
        assert!(!may(&policy("**", &[glob]).unwrap(), Access::Read, &path), "{glob} on {path}");
    }
}

#[test]
fn an_alternative_of_nothing_is_one() {
    let policy = policy("a{,b}", &[]).unwrap();
    for (path, expected) in [("a", true), ("ab", true), ("abb", false)] {
        let path = WorkspacePath::parse(path).unwrap();
        assert_eq!(may(&policy, Access::Read, &path), expected, "{path}");
    }
}

#[test]
fn a_glob_that_holds_only_at_the_root_is_warned_of() {
    let warnings = |deny: &[&str]| -> Vec<String> {
        policy("**", deny).unwrap().warnings().iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        warnings(&["*.key", "**/*.pem"]),
        ["warning: test:8:9: `*.key` matches only at the workspace's root\n  fix: `**/*.key` was \
          probably meant; for the root alone write `*.key/**`, which denies `*.key` too"]
    );
    assert_eq!(warnings(&["*.key/**"]), [""; 0]);
}
