//! Audit = explanation = what the file system showed, for drawn policies, tools and calls.

use std::fs;
use std::time::Duration;

use mcp_workspace_call::dispatch::Dispatcher;
use mcp_workspace_tools::error::Code;
use mcp_workspace_tools::policy::{Access, Explanation, Policy};
use mcp_workspace_tools::workspace::Workspace;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::recorded::{Recorded, call};

const CALLER: &str = "local";

const FILES: [&str; 6] =
    ["input/a.txt", "input/sub/b.txt", "input/secret/key.pem", "docs/c.md", "d.txt", "state/x.txt"];
const DIRECTORIES: [&str; 6] = ["", "input", "input/sub", "input/secret", "docs", "output"];
const MISSING: [&str; 3] = ["input/none.txt", "nowhere", "docs/none/at/all.md"];
/// What `write_file` may be asked for besides.
const MADE: [&str; 6] = [
    "output/reports/a.md",
    "output/findings/r0/0.json",
    "output/.hidden",
    "docs/new/b.md",
    "input/sub/.env",
    "state/key/@/1/value.json",
];
const GLOBS: [&str; 11] = [
    "**",
    "input/**",
    "input/*",
    "input/sub/**",
    "input/secret/**",
    "**/*.pem",
    "docs/**",
    "docs/c.md",
    "output/**",
    "output/findings/**",
    "state/**",
];
const CREATED: [&str; 5] = ["**", "output/**", "output/reports/*", "docs/**", "input/sub/**"];
const TOOLS: [&str; 8] = [
    "list_dir",
    "read_file",
    "grep",
    "write_finding",
    "propose_patch",
    "write_file",
    "read_state",
    "write_state",
];

fn lists() -> impl Strategy<Value = Vec<&'static str>> {
    proptest::sample::subsequence(GLOBS.to_vec(), 0..4)
}

prop_compose! {
    fn role()(
        serves in prop::bool::weighted(0.9),
        tools in proptest::sample::subsequence(TOOLS.to_vec(), 1..=TOOLS.len()),
        read in lists(),
        write in lists(),
        propose in lists(),
        create in proptest::sample::subsequence(CREATED.to_vec(), 0..3),
        deny in proptest::sample::subsequence(GLOBS.to_vec(), 0..2),
    ) -> String {
        let caller = if serves { CALLER } else { "somebody else" };
        format!(
            "callers = [\"{caller}\"]\ntools = {tools:?}\nread = {read:?}\nwrite = {write:?}\n\
             propose = {propose:?}\ncreate = {create:?}\ndeny = {deny:?}\n"
        )
    }
}

fn policy() -> impl Strategy<Value = String> {
    let drawn = prop::collection::vec(role(), 1..4).prop_map(|roles| {
        let mut text = "version = 1\n".to_owned();
        for (index, role) in roles.iter().enumerate() {
            text += &format!("\n[[role]]\nname = \"r{index}\"\n{role}");
        }
        text
    });
    // Most that make files where others propose are refused as a whole.
    drawn.prop_filter("a policy", |text| Policy::parse(text, "drawn.toml").is_ok())
}

fn path() -> impl Strategy<Value = &'static str> {
    let all: Vec<&str> = FILES.into_iter().chain(DIRECTORIES).chain(MISSING).collect();
    proptest::sample::select(all)
}

/// A call: the tool, its arguments, and the paths that it is about.
fn drawn_call() -> impl Strategy<Value = (&'static str, Value, Vec<&'static str>)> {
    let edit = |path: &str| json!({ "path": path, "old_text": "text", "new_text": "words" });
    prop_oneof![
        path().prop_map(|path| ("list_dir", json!({ "path": path }), vec![path])),
        path().prop_map(|path| ("read_file", json!({ "path": path }), vec![path])),
        path().prop_map(|path| ("grep", json!({ "pattern": "text", "path": path }), vec![path])),
        // An empty path means that none is given.
        path().prop_filter("a file", |path| !path.is_empty()).prop_map(|path| {
            let finding =
                json!({ "rule_id": "r", "severity": "low", "message": "m", "path": path });
            ("write_finding", finding, vec![path])
        }),
        proptest::sample::subsequence(FILES.to_vec(), 1..4).prop_map(move |paths| {
            let edits: Vec<Value> = paths.iter().map(|path| edit(path)).collect();
            ("propose_patch", json!({ "title": "t", "edits": edits }), paths)
        }),
        prop_oneof![path(), proptest::sample::select(MADE.to_vec())]
            .prop_filter("a file", |path| !path.is_empty())
            .prop_map(|path| ("write_file", json!({ "path": path, "content": "x" }), vec![path])),
        proptest::sample::select(vec!["key", "a/key"]).prop_map(|key| (
            "read_state",
            json!({ "key": key }),
            vec![key]
        )),
        proptest::sample::select(vec!["key", "a/key"]).prop_map(|key| (
            "write_state",
            json!({ "key": key, "value": 1 }),
            vec![key]
        )),
    ]
}

