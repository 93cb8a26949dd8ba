//! What can happen between a worker and a server: nothing is done twice that may not be, nothing
//! is taken for done that may not have been, and a run goes on where it stopped.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::proxy::{ScriptedProxy, Turn, welcome};
use crate::reviewer::finding;
use crate::server::Server;
use crate::setting::Setting;
use mcp_workspace_test_support::model::{Model, calls, done, results};

fn note() -> Value {
    json!({ "key": "notes/x", "value": "seen" })
}

/// A proxy at which the first call of this tool has this fate.
fn once(server: &Server, tool: &'static str, fate: fn() -> Turn) -> ScriptedProxy {
    let calls = AtomicUsize::new(0);
    ScriptedProxy::before(server, move |_, message, _| {
        let this = message["method"] == "tools/call" && message["params"]["name"] == tool;
        if this && calls.fetch_add(1, Ordering::SeqCst) == 0 { fate() } else { Turn::Through }
    })
}

#[test]
fn what_does_no_harm_twice_is_done_again_when_its_answer_was_lost() {
    let fates: [fn() -> Turn; 5] = [
        || Turn::Lost,
        || Turn::Broken,
        || Turn::Events(": half of an answer\n\n".to_owned()),
        || Turn::Http(502, "Internal Server Error".to_owned()),
        || Turn::Http(504, String::new()),
    ];
    for fate in fates {
        for (tool, input) in
            [("read_file", json!({ "path": "input/src/auth.py" })), ("write_finding", finding(3))]
        {
            let setting = Setting::new();
            let server = Server::over(&setting);
            let proxy = once(&server, tool, fate);
            let model = Model::playing(move |number, request| match number {
                0 => calls(&[("a", tool, input.clone())]),
                _ => {
                    assert_eq!(results(request)[0].1, "success", "{request}");
                    done("ok")
                }
            });
            let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
            assert_eq!(outcome.status, Some(0), "{outcome:?}");
            assert_eq!(model.requests().len(), 2);
            assert_eq!(proxy.calls().len(), 2, "{tool}");
            assert!(setting.findings().len() <= 1);
        }
    }
}

#[test]
fn what_may_not_be_done_twice_is_told_as_unknown() {
    let fates: [fn() -> Turn; 4] = [
        || Turn::Lost,
        || Turn::Broken,
        || Turn::Events(": half of an answer\n\n".to_owned()),
        || Turn::Http(500, "x".to_owned()),
    ];
    for fate in fates {
        let setting = Setting::new();
        let server = Server::over(&setting);
        let proxy = once(&server, "write_state", fate);
        let model = Model::playing(|number, request| match number {
            0 => calls(&[("a", "write_state", note())]),
            1 => {
                let (_, status, text) = &results(request)[0];
                assert_eq!(status, "error");
                assert!(text.contains("not known whether `write_state` was done"), "{text}");
                calls(&[("b", "read_state", json!({ "key": "notes/x" }))])
            }
            _ => done("looked"),
        });
        let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
        assert_eq!(outcome.status, Some(0), "{outcome:?}");
        let sent: Vec<_> =
            proxy.calls().iter().map(|call| call["params"]["name"].clone()).collect();
        assert_eq!(sent, ["write_state", "read_state"]);
        assert_eq!(model.requests().len(), 3);
    }
}

#[test]
fn the_rest_of_an_answer_is_fetched_where_the_server_keeps_it() {
    let setting = Setting::new();
    let asked = Mutex::new(Value::Null);
    let proxy = ScriptedProxy::alone(move |_, message, request| {
        let mut asked = asked.lock().unwrap();
        if request.method == "GET" {
            assert_eq!(request.headers["last-event-id"], "7");
            let content = json!([{ "type": "text", "text": "the rest" }]);
            let result = json!({ "resultType": "complete", "content": content });
            let answer = json!({ "jsonrpc": "2.0", "id": *asked, "result": result });
            return Turn::Events(format!("id: 8\ndata: {answer}\n\n"));
        }
        match message["method"].as_str() {
            Some("tools/list") => Turn::Result(json!({
                "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
                "tools": [{ "name": "work", "inputSchema": { "type": "object" } }],
            })),
            Some("tools/call") => {
                *asked = message["id"].clone();
                Turn::Events("id: 7\nretry: 10\ndata:\n\n".to_owned())
            }
            _ => welcome(message),
        }
    });
    let model = Model::playing(|number, request| match number {
        0 => calls(&[("a", "work", json!({}))]),
        _ => {
            assert!(results(request)[0].2.contains("the rest"), "{request}");
            done("ok")
        }
    });
    let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(proxy.calls().len(), 1);
}

