//! Any text: a policy that checks judges without a panic, and what it denies nobody may do.

use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::policy::{Access, Policy};

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(policy) = Policy::parse(text, "fuzz.toml") else { return };
    let _ = policy.test();
    for caller in ["local", "agent-1", "*", ""] {
        let Some(grant) = policy.grant(caller) else { continue };
        for tool in ["read_file", "write_finding", "propose_patch"] {
            let grant = grant.for_tool(tool);
            for path in ["", "a", "input/a", "output/findings/a/b.json", ".env"] {
                let path = WorkspacePath::parse(path).unwrap();
                for access in
                    [Access::Read, Access::Write, Access::Create, Access::Propose, Access::Decide]
                {
                    let may = grant.may(access, &path);
                    assert_eq!(may, grant.granting_role(access, &path).is_some());
                }
                let _ = grant.may(Access::Enter, &path);
                let _ = policy.explain(caller, tool, Some(path.as_str()));
            }
        }
    }
}
