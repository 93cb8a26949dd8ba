//! A proxy in the place of AWS: it refuses requests whose signature is wrong, and plays by a script
//! whatever can happen between a worker and a server.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde_json::{Value, json};

use crate::server::Server;
use mcp_workspace_test_support::http::{self, Request};

/// What becomes of a message.
pub(crate) enum Turn {
    /// The server behind the proxy answers.
    Through,
    /// It does, as a stream of events with something else in it first.
    Streamed,
    /// It does what it was asked, and its answer is lost.
    Lost,
    /// It does what it was asked, and then nothing comes.
    Kept,
    /// The answer breaks off in the middle.
    Broken,
    /// These are the events of the answer, which then ends.
    Events(String),
    /// This is the result, whatever was asked.
    Result(Value),
    /// This is the result, with a session.
    Session(Value, String),
    /// This is the answer, and no JSON-RPC.
    Http(u16, String),
    /// This is, as JSON.
    Json(u16, Value),
    /// Nothing is answered.
    Hang,
}

type Script = dyn Fn(usize, &Value, &Request) -> Turn + Send + Sync;

/// A proxy that listens at an address of its own.
pub(crate) struct ScriptedProxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: Option<String>,
    script: Box<Script>,
    messages: Mutex<Vec<Value>>,
    wrong: Mutex<Vec<String>>,
    /// Requests without an answer that the worker has given up.
    given_up: AtomicUsize,
    over: AtomicBool,
}

impl ScriptedProxy {
    /// A proxy in front of a server. The script gets the number of the message, from 0, the message
    /// and the request.
    pub(crate) fn before(
        server: &Server,
        script: impl Fn(usize, &Value, &Request) -> Turn + Send + Sync + 'static,
    ) -> ScriptedProxy {
        ScriptedProxy::open(Some(server.address.clone()), Box::new(script))
    }

    /// A proxy without a server: the script gives all answers.
    pub(crate) fn alone(
        script: impl Fn(usize, &Value, &Request) -> Turn + Send + Sync + 'static,
    ) -> ScriptedProxy {
        ScriptedProxy::open(None, Box::new(script))
    }

    fn open(upstream: Option<String>, script: Box<Script>) -> ScriptedProxy {
        // An address that no other program takes while this proxy is shut.
        let id = std::process::id().to_be_bytes();
        let listener = TcpListener::bind((Ipv4Addr::new(127, 77, id[2], id[3] | 1), 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream,
            script,
            messages: Mutex::default(),
            wrong: Mutex::default(),
            given_up: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        });
        let proxy = ScriptedProxy { address, shared };
        proxy.serve(listener);
        proxy
    }