#[test]
fn what_was_refused_before_it_began_is_tried_again_whatever_it_is() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let asked = AtomicUsize::new(0);
    let proxy = ScriptedProxy::before(&server, move |_, message, _| {
        let busy = message["method"] == "tools/call" && asked.fetch_add(1, Ordering::SeqCst) < 3;
        if busy { Turn::Http(429, "Rate Exceeded.".to_owned()) } else { Turn::Through }
    });
    let model = Model::playing(|number, request| match number {
        0 => calls(&[("a", "write_state", note())]),
        _ => {
            assert_eq!(results(request)[0].1, "success", "{request}");
            done("ok")
        }
    });
    let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(proxy.calls().len(), 4);
    assert_eq!(model.requests().len(), 2);
    server.audit(1);
}

#[test]
fn a_server_that_is_busy_at_the_start_is_asked_again() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let proxy = ScriptedProxy::before(&server, |number, _, _| match number {
        0 | 2 => Turn::Http(429, "Rate Exceeded.".to_owned()),
        1 => Turn::Http(503, String::new()),
        4 => Turn::Http(502, String::new()),
        _ => Turn::Through,
    });
    let model = Model::playing(|_, _| done("ok"));
    let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(proxy.messages().len(), 7);

    let busy = ScriptedProxy::alone(|_, _, _| Turn::Http(429, "Rate Exceeded.".to_owned()));
    let outcome = setting.run_remotely(&model, &busy.url(), &["--max-attempts", "3"]);
    assert_eq!(outcome.status, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("HTTP 429: Rate Exceeded."), "{outcome:?}");
    assert_eq!(busy.messages().len(), 3);
}

#[test]
fn a_run_whose_server_has_gone_ends_and_the_same_command_goes_on() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let proxy = Arc::new(ScriptedProxy::before(&server, |_, _, _| Turn::Through));
    let url = proxy.url();
    let same = Arc::clone(&proxy);
    let model = Model::playing(move |number, request| match number {
        0 => calls(&[("a", "write_finding", finding(2))]),
        1 => {
            same.shut();
            calls(&[("b", "write_finding", finding(3)), ("c", "list_dir", json!({}))])
        }
        _ => {
            let answers = results(request);
            assert!(answers.iter().all(|(_, status, _)| status == "success"), "{answers:?}");
            done("two findings")
        }
    });
    let outcome = setting.run_remotely(&model, &url, &["--max-attempts", "3"]);
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    let summary = setting.summary();
    assert_eq!(summary["ending"], "failed");
    assert!(summary["reason"].as_str().unwrap().contains("refused"), "{summary}");
    assert_eq!(setting.findings().len(), 1);

    // While it is away, the command says so and changes nothing.
    let outcome = setting.run_remotely(&model, &url, &["--max-attempts", "1"]);
    assert_eq!(outcome.status, Some(2), "{outcome:?}");
    proxy.reopen();
    let outcome = setting.run_remotely(&model, &url, &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    // The model was not asked again for what it had asked for.
    assert_eq!(model.requests().len(), 3);
    assert_eq!(setting.findings().len(), 2);
    assert_eq!(setting.summary()["tool_calls"], 3);
}

#[test]
fn an_answer_that_tells_that_rights_were_lost_ends_the_run_and_not_the_model() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let proxy = once(&server, "list_dir", || Turn::Http(403, "expired".to_owned()));
    let model = Model::playing(|number, _| match number {
        0 => calls(&[("a", "list_dir", json!({}))]),
        _ => done("ok"),
    });
    let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
    assert_eq!(outcome.status, Some(1), "{outcome:?}");
    assert!(outcome.stdout.contains("HTTP 403: expired"), "{outcome:?}");
    assert_eq!(setting.run_remotely(&model, &proxy.url(), &[]).status, Some(0));
    assert_eq!(model.requests().len(), 2);
}

