//! Cursors of `list_dir`: each entry that stays is given exactly once, none twice, while others
//! come and go; and a page always moves on.

use std::collections::BTreeSet;
use std::fs;

use mcp_workspace_test_support::cases::cases;
use mcp_workspace_test_support::tree::{self, MODES, Tree, call, run, run_call, strings};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::Code;
use mcp_workspace_tools::workspace::Scope;
use proptest::prelude::*;
use serde_json::{Value, json};

/// All pages, with `between` after each; every page must move on.
fn pages(
    scope: &Scope,
    arguments: &Value,
    call: &Call,
    mut between: impl FnMut(usize),
) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut arguments = arguments.clone();
    loop {
        let page = run_call(scope, "list_dir", arguments.clone(), call).unwrap();
        assert_eq!(page["more"] == true, page["next_cursor"].is_string(), "{page}");
        let cursor = page["next_cursor"].clone();
        assert_ne!(Some(&cursor), arguments.get("cursor"), "no progress: {page}");
        pages.push(page);
        if cursor.is_null() {
            return pages;
        }
        assert!(pages.len() < 2_000, "endless");
        arguments["cursor"] = cursor;
        between(pages.len());
    }
}

fn paths(pages: &[Value]) -> Vec<String> {
    pages.iter().flat_map(|page| strings(&page["entries"], "path")).collect()
}

/// Something happens between two pages.
#[derive(Debug, Clone)]
enum Change {
    Create(String),
    CreateDirectory(String),
    Remove(String),
    Replace(String),
}

fn place() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "a-b", "a.b", "b", "c", "A", "é"]);
    prop::collection::vec(name, 1..4).prop_map(|names| names.join("/"))
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        place().prop_map(Change::Create),
        place().prop_map(Change::CreateDirectory),
        place().prop_map(Change::Remove),
        place().prop_map(Change::Replace),
    ]
}

/// Applies a change unless it would touch what must stay; remembers whatever went.
fn apply(tree: &Tree, change: &Change, stays: &BTreeSet<String>) {
    let (Change::Create(place)
    | Change::CreateDirectory(place)
    | Change::Remove(place)
    | Change::Replace(place)) = change;
    let full = tree.root().join(place);
    let holds = stays.iter().any(|kept| kept == place || kept.starts_with(&format!("{place}/")));
    let clear = || {
        let _ = fs::remove_file(&full);
        let _ = fs::remove_dir_all(&full);
    };
    match change {
        Change::Create(_) => {
            let _ = fs::create_dir_all(full.parent().unwrap());
            let _ = fs::File::create_new(&full);
        }
        Change::CreateDirectory(_) => {
            let _ = fs::create_dir_all(&full);
        }
        Change::Remove(_) if !holds => clear(),
        Change::Replace(_) if !holds => {
            clear();
            let _ = fs::create_dir_all(full.parent().unwrap());
            let _ = std::os::unix::fs::symlink("nowhere", &full);
        }
        Change::Remove(_) | Change::Replace(_) => {}
    }
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn what_stays_is_given_exactly_once_while_other_entries_come_and_go(
        kept in prop::collection::vec(place(), 1..12),
        start in prop::collection::vec(change(), 0..20),
        changes in prop::collection::vec(prop::collection::vec(change(), 0..6), 24),
        limit in 1usize..9,
        details in any::<bool>(),
    ) {
        let tree = Tree::new();
        for place in &kept {
            apply(&tree, &Change::Create(place.clone()), &BTreeSet::new());
        }
        // With the directories above them, since those cannot go while a file in them stays.
        let stays: BTreeSet<String> =
            tree::naive_listing(&tree.root()).into_iter().map(|(path, _)| path).collect();
        for change in &start {
            apply(&tree, change, &stays);
        }
        let scope = tree.scope(MODES[limit % 2]);
        let arguments = json!({ "depth": 9, "limit": limit, "details": details });
        let pages = pages(&scope, &arguments, &call(), |page| {
            for change in changes.get(page - 1).into_iter().flatten() {
                apply(&tree, change, &stays);
            }
        });
        let given = paths(&pages);
        prop_assert!(given.is_sorted_by(|a, b| a < b), "twice or out of order: {:?}", given);
        let given: BTreeSet<String> = given.into_iter().collect();
        prop_assert!(stays.is_subset(&given), "left out: {:?}", stays.difference(&given));
    }

    #[test]
    fn pages_of_any_size_together_are_the_whole(
        places in prop::collection::vec(place(), 1..40),
        limit in 1usize..12,
        depth in 1usize..5,
        glob in prop::option::of(prop::sample::select(vec!["a*", "*b", "!a", "a/**", "*/b"])),
        chars in prop::option::of(1_100usize..1_600),
    ) {
        let tree = Tree::new();
        for place in &places {
            apply(&tree, &Change::Create(place.clone()), &BTreeSet::new());
        }
        let scope = tree.scope(MODES[limit % 2]);
        let mut arguments = json!({ "depth": depth });
        if let Some(glob) = glob {
            arguments["glob"] = glob.into();
        }
        let whole = run(&scope, "list_dir", arguments.clone()).unwrap();
        prop_assert_eq!(&whole["more"], false);
        arguments["limit"] = limit.into();
        let mut call = call();
        call.answer_chars = chars.unwrap_or(call.answer_chars);
        let pages = pages(&scope, &arguments, &call, |_| {});
        let together: Vec<Value> =
            pages.iter().flat_map(|page| page["entries"].as_array().unwrap().clone()).collect();
        prop_assert_eq!(&Value::Array(together), &whole["entries"]);
        for page in &pages {
            prop_assert!(page["entries"].as_array().unwrap().len() <= limit);
            prop_assert!(page.to_string().len() <= call.answer_chars, "{}", page);
        }
    }
}

