//! A tool is one file and one line of a catalog: this one is listed, judged, audited, explained
//! and has its contract without a line elsewhere.

use std::time::Duration;

use mcp_workspace_call::caller::{Caller, Proof};
use mcp_workspace_call::dispatch::Dispatcher;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::contract;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::policy::Access;
use mcp_workspace_tools::tool::{Catalog, Effect, Entry, Tool};
use mcp_workspace_tools::workspace::{Scope, Workspace};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::recorded::call;

/// Arguments of `count_bytes`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Args {
    /// The file.
    path: String,
}

/// Output of `count_bytes`.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Output {
    /// The bytes of the file.
    bytes: usize,
}

struct CountBytes;

impl Tool for CountBytes {
    const NAME: &'static str = "count_bytes";
    const TITLE: &'static str = "Count bytes";
    const DESCRIPTION: &'static str = "Counts the bytes of a file.";
    const GUIDE: &'static str = "`count_bytes` counts the bytes of a file.";
    const EFFECT: Effect = Effect::Reads;
    const ACCESS: Access = Access::Read;
    const IDEMPOTENT: bool = true;
    const STRUCTURED: bool = true;
    type Args = Args;
    type Output = Output;

    fn run(scope: &Scope, args: Args, call: &Call) -> Result<Output, ToolError> {
        let bytes = scope.read_whole(&WorkspacePath::parse(&args.path)?, call)?;
        Ok(Output { bytes: bytes.len() })
    }
}

static COUNT_BYTES: Entry = Entry::of::<CountBytes>();

const POLICY: &str = r#"
version = 1
[[role]]
name    = "counter"
callers = ["local"]
tools   = ["count_bytes"]
read    = ["input/**"]
deny    = ["**/*.pem"]
[[expect]]
caller = "local"
tool   = "count_bytes"
path   = "input/key.pem"
allow  = false
"#;

#[test]
fn a_new_tool_is_listed_judged_audited_explained_and_contracted() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("input")).unwrap();
    std::fs::write(root.path().join("input/a.txt"), "12345").unwrap();
    std::fs::write(root.path().join("input/key.pem"), "12345").unwrap();

    let catalog = Catalog::default().with(&COUNT_BYTES);
    let policy = catalog.policy(POLICY, "policy.toml").unwrap();
    assert!(policy.test().iter().all(|expected| expected.holds));
    let explained = policy.explain("local", "count_bytes", Some("input/a.txt"));
    assert_eq!(
        (explained.role(), explained.rule()),
        (Some("counter"), Some("read = \"input/**\""))
    );

    let workspace = Workspace::open_with_ambient_authority(root.path()).unwrap();
    let dispatcher = Dispatcher::new(workspace, policy, Duration::from_secs(10)).offering(catalog);
    let listed = dispatcher.tools_for(&Caller::new("local", Proof::Process));
    assert_eq!(listed.iter().map(|entry| entry.name).collect::<Vec<_>>(), ["count_bytes"]);

    let done = call(&dispatcher, "local", "count_bytes", json!({ "path": "input/a.txt" }));
    assert_eq!(done.result.unwrap().json(), &json!({ "bytes": 5 }));
    let told = [&done.audit["path"], &done.audit["decision"], &done.audit["rule"]];
    assert_eq!(told, ["input/a.txt", "allow", "read = \"input/**\""]);

    let hidden = call(&dispatcher, "local", "count_bytes", json!({ "path": "input/key.pem" }));
    assert_eq!(hidden.result.unwrap_err().code, Code::NotFound);
    assert_eq!(hidden.audit["decision"], "deny");
    assert_eq!(hidden.audit["rule"], "deny = \"**/*.pem\"");

    let contract = contract::mcp::tool(&COUNT_BYTES);
    assert_eq!(contract["name"], "count_bytes");
    assert_eq!(contract["inputSchema"]["properties"]["path"]["type"], "string");
    assert_eq!(
        contract::agentcore::document(std::slice::from_ref(&COUNT_BYTES))[0]["name"],
        "count_bytes"
    );
}

#[test]
fn a_tool_that_is_not_offered_is_unknown_to_policies() {
    let errors = Catalog::default().policy(POLICY, "policy.toml").unwrap_err();
    assert!(errors[0].to_string().contains("no tool is named `count_bytes`"), "{}", errors[0]);
}