/// What `policy explain` says about the accesses of a call, in their order: the first refusal
/// decides, else the access that the tool is for.
fn explained(policy: &Policy, tool: &str, paths: &[&str], answer: Option<&Value>) -> Explanation {
    let alone = policy.explain(CALLER, tool, None);
    let Some(grant) = policy.grant(CALLER).filter(|_| alone.is_allowed()) else { return alone };
    let explain = |access, path: &str| policy.explain_access(CALLER, tool, access, Some(path));
    let first = paths[0];
    match tool {
        "list_dir" | "grep" => {
            let entered = explain(Access::Enter, first);
            let reads = FILES.contains(&first) && entered.is_allowed();
            if reads { explain(Access::Read, first) } else { entered }
        }
        "write_finding" => {
            let read = explain(Access::Read, first);
            if !read.is_allowed() || !FILES.contains(&first) {
                return read;
            }
            let record = |role: &str| format!("output/findings/{role}/0.json");
            let roles = grant.for_tool(tool).roles().join(" ");
            let own = roles.split(' ').find(|role| {
                let own = policy.explain(CALLER, tool, Some(&record(role)));
                own.is_allowed() && own.role() == Some(*role)
            });
            let role = own.or(roles.split(' ').next()).unwrap_or_default();
            let path = answer.and_then(|answer| answer["path"].as_str());
            policy.explain(CALLER, tool, Some(path.unwrap_or(&record(role))))
        }
        "propose_patch" => {
            let both = paths
                .iter()
                .flat_map(|path| [explain(Access::Read, path), explain(Access::Propose, path)]);
            let record = explain(Access::Write, "output/proposals/0");
            let mut all = both.chain([record]);
            let refused = all.find(|one| !one.is_allowed());
            refused.unwrap_or_else(|| explain(Access::Propose, first))
        }
        "read_state" | "write_state" => {
            policy.explain(CALLER, tool, Some(&format!("state/{first}")))
        }
        _ => policy.explain(CALLER, tool, Some(first)),
    }
}

fn check(text: &str, (tool, arguments, paths): &(&str, Value, Vec<&str>)) {
    let root = tempfile::tempdir().unwrap();
    for directory in DIRECTORIES {
        fs::create_dir_all(root.path().join(directory)).unwrap();
    }
    fs::create_dir_all(root.path().join("state")).unwrap();
    for file in FILES {
        fs::write(root.path().join(file), "some text\n").unwrap();
    }
    let policy = Policy::parse(text, "drawn.toml").unwrap();
    let workspace = Workspace::open_with_ambient_authority(root.path()).unwrap();
    let dispatcher = Dispatcher::new(workspace, policy.clone(), Duration::from_secs(20));
    let Recorded { result, audit } = call(&dispatcher, CALLER, tool, arguments.clone());

    let answer = result.as_ref().ok().map(mcp_workspace_tools::answer::Answer::json);
    let explanation = explained(&policy, tool, paths, answer);
    let told = format!("{text}\n{tool} {arguments}\n{audit}\n{explanation}\n{result:?}");
    let decision = if explanation.is_allowed() { "allow" } else { "deny" };
    assert_eq!(audit["decision"], decision, "{told}");
    assert_eq!(audit["role"].as_str(), explanation.role(), "{told}");
    assert_eq!(audit["rule"].as_str(), explanation.rule(), "{told}");
    // Every path of a call whose tool is known is in its record.
    for path in paths.iter().filter(|_| policy.explain(CALLER, tool, None).is_allowed()) {
        assert!(audit["path"].as_str().unwrap().contains(path), "{told}");
    }

    let exists = |path: &str| FILES.contains(&path) || DIRECTORIES.contains(&path);
    match &result {
        Ok(_) => assert!(explanation.is_allowed(), "{told}"),
        Err(error) if !explanation.is_allowed() => {
            // A directory may be seen by who may not read files in it.
            let seen = *tool == "read_file" || *tool == "write_finding";
            let directory = seen && DIRECTORIES.contains(&paths[0]);
            let hidden = [Code::NotFound, Code::Denied, Code::UnknownTool].contains(&error.code);
            assert!(hidden || directory && error.code == Code::InvalidArgument, "{told}");
        }
        Err(error) => match *tool {
            "list_dir" if FILES.contains(&paths[0]) => {
                assert_eq!(error.code, Code::InvalidArgument, "{told}");
            }
            "read_file" | "write_finding" if DIRECTORIES.contains(&paths[0]) => {
                assert_eq!(error.code, Code::InvalidArgument, "{told}");
            }
            // Files are new, and directories are none.
            "write_file" if FILES.contains(&paths[0]) => {
                assert_eq!(error.code, Code::Conflict, "{told}");
            }
            "write_file" => {
                assert!(DIRECTORIES.contains(&paths[0]), "{told}");
                assert_eq!(error.code, Code::InvalidArgument, "{told}");
            }
            // No key has been written.
            "read_state" => assert_eq!(error.code, Code::NotFound, "{told}"),
            _ => assert!(!exists(paths[0]) && error.code == Code::NotFound, "{told}"),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn audit_explanation_and_file_system_agree(policy in policy(), call in drawn_call()) {
        check(&policy, &call);
    }
}

#[test]
fn a_proposal_on_a_hidden_file_is_audited_as_denied_with_every_path() {
    let policy = "version = 1\n[[role]]\nname = \"fixer\"\ncallers = [\"local\"]\n\
                  tools = [\"propose_patch\"]\nread = [\"input/**\"]\npropose = [\"input/**\"]\n\
                  write = [\"output/proposals/**\"]\ndeny = [\"input/secret/**\"]\n";
    let edit = |path: &str| json!({ "path": path, "old_text": "text", "new_text": "words" });
    let edits = json!([edit("input/a.txt"), edit("input/secret/key.pem"), edit("input/sub/b.txt")]);
    let arguments = json!({ "title": "t", "edits": edits });
    let paths = vec!["input/a.txt", "input/secret/key.pem", "input/sub/b.txt"];
    check(policy, &("propose_patch", arguments, paths));
}
