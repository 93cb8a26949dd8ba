//! A valid call that is spoiled in one way has the answer of the call itself, or an error: never
//! another answer.

use mcp_workspace_tools::error::ToolError;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::calls::{call, split};

/// What may be done to a call.
const KINDS: [Spoil; 16] = [
    Spoil { name: "number as text", of: |_, value| Some(json!(value.as_i64()?.to_string())) },
    Spoil {
        name: "number with a point",
        of: |_, value| Some(serde_json::from_str(&format!("{}.0", value.as_i64()?)).unwrap()),
    },
    Spoil { name: "flag as text", of: |_, value| Some(json!(value.as_bool()?.to_string())) },
    Spoil {
        name: "flag in capitals",
        of: |_, value| Some(json!(value.as_bool()?.to_string().to_uppercase())),
    },
    Spoil { name: "text in a list", of: |_, value| value.as_str().map(|text| json!([text])) },
    Spoil {
        name: "one for a list",
        of: |_, value| value.as_array().filter(|list| list.len() == 1).map(|list| list[0].clone()),
    },
    Spoil {
        name: "list as JSON text",
        of: |_, value| value.is_array().then(|| json!(value.to_string())),
    },
    Spoil {
        name: "choice in capitals",
        of: |name, value| {
            let is_choice = ["severity", "verdict", "mode", "format"].contains(&name);
            value.as_str().filter(|_| is_choice).map(|text| json!(text.to_uppercase()))
        },
    },
    Spoil { name: "path from the root", of: |name, value| path(name, value, |p| format!("/{p}")) },
    Spoil { name: "path in spaces", of: |name, value| path(name, value, |p| format!(" {p}\n")) },
    Spoil { name: "path in quotes", of: |name, value| path(name, value, |p| format!("\"{p}\"")) },
    Spoil {
        name: "path with backslashes",
        of: |name, value| path(name, value, |p| p.replace('/', "\\")),
    },
    Spoil {
        name: "path as a resource",
        of: |name, value| path(name, value, |p| format!("workspace:///{p}")),
    },
    Spoil {
        name: "path as a file",
        of: |name, value| path(name, value, |p| format!("file:///mnt/workspace/{p}")),
    },
    Spoil {
        name: "path from the mount",
        of: |name, value| path(name, value, |p| format!("/mnt/workspace/{p}")),
    },
    Spoil { name: "same value again", of: |_, value| Some(value.clone()) },
];

struct Spoil {
    name: &'static str,
    of: fn(&str, &Value) -> Option<Value>,
}

fn path(name: &str, value: &Value, write: fn(&str) -> String) -> Option<Value> {
    let is_path = name == "path" && value.as_str().is_some_and(|path| !path.is_empty());
    is_path.then(|| json!(write(value.as_str().unwrap())))
}

/// Other names of arguments, by tool.
const NAMES: &[(&str, &str, &str)] = &[
    ("read_file", "path", "file_path"),
    ("read_file", "path", "FilePath"),
    ("read_file", "offset", "start_line"),
    ("read_file", "limit", "num-lines"),
    ("list_dir", "path", "directory"),
    ("list_dir", "glob", "pattern"),
    ("list_dir", "depth", "maxDepth"),
    ("grep", "pattern", "query"),
    ("grep", "glob", "include"),
    ("grep", "mode", "output_mode"),
    ("grep", "ignore_case", "-i"),
    ("grep", "ignore_case", "ignoreCase"),
    ("grep", "context", "-C"),
    ("grep", "limit", "head_limit"),
    ("write_finding", "message", "description"),
    ("write_finding", "short_summary", "title"),
    ("write_finding", "path", "file"),
    ("write_finding", "start_line", "line"),
    ("write_finding", "rule_id", "ruleId"),
    ("propose_patch", "rationale", "description"),
    ("propose_patch", "patch", "diff"),
    ("read_state", "prefix", "Prefix"),
    ("write_state", "value", "content"),
];

/// What a call gives, without how it was read.
fn outcome(tool: &str, arguments: &Map<String, Value>) -> Result<(Value, bool), ToolError> {
    let answer = call(tool, Value::Object(arguments.clone()))?;
    let (json, adjusted) = split(&answer);
    Ok((json, !adjusted.is_empty()))
}

/// Every way to spoil one argument of a call, with its name.
fn spoiled(tool: &str, call: &Map<String, Value>) -> Vec<(String, Map<String, Value>)> {
    let mut all = Vec::new();
    for (name, value) in call {
        for kind in &KINDS {
            // Any JSON is a value of state, so no other form of it means the same.
            let free = tool == "write_state" && name == "value";
            if let Some(other) = (kind.of)(name, value).filter(|_| !free) {
                let mut spoiled = call.clone();
                spoiled.insert(name.clone(), other);
                all.push((format!("{tool}.{name}: {}", kind.name), spoiled));
            }
        }
        for (_, _, other) in NAMES.iter().filter(|(of, own, _)| *of == tool && own == name) {
            let mut spoiled = call.clone();
            let value = spoiled.remove(name).unwrap();
            spoiled.insert((*other).to_owned(), value);
            all.push((format!("{tool}.{name}: as {other}"), spoiled));
        }
    }
    all
}

fn text_path() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["README.md", "src/main.py", "docs/a b.md", "query.sql", "absent.md"])
}

fn start() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["", "src", "docs", "README.md", "absent"])
}

