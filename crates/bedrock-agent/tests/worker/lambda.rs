//! The worker as a Lambda function, on a Runtime API of the test's own.

use std::net::{SocketAddr, TcpListener};
use std::process::Child;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::proxy::{ScriptedProxy, Turn};
use crate::reviewer::finding;
use crate::server::Server;
use crate::setting::{ROLE, Setting};
use mcp_workspace_test_support::http;
use mcp_workspace_test_support::model::{Model, Play, calls, done};

/// A function that gets these events, each with so many seconds, one after the other.
struct Function {
    child: Child,
    /// What it answered: whether it succeeded, and the body.
    answers: Receiver<(bool, Value)>,
}

impl Function {
    fn start(setting: &Setting, model: &Model, events: Vec<(u64, Value)>) -> Function {
        Function::start_with(setting, model, &[], events)
    }

    /// One whose environment has these variables besides.
    fn start_with(
        setting: &Setting,
        model: &Model,
        variables: &[(&str, &str)],
        events: Vec<(u64, Value)>,
    ) -> Function {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            let mut events = events.into_iter();
            // A request for the next event that is not there stays open until the function ends.
            let mut waiting = Vec::new();
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let Ok(request) = http::read(&stream) else { return };
                if request.path.ends_with("/next") {
                    let Some((seconds, event)) = events.next() else {
                        waiting.push(stream);
                        continue;
                    };
                    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
                    let deadline = (now + Duration::from_secs(seconds)).as_millis().to_string();
                    let headers = [
                        ("lambda-runtime-aws-request-id", "id"),
                        ("lambda-runtime-deadline-ms", deadline.as_str()),
                        (
                            "lambda-runtime-invoked-function-arn",
                            "arn:aws:lambda:eu-west-1:1:function:f",
                        ),
                        // Whoever invokes may send one that is not all text.
                        (
                            "lambda-runtime-client-context",
                            "{\"custom\":{\"bedrockAgentCorePropagatedHeaders\":{}}}",
                        ),
                    ];
                    http::answer(&stream, 200, &headers, &event.to_string()).unwrap();
                } else {
                    let succeeded = request.path.ends_with("/response");
                    http::answer(&stream, 202, &[], "{}").unwrap();
                    let body = serde_json::from_slice(&request.body).unwrap();
                    if sender.send((succeeded, body)).is_err() {
                        return;
                    }
                }
            }
        });
        let child = setting
            .binary(model)
            .env("AWS_LAMBDA_RUNTIME_API", address.to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", "f")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "g")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "s")
            .env("BEDROCK_AGENT_MODEL", "test.model-v1:0")
            .env("BEDROCK_AGENT_ROLE", ROLE)
            .envs(variables.iter().copied())
            .spawn()
            .unwrap();
        Function { child, answers }
    }

    fn answer(&self) -> (bool, Value) {
        self.answers.recv_timeout(Duration::from_secs(60)).unwrap()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_function_that_runs_out_of_time_goes_on_at_the_same_event() {
    let setting = Setting::new();
    let model = Model::playing(|number, _| match number {
        0 => calls(&[("a", "write_finding", finding(3))]),
        1 => Play::Hang,
        _ => done("one finding"),
    });
    // The task is text, whatever it looks like.
    let event = json!({ "role": ROLE, "task": "@/etc/passwd", "run": "r1" });
    let function = Function::start(
        &setting,
        &model,
        vec![(4, event.clone()), (60, event.clone()), (60, event)],
    );
    let (succeeded, paused) = function.answer();
    assert!(succeeded, "{paused}");
    assert_eq!((&paused["ending"], &paused["tool_calls"]), (&json!("paused"), &json!(1)));
    for _ in 0..2 {
        let (succeeded, summary) = function.answer();
        assert!(succeeded, "{summary}");
        assert_eq!(
            (&summary["ending"], &summary["text"]),
            (&json!("completed"), &json!("one finding"))
        );
    }
    let requests = model.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(requests[0]["messages"][0]["content"][0]["text"], "@/etc/passwd");
    assert_eq!(setting.findings().len(), 1);
}

#[test]
fn an_event_cannot_name_another_role_or_anything_else() {
    let setting = Setting::new();
    let model = Model::playing(|_, _| done("?"));
    let events = [
        json!({ "role": "remediation", "task": "x", "run": "r1" }),
        json!({ "role": ROLE, "task": "x", "run": "../r1" }),
        json!({ "role": ROLE, "task": "x", "run": "r1", "policy": "/tmp/mine.toml" }),
        json!({ "role": ROLE, "task": "x" }),
        json!("x"),
    ];
    let function =
        Function::start(&setting, &model, events.iter().map(|event| (60, event.clone())).collect());
    for event in &events {
        let (succeeded, body) = function.answer();
        assert!(!succeeded, "{event}: {body}");
        assert!(body["errorMessage"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    }
    assert!(model.requests().is_empty());
}

#[test]
fn a_function_works_through_a_server_and_keeps_its_records_on_the_mount() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let proxy = ScriptedProxy::before(&server, |_, _, _| Turn::Through);
    let model = Model::playing(|number, _| match number {
        0 => calls(&[("a", "write_finding", finding(3))]),
        1 => Play::Hang,
        _ => done("one finding"),
    });
    let event = json!({ "role": ROLE, "task": "x", "run": "r1" });
    let variables = [("BEDROCK_AGENT_MCP_URL", proxy.url())];
    let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
    let events = vec![(6, event.clone()), (60, event)];
    let function = Function::start_with(&setting, &model, &variables, events);
    for ending in ["paused", "completed"] {
        let (succeeded, summary) = function.answer();
        assert!(succeeded, "{summary}");
        assert_eq!(summary["ending"], ending);
    }
    assert_eq!(proxy.calls().len(), 1);
    assert_eq!(setting.findings().len(), 1);
    // Where they lie too when the tools are here.
    assert_eq!(setting.summary()["ending"], "completed");
}

#[test]
fn a_function_without_a_mount_for_its_records_says_so() {
    let setting = Setting::new();
    let model = Model::playing(|_, _| done("?"));
    let event = json!({ "role": ROLE, "task": "x", "run": "r1" });
    let none = [("BEDROCK_AGENT_MCP_URL", "http://127.0.0.1:1/"), ("MCP_WORKSPACE_ROOT", "")];
    let function = Function::start_with(&setting, &model, &none, vec![(60, event)]);
    let (succeeded, body) = function.answer();
    assert!(!succeeded, "{body}");
    assert!(body["errorMessage"].as_str().unwrap().contains("BEDROCK_AGENT_RECORDS"), "{body}");
}
