//! No tool input writes where decisions are read from, under the widest policy there is.

use std::fs;
use std::path::Path;
use std::time::Duration;

use mcp_workspace_test_support::tool_call::{self, open};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::policy::{Access, Policy};
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::Scope;
use serde_json::{Value, json};

const ID: &str = "0123456789abcdef0123456789abcdef";

fn policy(layout: &str, role: &str) -> String {
    let tools =
        tool::names().iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
    format!(
        "version = 1\n{layout}\n[[role]]\nname = \"{role}\"\ncallers = [\"local\"]\n\
         tools = [{tools}]\nread = [\"**\"]\nwrite = [\"**\"]\npropose = [\"**\"]\n"
    )
}

fn scope(root: &Path, policy: &str, tool: &str) -> Scope {
    tool_call::scope(open(root), policy, "local", tool)
}

/// Everything below a directory, with content.
fn below(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.push((path.display().to_string(), Vec::new()));
            all.extend(below(&path));
        } else {
            all.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

fn hostile_names() -> Vec<String> {
    let target = format!("output/decisions/{ID}/1");
    let file = format!("{target}/decision.json");
    [
        "output/decisions",
        "decisions",
        "../output/decisions",
        "../decisions",
        "..",
        ".",
        "../../output/decisions/x",
        "/mnt/workspace/output/decisions/x",
        "/output/decisions",
        "findings/../decisions",
        "output/findings/../decisions/x",
        "%2e%2e/decisions",
        "..\\decisions",
        "output/DECISIONS/x",
        "Output/Decisions/x",
        "output//decisions/./x",
        "a/../../output/decisions",
        "decisions/x",
        "../proposals",
        "@",
        "x/@/1",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([target, file.clone(), format!("../{file}"), format!("./{file}"), ID.to_owned()])
    .collect()
}

#[test]
fn every_tool_with_every_text_leaves_decisions_alone() {
    for layout in ["", "[layout]\ninput = \".\"\n", "[layout]\ninput = \"output/decisions\"\n"] {
        for role in ["agent", "decisions", "0123456789abcdef0123456789abcdef"] {
            let directory = tempfile::tempdir().unwrap();
            let root = directory.path();
            let step = root.join(format!("output/decisions/{ID}/1"));
            fs::create_dir_all(&step).unwrap();
            fs::write(step.join("decision.json"), "{}").unwrap();
            fs::write(root.join("a.txt"), "a\n").unwrap();
            let before = below(&root.join("output/decisions"));
            let policy = policy(layout, role);
            let mut accepted = 0;
            for name in hostile_names() {
                let calls: Vec<(&str, Value)> = vec![
                    ("write_state", json!({"key": name, "value": "x"})),
                    ("write_state", json!({"key": name, "value": {"a": 1}, "expected_version": 0})),
                    (
                        "write_finding",
                        json!({"rule_id": name, "severity": "low", "message": name,
                        "run": name, "category": name, "tags": [name], "evidence": [name]}),
                    ),
                    (
                        "write_finding",
                        json!({"rule_id": "r", "severity": "low", "message": "m",
                        "path": name}),
                    ),
                    (
                        "propose_patch",
                        json!({"title": name, "run": name, "finding_ids": [name],
                        "edits": [{"path": "a.txt", "old_text": "a", "new_text": name}]}),
                    ),
                    (
                        "propose_patch",
                        json!({"title": "t", "edits":
                        [{"path": name, "create": true, "new_text": "x"}]}),
                    ),
                    (
                        "propose_patch",
                        json!({"title": "t", "edits":
                        [{"path": "a.txt", "new_path": name}]}),
                    ),
                    (
                        "propose_patch",
                        json!({"title": "t", "patch": format!(
                        "diff --git a/{name} b/{name}\nnew file mode 100644\n--- /dev/null\n\
                         +++ b/{name}\n@@ -0,0 +1 @@\n+x\n")}),
                    ),
                    ("read_state", json!({"key": name})),
                    ("read_file", json!({"path": name})),
                    ("list_dir", json!({"path": name})),
                    ("grep", json!({"pattern": "x", "path": name})),
                ];
                for (tool, arguments) in calls {
                    let scope = scope(root, &policy, tool);
                    let call = Call::new("local", Duration::from_secs(60));
                    let entry = tool::find(tool).unwrap();
                    accepted += usize::from(entry.run(&scope, arguments.clone(), &call).is_ok());
                    assert_eq!(
                        below(&root.join("output/decisions")),
                        before,
                        "{layout}{tool} {arguments}"
                    );
                }
            }
            assert!(accepted > 40, "only {accepted} calls did anything");
        }
    }
}

#[test]
fn a_scope_refuses_to_write_decisions_itself() {
    let directory = tempfile::tempdir().unwrap();
    let scope = scope(directory.path(), &policy("", "agent"), "write_state");
    for path in
        ["output/decisions", "output/decisions/x", "output/decisions/x/1", "OUTPUT/Decisions/x"]
    {
        let path = WorkspacePath::parse(path).unwrap();
        assert!(!scope.grant().may(Access::Write, &path));
        assert!(scope.publish_file(&path, b"x").is_err());
        assert!(scope.publish_new_file(&path, b"x").is_err());
        assert!(scope.publish_directory(&path, &[("decision.json", b"x")]).is_err());
    }
    assert!(!directory.path().join("output").exists());
}

#[test]
fn a_policy_that_aims_at_decisions_is_refused() {
    for glob in [
        "output/decisions",
        "output/decisions/**",
        "output/*/**",
        "*/decisions/*",
        "output/d*/x",
        "output/{findings,decisions}/**",
    ] {
        let text =
            policy("", "agent").replace("write = [\"**\"]", &format!("write = [\"{glob}\"]"));
        assert!(Policy::parse(&text, "policy").is_err(), "{glob}");
    }
    for layout in ["state = \"output/decisions\"", "state = \"output\"", "output = \"state/x\""] {
        let text = policy(&format!("[layout]\n{layout}\n"), "agent");
        assert!(Policy::parse(&text, "policy").is_err(), "{layout}");
    }
}

#[test]
fn saved_sources_are_not_read_where_policy_does_not_judge_them() {
    let directory = tempfile::tempdir().unwrap();
    let scope = scope(directory.path(), &policy("", "agent"), "read_file");
    let may = |path: &str| scope.grant().may(Access::Read, &WorkspacePath::parse(path).unwrap());
    assert!(may("output/decisions/x/1/decision.json"));
    assert!(!may("output/decisions/x/2/0.before"));
    assert!(!may("output/decisions/x/2/0.after"));
    assert!(may("output/x/0.before"));
}
