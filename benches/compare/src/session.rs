//! A server over stdio, and what it and its model write to each other.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running server; ended when dropped.
pub(crate) struct Session {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
    last_id: u64,
    /// What was said since it was last taken.
    said: Vec<Exchange>,
}

/// A call and its answer.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// The name of the tool and its arguments as JSON: what the model wrote.
    pub call: String,
    /// The text blocks of the answer: what most clients show the model.
    pub text: String,
    /// The whole answer as it came.
    pub line: String,
}

impl Session {
    /// Starts a server and shakes hands with it.
    ///
    /// # Errors
    /// When it cannot be started, or does not answer.
    pub(crate) fn start(mut command: Command) -> Result<Session, Box<dyn Error>> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{command:?} could not be started: {error}"))?;
        let requests = child.stdin.take().ok_or("no stdin")?;
        let lines = BufReader::new(child.stdout.take().ok_or("no stdout")?).lines();
        let (sender, answers) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|l| sender.send(l)));
        let mut session = Session { child, requests, answers, last_id: 0, said: Vec::new() };
        session.request(
            "initialize",
            &json!({
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": { "name": "compare", "version": "1" },
            }),
        )?;
        session.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
        Ok(session)
    }

    /// The list of tools as it came, and as JSON.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(crate) fn tools(&mut self) -> Result<(String, Value), Box<dyn Error>> {
        let (line, result) = self.request("tools/list", &json!({}))?;
        Ok((line, result.get("tools").cloned().unwrap_or_default()))
    }

    /// Calls a tool; its answer's text.
    ///
    /// # Errors
    /// When the server does not answer, or the tool answers an error.
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Result<String, Box<dyn Error>> {
        let call = json!({ "name": tool, "arguments": arguments });
        let (line, result) = self.request("tools/call", &call)?;
        let blocks = result.get("content").and_then(Value::as_array);
        let texts = blocks.into_iter().flatten().filter_map(|block| block.get("text")?.as_str());
        let text = texts.collect::<Vec<_>>().join("\n");
        if result.get("isError") == Some(&Value::Bool(true)) {
            return Err(format!("{tool} {arguments} answered: {text}").into());
        }
        self.said.push(Exchange { call: format!("{tool} {arguments}"), text: text.clone(), line });
        Ok(text)
    }

    /// What was said since this was last asked.
    pub(crate) fn take(&mut self) -> Vec<Exchange> {
        std::mem::take(&mut self.said)
    }

    fn send(&mut self, message: &Value) -> Result<(), Box<dyn Error>> {
        writeln!(self.requests, "{message}")?;
        Ok(self.requests.flush()?)
    }

    fn request(&mut self, method: &str, params: &Value) -> Result<(String, Value), Box<dyn Error>> {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))?;
        loop {
            let line = self.answers.recv_timeout(PATIENCE)?;
            let mut message: Value = serde_json::from_str(&line)?;
            let is_request = message.get("method").is_some();
            if is_request && let Some(id) = message.get("id") {
                // The peers ask for the client's roots; they get none.
                let refusal = json!({ "code": -32601, "message": "not known" });
                self.send(&json!({ "jsonrpc": "2.0", "id": id, "error": refusal }))?;
                continue;
            }
            if message.get("id") != Some(&Value::from(id)) {
                continue;
            }
            return match message.get_mut("result").map(Value::take) {
                Some(result) => Ok((line, result)),
                None => Err(format!("{method} {params} was refused: {line}").into()),
            };
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
