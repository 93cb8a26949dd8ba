//! Work ends with its call.

use std::time::{Duration, Instant};

use mcp_workspace_test_support::server::Server;
use serde_json::json;

use super::{MIB, eventually, write_letters};

/// Each byte of text costs this pattern some hundred times what it costs others.
const HEAVY: &str = "(?:[a-m].{0,900}[n-z]){2}[0-9]";

#[test]
fn threads_and_memory_come_back_after_calls_that_ran_out_of_time() {
    let workspace = tempfile::tempdir().unwrap();
    write_letters(&workspace.path().join("one_line"), 20_000_000);
    std::fs::write(workspace.path().join("small"), "needle\n").unwrap();
    let root = workspace.path().to_str().unwrap();
    let server = Server::start(&["--workspace", root, "--timeout", "1", "--memory", "128"]);
    server.call("grep", json!({ "pattern": "needle", "path": "small" }));
    let (threads, memory) = (server.threads(), server.memory("VmRSS"));
    for path in ["one_line", "", "one_line", "", "one_line", "", "one_line", ""] {
        let begun = Instant::now();
        let arguments = json!({ "pattern": HEAVY, "mode": "count", "path": path });
        let answer = server.call("grep", arguments).text();
        assert!(answer.contains("deadline") || answer.contains("time ran out"), "{answer}");
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        let record = server.audit();
        assert!(record["tool"] == "grep", "{record}");
    }
    eventually("every call has given its place back", Duration::from_secs(5), || {
        let health = server.health();
        health["calls"]["running"] == 0 && health["memory"]["used"] == 0
    });
    eventually("the threads have ended", Duration::from_secs(20), || {
        server.threads() <= threads + 1
    });
    let more = server.memory("VmRSS").saturating_sub(memory);
    assert!(more < 48 * MIB, "{} MiB more than before", more / MIB);
    let found = server.call("grep", json!({ "pattern": "needle", "path": "small" })).text();
    assert!(found.contains("1 match"), "{found}");
}

#[test]
fn a_call_whose_client_has_gone_ends() {
    let workspace = tempfile::tempdir().unwrap();
    write_letters(&workspace.path().join("one_line"), 20_000_000);
    let server = Server::over(workspace.path());
    let message = mcp_workspace_test_support::server::call_message(
        "grep",
        json!({ "pattern": HEAVY, "mode": "count", "path": "one_line" }),
    );
    let headers = mcp_workspace_test_support::server::JSON_HEADERS;
    let stream = server.send("POST /mcp", &headers, &message.to_string());
    eventually("the call runs", Duration::from_secs(10), || {
        server.health()["calls"]["running"] == 1
    });
    drop(stream);
    eventually("it has ended", Duration::from_secs(5), || server.health()["calls"]["running"] == 0);
    assert_eq!(server.audit()["outcome"], "cancelled");
}

#[test]
fn calls_about_very_many_equal_lines_end() {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::write(workspace.path().join("same"), "x\n".repeat(400_000)).unwrap();
    let root = workspace.path().to_str().unwrap();
    let server = Server::start(&["--workspace", root, "--timeout", "2"]);
    let finding = json!({ "rule_id": "r", "severity": "low", "message": "m", "path": "same",
        "start_line": 200_000, "end_line": 400_000 });
    server.call("write_finding", finding);
    let lines = " x\n".repeat(200_000);
    for header in ["@@", "@@ -9,200001 +9,200001 @@"] {
        let patch = format!("--- a/same\n+++ b/same\n{header}\n{lines}-y\n+z\n");
        server.call("propose_patch", json!({ "title": "t", "patch": patch }));
    }
    eventually("every call has given its place back", Duration::from_secs(30), || {
        server.health()["calls"]["running"] == 0
    });
}
