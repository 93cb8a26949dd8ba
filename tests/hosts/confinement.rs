//! The kernel's wall around a server: what it says of itself, and that nothing which a server does
//! needs more.
#![cfg(target_os = "linux")]

use serde_json::json;

use mcp_workspace_test_support::server::{Server, command, kernel_confines};

fn doctor(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let output =
        command().arg("doctor").args(arguments).env("MCP_WORKSPACE_ROOT", folder.path()).output();
    let text = String::from_utf8(output.unwrap().stdout).unwrap();
    let line = text.lines().find(|line| line.contains(" wall "));
    line.unwrap_or_else(|| panic!("no line about the wall: {text}")).to_owned()
}

#[test]
fn the_doctor_says_what_the_kernel_does() {
    let off = doctor(&["--confinement", "off"]);
    assert!(off.contains("told not to"), "{off}");
    assert!(!doctor(&[]).contains("told not to"));
}

#[test]
fn a_server_gains_no_rights_and_leaves_no_memory_behind() {
    if !kernel_confines() {
        return;
    }
    let status = |arguments: &[&str]| {
        let server = Server::start(arguments);
        let of = |file: &str| std::fs::read_to_string(format!("/proc/{}/{file}", server.id()));
        let (status, limits) = (of("status").unwrap(), of("limits").unwrap());
        let line = |text: &str, name: &str| {
            let found = text.lines().find(|line| line.starts_with(name)).unwrap();
            found.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        (line(&status, "NoNewPrivs"), line(&limits, "Max core file size"))
    };
    let (rights, cores) = status(&[]);
    assert_eq!(rights, "NoNewPrivs: 1");
    assert_eq!(cores, "Max core file size 0 0 bytes");
    assert_eq!(status(&["--confinement", "off"]).0, "NoNewPrivs: 0");
}

#[test]
fn every_kind_of_work_is_done_behind_the_wall() {
    let folder = tempfile::tempdir().unwrap();
    let (workspace, policy) = (folder.path().join("workspace"), folder.path().join("policy.toml"));
    std::fs::create_dir_all(workspace.join("input")).unwrap();
    std::fs::write(workspace.join("input/a.txt"), "one\n").unwrap();
    let text = r#"
version = 1

[[role]]
name    = "all"
callers = ["local"]
tools   = ["list_dir", "read_file", "grep", "write_finding", "propose_patch", "write_file", "read_state", "write_state"]
read    = ["**"]
write   = ["output/findings/all/**", "output/proposals/**", "state/**"]
create  = ["output/reports/**", "work/**"]
propose = ["input/**"]
doctor  = true
"#;
    std::fs::write(&policy, text).unwrap();
    let server = Server::start(&[
        "--workspace",
        workspace.to_str().unwrap(),
        "--policy",
        policy.to_str().unwrap(),
    ]);
    let report = server.request("GET /doctor", &[], "");
    assert_eq!(report.status, 200, "{}", report.body);
    assert!(!report.body.contains("\"failed\""), "{}", report.body);
    for (tool, arguments) in [
        ("list_dir", json!({ "depth": 9 })),
        ("read_file", json!({ "path": "input/a.txt" })),
        ("grep", json!({ "pattern": "one" })),
        (
            "write_finding",
            json!({
                "severity": "low", "rule_id": "r", "message": "m",
                "path": "input/a.txt", "start_line": 1,
            }),
        ),
        (
            "propose_patch",
            json!({
                "title": "t", "rationale": "why",
                "patch": "--- a/input/a.txt\n+++ b/input/a.txt\n@@ -1 +1 @@\n-one\n+two\n",
            }),
        ),
        ("write_file", json!({ "path": "work/new/a.txt", "content": "one\n" })),
        (
            "write_file",
            json!({ "path": "work/new/a.txt", "from": "input/a.txt", "append": true,
                "expected_version": mcp_workspace_tools::patch::version(b"one\n") }),
        ),
        ("write_state", json!({ "key": "a/b", "value": 1, "expected_version": 0 })),
        ("write_state", json!({ "key": "a/b", "value": 2, "expected_version": 1 })),
        ("read_state", json!({ "key": "a/b" })),
    ] {
        let answer = server.call(tool, arguments).json();
        assert_ne!(answer["result"]["isError"], true, "{answer}");
        assert!(answer["result"]["content"].is_array(), "{tool}: {answer}");
    }
}
