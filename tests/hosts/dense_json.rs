//! JSON that takes far more memory than its text is measured before it is parsed, on every way in.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use mcp_workspace_test_support::server::{JSON_HEADERS, Server, command};
use serde_json::{Value, json};

/// What eight of the largest messages at the same time may take, in KiB.
const MOST_KIB: u64 = 128 * 1024;

/// A call of `write_state` with this value.
fn message(id: u32, value: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"tools/call\",\"params\":{{\"name\":\"write_state\",\
         \"arguments\":{{\"key\":\"k\",\"value\":{value},\"expected_version\":0}}}},\"id\":{id}}}"
    )
}

/// Just below four MiB of the smallest objects.
fn dense() -> String {
    format!("[{}1]", "{\"a\":{}},".repeat(460_000))
}

fn deep() -> String {
    "[".repeat(100) + &"]".repeat(100)
}

#[test]
fn a_message_over_http_is_refused_by_what_it_holds() {
    let workspace = tempfile::tempdir().unwrap();
    let server = Server::over(workspace.path());
    let post = |body: &str| server.request("POST /mcp", &JSON_HEADERS, body);
    for (value, words) in [(dense(), "values; the limit is 20480"), (deep(), "the limit is 64")] {
        let answer = post(&message(5, &value));
        assert_eq!(answer.status, 400, "{}", answer.body);
        let error = answer.json();
        assert_eq!(error["id"], 5, "{error}");
        assert!(error["error"]["message"].as_str().unwrap().contains(words), "{error}");
    }
    let answer = post(&message(6, &format!("\"{}\"", "x".repeat(5_000_000))));
    assert_eq!(answer.status, 413);
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("4194304 bytes"));
    // The largest value that is stored, as dense as it can be.
    let largest = format!("[{}1]", "1,".repeat(19_998));
    let answer = post(&message(7, &largest)).json();
    assert_eq!(answer["result"]["isError"], false, "{answer}");
}

#[test]
fn eight_large_messages_at_the_same_time_take_bounded_memory() {
    let workspace = tempfile::tempdir().unwrap();
    let server = Server::over(workspace.path());
    assert_eq!(server.call("list_dir", json!({})).status, 200);
    let before = server.memory("VmHWM");
    let text = format!("\"{}\"", "x".repeat(4_000_000));
    let nodes = format!("[{}1]", "{\"a\":1},".repeat(10_000));
    for value in [dense(), text, nodes] {
        let body = message(1, &value);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let answer = server.request("POST /mcp", &JSON_HEADERS, &body);
                    assert!([200, 400, 429, 503].contains(&answer.status), "{answer:?}");
                });
            }
        });
    }
    let took = (server.memory("VmHWM") - before) / 1024;
    assert!(took < MOST_KIB, "{took} KiB");
}

#[test]
fn a_message_on_stdin_is_answered_with_an_error_and_the_connection_goes_on() {
    let workspace = tempfile::tempdir().unwrap();
    let mut child = command()
        .args(["stdio", "--workspace"])
        .arg(workspace.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut ask = |message: &str| {
        stdin.write_all(message.as_bytes()).unwrap();
        stdin.write_all(b"\n").unwrap();
        serde_json::from_str::<Value>(&answers.next().unwrap().unwrap()).unwrap()
    };
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" } } });
    assert_eq!(ask(&initialize.to_string())["id"], 1);
    let long = format!("\"{}\"", "x".repeat(20_000_000));
    for (id, value, words) in [
        (2, dense(), Some("values; the limit is 20480")),
        (3, "1".to_owned(), None),
        (4, deep(), Some("the limit is 64")),
        (5, long, Some("bytes; the limit is 4194304")),
        (6, "2".to_owned(), None),
    ] {
        let answer = ask(&message(id, &value));
        match words {
            Some(words) => {
                assert_eq!(answer["id"], id, "{answer}");
                assert!(answer["error"]["message"].as_str().unwrap().contains(words), "{answer}");
            }
            None => assert!(answer["result"].is_object(), "{answer}"),
        }
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn arguments_on_the_command_line_are_measured_as_well() {
    let workspace = tempfile::tempdir().unwrap();
    let mut child = command()
        .args(["call", "write_state", "-"])
        .current_dir(workspace.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let arguments = format!("{{\"key\":\"k\",\"value\":{},\"expected_version\":0}}", dense());
    child.stdin.take().unwrap().write_all(arguments.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(error["error"]["code"], "too_large", "{error}");
    assert!(error["error"]["message"].as_str().unwrap().contains("values; the limit is 20480"));
}
