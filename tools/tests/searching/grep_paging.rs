//! Pages of `grep`: of any size, in every mode, with context, they are together the one answer.

use std::collections::BTreeSet;

use mcp_workspace_test_support::tree::{MODES, Tree, call, run, run_call, strings};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::Code;
use mcp_workspace_tools::workspace::Scope;
use proptest::prelude::*;
use proptest::test_runner::Config;
use serde_json::{Value, json};

fn pages(
    scope: &Scope,
    arguments: &Value,
    call: &Call,
    mut between: impl FnMut(usize),
) -> Vec<Value> {
    let mut pages = Vec::new();
    let mut arguments = arguments.clone();
    arguments["format"] = "json".into();
    loop {
        let page = run_call(scope, "grep", arguments.clone(), call).unwrap();
        let cursor = page["next_cursor"].clone();
        assert_eq!(page["stopped"].is_null(), cursor.is_null(), "{page}");
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

fn together(pages: &[Value], name: &str) -> Value {
    pages.iter().flat_map(|page| page[name].as_array().unwrap().clone()).collect()
}

fn line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["needle", "x needle y needle", "hay", "more hay", "", "nee", "dle"])
}

fn files() -> impl Strategy<Value = Vec<(String, String)>> {
    let name =
        prop::sample::select(vec!["a", "a-b", "a.b", "b", "c", "d/a", "d/b", "d-e", "d.e/f"]);
    let end = prop::sample::select(vec!["\n", "\r\n", "\n\n"]);
    let text = (prop::collection::vec(line(), 0..14), end, any::<bool>()).prop_map(
        |(lines, end, last)| {
            let mut text = lines.join(end);
            if last {
                text.push_str(end);
            }
            text
        },
    );
    prop::collection::vec((name.prop_map(str::to_owned), text), 1..7)
}

fn build(files: &[(String, String)]) -> Tree {
    let tree = Tree::new();
    for (path, text) in files {
        tree.file(path, text);
    }
    tree
}

proptest! {
    #![proptest_config(Config {
        cases: 48,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..Config::default()
    })]

    #[test]
    fn pages_of_matches_are_together_the_whole(
        files in files(),
        limit in 1usize..7,
        before in 0usize..4,
        after in 0usize..4,
        pattern in prop::sample::select(vec!["needle", "^", "dle$", "nee[a-z]*", "(?s)hay.*?dle"]),
        chars in prop::option::of(2_000usize..2_600),
        path in prop::sample::select(vec!["", "", "", "d", "a"]),
    ) {
        let tree = build(&files);
        if !path.is_empty() && !tree.root().join(path).exists() {
            return Ok(());
        }
        let scope = tree.scope(MODES[limit % 2]);
        let multiline = pattern.starts_with("(?s)");
        let arguments = json!({
            "pattern": pattern, "path": path, "before": before, "after": after,
            "multiline": multiline,
        });
        let mut all = arguments.clone();
        all["limit"] = 5_000.into();
        all["format"] = "json".into();
        let whole = run(&scope, "grep", all).unwrap();
        prop_assert!(whole["stopped"].is_null());
        let mut paged = arguments;
        paged["limit"] = limit.into();
        let mut call = call();
        call.answer_chars = chars.unwrap_or(call.answer_chars);
        let pages = pages(&scope, &paged, &call, |_| {});
        let mut given = together(&pages, "matches");
        let mut expected = whole["matches"].clone();
        if chars.is_some() {
            // With little room a match may have less around it.
            for one in [&mut given, &mut expected].into_iter().flat_map(|all| all.as_array_mut().unwrap()) {
                one.as_object_mut().unwrap().retain(|name, _| name != "before" && name != "after");
            }
        }
        prop_assert_eq!(given, expected);
        for page in &pages {
            prop_assert!(page["matches"].as_array().unwrap().len() <= limit);
        }
    }

    #[test]
    fn pages_of_files_and_counts_are_together_the_whole(
        files in files(),
        limit in 1usize..5,
        mode in prop::sample::select(vec!["files", "count"]),
        chars in prop::option::of(2_010usize..2_300),
    ) {
        let tree = build(&files);
        tree.file("d/zero", "\0needle").file("b2", "needle\0");
        let scope = tree.scope(MODES[limit % 2]);
        let mut arguments = json!({ "pattern": "needle", "mode": mode });
        let whole = run(&scope, "grep", arguments.clone()).unwrap();
        arguments["limit"] = limit.into();
        let mut call = call();
        call.answer_chars = chars.unwrap_or(call.answer_chars);
        let pages = pages(&scope, &arguments, &call, |_| {});
        prop_assert_eq!(&together(&pages, "files"), &whole["files"]);
        // Each file is counted on exactly one page.
        let sum = |get: &dyn Fn(&Value) -> &Value| -> u64 {
            pages.iter().map(|page| get(page).as_u64().unwrap()).sum()
        };
        prop_assert_eq!(sum(&|page| &page["files_searched"]), whole["files_searched"].as_u64().unwrap());
        prop_assert_eq!(sum(&|page| &page["files_skipped"]["binary"]), 2);
    }

    #[test]
    fn files_that_stay_are_found_once_while_others_come_and_go(
        kept in prop::collection::btree_set("[a-d](/[a-c]x){0,2}", 1..10),
        changes in prop::collection::vec(
            prop::collection::vec(("[a-d](/[a-c]){0,2}", any::<bool>()), 0..5), 16),
        limit in 1usize..5,
        content in any::<bool>(),
    ) {
        let tree = Tree::new();
        let mut stays = BTreeSet::new();
        for path in &kept {
            let full = tree.root().join(path);
            if std::fs::create_dir_all(full.parent().unwrap()).is_ok() && !full.is_dir() {
                std::fs::write(&full, "needle\nhay\nneedle\n").unwrap();
                stays.insert(path.clone());
            }
        }
        let scope = tree.scope(MODES[limit % 2]);
        let mode = if content { "content" } else { "files" };
        let arguments = json!({ "pattern": "needle", "mode": mode, "limit": limit });
        let pages = pages(&scope, &arguments, &call(), |page| {
            for (path, create) in changes.get(page - 1).into_iter().flatten() {
                let full = tree.root().join(path);
                if *create {
                    let _ = std::fs::create_dir_all(full.parent().unwrap());
                    let _ = std::fs::write(&full, "needle\nneedle\nneedle\n");
                } else if !stays.contains(path) {
                    let _ = std::fs::remove_file(&full);
                }
            }
        });
        let name = if content { "matches" } else { "files" };
        let given = together(&pages, name);
        let places: Vec<(String, u64)> = given
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["path"].as_str().unwrap().to_owned(), one["line"].as_u64().unwrap_or(0)))
            .collect();
        prop_assert!(places.is_sorted_by(|a, b| a < b), "twice or out of order: {:?}", places);
        for path in stays {
            prop_assert!(places.iter().any(|(given, _)| *given == path), "left out {}", path);
            if content && std::fs::read(tree.root().join(&path)).unwrap().len() == 18 {
                prop_assert_eq!(places.iter().filter(|(given, _)| *given == path).count(), 2);
            }
        }
    }
}

