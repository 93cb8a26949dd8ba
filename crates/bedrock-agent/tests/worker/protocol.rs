//! Servers of every version of the protocol, and what their answers come in.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::proxy::{ScriptedProxy, Turn};
use crate::reviewer::finding;
use crate::server::Server;
use crate::setting::Setting;
use mcp_workspace_test_support::model::{Model, calls, done, results};

#[test]
fn answers_may_come_as_a_stream_of_events() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let proxy = ScriptedProxy::before(&server, |_, message, _| match message["id"].is_null() {
        true => Turn::Through,
        false => Turn::Streamed,
    });
    let model = Model::playing(|number, request| match number {
        0 => calls(&[
            ("a", "read_file", json!({ "path": "input/src/auth.py" })),
            ("b", "write_finding", finding(3)),
        ]),
        _ => {
            let answers = results(request);
            assert!(answers[0].2.contains("os.system"), "{answers:?}");
            assert_eq!(answers[1].1, "success", "{answers:?}");
            done("ok")
        }
    });
    let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 2);
    assert_eq!(proxy.calls().len(), 2);
    assert_eq!(setting.findings().len(), 1);
}

#[test]
fn a_server_of_an_older_protocol_has_sessions_and_may_forget_them() {
    let setting = Setting::new();
    let sessions = Arc::new(Mutex::new(0));
    let ended = Arc::new(Mutex::new(Vec::new()));
    let ends = Arc::clone(&ended);
    // It refuses the newer protocol's first question, and forgets a session once.
    let proxy = ScriptedProxy::alone(move |_, message, request| {
        let mut opened = sessions.lock().unwrap();
        let session = request.headers.get("mcp-session-id").cloned();
        if request.method == "DELETE" {
            ends.lock().unwrap().push(session.unwrap());
            return Turn::Http(204, String::new());
        }
        match message["method"].as_str().unwrap_or_default() {
            "initialize" => {
                *opened += 1;
                let result = json!({
                    "protocolVersion": "2025-06-18", "capabilities": { "tools": {} },
                    "serverInfo": { "name": "old", "version": "1" },
                });
                Turn::Session(result, format!("session-{opened}"))
            }
            _ if session.is_none() => Turn::Http(400, "no session".to_owned()),
            "tools/list" => Turn::Result(json!({ "tools": [
                { "name": "files___look", "description": "d", "inputSchema": { "type": "object" } },
            ] })),
            "tools/call" if session.as_deref() == Some("session-1") => {
                Turn::Http(404, "forgotten".to_owned())
            }
            "tools/call" => {
                assert_eq!(message["params"]["name"], "files___look");
                Turn::Result(json!({ "content": [{ "type": "text", "text": session }] }))
            }
            _ => Turn::Http(202, String::new()),
        }
    });
    let model = Model::playing(|number, request| match number {
        0 => calls(&[("a", "files___look", json!({}))]),
        _ => {
            assert!(results(request)[0].2.contains("session-2"), "{request}");
            done("ok")
        }
    });
    let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 2);
    assert_eq!(proxy.calls().len(), 2);
    assert_eq!(*ended.lock().unwrap(), ["session-2"]);
}

#[test]
fn a_server_that_does_not_know_the_newest_protocol_is_spoken_to_in_an_older_one() {
    let error = |id: &Value, code: i64, data: Value| json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": "no", "data": data } });
    type Refusal = Box<dyn Fn(&Value) -> Turn + Send + Sync>;
    let refusals: [Refusal; 6] = [
        Box::new(move |id| Turn::Json(200, error(id, -32601, Value::Null))),
        Box::new(move |id| Turn::Json(404, error(id, -32601, Value::Null))),
        Box::new(move |_| Turn::Json(400, error(&json!("server-error"), -32000, Value::Null))),
        Box::new(move |id| {
            Turn::Json(400, error(id, -32022, json!({ "supported": ["2025-11-25"] })))
        }),
        Box::new(|_| Turn::Http(405, "Method Not Allowed".to_owned())),
        Box::new(|_| Turn::Json(400, json!({ "Message": "Bad Request" }))),
    ];
    for (number, refusal) in refusals.into_iter().enumerate() {
        let setting = Setting::new();
        // No sessions either, as with an AgentCore Gateway.
        let proxy = ScriptedProxy::alone(move |_, message, _| match message["method"].as_str() {
            Some("server/discover") => refusal(&message["id"]),
            Some("initialize") => Turn::Result(json!({
                "protocolVersion": "2025-06-18", "capabilities": { "tools": {} },
                "serverInfo": { "name": "gateway", "version": "1" },
            })),
            Some("tools/list") => Turn::Result(json!({ "tools": [
                { "name": "files___look", "description": "d", "inputSchema": { "type": "object" } },
            ] })),
            Some("tools/call") => {
                Turn::Result(json!({ "content": [{ "type": "text", "text": "seen" }] }))
            }
            _ => Turn::Http(202, String::new()),
        });
        let model = Model::playing(|number, request| match number {
            0 => calls(&[("a", "files___look", json!({}))]),
            _ => {
                assert!(results(request)[0].2.contains("seen"), "{request}");
                done("ok")
            }
        });
        let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
        assert_eq!(outcome.status, Some(0), "{number}: {outcome:?}");
        assert_eq!(proxy.calls().len(), 1, "{number}");
    }
}
