//! Any bytes as a record that somebody has planted, in each place where one can lie. Whoever looks
//! gets an answer or an error in words, and no source is changed by what is planted.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::decide;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::records::merged::{Filter, Wanted};
use mcp_workspace_tools::storage::findings;
use mcp_workspace_tools::tool;
use mcp_workspace_tools::workspace::{Decider, Scope, Workspace};
use serde_json::{Value, json};

const SOURCE: &str = "one\ntwo\nthree\n";
const ID: &str = "0123456789abcdef0123456789abcdef";
const FINGERPRINT: &str = "0123456789abcdef0123456789abcdef";
const POLICY: &str = r#"
version = 1

[[role]]
name    = "agent"
callers = ["agent"]
tools   = ["write_finding", "propose_patch", "read_state", "write_state"]
read    = ["**"]
write   = ["output/findings/agent/**", "output/proposals/**", "state/**"]
propose = ["input/**"]

[[role]]
name    = "person"
callers = ["person"]
read    = ["**"]
decide  = ["input/**"]
"#;

/// Where a record is planted, by the first byte of the input.
const PLACES: [&str; 7] = [
    "output/findings/agent/{fingerprint}.json",
    "output/findings/other/{fingerprint}.json",
    "output/proposals/{id}/proposal.json",
    "output/proposals/{id}/change.patch",
    "output/decisions/{id}/1/decision.json",
    "output/decisions/{id}/2/decision.json",
    "state/key/@/1/value.json",
];

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let Some((first, content)) = bytes.split_first() else { return };
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let plant = |path: &str, content: &[u8]| {
        let path = path.replace("{id}", ID).replace("{fingerprint}", FINGERPRINT);
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    };
    plant("input/a.txt", SOURCE.as_bytes());
    let place = usize::from(*first) % PLACES.len();
    let decision = |step: u32, action: &str| {
        json!({
            "format": 1, "proposal": ID, "step": step, "action": action, "caller": "person",
            "role": "person", "created": "2026-01-02T03:04:05Z",
        })
    };
    // What is planted stands among others, so that it is not the first that is missing.
    plant(PLACES[4], decision(1, "approved").to_string().as_bytes());
    plant(PLACES[3], b"--- a/input/a.txt\n+++ b/input/a.txt\n@@ -1 +1 @@\n-one\n+ONE\n");
    plant(PLACES[place], content);
    look(root);
    assert_eq!(fs::read_to_string(root.join("input/a.txt")).unwrap(), SOURCE);
}

fn look(root: &Path) {
    let workspace = Arc::new(Workspace::open_with_ambient_authority(root).unwrap());
    let policy = Policy::parse(POLICY, "fuzz.toml").unwrap();
    let layout = Arc::new(policy.layout().clone());
    let call = || Call::new("agent", Duration::from_secs(5));
    let grant = policy.grant("agent").unwrap();
    for (name, arguments) in [
        ("read_state", json!({ "key": "key" })),
        ("read_state", json!({ "prefix": "" })),
        ("write_state", json!({ "key": "key", "value": 1, "expected_version": 1 })),
        (
            "write_finding",
            json!({
                "rule_id": "r", "severity": "low", "message": "m", "path": "input/a.txt",
                "start_line": 1,
            }),
        ),
        (
            "propose_patch",
            json!({
                "title": "t", "rationale": "why",
                "patch": "--- a/input/a.txt\n+++ b/input/a.txt\n@@ -2 +2 @@\n-two\n+TWO\n",
            }),
        ),
    ] as [(&str, Value); 5]
    {
        let scope = Scope::new(Arc::clone(&workspace), grant.for_tool(name), Arc::clone(&layout));
        if let Err(error) = tool::find(name).unwrap().run(&scope, arguments, &call()) {
            assert!(!error.message.is_empty());
        }
    }
    let person = policy.grant("person").unwrap();
    let scope = Scope::new(Arc::clone(&workspace), person.for_decisions(), Arc::clone(&layout));
    let wanted = Wanted::default();
    let filter = Filter::new(&wanted).unwrap();
    findings::page(&scope, &filter, None, None, &call()).unwrap();
    let _ = findings::one(&scope, FINGERPRINT, &call());
    let decider = Decider::new(workspace, &person, layout, "person");
    decide::list(&decider).unwrap();
    let _ = decide::show(&decider, ID);
    let _ = decide::apply(&decider, ID);
    let _ = decide::recover(&decider, ID);
    let _ = decide::revert(&decider, ID, None);
}
