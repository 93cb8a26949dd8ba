//! Answers that stream, where the function URL's invoke mode is RESPONSE_STREAM.

use std::time::Duration;

use serde_json::{Value, json};

use mcp_workspace_test_support::function::{EVERY_EVENT, Function, POLICY, Streamed, recorded};

const STREAMING: (&str, &str) = ("MCP_WORKSPACE_RESPONSE_STREAMING", "true");

fn function() -> Function {
    Function::start_with(POLICY, &[STREAMING, EVERY_EVENT])
}

/// Prelude and body of what was handed in.
fn parted(streamed: &Streamed) -> (Value, String) {
    let whole = streamed.chunks.concat();
    let at = whole.windows(8).position(|window| window == [0; 8]).expect("a separator");
    let prelude = serde_json::from_slice(&whole[..at]).unwrap();
    (prelude, String::from_utf8(whole[at + 8..].to_vec()).unwrap())
}

#[test]
fn an_answer_is_a_prelude_eight_zeros_and_the_body() {
    let mut function = function();
    let streamed = function.invoke_streaming(&recorded("url-tools-call"), Duration::from_secs(30));
    assert!(streamed.head.contains("lambda-runtime-function-response-mode: streaming\r\n"));
    let kind = "content-type: application/vnd.awslambda.http-integration-response\r\n";
    assert!(streamed.head.contains(kind), "{}", streamed.head);
    let (prelude, body) = parted(&streamed);
    assert_eq!(prelude["statusCode"], 200);
    assert_eq!(prelude["headers"]["content-type"], "application/json");
    assert_eq!(prelude["cookies"], json!([]));
    let message: Value = serde_json::from_str(&body).unwrap();
    let text = message["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("TODO: say hello"), "{text}");
    assert_eq!(streamed.trailers, "");
}

#[test]
fn a_refusal_has_its_status_in_the_prelude() {
    let mut function = function();
    let mut event = recorded("url-tools-call");
    event["requestContext"]["authorizer"] = Value::Null;
    let (prelude, body) = parted(&function.invoke_streaming(&event, Duration::from_secs(30)));
    assert_eq!(prelude["statusCode"], 401);
    assert!(body.contains("no caller"), "{body}");
}

#[test]
fn agents_and_faults_are_answered_whole_all_the_same() {
    let mut function = function();
    let answer = function.invoke(&recorded("action-group-function")).answer();
    assert_eq!(answer["messageVersion"], "1.0");
    function.invoke(&recorded("unknown-s3")).fault("UnknownEvent");
}

#[test]
fn progress_arrives_while_the_tool_still_runs() {
    let mut function = function();
    keep_busy(&function.workspace().join("input"));
    let mut event = recorded("url-tools-call");
    event["body"] = Value::from(
        json!({
            "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {
                "name": "grep",
                // No literal can be looked for first, and the automaton fits into no cache.
                "arguments": { "pattern": "[01]*1[01]{300}[^01\\n]" },
                "_meta": { "progressToken": "t1" },
            },
        })
        .to_string(),
    );
    // The search would take far longer: its deadline ends it.
    let mut running_at_progress = false;
    let mut seen = Vec::new();
    let streamed = function.invoke_watching(&event, Duration::from_secs(5), |chunk, audit| {
        let text = String::from_utf8_lossy(chunk).into_owned();
        if text.contains("notifications/progress") && !text.contains("\"result\"") {
            // No audit record yet: the call has not ended.
            running_at_progress |= audit.try_recv().is_err();
        }
        seen.push(text);
    });
    assert!(running_at_progress, "{seen:?}");
    let (prelude, body) = parted(&streamed);
    assert_eq!(prelude["headers"]["content-type"], "text/event-stream");
    let last = body.lines().filter_map(|line| line.strip_prefix("data: ")).next_back().unwrap();
    let result: Value = serde_json::from_str(last).unwrap();
    assert_eq!(result["id"], 3);
    // What was found by then, or that the time was over.
    let text = result["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("deadline") || text.contains("time"), "{text}");
    assert_eq!(function.audit()["tool"], "grep");
}

/// One small file, then files that keep the regex engine busy for long.
fn keep_busy(folder: &std::path::Path) {
    std::fs::write(folder.join("a.txt"), "nothing\n").unwrap();
    // As good as random (xorshift): regular digits would need few states.
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
        std::fs::write(folder.join(format!("b{number:02}")), &text).unwrap();
    }
}