#[test]
fn a_call_that_hangs_ends_in_time_and_is_told_for_what_it_is() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let proxy =
        ScriptedProxy::before(&server, |_, message, _| match message["params"]["name"].as_str() {
            Some("read_file" | "write_state") => Turn::Hang,
            _ => Turn::Through,
        });
    let proxy = Arc::new(proxy);
    let seen = Arc::clone(&proxy);
    let model = Model::playing(move |number, request| match number {
        0 => calls(&[
            ("a", "read_file", json!({ "path": "input/src/auth.py" })),
            ("b", "write_state", note()),
            ("c", "list_dir", json!({})),
        ]),
        _ => {
            // The server learns at once that nobody waits any more.
            seen.wait_for_given_up(2);
            let answers = results(request);
            assert!(answers[0].2.contains("`read_file` got no answer"), "{answers:?}");
            assert!(answers[1].2.contains("not known whether"), "{answers:?}");
            assert_eq!(answers[2].1, "success");
            done("ok")
        }
    });
    let outcome = setting.run_remotely(&model, &proxy.url(), &["--timeout", "2"]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 2);
}

#[test]
fn a_worker_that_is_asked_to_stop_while_the_server_works_pauses_and_goes_on() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let proxy = once(&server, "read_file", || Turn::Hang);
    let model = Model::playing(|number, request| match number {
        0 => calls(&[("a", "read_file", json!({ "path": "input/src/auth.py" }))]),
        _ => {
            assert!(results(request)[0].2.contains("os.system"), "{request}");
            done("ok")
        }
    });
    let child = setting.remotely(&model, &proxy.url(), &[]).spawn().unwrap();
    proxy.wait_for_calls(1);
    assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
    let outcome = setting.end_of(child);
    assert_eq!(outcome.status, Some(3), "{outcome:?}");
    assert_eq!(setting.summary()["reason"], "interrupted");
    assert_eq!(setting.run_remotely(&model, &proxy.url(), &[]).status, Some(0));
    assert_eq!(model.requests().len(), 2);
}

#[test]
fn a_run_stays_with_its_server() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let (one, other) = (
        ScriptedProxy::before(&server, |_, _, _| Turn::Through),
        ScriptedProxy::before(&server, |_, _, _| Turn::Through),
    );
    let model = Model::playing(|_, _| calls(&[("a", "list_dir", json!({}))]));
    let less = ["--max-turns", "1"];
    assert_eq!(setting.run_remotely(&model, &one.url(), &less).status, Some(1));
    let outcome = setting.run_remotely(&model, &other.url(), &less);
    assert_eq!(outcome.status, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("another task"), "{outcome:?}");
    assert_eq!(model.requests().len(), 1);
}

#[test]
fn a_worker_that_was_killed_when_the_server_had_done_its_call_doubles_nothing() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let proxy = once(&server, "write_finding", || Turn::Kept);
    let model = Model::playing(|number, request| match number {
        0 => calls(&[("a", "write_finding", finding(3)), ("b", "list_dir", json!({}))]),
        _ => {
            let answers = results(request);
            assert!(answers[0].2.contains("duplicate"), "{answers:?}");
            assert_eq!(answers[1].1, "success");
            done("ok")
        }
    });
    let mut child = setting.remotely(&model, &proxy.url(), &[]).spawn().unwrap();
    server.audit(2);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(setting.findings().len(), 1);
    let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 2);
    assert_eq!(setting.findings().len(), 1);
    assert_eq!(setting.summary()["tool_calls"], 2);
}

#[test]
fn a_run_that_is_out_of_time_while_the_server_works_pauses_and_goes_on() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let proxy = once(&server, "read_file", || Turn::Hang);
    let model = Model::playing(|number, request| match number {
        0 => calls(&[("a", "read_file", json!({ "path": "input/src/auth.py" }))]),
        _ => {
            assert!(results(request)[0].2.contains("os.system"), "{request}");
            done("ok")
        }
    });
    let outcome = setting.run_remotely(&model, &proxy.url(), &["--max-seconds", "6"]);
    assert_eq!(outcome.status, Some(3), "{outcome:?}");
    let summary = setting.summary();
    assert_eq!(summary["ending"], "paused");
    assert!(summary["seconds"].as_f64().unwrap() < 6.0, "{summary}");
    assert_eq!(setting.run_remotely(&model, &proxy.url(), &[]).status, Some(0));
    assert_eq!(model.requests().len(), 2);
}
