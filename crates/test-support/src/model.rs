//! A loopback Bedrock runtime: it plays a script, and refuses what the service would refuse.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::converse;
use crate::http::{self, Request};
use crate::prompt_cache::{PromptCache, Served};

/// What the model does with a request.
pub enum Play {
    /// Answers with this content and stop reason.
    Say(Value, &'static str),
    /// Answers with an error: status, type, message.
    Fail(u16, &'static str, &'static str),
    /// Does not answer.
    Hang,
    /// Does something first, while other requests are answered.
    After(Box<dyn FnOnce() + Send>, Box<Play>),
}

/// A text and the end.
pub fn done(text: &str) -> Play {
    Play::Say(json!([{ "text": text }]), "end_turn")
}

/// Calls of tools: id, name, input.
pub fn calls(calls: &[(&str, &str, Value)]) -> Play {
    let blocks = calls.iter().map(
        |(id, name, input)| json!({ "toolUse": { "toolUseId": id, "name": name, "input": input } }),
    );
    Play::Say(blocks.collect(), "tool_use")
}

type Script = dyn FnMut(usize, &Value) -> Play + Send;

/// A running endpoint.
pub struct Model {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Mutex<Box<Script>>,
    requests: Mutex<Vec<Value>>,
    refused: Mutex<Vec<String>>,
    cache: Mutex<PromptCache>,
    /// Whether usage is counted, and not always 1,000 tokens sent.
    counts: AtomicBool,
    over: AtomicBool,
}

impl Model {
    /// A model that plays a script: the number of the request, from 0, and its body.
    pub fn playing(script: impl FnMut(usize, &Value) -> Play + Send + 'static) -> Model {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(Box::new(script)),
            requests: Mutex::default(),
            refused: Mutex::default(),
            cache: Mutex::default(),
            counts: AtomicBool::new(false),
            over: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.over.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, stream) = (Arc::clone(&serving), stream.unwrap());
                std::thread::spawn(move || {
                    // A worker that was killed does not read its answer.
                    let _ = shared.serve(&stream);
                });
            }
        });
        Model { address, shared }
    }

    /// A model that counts the tokens of each request and caches prompts, as the service does.
    pub fn counting(script: impl FnMut(usize, &Value) -> Play + Send + 'static) -> Model {
        let model = Model::playing(script);
        model.shared.counts.store(true, Ordering::SeqCst);
        model
    }

    /// What its prompt cache has served of each request.
    pub fn served(&self) -> Vec<Served> {
        self.shared.cache.lock().unwrap().served().to_vec()
    }

    /// How many requests did not begin with all of the one before them, to the byte.
    pub fn rewritten(&self) -> usize {
        self.shared.cache.lock().unwrap().rewritten()
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far, after checking that none of them had to be refused.
    pub fn requests(&self) -> Vec<Value> {
        let refused = self.shared.refused.lock().unwrap();
        assert!(refused.is_empty(), "the service would refuse: {refused:#?}");
        self.shared.requests.lock().unwrap().clone()
    }

    /// Waits until so many requests have come.
    pub fn wait_for(&self, requests: usize) {
        let begun = Instant::now();
        while self.shared.requests.lock().unwrap().len() < requests {
            assert!(begun.elapsed() < Duration::from_secs(60), "only {:?}", self.requests().len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, stream: &TcpStream) -> std::io::Result<()> {
        let Request { method, path, headers, body } = http::read(stream)?;
        let authorization = headers.get("authorization").cloned().unwrap_or_default();
        let mut wrong = converse::violations(&path, &authorization, &body);
        if method != "POST" {
            wrong.push(format!("the method is `{method}`"));
        }
        let mut served = None;
        let play = if wrong.is_empty() {
            let request: Value = serde_json::from_slice(&body).unwrap();
            let mut requests = self.requests.lock().unwrap();
            requests.push(request.clone());
            let number = requests.len() - 1;
            drop(requests);
            if self.counts.load(Ordering::SeqCst) {
                let body = std::str::from_utf8(&body).unwrap();
                served = Some(self.cache.lock().unwrap().take(body));
            }
            (*self.script.lock().unwrap())(number, &request)
        } else {
            self.refused.lock().unwrap().extend(wrong);
            Play::Fail(400, "ValidationException", "see the test's output")
        };
        let play = match play {
            Play::After(first, play) => {
                first();
                *play
            }
            play => play,
        };
        let (status, kind, body) = match play {
            Play::After(..) => (500, "InternalServerException", json!({})),
            Play::Say(content, stop_reason) => (200, "", answer(&content, stop_reason, served)),
            Play::Fail(status, kind, message) => (status, kind, json!({ "message": message })),
            Play::Hang => {
                while !self.over.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(20));
                }
                return Ok(());
            }
        };
        http::answer(stream, status, &[("x-amzn-errortype", kind)], &body.to_string())
    }
}

fn answer(content: &Value, stop_reason: &str, served: Option<Served>) -> Value {
    let made = content.to_string().len() / 4;
    let usage = match served {
        None => json!({ "inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100 }),
        Some(Served { input, read, write }) => json!({
            "inputTokens": input, "cacheReadInputTokens": read, "cacheWriteInputTokens": write,
            "outputTokens": made, "totalTokens": input + read + write + made,
        }),
    };
    json!({
        "output": { "message": { "role": "assistant", "content": content } },
        "stopReason": stop_reason,
        "usage": usage,
        "metrics": { "latencyMs": 5 },
    })
}

/// The results in the last message of a request: id, status, text.
pub fn results(request: &Value) -> Vec<(String, String, String)> {
    let last = request["messages"].as_array().unwrap().last().unwrap();
    let blocks = last["content"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    blocks
        .filter_map(|block| block.get("toolResult"))
        .map(|result| {
            let shown = text(&result["content"][0]["text"]);
            (text(&result["toolUseId"]), text(&result["status"]), shown)
        })
        .collect()
}

/// The text in the last message of a request.
pub fn remark(request: &Value) -> String {
    let last = request["messages"].as_array().unwrap().last().unwrap();
    let texts =
        last["content"].as_array().unwrap().iter().filter_map(|block| block["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}
