//! `list_proposals`: proposals and how they stand, for those who may read the files that they
//! touch.

use std::collections::BTreeSet;

use mcp_workspace_test_support::tool_call::{self, call, open, run_as};
use mcp_workspace_test_support::tree::Tree;
use mcp_workspace_tools::answer::Shown;
use mcp_workspace_tools::decide;
use mcp_workspace_tools::error::Code;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::Decider;
use serde_json::{Value, json};

const POLICY: &str = r#"
version = 1
[[role]]
name = "fixer"
callers = ["local"]
tools = ["list_proposals", "propose_patch"]
read = ["**"]
write = ["output/proposals/**"]
propose = ["input/**"]

[[role]]
name = "partial"
callers = ["partial"]
tools = ["list_proposals"]
read = ["input/a/**", "output/proposals/**"]

[[role]]
name = "blind"
callers = ["blind"]
tools = ["list_proposals"]
read = ["input/**"]

[[role]]
name = "person"
callers = ["anna"]
read = ["**"]
decide = ["input/**"]
"#;

fn tree() -> Tree {
    let tree = Tree::new();
    tree.file("input/a/x.py", "one\n").file("input/b/y.py", "one\n").file("input/b/z.py", "one\n");
    tree
}

fn propose(tree: &Tree, title: &str, paths: &[&str], more: &Value) -> String {
    let edit = |path: &&str| json!({ "path": path, "old_text": "one", "new_text": title });
    let edits: Vec<Value> = paths.iter().map(edit).collect();
    let mut arguments = json!({ "title": title, "edits": edits });
    for (name, value) in more.as_object().into_iter().flatten() {
        arguments[name] = value.clone();
    }
    let made = run_as(open(&tree.root()), POLICY, "local", "propose_patch", arguments).unwrap();
    made["id"].as_str().unwrap().to_owned()
}

fn decider(tree: &Tree) -> Decider {
    let policy = Policy::parse(POLICY, "policy").unwrap();
    let layout = std::sync::Arc::new(policy.layout().clone());
    let workspace = std::sync::Arc::new(open(&tree.root()));
    Decider::new(workspace, &policy.grant("anna").unwrap(), layout, "anna")
}

fn listed(tree: &Tree, caller: &str, mut arguments: Value) -> Value {
    arguments["format"] = json!("json");
    run_as(open(&tree.root()), POLICY, caller, "list_proposals", arguments).unwrap()
}

