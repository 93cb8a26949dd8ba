//! However small the buffer and the slices are, a search finds what the pattern matches line by line.

use grep_matcher::Matcher;
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

use super::Mode;
use super::collect::{Collector, Wanted};
use super::finder::{Finder, Halt};
use super::pattern::{self, Compiled};
use super::scan::{Means, Scan};
use super::search::Failed;
use super::turns::Turns;
use crate::call::Call;
use crate::memory::Memory;

const PATTERNS: &[&str] = &[
    "a",
    "ab",
    "a.b",
    "^a",
    "b$",
    "^$",
    "^",
    "$",
    "a*b",
    "a.*b",
    r"\ba",
    r"\Bb",
    r"\b",
    r"\B",
    "(?i)A",
    r"\Aa",
    r"b\z",
    r"\z",
    "é",
    "[ab]{3}",
    "a|^b",
    r"\w+é?$",
    "b{2,}",
    r"\bé.*a",
    "(?-u:\\xc3)",
    "a*?$",
    "x",
    "[^a]",
    ".{40}",
    "(?:a.{0,3}b){2}",
    "aé+b",
];

fn compiled(pattern: &str, multiline: bool) -> Compiled {
    let arguments = json!({ "pattern": pattern, "multiline": multiline });
    pattern::compile(&serde_json::from_value(arguments).unwrap()).unwrap()
}

fn call() -> Call {
    Call::new("test", Duration::from_secs(60))
}

fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        6 => "[abé ]{0,12}\n",
        2 => "\n{1,3}",
        1 => "[ab é]{20,60}",
        1 => ("[ab é]{1,3}", 200usize..900).prop_map(|(unit, times)| unit.repeat(times)),
    ];
    prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(Config { cases: 400, failure_persistence: None, ..Config::default() })]

    #[test]
    fn lines_are_found_as_one_by_one(
        text in text(),
        pattern in prop::sample::select(PATTERNS),
        buffer in 1_200usize..3_000,
        slice in 1usize..200,
        before in 0usize..4,
        after in 0u64..4,
    ) {
        let compiled = compiled(pattern, false);
        let (call, memory) = (call(), Memory::default());
        let finders = Turns::new(1, 1, &memory);
        finders
            .with(&call, || Finder::new(&compiled, &call), |finder| finder.slice_for_tests(slice))
            .unwrap();
        let means = Means { pattern: &compiled, finders: &finders, call: &call, before, after };
        let wanted =
            Wanted { mode: Mode::Content, most_matches: 9_999, most_chars: 9_999_999, before, after };
        let mut sink = Collector::new(&wanted, 0);
        let mut room = vec![0; buffer];
        let scanned = Scan::new(means, text.as_bytes(), &mut room, 0..0, false).run(&mut sink);
        if matches!(scanned, Err(Failed::LongLine)) {
            // Only where no automaton knows what a boundary of words is.
            prop_assert!(!text.is_ascii() && pattern.contains(r"\b"));
            return Ok(());
        }
        prop_assert!(scanned.is_ok());

        let lines: Vec<&str> = text.split_terminator('\n').collect();
        let matching: Vec<u64> = (1..)
            .zip(&lines)
            .filter(|(_, line)| compiled.matcher.is_match(line.as_bytes()).unwrap())
            .map(|(number, _)| number)
            .collect();
        let around: BTreeSet<u64> = matching
            .iter()
            .flat_map(|number| number.saturating_sub(before as u64).max(1)..=number + after)
            .filter(|number| *number <= lines.len() as u64)
            .collect();
        let found = sink.into_found().lines;
        let numbers: Vec<u64> = found.iter().map(|line| line.number).collect();
        prop_assert_eq!(numbers, around.into_iter().collect::<Vec<_>>());
        for line in &found {
            prop_assert_eq!(line.is_match, matching.contains(&line.number));
            let whole = lines[line.number as usize - 1];
            let told = format!("of the line's {} bytes cut]", whole.len());
            let cut = whole.len() > 500 && line.text.ends_with(&told);
            prop_assert!(line.text == whole || cut, "{}", line.text);
        }
    }

    #[test]
    fn a_match_over_lines_is_found_as_at_once(
        text in text(),
        pattern in prop::sample::select(
            [PATTERNS, &["(?s)a.*b", "(?s)a.*?b", r"a\nb", r"\s+a", r"(?s)\Aa.*", r"b\n*$", r"[^x]+"]].concat()
        ),
        from in 0usize..400,
        slice in 1usize..200,
    ) {
        let compiled = compiled(pattern, true);
        let mut finder = Finder::new(&compiled, &call());
        finder.slice_for_tests(slice);
        let from = from.min(text.len());
        let expected = compiled.matcher.find_at(text.as_bytes(), from).unwrap();
        match finder.find(text.as_bytes(), from) {
            Ok(found) => {
                prop_assert_eq!(found, expected.map(|found| (found.start(), found.end())));
            }
            Err(halt) => {
                prop_assert_eq!(halt, Halt::LongLine);
                prop_assert!(!text.is_ascii() && pattern.contains(r"\b"));
            }
        }
    }
}