#[test]
fn what_is_skipped_is_counted_on_one_page_only() {
    let tree = Tree::new();
    for directory in ["a", "b", "c"] {
        tree.file(&format!("{directory}/\u{1}"), "needle")
            .file(&format!("{directory}/ok"), "needle\nneedle\n")
            .file(&format!("{directory}/x.log"), "needle")
            .file(&format!("{directory}/zero"), "\0")
            .file(&format!("{directory}/.gitignore"), "*.log");
    }
    for (mode, chars) in
        [("content", 48_000), ("files", 48_000), ("content", 2_040), ("files", 2_040)]
    {
        let mut call = call();
        call.answer_chars = chars;
        let arguments = json!({
            "pattern": "needle", "limit": 1, "mode": mode, "respect_ignore_files": true,
        });
        let pages = pages(&tree.scope(MODES[0]), &arguments, &call, |_| {});
        for (reason, expected) in [("unreadable", 3), ("ignored", 3), ("binary", 3)] {
            let counts = pages.iter().map(|page| page["files_skipped"][reason].as_u64().unwrap());
            assert_eq!(counts.sum::<u64>(), expected, "{reason} {mode} {chars}");
        }
    }
}

#[test]
fn an_answer_keeps_to_its_budget_with_much_context() {
    let tree = Tree::new();
    let mut text = String::new();
    for number in 0..2_000 {
        let word = if number % 150 == 75 { "needle" } else { "hay" };
        text.push_str(&format!("{number} {word} {}\n", "long line ".repeat(80)));
    }
    tree.file("long.txt", text);
    let scope = tree.scope(MODES[0]);
    for chars in [4_000, 12_000, 48_000] {
        let mut call = call();
        call.answer_chars = chars;
        for format in ["text", "json"] {
            let arguments = json!({ "pattern": "needle", "context": 50, "format": format });
            let entry = mcp_workspace_tools::tool::find("grep").unwrap();
            let answer = entry.run(&scope, arguments, &call).unwrap();
            let length = match answer.shown {
                mcp_workspace_tools::answer::Shown::Text(text) => text.len(),
                _ => answer.json().to_string().len(),
            };
            assert!(length <= chars, "{length} of {chars} as {format}");
        }
        let pages = pages(&scope, &json!({ "pattern": "needle", "context": 50 }), &call, |_| {});
        assert_eq!(together(&pages, "matches").as_array().unwrap().len(), 13);
    }
}

#[test]
fn a_cursor_of_another_search_or_caller_is_refused() {
    let tree = Tree::new();
    tree.file("a", "needle\nneedle").file("b", "needle");
    let scope = tree.scope(MODES[0]);
    let first = run(&scope, "grep", json!({ "pattern": "needle", "limit": 1 })).unwrap();
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = run(&scope, "grep", json!({ "pattern": "needle", "limit": 9, "cursor": cursor }));
    assert_eq!(strings(&next.unwrap()["matches"], "path"), ["a", "b"]);
    for other in [
        json!({ "pattern": "needl", "cursor": cursor }),
        json!({ "pattern": "needle", "cursor": cursor, "path": "a" }),
        json!({ "pattern": "needle", "cursor": cursor, "mode": "count" }),
        json!({ "pattern": "needle", "cursor": cursor, "glob": "*" }),
        json!({ "pattern": "needle", "cursor": cursor, "type": "rust" }),
        json!({ "pattern": "needle", "cursor": cursor, "context": 1 }),
        json!({ "pattern": "needle", "cursor": cursor, "respect_ignore_files": true }),
        json!({ "pattern": "needle", "cursor": "no cursor" }),
    ] {
        assert_eq!(run(&scope, "grep", other).unwrap_err().code, Code::InvalidArgument);
    }
    let stranger = Call::new("stranger", std::time::Duration::from_secs(9));
    let again = json!({ "pattern": "needle", "limit": 1, "cursor": cursor });
    assert_eq!(run_call(&scope, "grep", again, &stranger).unwrap_err().code, Code::InvalidArgument);
}
