//! The same loop over another service: a loopback endpoint that speaks the Messages API.

use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};

use crate::reviewer::finding;
use crate::setting::Setting;
use mcp_workspace_test_support::http;
use mcp_workspace_test_support::model::{Model, done};

/// An endpoint that answers with these, one after the other: status and body.
fn endpoint(answers: Vec<(u16, Value)>) -> (String, Receiver<http::Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/messages", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    std::thread::spawn(move || {
        for (status, body) in answers {
            let (stream, _) = listener.accept().unwrap();
            let request = http::read(&stream).unwrap();
            http::answer(&stream, status, &[], &body.to_string()).unwrap();
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (url, requests)
}

fn message(content: Value, stop_reason: &str) -> (u16, Value) {
    let usage = json!({
        "input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
    });
    let message = json!({ "role": "assistant", "content": content, "stop_reason": stop_reason, "usage": usage });
    (200, message)
}

#[test]
fn a_run_over_the_messages_api_is_a_run_like_any_other() {
    let setting = Setting::new();
    let thought = json!({ "type": "thinking", "thinking": "hm", "signature": "s" });
    let call =
        json!({ "type": "tool_use", "id": "a", "name": "write_finding", "input": finding(3) });
    let overloaded =
        json!({ "type": "error", "error": { "type": "overloaded_error", "message": "later" } });
    let (url, requests) = endpoint(vec![
        (529, overloaded),
        message(json!([thought, call]), "tool_use"),
        message(json!([{ "type": "text", "text": "One finding." }]), "end_turn"),
    ]);
    let never = Model::playing(|_, _| done("Converse is not asked"));
    let mut command = setting.command(&never, &["--messages-url", &url, "--cache", "5m"]);
    command.env("BEDROCK_AGENT_MESSAGES_KEY", "key");
    let outcome = setting.end_of(command.spawn().unwrap());
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains("One finding."), "{outcome:?}");
    assert_eq!(setting.findings().len(), 1);
    assert!(never.requests().is_empty());
    let usage = &setting.summary()["usage"];
    assert_eq!((&usage["cache_read_tokens"], &usage["input_tokens"]), (&json!(200), &json!(20)));

    let sent: Vec<http::Request> = requests.iter().collect();
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0].headers["x-api-key"], "key");
    assert_eq!(sent[0].headers["anthropic-version"], "2023-06-01");
    // The same question again is the same to the byte.
    assert_eq!(sent[0].body, sent[1].body);
    let body: Value = serde_json::from_slice(&sent[2].body).unwrap();
    assert_eq!(body["model"], "test.model-v1:0");
    assert_eq!(body["max_tokens"], 8192);
    let mark = json!({ "type": "ephemeral" });
    let tools = body["tools"].as_array().unwrap();
    assert_eq!(tools[0]["name"], "list_dir");
    assert!(tools[0]["input_schema"]["type"] == "object");
    assert_eq!(tools.last().unwrap()["cache_control"], mark);
    assert_eq!(body["system"][0]["cache_control"], mark);
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(messages[1]["content"][0]["type"], "thinking");
    assert_eq!(messages[1]["content"][1]["id"], "a");
    let result = &messages[2]["content"][0];
    assert_eq!((&result["type"], &result["is_error"]), (&json!("tool_result"), &json!(false)));
    assert_eq!(result["cache_control"], mark);
}

#[test]
fn without_a_key_nothing_is_sent() {
    let setting = Setting::new();
    let never = Model::playing(|_, _| done("?"));
    let outcome = setting.run(&never, &["--messages-url", "https://example.com/v1/messages"]);
    assert_eq!(outcome.status, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("BEDROCK_AGENT_MESSAGES_KEY"), "{outcome:?}");
}
