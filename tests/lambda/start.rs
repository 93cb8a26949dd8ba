//! How the function starts and ends, and what it says of events that it does not know.

use std::net::TcpListener;

use serde_json::json;

use mcp_workspace_test_support::function::{Function, RuntimeApi, command, recorded};

#[test]
fn an_unknown_event_is_told_the_kinds_that_are_known() {
    let mut function = Function::start();
    let message = function.invoke(&recorded("unknown-s3")).fault("UnknownEvent");
    for words in ["Records", "function URL", "AgentCore Gateway", "function details", "OpenAPI"] {
        assert!(message.contains(words), "{words}: {message}");
    }
    for event in
        [json!({}), json!([]), json!(null), json!("text"), json!({ "messageVersion": "1.0" })]
    {
        function.invoke(&event).fault("UnknownEvent");
    }
    function.invoke_with(&recorded("url-tools-list"), "{not json").fault("UnknownEvent");
    // A client context of other programs says nothing.
    let other = json!({ "client": { "app_title": "x" }, "custom": { "n": 1 } }).to_string();
    let answer = function.invoke_with(&recorded("url-tools-list"), &other).answer();
    assert_eq!(answer["statusCode"], 200);
}

#[test]
fn the_function_ends_with_its_runtime_api() {
    let mut function = Function::start();
    function.invoke(&recorded("url-tools-list")).answer();
    assert_eq!(function.abandon(), Some(2));
}

#[test]
fn without_a_policy_the_function_does_not_start() {
    let workspace = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let child = command(&listener, workspace.path(), None).spawn().unwrap();
    let handed = RuntimeApi::accept(&listener).take();
    assert_eq!(handed.to, "init/error");
    assert_eq!(handed.body["errorType"], "Configuration");
    let message = handed.body["errorMessage"].as_str().unwrap();
    assert!(message.contains("MCP_WORKSPACE_POLICY is not set"), "{message}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
