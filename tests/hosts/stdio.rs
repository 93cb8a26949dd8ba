//! What `stdio` and `call` promise: nothing but the protocol on stdout, exit statuses for scripts.

use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use mcp_workspace_test_support::server::command;
use serde_json::{Value, json};

fn lines(messages: &[Value]) -> String {
    messages.iter().map(|message| format!("{message}\n")).collect()
}

#[test]
fn stdout_carries_the_protocol_and_nothing_else() {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::write(workspace.path().join("a.txt"), "one\ntwo\n").unwrap();
    let mut child = command()
        .args(["stdio", "--workspace"])
        .arg(workspace.path())
        // Metrics are for servers; here they would break the protocol.
        .env("MCP_WORKSPACE_METRICS", "emf")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let messages = [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" } } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "read_file", "arguments": { "path": "a.txt" } } }),
    ];
    stdin.write_all(lines(&messages).as_bytes()).unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut answers = Vec::new();
    for _ in 0..2 {
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        answers.push(serde_json::from_str::<Value>(&line).expect("a JSON line"));
    }
    assert_eq!(answers[0]["result"]["protocolVersion"], "2025-11-25");
    assert!(answers[0]["result"]["instructions"].as_str().unwrap().contains("write_finding"));
    assert!(answers[1]["result"]["content"][0]["text"].as_str().unwrap().contains("two"));
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert!(output.stdout.is_empty());
    let logged = String::from_utf8(output.stderr).unwrap();
    assert!(logged.contains("\"target\":\"audit\"") && !logged.contains("two"), "{logged}");
}

/// The server's first answer to a client that says this first.
fn first_answer(policy: &std::path::Path, message: &Value) -> Value {
    let mut child = command()
        .args(["stdio", "--workspace"])
        .arg(policy.parent().unwrap())
        .arg("--policy")
        .arg(policy)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{message}").unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    drop(stdin);
    child.wait().unwrap();
    serde_json::from_str(&line).expect("a JSON line")
}

#[test]
fn instructions_tell_a_caller_of_its_own_tools_alone() {
    let workspace = tempfile::tempdir().unwrap();
    let policy = workspace.path().join("policy.toml");
    let role = "version = 1\n[[role]]\nname = \"reader\"\ncallers = [\"local\"]\n\
                tools = [\"read_file\", \"grep\"]\nread = [\"**\"]\n";
    std::fs::write(&policy, role).unwrap();
    let of_today = json!({ "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {} });
    for message in [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" } } }),
        json!({ "jsonrpc": "2.0", "id": 1, "method": "server/discover",
            "params": { "_meta": of_today } }),
    ] {
        let answer = first_answer(&policy, &message);
        let told = answer["result"]["instructions"].as_str().expect("instructions");
        for (tool, has) in [("read_file", true), ("grep", true), ("write_finding", false)] {
            assert_eq!(told.contains(&format!("`{tool}`")), has, "{tool}: {told}");
        }
    }
}

#[test]
fn it_serves_the_current_directory_when_none_is_named() {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::write(workspace.path().join("here.txt"), "x").unwrap();
    let output =
        command().args(["call", "list_dir"]).current_dir(workspace.path()).output().unwrap();
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["entries"][0]["path"], "here.txt");
}

#[test]
fn call_prints_json_and_exits_1_on_a_tool_error() {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::write(workspace.path().join("main.rs"), "fn main() {}\n").unwrap();
    let run = |arguments: &[&str]| {
        let output =
            command().arg("call").args(arguments).current_dir(workspace.path()).output().unwrap();
        let json: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (output.status.code(), json)
    };
    let (code, json) = run(&["grep", "{\"pattern\":\"main\",\"format\":\"json\"}"]);
    assert_eq!((code, &json["matches"][0]["line"]), (Some(0), &json!(1)));
    assert_eq!(json["stopped"], Value::Null);
    let (code, json) = run(&["read_file", "{\"path\":\"mian.rs\"}"]);
    assert_eq!(code, Some(1));
    assert_eq!(json["error"]["code"], "not_found");
    assert_eq!(json["error"]["hint"], "did you mean main.rs?");
    let (code, json) = run(&["grep", "not json"]);
    assert_eq!((code, &json["error"]["code"]), (Some(1), &json!("invalid_argument")));
    let (code, json) = run(&["list_dir", "{}", "--caller", "stranger"]);
    assert_eq!((code, &json["error"]["code"]), (Some(1), &json!("unknown_tool")));
    let (code, _) = run(&["list_dir", "{}", "--workspace", "not/there"]);
    assert_eq!(code, Some(2));
}

#[test]
fn clients_of_older_revisions_are_answered_in_theirs() {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::write(workspace.path().join("a.txt"), "one\n").unwrap();
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut child = command()
            .args(["stdio", "--workspace"])
            .arg(workspace.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let messages = [
            json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
                "protocolVersion": revision, "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" } } }),
            json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
            json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
                "name": "read_file", "arguments": { "path": "a.txt" } } }),
        ];
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(lines(&messages).as_bytes()).unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = || serde_json::from_str::<Value>(&answers.next().unwrap().unwrap()).unwrap();
        assert_eq!(next()["result"]["protocolVersion"], revision);
        let text = next()["result"]["content"][0]["text"].as_str().unwrap().to_owned();
        assert!(text.contains("one"), "{revision}: {text}");
        drop(stdin);
        assert!(child.wait().unwrap().success(), "{revision}");
    }
}
