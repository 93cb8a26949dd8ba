//! `list_dir` as a model reads it: each name once, below its directory, and little besides.

use std::collections::BTreeSet;

use mcp_workspace_test_support::tree::{MODES, Tree, call};
use mcp_workspace_tools::answer::Shown;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::Resolution;
use serde_json::{Value, json};

fn text_of(tree: &Tree, resolution: Resolution, arguments: Value) -> String {
    let scope = tree.scope(resolution);
    let answer = tool::find("list_dir").unwrap().run(&scope, arguments, &call()).unwrap();
    let Shown::Text(text) = answer.shown else { panic!("{:?}", answer.shown) };
    text
}

#[test]
fn names_stand_below_their_directory() {
    for mode in MODES {
        let tree = Tree::new();
        tree.file("b.txt", "one").file("a/x.py", "").file("a/sub/y.py", "").file("a-b", "");
        tree.directory("empty").link("link", "a/x.py").link("forged", "x\n[9 entries]");
        let own = text_of(&tree, mode, json!({}));
        let expected = "a-b\na/\nb.txt\nempty/\nforged -> x\\u{a}[9 entries]\nlink -> a/x.py\n\
                        [6 entries]\n";
        let own_sorted: BTreeSet<&str> = own.lines().collect();
        assert_eq!(own_sorted, expected.lines().collect());
        assert!(own.ends_with("\n[6 entries]\n"));
        // A directory whose entries are listed is a heading and not a name besides.
        let deep = text_of(&tree, mode, json!({ "depth": 9 }));
        assert!(deep.contains("\n\na:\nx.py\n\na/sub:\ny.py\n[9 entries]\n"), "{deep}");
        assert!(deep.contains("empty/\n") && !deep.contains("a/\n"), "{deep}");
        assert_eq!(text_of(&tree, mode, json!({ "path": "a" })), "a:\nsub/\nx.py\n[2 entries]\n");
        assert_eq!(text_of(&tree, mode, json!({ "path": "empty" })), "[no entries]\n");
        let globbed = text_of(&tree, mode, json!({ "glob": "*.py" }));
        assert_eq!(globbed, "a:\nx.py\n\na/sub:\ny.py\n[2 entries]\n");
        let details = text_of(&tree, mode, json!({ "glob": "b.txt", "details": true }));
        let fields: Vec<&str> = details.lines().next().unwrap().split('\t').collect();
        assert_eq!(fields[..2], ["b.txt", "3"]);
        assert!(fields[2].len() == "2026-01-01T00:00:00Z".len() && fields[2].ends_with('Z'));
    }
}

#[test]
fn pages_of_text_hold_each_name_once() {
    let tree = Tree::new();
    for number in 0..95 {
        tree.file(&format!("d{}/f{number:02}", number % 3), "");
    }
    let (mut names, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let arguments = json!({ "depth": 2, "glob": "f*", "limit": 10, "cursor": cursor });
        let text = text_of(&tree, Resolution::Openat2, arguments);
        names.extend(text.lines().filter(|line| line.starts_with('f')).map(str::to_owned));
        let last = text.lines().last().unwrap();
        match last.split_once("more: cursor \"") {
            Some((before, rest)) => {
                assert!(before == "[10 entries · ", "{last}");
                cursor = json!(rest.trim_end_matches("\"]"));
            }
            None => break,
        }
    }
    assert_eq!(names.len(), 95);
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 95);
}

#[test]
fn an_answer_keeps_within_its_characters() {
    let tree = Tree::new();
    for number in 0..4_000 {
        tree.file(&format!("wide/a_file_with_a_name_{number:04}"), "");
    }
    for format in ["text", "json"] {
        let arguments = json!({ "path": "wide", "limit": 5_000, "format": format });
        let scope = tree.scope(Resolution::Openat2);
        let answer = tool::find("list_dir").unwrap().run(&scope, arguments, &call()).unwrap();
        assert!(answer.partial);
        let bytes = answer.shown_bytes();
        assert!((40_000..48_000).contains(&bytes), "{format}: {bytes}");
    }
}
