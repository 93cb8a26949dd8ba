//! A server that lists and answers whatever it likes: the requests to the model stay such that
//! Bedrock takes them, and what is left out is said.

use serde_json::{Value, json};

use crate::proxy::{ScriptedProxy, Turn, welcome};
use crate::setting::Setting;
use mcp_workspace_test_support::model::{Model, calls, done, results};

fn tool(name: &str) -> Value {
    json!({ "name": name, "description": "d", "inputSchema": { "type": "object" } })
}

/// A server with these pages of tools, which answers each call with this result.
fn server(pages: Vec<Value>, result: Value) -> ScriptedProxy {
    ScriptedProxy::alone(move |_, message, _| match message["method"].as_str() {
        Some("tools/list") => {
            let cursor = message["params"]["cursor"].as_str().unwrap_or("0");
            let page: usize = cursor.parse().unwrap();
            let mut answer = json!({
                "resultType": "complete", "tools": pages[page], "ttlMs": 0, "cacheScope": "private",
            });
            if page + 1 < pages.len() {
                answer["nextCursor"] = json!((page + 1).to_string());
            }
            Turn::Result(answer)
        }
        Some("tools/call") => Turn::Result(result.clone()),
        _ => welcome(message),
    })
}

/// The server's tools in a request. The worker's own stands behind them.
fn offered(request: &Value) -> Vec<String> {
    let tools = request["toolConfig"]["tools"].as_array().unwrap().iter();
    let name = |tool: &Value| tool["toolSpec"]["name"].as_str().unwrap().to_owned();
    let mut names: Vec<String> = tools.map(name).collect();
    assert_eq!(names.pop().as_deref(), Some("recall_result"));
    names
}

#[test]
fn a_list_comes_in_pages_and_names_stay_as_the_server_has_them() {
    let setting = Setting::new();
    let pages = vec![json!([tool("a___b")]), json!([]), json!([tool("c"), tool("a___b")])];
    let proxy = server(pages, json!({ "content": [{ "type": "text", "text": "x" }] }));
    let model = Model::playing(|number, _| match number {
        0 => calls(&[("a", "a___b", json!({ "x": 1 }))]),
        _ => done("ok"),
    });
    let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(offered(&model.requests()[0]), ["a___b", "c"]);
    assert_eq!(proxy.calls()[0]["params"]["name"], "a___b");
    assert_eq!(proxy.calls()[0]["params"]["arguments"], json!({ "x": 1 }));
}

