//! The real binary, started and spoken to over plain HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The binary without settings of the machine.
pub fn command() -> Command {
    let mut command = Command::new(crate::program("mcp-workspace"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MCP_WORKSPACE_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// The binary without settings of the machine, in a process that may open so many files.
pub fn command_with_files(files: u32) -> Command {
    let mut command = Command::new("sh");
    let script = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
    command.args(["-c", &script]).arg(crate::program("mcp-workspace"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MCP_WORKSPACE_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

/// Whether this kernel confines servers whole, by what their doctor says; where it does not, the
/// test that asks says that it is skipped.
pub fn kernel_confines() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let output = command().arg("doctor").env("MCP_WORKSPACE_ROOT", folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let whole = said.contains("reach nothing but workspace");
    if !whole {
        eprintln!("SKIPPED: this kernel does not confine a server whole (Landlock)");
    }
    whole
}

/// A server on a free port; ended when dropped.
pub struct Server {
    child: Child,
    /// Host and port.
    pub address: String,
    /// What it says at its start.
    pub banner: String,
    // In locks, so that threads of a test can share the server.
    audit: Mutex<mpsc::Receiver<Value>>,
    metrics: Mutex<mpsc::Receiver<Value>>,
}

/// An answer of the server.
#[derive(Debug)]
pub struct Answer {
    /// From its first line.
    pub status: u16,
    /// All above the empty line.
    pub head: String,
    /// All below it.
    pub body: String,
}

impl Answer {
    /// The JSON-RPC message of the body, the last one where it is a stream.
    pub fn json(&self) -> Value {
        let last = self.body.lines().filter_map(|line| line.strip_prefix("data: ")).next_back();
        serde_json::from_str(last.unwrap_or(&self.body))
            .unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The text of a tool's result.
    pub fn text(&self) -> String {
        let json = self.json();
        let text = json["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("no text in {json}")).to_owned()
    }
}

impl Server {
    /// A server with these arguments.
    pub fn start(arguments: &[&str]) -> Server {
        Server::started_by(command(), arguments)
    }

    /// A server with these arguments, started by a command that leads to the binary.
    pub fn started_by(mut command: Command, arguments: &[&str]) -> Server {
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        while !banner.contains("Ctrl-C") {
            assert_ne!(out.read_line(&mut banner).unwrap(), 0, "ended early: {banner}");
        }
        let address = banner
            .lines()
            .find_map(|line| line.trim().strip_prefix("serving    http://"))
            .and_then(|url| url.strip_suffix("/mcp"))
            .unwrap()
            .to_owned();
        let (send, audit) = mpsc::channel();
        let (send_metrics, metrics) = mpsc::channel();
        let err = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                let record: Value = serde_json::from_str(&line).expect("stderr is JSON lines");
                if record["target"] == "audit" {
                    let _ = send.send(record);
                } else if !record["_aws"].is_null() {
                    let _ = send_metrics.send(record);
                }
            }
        });
        Server { child, address, banner, audit: Mutex::new(audit), metrics: Mutex::new(metrics) }
    }

    /// A server over a workspace, under the built-in policy.
    pub fn over(workspace: &Path) -> Server {
        Server::start(&["--workspace", workspace.to_str().unwrap()])
    }

    /// The id of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next audit record.
    pub fn audit(&self) -> Value {
        self.audit.lock().unwrap().recv_timeout(Duration::from_secs(20)).expect("an audit record")
    }

    /// The audit records that have come since the last question.
    pub fn audited(&self) -> Vec<Value> {
        self.audit.lock().unwrap().try_iter().collect()
    }

    /// The next line of metrics.
    pub fn metrics(&self) -> Value {
        self.metrics
            .lock()
            .unwrap()
            .recv_timeout(Duration::from_secs(20))
            .expect("a line of metrics")
    }

    /// Sends a request and does not wait for its answer.
    pub fn send(&self, request: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut head = format!("{request} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        // A server that refuses by the head alone may have closed already.
        let _ = stream.write_all(body.as_bytes());
        stream
    }

    /// Sends a request and reads its answer.
    pub fn request(&self, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = self.send(request, headers, body);
        let mut raw = Vec::new();
        let _ = stream.read_to_end(&mut raw);
        let text = String::from_utf8_lossy(&raw).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        let body = if head.to_lowercase().contains("transfer-encoding: chunked") {
            unchunked(body)
        } else {
            body.to_owned()
        };
        Answer { status: status.unwrap_or(0), head: head.to_owned(), body }
    }

    /// Posts a JSON-RPC message of the `initialize` era.
    pub fn post(&self, message: &Value, headers: &[(&str, &str)]) -> Answer {
        let mut all = JSON_HEADERS.to_vec();
        all.extend_from_slice(headers);
        self.request("POST /mcp", &all, &message.to_string())
    }

    /// Calls a tool.
    pub fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.post(&call_message(tool, arguments), &[])
    }

    /// Processor time that the process has taken.
    pub fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<_> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        // By proc(5): user and system time in ticks of a hundredth of a second.
        let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    /// How many threads the server has.
    pub fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap().count()
    }

    /// How many descriptors the server has open.
    pub fn descriptors(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// The server's memory in bytes, by the kernel's name for it: `VmRSS` now, `VmHWM` at most.
    pub fn memory(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// What the server says of itself.
    pub fn health(&self) -> Value {
        serde_json::from_str(&self.request("GET /healthz", &[], "").body).unwrap()
    }

    /// Asks the server to stop, and waits for it; gives its exit status and how long it took.
    pub fn terminate(mut self) -> (Option<i32>, Duration) {
        let begun = Instant::now();
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), begun.elapsed())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The headers of a JSON-RPC message.
pub const JSON_HEADERS: [(&str, &str); 2] =
    [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")];

/// The message that calls a tool.
pub fn call_message(tool: &str, arguments: Value) -> Value {
    serde_json::json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": tool, "arguments": arguments },
    })
}

fn unchunked(body: &str) -> String {
    let mut rest = body;
    let mut whole = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size, 16) else { break };
        whole += after.get(..size).unwrap_or(after);
        rest = after.get(size + 2..).unwrap_or_default();
    }
    whole
}
