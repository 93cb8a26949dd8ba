//! What an operator can measure and trace of a server: a line of metrics a call, the caller's
//! own trace in the audit record.

use serde_json::{Value, json};

use mcp_workspace_test_support::server::{Server, call_message};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

fn numbers(line: &Value) -> [&Value; 4] {
    ["Calls", "Denied", "Errors", "Truncated"].map(|name| &line[name])
}

#[test]
fn each_call_gives_one_line_of_metrics() {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::write(workspace.path().join("a.txt"), "one\ntwo\n").unwrap();
    std::fs::write(workspace.path().join(".env"), "one\n").unwrap();
    let server =
        Server::start(&["--workspace", workspace.path().to_str().unwrap(), "--metrics", "emf"]);
    let cases = [
        ("read_file", json!({ "path": "a.txt" }), [1, 0, 0, 0], "local"),
        ("read_file", json!({ "path": "a.txt", "limit": 1 }), [1, 0, 0, 1], "local"),
        ("read_file", json!({ "path": "b.txt" }), [1, 0, 1, 0], "local"),
        ("read_file", json!({ "path": ".env" }), [1, 1, 0, 0], "local"),
        ("no_such_tool", json!({}), [1, 1, 0, 0], "none"),
    ];
    for (tool, arguments, expected, role) in cases {
        server.call(tool, arguments.clone());
        let line = server.metrics();
        assert_eq!(numbers(&line), expected.each_ref().map(|n| json!(n)).each_ref(), "{line}");
        let shown = if tool == "no_such_tool" { "unknown" } else { tool };
        assert_eq!((&line["Tool"], &line["Role"]), (&json!(shown), &json!(role)), "{arguments}");
        let record = server.audit();
        assert_eq!(line["BytesOut"], record["bytes_out"]);
        assert_eq!(line["request_id"], record["request_id"]);
        assert!(line["LatencyMs"].as_f64().unwrap() > 0.0, "{line}");

        let metadata = &line["_aws"];
        assert!(metadata["Timestamp"].as_u64().unwrap() > 1_700_000_000_000);
        let directive = &metadata["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "McpWorkspace");
        assert_eq!(directive["Dimensions"], json!([["Tool", "Role"], []]));
        // Every metric that is declared has its number, every dimension its text.
        for metric in directive["Metrics"].as_array().unwrap() {
            assert!(line[metric["Name"].as_str().unwrap()].is_number(), "{metric}");
        }
    }
}

#[test]
fn a_trace_is_taken_from_the_message_before_the_headers() {
    let server = Server::over("examples/workspace".as_ref());
    let mut call = call_message("list_dir", json!({}));
    call["params"]["_meta"] = json!({ "traceparent": PARENT, "tracestate": "vendor=1" });
    let other = "00-11111111111111111111111111111111-2222222222222222-00";
    server.post(&call, &[("traceparent", other)]);
    let record = server.audit();
    assert_eq!(record["trace_id"], TRACE);
    assert_eq!(record["parent_id"], "00f067aa0ba902b7");
    assert_eq!(record["trace_state"], "vendor=1");

    server.post(&call_message("list_dir", json!({})), &[("traceparent", other)]);
    assert_eq!(server.audit()["trace_id"], "1".repeat(32));
    call["params"]["_meta"]["traceparent"] = json!("00-not-a-trace\u{1}");
    server.post(&call, &[]);
    assert_eq!(server.audit()["trace_id"], Value::Null, "what is no trace is in no record");
}
