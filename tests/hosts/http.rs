//! What `serve` promises: who gets in, what is refused, how it starts and ends.

use std::time::Duration;

use mcp_workspace_test_support::server::{JSON_HEADERS, Server, call_message, command};
use serde_json::{Value, json};

#[test]
fn the_first_command_serves_the_example_and_says_how_to_connect() {
    let server = Server::start(&[]);
    assert!(
        server.banner.contains("claude mcp add --transport http mcp-workspace http://127.0.0.1:")
    );
    assert!(server.banner.contains("npx @modelcontextprotocol/inspector --cli http://127.0.0.1:"));
    assert!(server.banner.contains("mcp-workspace serve --workspace DIR"));
    let unpacked = server.banner.lines().find_map(|line| line.trim().strip_prefix("workspace "));
    let unpacked = std::path::PathBuf::from(unpacked.unwrap().trim());
    assert!(unpacked.join("README.md").exists());

    let listed = server.call("list_dir", json!({})).text();
    let names: Vec<_> = listed.lines().collect();
    assert!(names.contains(&"README.md"), "{names:?}");
    assert!(!names.contains(&".env"), "the planted secret is hidden: {names:?}");
    assert_eq!(server.health()["status"], "ok");
    drop(server);
    std::fs::remove_dir_all(unpacked).unwrap();
}