#[test]
fn tools_that_bedrock_would_refuse_are_left_out_with_a_line_for_each() {
    let setting = Setting::new();
    let bad = |name: &str, schema: Value| json!({ "name": name, "inputSchema": schema });
    let list = json!([
        tool("good"),
        tool(&"x".repeat(65)),
        tool("a.b"),
        tool("\u{1b}[2J"),
        bad("array", json!({ "type": "array" })),
        bad("text", json!("object")),
        bad("none", Value::Null),
        { "description": "no name" },
        "nothing",
        { "name": "plain", "description": " ", "inputSchema": { "type": "object", "oneOf": [] } },
        tool("recall_result"),
    ]);
    let proxy = server(vec![list], json!({ "content": [] }));
    let model = Model::playing(|_, _| done("ok"));
    let outcome = setting.run_remotely(&model, &proxy.url(), &["--progress", "always"]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(offered(&model.requests()[0]), ["good", "plain"]);
    let told = |part: &str| outcome.stderr.lines().filter(|line| line.contains(part)).count();
    // Each once in the progress and once in the log.
    assert_eq!(told("left out"), 18, "{}", outcome.stderr);
    assert_eq!(told("the tool `a.b` is left out: Bedrock takes names of 1 to 64"), 2);
    assert!(!outcome.stderr.contains('\u{1b}'), "{}", outcome.stderr);
}

#[test]
fn ten_thousand_tools_and_endless_lists_are_bounded() {
    let many = |page: usize| -> Value {
        (0..10_000).map(|number| tool(&format!("t{page}-{number}"))).collect()
    };
    let long = |page: usize| -> Value {
        let text = "ä".repeat(100_000);
        let mut tool = tool(&format!("t{page}"));
        tool["description"] = json!(text);
        json!([tool])
    };
    let endless = ScriptedProxy::alone(|number, message, _| match message["method"].as_str() {
        Some("tools/list") => Turn::Result(json!({
            "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
            "tools": [tool("same")], "nextCursor": number.to_string(),
        })),
        _ => welcome(message),
    });
    for (proxy, tools, pages) in [
        (server((0..3).map(many).collect(), json!({})), 127, 1),
        (server((0..90).map(long).collect(), json!({})), 50, 50),
        (endless, 1, 50),
    ] {
        let setting = Setting::new();
        let model = Model::playing(|_, _| done("ok"));
        let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
        assert_eq!(outcome.status, Some(0), "{outcome:?}");
        let request = &model.requests()[0];
        assert_eq!(offered(request).len(), tools);
        assert!(request.to_string().len() < 1_300_000);
        assert!(outcome.stderr.contains("left out"), "{outcome:?}");
        assert!(outcome.stderr.lines().count() < 20, "{outcome:?}");
        let lists =
            proxy.messages().into_iter().filter(|message| message["method"] == "tools/list");
        assert_eq!(lists.count(), pages);
    }
}

#[test]
fn answers_are_shown_as_data_within_the_limits_of_the_service() {
    let setting = Setting::new();
    let pixel = "iVBORw0KGgo=";
    let content = json!([
        { "type": "text", "text": "x".repeat(1_000_000) },
        { "type": "image", "data": pixel, "mimeType": "image/png" },
        { "type": "image", "data": pixel, "mimeType": "image/tiff" },
        { "type": "image", "data": "not base64", "mimeType": "image/png" },
        { "type": "image", "data": "", "mimeType": "image/png" },
        { "type": "audio", "data": pixel, "mimeType": "audio/wav" },
        { "type": "resource_link", "uri": "https://example.com/x", "name": "x" },
        { "type": "resource", "resource": { "uri": "file:///x", "text": "of a resource" } },
    ]);
    let result = json!({
        "resultType": "complete", "content": content, "structuredContent": { "a": 1 },
    });
    let proxy = server(vec![json!([tool("look")])], result);
    let model = Model::playing(|number, request| match number {
        0 => {
            let ids: Vec<String> = (0..32).map(|number| format!("id-{number}")).collect();
            let all: Vec<_> = ids.iter().map(|id| (id.as_str(), "look", json!({}))).collect();
            calls(&all)
        }
        _ => {
            for (id, status, text) in results(request) {
                assert_eq!(status, "success", "{id}");
                assert!(text.starts_with("<data-") && text.ends_with('>'), "{id}");
                assert!(text.len() < 201_000, "{id}: {}", text.len());
            }
            done("ok")
        }
    });
    // A window that has room for all of it: these are the limits of the service.
    let wide = ["--context-tokens", "100000000"];
    let outcome = setting.run_remotely(&model, &proxy.url(), &wide);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    let sent = model.requests()[1].to_string();
    assert_eq!(sent.matches(pixel).count(), 20);
}

#[test]
fn kinds_of_answers_each_reach_the_model() {
    let look = |result: Value| {
        let setting = Setting::new();
        let proxy = server(vec![json!([tool("look")])], result);
        let model = Model::playing(|number, _| match number {
            0 => calls(&[("a", "look", json!({}))]),
            _ => done("ok"),
        });
        let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
        assert_eq!(outcome.status, Some(0), "{outcome:?}");
        results(&model.requests()[1])[0].clone()
    };
    let text = |text: &str| json!([{ "type": "text", "text": text }]);
    for (result, status, shown) in [
        (json!({ "content": text("hello") }), "success", "hello"),
        (json!({ "content": text("no such file"), "isError": true }), "error", "no such file"),
        (json!({ "content": [], "structuredContent": { "a": 1 } }), "success", r#"{"a":1}"#),
        // Once, where the text is the same JSON.
        (
            json!({ "content": text(r#"{ "a": 1 }"#), "structuredContent": { "a": 1 } }),
            "success",
            r#"{ "a": 1 }"#,
        ),
        (
            json!({ "content": text("one"), "structuredContent": { "a": 1 } }),
            "success",
            "one\n{\"a\":1}",
        ),
        (json!({ "content": [] }), "success", ""),
        (
            json!({ "resultType": "input_required", "inputRequests": {}, "requestState": "s" }),
            "error",
            "the server asks for something that nobody here can give; do without this tool",
        ),
    ] {
        let (_, came, text) = look(result.clone());
        assert_eq!(came, status, "{result}: {text}");
        let (_, inside) = text.split_once(">\n").unwrap();
        assert_eq!(inside.rsplit_once("\n</").unwrap().0, shown, "{result}");
    }
}

#[test]
fn an_answer_beyond_all_bounds_is_not_taken_in() {
    let huge = json!({ "content": [{ "type": "text", "text": "x".repeat(17 << 20) }] });
    let stream = format!("data: {}\n\n", "x".repeat(17 << 20));
    let list = json!({
        "resultType": "complete", "tools": [tool("look")], "ttlMs": 0, "cacheScope": "private",
    });
    let proxy = ScriptedProxy::alone(move |_, message, _| match message["method"].as_str() {
        Some("tools/list") => Turn::Result(list.clone()),
        Some("tools/call") if message["params"]["arguments"]["streamed"] == true => {
            Turn::Events(stream.clone())
        }
        Some("tools/call") => Turn::Result(huge.clone()),
        _ => welcome(message),
    });
    let setting = Setting::new();
    let model = Model::playing(|number, request| match number {
        0 => calls(&[("a", "look", json!({})), ("b", "look", json!({ "streamed": true }))]),
        _ => {
            for (id, status, text) in results(request) {
                assert_eq!(status, "error", "{id}");
                assert!(text.contains("not known whether `look` was done"), "{id}: {text}");
            }
            done("ok")
        }
    });
    let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 2);
}
