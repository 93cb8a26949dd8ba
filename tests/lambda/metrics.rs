//! What CloudWatch gets of a function: metrics on stdout, the trace in the audit record.

use serde_json::{Value, json};

use mcp_workspace_test_support::function::{EVERY_EVENT, Function, POLICY, recorded};

#[test]
fn metrics_come_on_stdout_only_where_they_are_configured() {
    let mut function =
        Function::start_with(POLICY, &[("MCP_WORKSPACE_METRICS", "emf"), EVERY_EVENT]);
    function.invoke(&recorded("url-tools-call")).answer();
    let line = function.printed();
    assert_eq!((&line["Tool"], &line["Role"]), (&json!("grep"), &json!("reviewer")));
    assert_eq!(
        (&line["Calls"], &line["Denied"], &line["Errors"]),
        (&json!(1), &json!(0), &json!(0))
    );
    assert_eq!(line["trace_id"], "5759e988bd862e3fe1be46a994272793");
    function.invoke(&recorded("action-group-function")).answer();
    assert_eq!(function.printed()["Role"], "reviewer", "every kind of event is measured");

    let mut function = Function::start();
    function.invoke(&recorded("url-tools-call")).answer();
    function.audit();
    assert!(function.printed_nothing());
}

#[test]
fn the_trace_of_lambda_is_in_the_record_unless_the_client_has_its_own() {
    let mut function = Function::start_with(POLICY, &[EVERY_EVENT]);
    function.invoke(&recorded("action-group-function")).answer();
    assert_eq!(function.audit()["trace_id"], "5759e988bd862e3fe1be46a994272793");

    let mut event = recorded("url-tools-call");
    event["body"] = Value::from(
        json!({
            "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {
                "name": "grep", "arguments": { "pattern": "TODO" },
                "_meta": { "traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01" },
            },
        })
        .to_string(),
    );
    function.invoke(&event).answer();
    assert_eq!(function.audit()["trace_id"], "0af7651916cd43dd8448eb211c80319c");
}
