//! Kinds of events that a function does not answer, and events that are over a limit.

use serde_json::{Value, json};

use mcp_workspace_test_support::function::{EVERY_EVENT, Function, POLICY, recorded};

const REVIEWER: &str = "arn:aws:iam::123456789012:role/reviewer";

/// A function that answers these kinds.
fn function(kinds: &'static str) -> Function {
    Function::start_with(POLICY, &[("MCP_WORKSPACE_EVENTS", kinds)])
}

fn is_recorded(function: &Function, kind: &str, caller: &str) {
    let record = function.audit();
    assert_eq!((&record["decision"], &record["host"]), (&json!("deny"), &json!("lambda")));
    assert_eq!((&record["outcome"], &record["caller"]), (&json!("denied"), &json!(caller)));
    assert!(record["cause"].as_str().unwrap().contains(kind), "{record}");
}

#[test]
fn a_function_of_its_own_answers_its_url_alone() {
    let mut function = Function::start();
    let context = recorded("gateway-client-context").to_string();
    let told = function.invoke_with(&recorded("gateway"), &context).fault("ClosedEventKind");
    assert!(told.contains("`gateway`") && told.contains("MCP_WORKSPACE_EVENTS"), "{told}");
    is_recorded(&function, "gateway", "agentcore:workspace-gw-a1b2c3d4e5/TGT1234567");
    for form in ["action-group-function", "action-group-openapi"] {
        let told = function.invoke(&recorded(form)).fault("ClosedEventKind");
        assert!(told.contains("`url-iam,url-token`"), "{told}");
        is_recorded(&function, "action-group", "bedrock-agent:AGENT12345/TSTALIASID");
    }
    assert_eq!(function.invoke(&recorded("url-tools-call")).answer()["statusCode"], 200);
    assert_eq!(function.audit()["outcome"], "ok");
}

#[test]
fn a_closed_url_is_answered_with_403() {
    let mut function = function("gateway");
    let answer = function.invoke(&recorded("url-tools-call")).answer();
    assert_eq!(answer["statusCode"], 403);
    assert!(answer["body"].as_str().unwrap().contains("`url-iam`"), "{answer}");
    is_recorded(&function, "url-iam", REVIEWER);
    let context = recorded("gateway-client-context").to_string();
    let answer = function.invoke_with(&recorded("gateway"), &context).answer();
    assert_eq!(answer["matches"][0]["path"], "input/main.rs", "{answer}");
}

#[test]
fn where_only_tokens_count_no_event_makes_a_caller() {
    // The keys of nobody: no token is good.
    let key = json!({ "kty": "EC", "crv": "P-256", "kid": "a", "x": "A".repeat(43), "y": "A".repeat(43) });
    let keys = json!({ "keys": [key] }).to_string();
    let mut function = Function::start_with(
        POLICY,
        &[
            ("MCP_WORKSPACE_EVENTS", "url-token"),
            ("MCP_WORKSPACE_JWT_ISSUER", "https://idp.example.com"),
            ("MCP_WORKSPACE_JWT_AUDIENCE", "workspace"),
            ("MCP_WORKSPACE_JWT_JWKS", &keys),
        ],
    );
    assert_eq!(function.invoke(&recorded("url-tools-call")).answer()["statusCode"], 403);
    is_recorded(&function, "url-iam", REVIEWER);
    let mut event = recorded("url-tools-call");
    event["requestContext"]["authorizer"] = Value::Null;
    assert_eq!(function.invoke(&event).answer()["statusCode"], 401);
}

#[test]
fn a_kind_that_there_is_not_starts_no_function() {
    let workspace = tempfile::tempdir().unwrap();
    let policy = workspace.path().join("policy.toml");
    std::fs::write(&policy, POLICY).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child =
        mcp_workspace_test_support::function::command(&listener, workspace.path(), Some(&policy))
            .env("MCP_WORKSPACE_EVENTS", "url")
            .spawn()
            .unwrap();
    let handed = mcp_workspace_test_support::function::RuntimeApi::accept(&listener).take();
    let told = handed.fault("Configuration");
    assert!(told.contains("`url` is no kind of event") && told.contains("url-iam"), "{told}");
    child.wait().unwrap();
}

#[test]
fn the_doctor_says_which_kinds_are_open() {
    let mut event = recorded("url-tools-call");
    event["rawPath"] = Value::from("/doctor");
    event["requestContext"]["http"]["method"] = Value::from("GET");
    event["requestContext"]["authorizer"]["iam"]["userArn"] =
        Value::from("arn:aws:sts::123456789012:assumed-role/operator/x");
    event["body"] = Value::Null;
    for (setting, outcome, detail) in [
        (("MCP_WORKSPACE_EVENTS", "url-iam"), "ok", "open: url-iam; whoever may call"),
        (EVERY_EVENT, "ok", "open: url-iam,url-token,gateway,action-group; whoever"),
    ] {
        let mut function = Function::start_with(POLICY, &[setting]);
        let answer = function.invoke(&event).answer();
        let report: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        let checks = report["checks"].as_array().unwrap();
        let check = checks.iter().find(|check| check["name"] == "events").unwrap();
        assert_eq!(check["outcome"], outcome, "{check}");
        assert!(check["detail"].as_str().unwrap().starts_with(detail), "{check}");
    }
}

#[test]
fn dense_json_is_refused_in_every_kind_of_event() {
    let mut function = Function::start_with(POLICY, &[EVERY_EVENT]);
    let dense = format!("[{}1]", "{\"a\":{}},".repeat(20_000));
    let context = recorded("gateway-client-context").to_string();
    let patience = mcp_workspace_test_support::function::PATIENCE;
    let arguments = format!("{{\"key\":\"k\",\"value\":{dense}}}");
    let told = function.invoke_raw(&arguments, Some(&context), patience).fault("EventTooLarge");
    assert!(told.contains("the limit is 20480"), "{told}");
    // In the body of a request it is a text of the event.
    let mut event = recorded("url-tools-call");
    event["isBase64Encoded"] = Value::from(false);
    event["body"] = Value::from(dense.clone());
    let answer = function.invoke(&event).answer();
    assert_eq!(answer["statusCode"], 400, "{answer}");
    // And so is what an agent writes; the tool says that it takes no text.
    let mut event = recorded("action-group-function");
    event["function"] = Value::from("write_finding");
    event["parameters"] = json!([{ "name": "tags", "type": "array", "value": dense }]);
    let answer = function.invoke(&event).answer();
    let state = &answer["response"]["functionResponse"]["responseState"];
    assert_eq!(state, "REPROMPT", "{}", answer.to_string().chars().take(300).collect::<String>());
}