#[test]
fn a_budget_too_small_for_anything_still_gives_one_entry_a_page() {
    let tree = Tree::new();
    for name in ["a", "b", "c"] {
        tree.file(&name.repeat(200), "");
    }
    let mut call = call();
    call.answer_chars = 10;
    let pages = pages(&tree.scope(MODES[0]), &json!({}), &call, |_| {});
    assert_eq!(pages.len(), 3);
    assert_eq!(paths(&pages).len(), 3);
}

#[test]
fn names_that_are_no_paths_are_counted_on_one_page_only() {
    let tree = Tree::new();
    for directory in ["a", "b", "c"] {
        tree.file(&format!("{directory}/\u{1}"), "").file(&format!("{directory}/ok"), "");
    }
    tree.file("\u{2}", "");
    for limit in 1..8 {
        let arguments = json!({ "depth": 2, "limit": limit });
        let pages = pages(&tree.scope(MODES[0]), &arguments, &call(), |_| {});
        let counted: u64 = pages.iter().map(|page| page["unnameable"].as_u64().unwrap_or(0)).sum();
        assert_eq!(counted, 4, "limit {limit}");
    }
}

#[test]
fn a_cursor_serves_only_the_question_and_the_caller_that_it_was_given_to() {
    let tree = Tree::new();
    tree.file("a", "").file("b", "").file("d/c", "");
    let scope = tree.scope(MODES[0]);
    let page = run(&scope, "list_dir", json!({ "limit": 1 })).unwrap();
    let cursor = page["next_cursor"].as_str().unwrap();
    // A different limit or details is the same question.
    let more = json!({ "limit": 2, "details": true, "cursor": cursor });
    assert_eq!(strings(&run(&scope, "list_dir", more).unwrap()["entries"], "path"), ["b", "d"]);
    // An empty one is none: clients that fill in every argument begin so.
    assert_eq!(run(&scope, "list_dir", json!({ "limit": 1, "cursor": "" })).unwrap(), page);
    for other in [
        json!({ "cursor": cursor, "path": "d" }),
        json!({ "cursor": cursor, "depth": 2 }),
        json!({ "cursor": cursor, "glob": "*" }),
        json!({ "cursor": "x" }),
        json!({ "cursor": "A".repeat(5_000) }),
    ] {
        let error = run(&scope, "list_dir", other).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument);
        assert!(error.hint.is_some());
    }
    let stranger = Call::new("stranger", std::time::Duration::from_secs(9));
    let again = json!({ "limit": 1, "cursor": cursor });
    let error = run_call(&scope, "list_dir", again, &stranger).unwrap_err();
    assert_eq!(error.code, Code::InvalidArgument);
}

#[test]
fn a_hundred_thousand_entries_are_listed_page_by_page() {
    let tree = Tree::new();
    for number in 0..100_000 {
        fs::File::create(tree.root().join(format!("{number:06}"))).unwrap();
    }
    let scope = tree.scope(MODES[0]);
    let began = std::time::Instant::now();
    let first = run(&scope, "list_dir", json!({ "limit": 5000, "format": "json" })).unwrap();
    assert!(first.to_string().len() <= 48_000);
    assert_eq!(first["entries"][0]["path"], "000000");
    let last = run(&scope, "list_dir", json!({ "glob": "0999[89]*" })).unwrap();
    assert_eq!(last["entries"].as_array().unwrap().len(), 20);
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
}
