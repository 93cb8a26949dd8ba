//! What callers ask for: what agents do, and what nobody should.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mcp_workspace_test_support::server::{Answer, JSON_HEADERS, Server, call_message};
use serde_json::{Value, json};

use crate::Draw;
use crate::site::{FILES, Tally};

/// Kinds of calls.
pub(crate) const KINDS: u64 = 20;
/// Each byte of text costs this pattern some hundred times what it costs others.
const HEAVY: &str = "(?:[a-m].{0,900}[n-z]){2}[0-9]";

/// One caller, one call after another.
pub(crate) struct Caller<'s> {
    number: usize,
    authorization: String,
    server: &'s Server,
    tally: &'s Tally,
    draw: Draw,
    /// The cursor of a page that it was given.
    cursor: Option<String>,
    /// Requests that were begun.
    halves: Vec<TcpStream>,
}

impl<'s> Caller<'s> {
    pub(crate) fn new(
        number: usize,
        token: &str,
        server: &'s Server,
        tally: &'s Tally,
        draw: Draw,
    ) -> Caller<'s> {
        let authorization = format!("Bearer {token}");
        Caller { number, authorization, server, tally, draw, cursor: None, halves: Vec::new() }
    }

    pub(crate) fn act_by_chance(&mut self) {
        // Of four calls three are honest.
        let kind = if self.draw.below(4) > 0 { self.draw.below(9) } else { self.draw.below(KINDS) };
        self.act(kind);
    }

    pub(crate) fn act(&mut self, kind: u64) {
        let file = format!("src/{}/{}.rs", self.draw.below(10), self.draw.below(FILES / 10));
        let number = self.draw.below(1_000_000);
        match kind {
            0 => self.call("read_file", json!({ "path": file })),
            1 => self.call("list_dir", json!({ "path": "src", "depth": 2, "details": true })),
            2 => self.call("grep", json!({ "pattern": "fn \\w+_7", "path": "src" })),
            3 => {
                let key = format!("agents/{}/{}", self.number, number % 5);
                self.call("read_state", json!({ "key": key }));
            }
            4 => {
                let key = format!("agents/{}/{}", self.number, number % 5);
                self.call("write_state", json!({ "key": key, "value": { "n": number } }));
            }
            5 => {
                let expected = self.draw.below(3);
                let arguments =
                    json!({ "key": "shared", "value": number, "expected_version": expected });
                self.call("write_state", arguments);
            }
            6 => {
                let rule = format!("rule-{}", number % 40);
                let line = 1 + number % 9;
                let arguments = json!({
                    "rule_id": rule, "severity": "low", "message": "m", "path": file,
                    "start_line": line,
                });
                self.call("write_finding", arguments);
            }
            7 => {
                let (old, new) = ("fn number_3()", format!("fn number_{number}()"));
                let edits = json!([{ "path": file, "old_text": old, "new_text": new }]);
                self.call("propose_patch", json!({ "title": "t", "edits": edits }));
            }
            8 => {
                let mut arguments = json!({ "pattern": "a", "path": "src", "limit": 20 });
                if let Some(cursor) = self.cursor.take() {
                    arguments["cursor"] = cursor.into();
                }
                self.call("grep", arguments);
            }
            9 => self.call("grep", json!({ "pattern": HEAVY, "mode": "count", "path": "line" })),
            10 => self.call("list_dir", json!({ "path": "wide", "limit": 5000, "details": true })),
            11 => self.call("read_file", json!({ "path": "line", "offset": -3 })),
            12 => self.call("read_file", json!({ "path": "private/secret" })),
            13 => self.call("read_file", json!({ "path": "src/../../etc/passwd" })),
            14 => self.call("grep", json!({ "pattern": "(a{999}){999}", "surprise": file })),
            15 => self.raw("deep", &("[".repeat(4_000) + &"]".repeat(4_000)), true),
            16 => self.raw("dense", &format!("[{}1]", "{\"a\":{}},".repeat(200_000)), true),
            17 => self.raw("without a token", &message("list_dir", json!({})), false),
            18 => self.half_a_request(),
            _ => self.abandoned(),
        }
    }

    fn call(&mut self, tool: &str, arguments: Value) {
        let begun = Instant::now();
        let message = call_message(tool, arguments);
        let answer = self.server.post(&message, &[("Authorization", &self.authorization)]);
        let result = self.took(tool, begun, &answer);
        let Some(result) = result else { return };
        let text = result["content"][0]["text"].as_str().unwrap_or_default();
        assert!(!text.contains("zqsecret"), "{tool} showed what is hidden: {text}");
        if message["params"]["arguments"]["pattern"] == "a" && result["isError"] != true {
            let cursor = text.split("cursor").nth(1).and_then(|rest| rest.split('"').nth(1));
            self.cursor = cursor.map(str::to_owned);
        }
        if result["isError"] != true {
            self.tally.acknowledge(&message["params"], &result["structuredContent"]);
        } else if matches!(tool, "write_state" | "write_finding" | "propose_patch") {
            self.tally.write_failed();
        }
    }

    /// Counts an answer; gives the result of a call that had one.
    fn took(&self, tool: &str, begun: Instant, answer: &Answer) -> Option<Value> {
        let is_result = answer.status == 200;
        let result = is_result.then(|| answer.json()["result"].clone());
        let outcome = match &result {
            Some(result) if result["isError"] == true => "error",
            Some(_) => "answer",
            None => "",
        };
        self.tally.count(tool, answer.status, outcome, begun.elapsed());
        result
    }

    fn raw(&self, what: &str, body: &str, with_token: bool) {
        let begun = Instant::now();
        let mut headers = JSON_HEADERS.to_vec();
        if with_token {
            headers.push(("Authorization", &self.authorization));
        }
        let answer = self.server.request("POST /mcp", &headers, body);
        // A server that refuses by the head alone may close before it has read the body.
        let status = if answer.status == 0 { 1 } else { answer.status };
        self.tally.count(what, status, "", begun.elapsed());
    }

    /// A head that promises more than comes. The connection stays open for a while.
    fn half_a_request(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(&self.server.address) {
            let head = format!("POST /mcp HTTP/1.1\r\nAuthorization: {}\r\n", self.authorization);
            let _ = write!(stream, "{head}Content-Length: 5000\r\n\r\n{{");
            self.halves.truncate(3);
            self.halves.insert(0, stream);
        }
        self.tally.count("half a request", 1, "", Duration::ZERO);
    }

    /// A search that takes long, and a client that does not wait for it.
    fn abandoned(&self) {
        let mut headers = JSON_HEADERS.to_vec();
        headers.push(("Authorization", &self.authorization));
        let arguments = json!({ "pattern": HEAVY, "mode": "count" });
        drop(self.server.send("POST /mcp", &headers, &message("grep", arguments)));
        self.tally.count("abandoned", 1, "", Duration::ZERO);
    }
}

fn message(tool: &str, arguments: Value) -> String {
    call_message(tool, arguments).to_string()
}