fn ids(page: &Value) -> BTreeSet<String> {
    let proposals = page["proposals"].as_array().unwrap();
    proposals.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

fn text_of(tree: &Tree, arguments: Value) -> String {
    let scope = tool_call::scope(open(&tree.root()), POLICY, "local", "list_proposals");
    let answer = tool::find("list_proposals").unwrap().run(&scope, arguments, &call()).unwrap();
    let Shown::Text(text) = answer.shown else { panic!("{:?}", answer.shown) };
    text
}

#[test]
fn proposals_are_listed_by_how_they_stand_and_what_they_touch() {
    let tree = tree();
    let finding = "0123456789abcdef".repeat(3);
    let first = propose(
        &tree,
        "first",
        &["input/a/x.py"],
        &json!({ "run": "monday", "finding_ids": [format!("r:{finding}")], "rationale": "so\nit is" }),
    );
    let second = propose(&tree, "second", &["input/b/y.py", "input/b/z.py"], &json!({}));
    let third = propose(&tree, "third", &["input/b/z.py"], &json!({}));
    let anna = decider(&tree);
    decide::approve(&anna, &second, None, None).unwrap();
    decide::reject(&anna, &third, "no").unwrap();
    let all = [&first, &second, &third];
    for (arguments, expected) in [
        (json!({}), &all[..]),
        (json!({ "state": "open" }), &[&first, &second]),
        (json!({ "state": "proposed" }), &[&first]),
        (json!({ "state": "approved" }), &[&second]),
        (json!({ "state": "rejected" }), &[&third]),
        (json!({ "state": "applied" }), &[]),
        (json!({ "run": "monday" }), &[&first]),
        (json!({ "path": "input/b" }), &[&second, &third]),
        (json!({ "path": "**/y.*" }), &[&second]),
        (json!({ "agent": "fixer" }), &all),
        (json!({ "agent": "other" }), &[]),
    ] {
        let expected: BTreeSet<String> = expected.iter().map(|id| (*id).clone()).collect();
        assert_eq!(ids(&listed(&tree, "local", arguments.clone())), expected, "{arguments}");
    }
    decide::apply(&anna, &second).unwrap();
    assert_eq!(
        ids(&listed(&tree, "local", json!({ "state": "applied" }))),
        [second.clone()].into()
    );
    // As people are shown it.
    let people = decide::list(&anna).unwrap();
    for view in people.readable {
        let page = listed(&tree, "local", json!({}));
        let found = page["proposals"].as_array().unwrap().iter();
        let one = found.clone().find(|one| one["id"] == view.proposal.id).unwrap();
        assert_eq!(one["state"], view.state.as_str());
    }

    let text = text_of(&tree, json!({ "run": "monday", "details": true }));
    let expected = format!(
        "{first} proposed fixer: first\n input/a/x.py +1 -1\n   answers 89abcdef\n   why: so it is\n\
         [1 proposal]\n"
    );
    assert_eq!(text, expected);
    let text = text_of(&tree, json!({ "state": "applied" }));
    let expected = format!(
        "{second} applied fixer: second\n input/b/y.py +1 -1\n input/b/z.py +1 -1\n[1 proposal]\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn a_proposal_on_a_file_that_policy_hides_is_not_listed() {
    let tree = tree();
    let seen = propose(&tree, "seen", &["input/a/x.py"], &json!({}));
    propose(&tree, "both", &["input/a/x.py", "input/b/y.py"], &json!({}));
    propose(&tree, "other", &["input/b/y.py"], &json!({}));
    let page = listed(&tree, "partial", json!({ "details": true }));
    assert_eq!(ids(&page), [seen].into());
    assert!(!page.to_string().contains("input/b"), "{page}");
    let refused = run_as(open(&tree.root()), POLICY, "blind", "list_proposals", json!({}));
    assert_eq!(refused.unwrap_err().code, Code::Denied);
}

#[test]
fn pages_hold_every_proposal_once_while_others_are_added() {
    let tree = tree();
    let first: BTreeSet<String> = (0..30)
        .map(|number| propose(&tree, &format!("change {number}"), &["input/b/y.py"], &json!({})))
        .collect();
    let (mut seen, mut cursor) = (Vec::new(), Value::Null);
    for added in 0.. {
        let page = listed(&tree, "local", json!({ "limit": 4, "cursor": cursor }));
        seen.extend(ids(&page));
        cursor = page["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
        propose(&tree, &format!("added {added}"), &["input/b/y.py"], &json!({}));
    }
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), seen.len(), "none is given twice");
    assert!(first.iter().all(|id| seen.contains(id)), "none is left out");
}

#[test]
fn what_is_no_proposal_is_told_and_the_others_are_listed() {
    let tree = tree();
    let id = propose(&tree, "good", &["input/a/x.py"], &json!({}));
    tree.file("output/proposals/damaged/proposal.json", "{");
    tree.file("output/proposals/stray.txt", "x");
    tree.directory("output/proposals/empty");
    let page = listed(&tree, "local", json!({}));
    assert_eq!(ids(&page), [id].into());
    let left_out: BTreeSet<&str> = page["left_out"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["path"].as_str().unwrap())
        .collect();
    let expected = ["damaged", "empty", "stray.txt"].map(|name| format!("output/proposals/{name}"));
    assert_eq!(left_out, expected.iter().map(String::as_str).collect());
}