#[test]
fn what_policy_hides_answers_like_what_is_not_there() {
    let server = Server::over("examples/workspace".as_ref());
    let hidden = server.call("read_file", json!({ "path": ".env" })).json();
    let missing = server.call("read_file", json!({ "path": ".enw" })).json();
    let text = |answer: &Value| answer["result"]["content"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!(hidden["result"]["isError"], true);
    assert_eq!(text(&hidden), text(&missing).replace(".enw", ".env"));
    let searched = server.call("grep", json!({ "pattern": "AWS_SECRET|PRIVATE KEY" })).text();
    assert!(searched.contains("no matches"), "{searched}");
}

#[test]
fn pages_of_other_origins_and_other_host_names_are_refused() {
    let workspace = tempfile::tempdir().unwrap();
    let server = Server::over(workspace.path());
    let list = call_message("list_dir", json!({}));
    assert_eq!(server.post(&list, &[("Origin", "https://evil.example")]).status, 403);
    assert_eq!(server.post(&list, &[("Host", "evil.example")]).status, 403);
    assert_eq!(server.post(&list, &[("Origin", "http://localhost:6274")]).status, 200);
    assert_eq!(server.request("GET /mcp", &JSON_HEADERS, "").status, 405);
    assert_eq!(server.request("GET /", &[], "").status, 404);
}

#[test]
fn a_second_name_hides_behind_none_and_the_absolute_form_counts() {
    let workspace = tempfile::tempdir().unwrap();
    let server = Server::over(workspace.path());
    let body = call_message("list_dir", json!({})).to_string();
    let post = |line: &str, more: &[(&str, &str)]| {
        let headers = [&JSON_HEADERS[..], more].concat();
        server.request(line, &headers, &body).status
    };
    assert_eq!(post("POST /mcp", &[]), 200);
    let own = "http://localhost:6274";
    assert_eq!(post("POST /mcp", &[("Origin", own), ("Origin", "https://evil.example")]), 400);
    assert_eq!(post("POST /mcp", &[("Host", "localhost"), ("Host", "evil.example")]), 400);
    assert_eq!(post("POST /mcp", &[("Host", "localhost@evil.example")]), 400);
    assert_eq!(post("POST /mcp", &[("Origin", "http://localhost@evil.example")]), 403);
    assert_eq!(post("POST /mcp", &[("Origin", "http://localhost:9999.evil.example")]), 403);
    assert_eq!(post("POST http://localhost/mcp", &[]), 200);
    assert_eq!(post("POST http://evil.example/mcp", &[("Host", "localhost")]), 403);
    // What the function URL has for people is not for everybody on this machine.
    assert_eq!(server.request("GET /review/v1/findings", &[], "").status, 404);
}

#[test]
fn a_request_that_is_too_large_is_refused() {
    let workspace = tempfile::tempdir().unwrap();
    let server = Server::over(workspace.path());
    let pattern = "x".repeat(5 * 1024 * 1024);
    let answer = server.call("grep", json!({ "pattern": pattern }));
    assert_eq!(answer.status, 413);
    assert_eq!(server.call("list_dir", json!({})).status, 200);
}

#[test]
fn tokens_let_in_who_they_name_and_nobody_else() {
    let workspace = tempfile::tempdir().unwrap();
    let made = command().args(["token", "ci-bot"]).output().unwrap();
    let made = String::from_utf8(made.stdout).unwrap();
    let lines: Vec<_> = made.lines().collect();
    let (token, line) = (lines[1], lines[4]);
    assert!(line.starts_with("ci-bot ") && !line.contains(token));
    let tokens = workspace.path().join("tokens.txt");
    std::fs::write(&tokens, format!("# clients\n{line}\n")).unwrap();
    let policy = workspace.path().join("policy.toml");
    let text = "version = 1\n[[role]]\nname = \"ci\"\ncallers = [\"ci-bot\"]\n\
                tools = [\"list_dir\"]\nread = [\"**\"]\n";
    std::fs::write(&policy, text).unwrap();
    let server = Server::start(&[
        "--workspace",
        workspace.path().to_str().unwrap(),
        "--tokens",
        tokens.to_str().unwrap(),
        "--policy",
        policy.to_str().unwrap(),
    ]);
    let list = call_message("list_dir", json!({}));
    let without = server.post(&list, &[]);
    assert_eq!(without.status, 401);
    assert!(without.head.to_lowercase().contains("www-authenticate: bearer"), "{}", without.head);
    assert_eq!(server.post(&list, &[("Authorization", "Bearer mcpw_wrong")]).status, 401);
    let hash = line.split(' ').nth(1).unwrap();
    assert_eq!(server.post(&list, &[("Authorization", &format!("Bearer {hash}"))]).status, 401);
    let with = format!("Bearer {token}");
    assert_eq!(server.post(&list, &[("Authorization", &with)]).status, 200);
    let record = server.audit();
    assert_eq!(record["caller"], "ci-bot");
    assert_eq!(record["proof"], "token");
    assert!(!record.to_string().contains(token));
    let tools = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let tools = server.post(&tools, &[("Authorization", &with)]).json();
    assert_eq!(tools["result"]["tools"].as_array().unwrap().len(), 1);
    assert_eq!(tools["result"]["tools"][0]["name"], "list_dir");
}

#[test]
fn beyond_loopback_it_refuses_to_start_without_tokens() {
    let output = command().args(["serve", "--listen", "0.0.0.0:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("without bearer tokens") && said.contains("--tokens"), "{said}");
}

#[test]
fn a_policy_that_does_not_check_starts_no_server() {
    let workspace = tempfile::tempdir().unwrap();
    let policy = workspace.path().join("policy.toml");
    std::fs::write(&policy, "version = 1\n[[role]]\nnmae = \"x\"\n").unwrap();
    let output = command().args(["serve", "--policy"]).arg(&policy).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("policy.toml:3:1: unknown key `nmae`"), "{said}");
    assert!(said.contains("did you mean `name`?"), "{said}");
}

#[test]
fn a_server_warns_of_a_glob_that_holds_only_at_the_root() {
    let workspace = tempfile::tempdir().unwrap();
    let policy = workspace.path().join("policy.toml");
    let text = "version = 1\n[[role]]\nname = \"x\"\ncallers = [\"local\"]\n\
                tools = [\"list_dir\"]\nread = [\"**\"]\ndeny = [\"*.key\"]\n";
    std::fs::write(&policy, text).unwrap();
    let warning = "policy.toml:7:9: `*.key` matches only at the workspace's root";

    let checked = command().args(["policy", "check"]).arg(&policy).output().unwrap();
    assert_eq!(checked.status.code(), Some(0));
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.starts_with("warning: ") && said.contains(warning), "{said}");
    assert!(said.contains("fix: `**/*.key` was probably meant"), "{said}");

    let started = command().args(["stdio", "--policy"]).arg(&policy).output().unwrap();
    let said = String::from_utf8(started.stderr).unwrap();
    assert!(said.contains("WARN") && said.contains(warning), "{said}");
}

#[test]
fn it_ends_when_asked() {
    let workspace = tempfile::tempdir().unwrap();
    let server = Server::over(workspace.path());
    assert_eq!(server.call("list_dir", json!({})).status, 200);
    let (code, took) = server.terminate();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn an_unknown_tool_and_a_wrong_argument_say_what_to_do() {
    let workspace = tempfile::tempdir().unwrap();
    let server = Server::over(workspace.path());
    let unknown = server.call("shell", json!({})).json();
    assert_eq!(unknown["error"]["code"], -32602);
    assert!(unknown["error"]["message"].as_str().unwrap().contains("list_dir, read_file"));
    let wrong = server.call("list_dir", json!({ "lenght": 3 })).json();
    assert_eq!(wrong["result"]["isError"], true);
    let text = wrong["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("unknown argument `lenght`"), "{text}");
    assert_eq!(server.audit()["outcome"], "unknown_tool");
    assert_eq!(server.audit()["outcome"], "invalid_argument");
}

/// Files that keep the regex engine busy for long.
fn hard_work(workspace: &std::path::Path) -> Value {
    // Regular digits would need few states; these are as good as random (xorshift).
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let text: String = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if state >> 63 == 0 { '0' } else { '1' }
    })
    .take(400_000)
    .collect();
    for number in 0..64 {
        std::fs::write(workspace.join(format!("{number:02}")), &text).unwrap();
    }
    // No literal of the pattern can be looked for first, and its automaton fits into no cache.
    json!({ "pattern": "[01]*1[01]{300}[^01\\n]" })
}

#[test]
fn progress_comes_before_the_result() {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::write(workspace.path().join("a.txt"), "needle\n").unwrap();
    let server = Server::over(workspace.path());
    let mut call = call_message("grep", json!({ "pattern": "needle" }));
    call["params"]["_meta"] = json!({ "progressToken": "t1" });
    let answer = server.post(&call, &[]);
    let messages: Vec<Value> = answer
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    let first = messages.first().expect("a stream");
    assert_eq!(first["method"], "notifications/progress", "{}", answer.body);
    assert_eq!(first["params"]["progressToken"], "t1");
    let last = messages.last().unwrap();
    assert_eq!(last["id"], 7);
    assert!(answer.text().contains("1:needle"), "{last}");
}

#[test]
fn a_client_that_goes_away_cancels_its_call() {
    let workspace = tempfile::tempdir().unwrap();
    let arguments = hard_work(workspace.path());
    let server = Server::over(workspace.path());
    let body = call_message("grep", arguments).to_string();
    let stream = server.send("POST /mcp", &JSON_HEADERS, &body);
    std::thread::sleep(Duration::from_millis(300));
    drop(stream);
    let record = server.audit();
    assert_eq!(record["outcome"], "cancelled", "{record}");
    assert!(record["duration_ms"].as_u64().unwrap() < 20_000, "{record}");
}

#[test]
fn a_call_that_runs_out_of_time_says_so() {
    let workspace = tempfile::tempdir().unwrap();
    let arguments = hard_work(workspace.path());
    let server =
        Server::start(&["--workspace", workspace.path().to_str().unwrap(), "--timeout", "1"]);
    let answer = server.call("grep", arguments);
    let record = server.audit();
    assert!(record["duration_ms"].as_u64().unwrap() < 15_000, "{record}");
    let text = answer.text();
    assert!(text.contains("ran out of time") || text.contains("time ran out"), "{text}");
}