    fn serve(&self, listener: TcpListener) {
        let serving = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if serving.over.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, stream) = (Arc::clone(&serving), stream.unwrap());
                std::thread::spawn(move || {
                    // A worker that has gone does not read its answer.
                    let _ = shared.answer(&stream);
                });
            }
        });
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Nobody is there any more.
    pub(crate) fn shut(&self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // Connections are refused once this one has woken the listener, and it is gone.
        while TcpStream::connect(self.address).is_ok() {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Somebody is there again.
    pub(crate) fn reopen(&self) {
        self.shared.over.store(false, Ordering::SeqCst);
        self.serve(TcpListener::bind(self.address).unwrap());
    }

    /// The messages so far, after checking that each was signed as it must be.
    pub(crate) fn messages(&self) -> Vec<Value> {
        let wrong = self.shared.wrong.lock().unwrap();
        assert!(wrong.is_empty(), "AWS would refuse: {wrong:#?}");
        self.shared.messages.lock().unwrap().clone()
    }

    /// Waits until so many calls of tools have come.
    pub(crate) fn wait_for_calls(&self, calls: usize) {
        let begun = Instant::now();
        while self.calls().len() < calls {
            assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", self.messages());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the worker has given so many requests up.
    pub(crate) fn wait_for_given_up(&self, requests: usize) {
        let begun = Instant::now();
        while self.shared.given_up.load(Ordering::SeqCst) < requests {
            assert!(begun.elapsed() < Duration::from_secs(20), "not given up");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The calls of tools among them.
    pub(crate) fn calls(&self) -> Vec<Value> {
        let mut messages = self.messages();
        messages.retain(|message| message["method"] == "tools/call");
        messages
    }
}

impl Drop for ScriptedProxy {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn answer(&self, stream: &TcpStream) -> std::io::Result<()> {
        let request = http::read(stream)?;
        if let Err(wrong) = check(&request) {
            self.wrong.lock().unwrap().push(wrong.clone());
            return http::answer(stream, 403, &[], &json!({ "Message": wrong }).to_string());
        }
        let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let number = {
            let mut messages = self.messages.lock().unwrap();
            messages.push(message.clone());
            messages.len() - 1
        };
        let turn = (self.script)(number, &message, &request);
        let id = &message["id"];
        let result =
            |result: Value| json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
        match turn {
            Turn::Through => {
                let (status, body) = self.ask(&request)?;
                http::answer(stream, status, &[], &body)
            }
            Turn::Streamed => {
                let (status, body) = self.ask(&request)?;
                let note = json!({
                    "jsonrpc": "2.0", "method": "notifications/progress",
                    "params": { "progressToken": 0, "progress": 1 },
                });
                let body = format!(": here\n\ndata: {note}\n\nevent: message\ndata: {body}\n\n");
                http::answer(stream, status, &[("content-type", "text/event-stream")], &body)
            }
            Turn::Events(body) => {
                http::answer(stream, 200, &[("content-type", "text/event-stream")], &body)
            }
            Turn::Lost => self.ask(&request).map(drop),
            Turn::Broken => {
                let (_, body) = self.ask(&request)?;
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                    body.len()
                );
                let half = &body.as_bytes()[..body.len() / 2];
                let mut stream = stream;
                stream.write_all(head.as_bytes())?;
                stream.write_all(half)
            }
            Turn::Result(value) => http::answer(stream, 200, &[], &result(value)),
            Turn::Session(value, session) => {
                http::answer(stream, 200, &[("mcp-session-id", &session)], &result(value))
            }
            Turn::Http(status, body) => {
                http::answer(stream, status, &[("content-type", "text/plain")], &body)
            }
            Turn::Json(status, body) => http::answer(stream, status, &[], &body.to_string()),
            Turn::Kept => {
                self.ask(&request)?;
                self.wait_for_the_end(stream)
            }
            Turn::Hang => self.wait_for_the_end(stream),
        }
    }

    /// Until the worker goes away.
    fn wait_for_the_end(&self, mut stream: &TcpStream) -> std::io::Result<()> {
        let _ = stream.read(&mut [0]);
        self.given_up.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    /// What the server behind answers: status and body.
    fn ask(&self, request: &Request) -> std::io::Result<(u16, String)> {
        let upstream = self.upstream.as_ref().expect("a server behind the proxy");
        let mut stream = TcpStream::connect(upstream)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {upstream}\r\nconnection: close\r\n",
            request.method, request.path
        );
        for (name, value) in &request.headers {
            if !["host", "connection", "authorization"].contains(&name.as_str()) {
                head += &format!("{name}: {value}\r\n");
            }
        }
        stream.write_all(format!("{head}\r\n").as_bytes())?;
        stream.write_all(&request.body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        assert!(!head.to_lowercase().contains("chunked"), "{head}");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((status.unwrap_or(502), body.to_owned()))
    }
}

/// What a server of today says first, and to what is no question.
pub(crate) fn welcome(message: &Value) -> Turn {
    match message["method"].as_str() {
        Some("server/discover") => Turn::Result(json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": {} }, "ttlMs": 0, "cacheScope": "private",
        })),
        _ => Turn::Http(202, String::new()),
    }
}

/// Works the signature out once more, with the key of the tests.
fn check(request: &Request) -> Result<(), String> {
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let given = header("authorization");
    let signed = given.split("SignedHeaders=").nth(1).and_then(|rest| rest.split(',').next());
    let signed: Vec<&str> = signed.ok_or("no signature")?.split(';').collect();
    for needed in ["host", "x-amz-date", "accept"] {
        if !signed.contains(&needed) {
            return Err(format!("`{needed}` is not signed: {given}"));
        }
    }
    let date = header("x-amz-date").replace('Z', "+0000");
    let date = jiff::Timestamp::strptime("%Y%m%dT%H%M%S%z", date);
    let seconds = date.map_err(|error| error.to_string())?.as_second();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.unsigned_abs());
    let age = SystemTime::now().duration_since(time).unwrap_or_default();
    if age > Duration::from_secs(300) {
        return Err(format!("the signature is {} s old", age.as_secs()));
    }
    let url = format!("http://{}{}", header("host"), request.path);
    let others = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let others =
        others.filter(|(name, _)| signed.contains(name) && !["host", "x-amz-date"].contains(name));
    let body = SignableBody::Bytes(&request.body);
    let signable = SignableRequest::new(request.method.as_str(), url, others, body);
    let identity = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test").into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region("eu-west-1")
        .name("lambda")
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .unwrap();
    let (instructions, _) = sign(signable.unwrap(), &parameters.into()).unwrap().into_parts();
    let mut headers = instructions.headers();
    let expected = headers.find(|(name, _)| *name == "authorization").map(|(_, value)| value);
    if expected == Some(given.as_str()) {
        Ok(())
    } else {
        Err(format!("{given}\nis not the signature of the request, which is\n{expected:?}"))
    }
}