/// Valid calls; some are about nothing that is there, and some are refused.
fn calls() -> impl Strategy<Value = (&'static str, Map<String, Value>)> {
    let severity = prop::sample::select(vec!["critical", "high", "medium", "low", "info"]);
    let glob = prop::sample::select(vec!["*.py", "src/**", "!*.md", "*.{py,sql}"]);
    let mode = prop::sample::select(vec!["content", "files", "count"]);
    let pattern =
        prop::sample::select(vec!["TODO", "TODO o.e", "12", "true", "main\\(", "[", " x "]);
    use prop::option::of as optional;
    prop_oneof![
        (text_path(), optional(-4_i64..9), optional(0_u64..4)).prop_map(|(path, offset, limit)| {
            ("read_file", json!({ "path": path, "offset": offset, "limit": limit }))
        }),
        (start(), optional(1_usize..4), optional(glob.clone()), any::<bool>()).prop_map(
            |(path, depth, glob, details)| {
                let details = details && path == "absent";
                let given =
                    json!({ "path": path, "depth": depth, "glob": glob, "details": details });
                ("list_dir", given)
            }
        ),
        (pattern, start(), optional(glob), mode, any::<bool>(), optional(0_usize..3)).prop_map(
            |(pattern, path, glob, mode, ignore_case, context)| {
                let given = json!({ "pattern": pattern, "path": path, "glob": glob, "mode": mode,
                    "ignore_case": ignore_case, "context": context });
                ("grep", given)
            }
        ),
        (severity, text_path(), optional(1_u64..4), prop::collection::vec("[a-z]{1,4}", 0..3))
            .prop_map(|(severity, path, line, tags)| {
                let given = json!({ "rule_id": "r", "severity": severity, "message": "m",
                    "short_summary": "s", "path": path, "start_line": line, "tags": tags });
                ("write_finding", given)
            }),
        (text_path(), any::<bool>()).prop_map(|(path, delete)| {
            let edit = if delete {
                json!({ "path": path, "delete": true })
            } else {
                json!({ "path": path, "old_text": "TODO one", "new_text": "done" })
            };
            let given = json!({ "title": "t", "rationale": "why", "edits": [edit],
                "finding_ids": ["a:b"] });
            ("propose_patch", given)
        }),
        prop::sample::select(vec!["", "tasks/", "none"])
            .prop_map(|prefix| ("read_state", json!({ "prefix": prefix, "limit": 1 }))),
        (any::<bool>(), 0_u64..2).prop_map(|(text, version)| {
            let value = if text { json!("note") } else { json!({ "a": [1, null] }) };
            let given = json!({ "key": "tasks/b", "value": value, "expected_version": version });
            ("write_state", given)
        }),
    ]
    .prop_map(|(tool, given)| {
        let Value::Object(mut given) = given else { unreachable!() };
        given.retain(|_, value| !value.is_null());
        (tool, given)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_spoiled_call_has_the_same_answer_or_an_error((tool, given) in calls()) {
        let wanted = outcome(tool, &given);
        for (kind, spoiled) in spoiled(tool, &given) {
            match (outcome(tool, &spoiled), &wanted) {
                (Ok((found, _)), Ok((wanted, _))) => {
                    prop_assert_eq!(&found, wanted, "{}: {:?}", kind, spoiled);
                }
                (Ok((found, _)), Err(error)) => prop_assert!(
                    false, "{kind}: {spoiled:?} gives {found}, and without it {}", error.to_text()
                ),
                (Err(_), _) => {}
            }
        }
    }
}

#[test]
fn calls_that_are_spoiled_in_one_way_are_taken_and_named() {
    let calls = [
        ("read_file", json!({ "path": "src/main.py", "offset": 2, "limit": 1 })),
        ("list_dir", json!({ "path": "src", "depth": 1, "glob": "*.py", "details": false })),
        (
            "grep",
            json!({ "pattern": "todo", "path": "src", "glob": "*.py", "mode": "files",
                "ignore_case": true, "context": 1, "limit": 5 }),
        ),
        (
            "write_finding",
            json!({ "rule_id": "r", "severity": "high", "message": "m", "short_summary": "s",
                "path": "src/main.py", "start_line": 3, "tags": ["a"], "evidence": ["x, y"] }),
        ),
        (
            "propose_patch",
            json!({ "title": "t", "rationale": "why", "finding_ids": ["a:b"],
                "edits": [{ "path": "query.sql", "delete": true }] }),
        ),
        ("read_state", json!({ "prefix": "tasks/", "limit": 1 })),
        ("write_state", json!({ "key": "tasks/b", "value": "v", "expected_version": 0 })),
    ];
    let (mut all, mut refused) = (0, Vec::new());
    for (tool, given) in calls {
        let Value::Object(given) = given else { unreachable!() };
        let (wanted, plain) = outcome(tool, &given).unwrap();
        assert!(!plain, "{tool}");
        for (kind, spoiled) in spoiled(tool, &given) {
            all += 1;
            match outcome(tool, &spoiled) {
                Ok((found, named)) => {
                    assert_eq!(found, wanted, "{kind}");
                    let same = spoiled == given || kind.ends_with("path from the mount");
                    assert!(named || same, "{kind} is not named");
                }
                Err(error) => refused.push(format!("{kind}: {}", error.to_text())),
            }
        }
    }
    assert!(all > 100, "{all}");
    assert!(refused.len() * 50 < all, "{} of {all}: {refused:#?}", refused.len());
}
