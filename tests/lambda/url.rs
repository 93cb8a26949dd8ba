//! MCP over the function URL.

use std::time::Duration;

use serde_json::{Value, json};

use mcp_workspace_test_support::function::{Function, recorded};

const REVIEWER: &str = "arn:aws:iam::123456789012:role/reviewer";

/// The JSON-RPC message of an HTTP answer with this status.
fn message(answer: &Value, status: u16) -> Value {
    assert_eq!(answer["statusCode"], status, "{answer}");
    assert_eq!(answer["isBase64Encoded"], false);
    serde_json::from_str(answer["body"].as_str().unwrap()).unwrap()
}

#[test]
fn a_client_of_the_initialize_era_lists_and_calls() {
    let mut function = Function::start();
    let answer = function.invoke(&recorded("url-initialize")).answer();
    assert_eq!(answer["headers"]["content-type"], "application/json");
    let greeting = message(&answer, 200);
    assert_eq!(greeting["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(greeting["result"]["serverInfo"]["name"], "mcp-workspace");

    let list = message(&function.invoke(&recorded("url-tools-list")).answer(), 200);
    let tools = list["result"]["tools"].as_array().unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["list_dir", "read_file", "grep", "write_finding"]);

    let call = message(&function.invoke(&recorded("url-tools-call")).answer(), 200);
    let text = call["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("input/main.rs") && text.contains("TODO: say hello"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let record = function.audit();
    assert_eq!(record["caller"], REVIEWER);
    assert_eq!(record["proof"], "iam");
    assert_eq!(record["host"], "function-url");
    assert_eq!(record["outcome"], "ok");
}

#[test]
fn a_client_of_the_stateless_era_lists_and_calls() {
    let mut function = Function::start();
    let list = message(&function.invoke(&recorded("url-2026-tools-list")).answer(), 200);
    assert_eq!(list["result"]["cacheScope"], "private");
    assert_eq!(list["result"]["tools"].as_array().unwrap().len(), 4);
    let call = message(&function.invoke(&recorded("url-2026-tools-call")).answer(), 200);
    let text = &call["result"]["content"][0]["text"];
    assert_eq!(text, "input:\nmain.rs\n[1 entry]\n");
}

#[test]
fn a_body_may_come_in_base64() {
    let mut function = Function::start();
    let mut event = recorded("url-tools-call-base64");
    let call = message(&function.invoke(&event).answer(), 200);
    let text = call["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("fn main()"), "{text}");
    event["body"] = Value::from("not base64!");
    let refused = message(&function.invoke(&event).answer(), 400);
    assert!(refused["error"].as_str().unwrap().contains("base64"));
}

#[test]
fn whom_iam_does_not_name_is_nobody() {
    let mut function = Function::start();
    let mut event = recorded("url-tools-call");
    // What a client writes is no identity.
    event["headers"]["authorization"] = Value::from("Bearer something");
    event["headers"]["x-amzn-iam-user-arn"] = Value::from(REVIEWER);
    for authorizer in [
        Value::Null,
        json!({}),
        json!({ "iam": null }),
        json!({ "iam": { "userArn": "" } }),
        json!({ "iam": { "userArn": "local" } }),
        json!({ "jwt": { "claims": { "sub": REVIEWER } } }),
    ] {
        event["requestContext"]["authorizer"] = authorizer;
        let refused = message(&function.invoke(&event).answer(), 401);
        assert!(refused["error"].as_str().unwrap().contains("AWS_IAM"), "{refused}");
    }
    event["requestContext"].as_object_mut().unwrap().remove("authorizer");
    message(&function.invoke(&event).answer(), 401);
}

#[test]
fn a_role_without_a_policy_role_has_no_tools() {
    let mut function = Function::start();
    let mut event = recorded("url-tools-list");
    event["requestContext"]["authorizer"]["iam"]["userArn"] =
        Value::from("arn:aws:sts::999999999999:assumed-role/reviewer/review-7");
    let list = message(&function.invoke(&event).answer(), 200);
    assert_eq!(list["result"]["tools"], json!([]));
}

#[test]
fn other_hosts_and_origins_are_refused_and_other_paths_are_empty() {
    let mut function = Function::start();
    let mut event = recorded("url-tools-list");
    event["headers"]["host"] = Value::from("evil.example");
    assert_eq!(function.invoke(&event).answer()["statusCode"], 403);
    let mut event = recorded("url-tools-list");
    event["headers"]["origin"] = Value::from("https://evil.example");
    assert_eq!(function.invoke(&event).answer()["statusCode"], 403);
    let domain = event["requestContext"]["domainName"].as_str().unwrap();
    event["headers"]["origin"] = Value::from(format!("https://{domain}"));
    assert_eq!(function.invoke(&event).answer()["statusCode"], 200);
    // An event without a domain must not turn the check off.
    let mut event = recorded("url-tools-list");
    event["requestContext"].as_object_mut().unwrap().remove("domainName");
    assert_eq!(function.invoke(&event).answer()["statusCode"], 400);
    let mut event = recorded("url-tools-list");
    event["rawPath"] = Value::from("/events");
    assert_eq!(function.invoke(&event).answer()["statusCode"], 404);
}

#[test]
fn the_path_does_not_decide_what_an_event_is() {
    let mut function = Function::start();
    let mut event = recorded("url-tools-list");
    event["body"] = Value::from(recorded("action-group-function").to_string());
    // The body is an agent's event; the request is one to the URL all the same.
    let answer = function.invoke(&event).answer();
    assert!(answer["statusCode"].as_u64().unwrap() >= 400, "{answer}");
}

#[test]
fn lambdas_deadline_is_the_calls() {
    let mut function = Function::start();
    // Nothing is left after the time to answer, so there is an answer, and it says so.
    let event = recorded("url-tools-call").to_string();
    let handed = function.invoke_raw(&event, None, Duration::from_millis(1_400));
    let call = message(&handed.answer(), 200);
    let text = call["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("deadline") || text.contains("out of time"), "{call}");
}

#[test]
fn the_doctor_answers_whom_policy_allows_and_sees_that_nothing_is_mounted() {
    let mut function = Function::start();
    let mut event = recorded("url-tools-list");
    event["rawPath"] = Value::from("/doctor");
    event["requestContext"]["http"]["method"] = Value::from("GET");
    let refused = message(&function.invoke(&event).answer(), 403);
    assert_eq!(refused["error"]["code"], "denied");
    assert_eq!(function.audit()["decision"], "deny");

    event["requestContext"]["authorizer"]["iam"]["userArn"] =
        Value::from("arn:aws:sts::123456789012:assumed-role/operator/on-call");
    let report = message(&function.invoke(&event).answer(), 200);
    assert_eq!(report["ok"], false);
    let checks = report["checks"].as_array().unwrap();
    let storage = checks.iter().find(|check| check["name"] == "storage").unwrap();
    assert_eq!(storage["outcome"], "failed", "{report}");
    assert!(storage["fix"].as_str().unwrap().contains("2049"));
    let record = function.audit();
    assert_eq!(record["tool"], "doctor");
    assert_eq!((&record["decision"], &record["role"]), (&json!("allow"), &json!("operator")));
}
