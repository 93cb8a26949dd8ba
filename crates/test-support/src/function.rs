//! The real binary as a function, and the Runtime API that feeds it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// Longer than anything here takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Who may do what in these tests.
pub const POLICY: &str = r#"
version = 1

[[role]]
name    = "reviewer"
callers = [
    "arn:aws:iam::123456789012:role/reviewer",
    "agentcore:workspace-gw-a1b2c3d4e5/TGT1234567",
    "bedrock-agent:AGENT12345/TSTALIASID",
]
tools   = ["list_dir", "read_file", "grep", "write_finding"]
read    = ["input/**"]
write   = ["output/findings/reviewer/**"]
deny    = ["**/.env"]

[[role]]
name    = "operator"
callers = ["arn:aws:iam::123456789012:role/operator"]
doctor  = true
"#;

/// The setting that opens every kind of event; a function of its own answers its URL alone.
pub const EVERY_EVENT: (&str, &str) =
    ("MCP_WORKSPACE_EVENTS", "url-iam,url-token,gateway,action-group");

/// An event from `tests/lambda/events`.
pub fn recorded(name: &str) -> Value {
    let file = format!("{}/../../tests/lambda/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_json::from_str(&text).unwrap()
}

/// What the function handed in.
#[derive(Debug)]
pub struct Handed {
    /// The path of the Runtime API that it chose, after the version.
    pub to: String,
    /// The JSON of the hand-in.
    pub body: Value,
}

impl Handed {
    /// The answer of an invocation that did not fail.
    pub fn answer(self) -> Value {
        assert!(self.to.ends_with("/response"), "{self:?}");
        self.body
    }

    /// The message of an invocation that failed with this kind.
    pub fn fault(self, kind: &str) -> String {
        assert!(self.to.ends_with("/error"), "{self:?}");
        assert_eq!(self.body["errorType"], kind, "{self:?}");
        self.body["errorMessage"].as_str().unwrap().to_owned()
    }
}

/// What a function handed in by streaming.
#[derive(Debug)]
pub struct Streamed {
    /// The head of the hand-in, in lower case.
    pub head: String,
    /// Each as it came.
    pub chunks: Vec<Vec<u8>>,
    /// What stands behind the last chunk, in lower case.
    pub trailers: String,
}

/// A function with a workspace of its own; ended when dropped.
pub struct Function {
    child: Child,
    runtime: RuntimeApi,
    audit: mpsc::Receiver<Value>,
    printed: mpsc::Receiver<Value>,
    invocations: u32,
    workspace: tempfile::TempDir,
}

impl Function {
    /// A function under [`POLICY`].
    pub fn start() -> Function {
        Function::start_with(POLICY, &[])
    }

    /// A function under another policy and with more settings.
    pub fn start_with(policy_text: &str, settings: &[(&str, &str)]) -> Function {
        let workspace = tempfile::tempdir().unwrap();
        let input = workspace.path().join("input");
        std::fs::create_dir(&input).unwrap();
        std::fs::write(input.join("main.rs"), "fn main() {\n    // TODO: say hello\n}\n").unwrap();
        std::fs::write(input.join(".env"), "TODO=secret\n").unwrap();
        let policy = workspace.path().join("policy.toml");
        std::fs::write(&policy, policy_text).unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut child = command(&listener, workspace.path(), Some(&policy))
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (print, printed) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = print.send(serde_json::from_str(&line).expect("stdout is JSON lines"));
            }
        });
        let (send, audit) = mpsc::channel();
        let err = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in err.lines().map_while(Result::ok) {
                let record: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
                if record["target"] == "audit" && send.send(record).is_err() {
                    break;
                }
            }
        });
        let runtime = RuntimeApi::accept(&listener);
        Function { child, runtime, audit, printed, invocations: 0, workspace }
    }

    /// Invokes the function without a client context, as URLs and agents do.
    pub fn invoke(&mut self, event: &Value) -> Handed {
        self.invoke_raw(&event.to_string(), None, PATIENCE)
    }

    /// Invokes the function with a client context, as the Gateway does.
    pub fn invoke_with(&mut self, event: &Value, client_context: &str) -> Handed {
        self.invoke_raw(&event.to_string(), Some(client_context), PATIENCE)
    }

    /// Invokes the function with the bytes of an event and the time that it may take.
    pub fn invoke_raw(
        &mut self,
        event: &str,
        client_context: Option<&str>,
        time: Duration,
    ) -> Handed {
        self.invocations += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", self.invocations);
        self.runtime.give(&id, event, client_context, time);
        let handed = self.runtime.take();
        assert!(handed.to.starts_with(&format!("invocation/{id}/")), "{handed:?}");
        handed
    }

    /// Invokes a function that streams.
    pub fn invoke_streaming(&mut self, event: &Value, time: Duration) -> Streamed {
        self.invoke_watching(event, time, |_, _| {})
    }

    /// Invokes a function that streams, and shows each chunk as it arrives, with the audit
    /// records that there are by then.
    pub fn invoke_watching(
        &mut self,
        event: &Value,
        time: Duration,
        mut each: impl FnMut(&[u8], &mpsc::Receiver<Value>),
    ) -> Streamed {
        self.invocations += 1;
        let id = format!("00000000-0000-4000-8000-{:012}", self.invocations);
        self.runtime.give(&id, &event.to_string(), None, time);
        let audit = &self.audit;
        self.runtime.take_stream(&id, |chunk| each(chunk, audit))
    }

    /// The directory that is the workspace.
    pub fn workspace(&self) -> &Path {
        self.workspace.path()
    }

    /// The next audit record.
    pub fn audit(&self) -> Value {
        self.audit.recv_timeout(PATIENCE).expect("an audit record")
    }

    /// The next line on stdout.
    pub fn printed(&self) -> Value {
        self.printed.recv_timeout(PATIENCE).expect("a line on stdout")
    }

    /// Whether nothing has come on stdout; to be asked after an audit record.
    pub fn printed_nothing(&self) -> bool {
        self.printed.try_recv().is_err()
    }

    /// The status with which the function ends once the Runtime API is gone.
    pub fn abandon(mut self) -> Option<i32> {
        self.runtime.hang_up();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary as Lambda starts it.
pub fn command(listener: &TcpListener, workspace: &Path, policy: Option<&Path>) -> Command {
    let mut command = Command::new(crate::program("mcp-workspace"));
    command
        .env_clear()
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().unwrap().to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "workspace")
        .env("MCP_WORKSPACE_ROOT", workspace)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(policy) = policy {
        command.env("MCP_WORKSPACE_POLICY", policy);
    }
    command
}

/// A connection of the function; it asks for one soon, or never.
pub fn accept(listener: &TcpListener) -> TcpStream {
    listener.set_nonblocking(true).unwrap();
    let begun = Instant::now();
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).unwrap();
                return stream;
            }
            Err(_) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(2)),
            Err(error) => panic!("the function does not connect: {error}"),
        }
    }
}

/// One connection of the function to its Runtime API.
pub struct RuntimeApi {
    stream: BufReader<TcpStream>,
}

impl RuntimeApi {
    /// The connection that the function opens.
    pub fn accept(listener: &TcpListener) -> RuntimeApi {
        let stream = accept(listener);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        RuntimeApi { stream: BufReader::new(stream) }
    }

    /// Answers the function's question for work, which it has asked or will ask next.
    pub fn give(&mut self, id: &str, event: &str, client_context: Option<&str>, time: Duration) {
        let (line, _) = self.read();
        assert_eq!(line, "GET /2018-06-01/runtime/invocation/next HTTP/1.1");
        let deadline = (SystemTime::now() + time).duration_since(UNIX_EPOCH).unwrap().as_millis();
        let mut head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
             Lambda-Runtime-Aws-Request-Id: {id}\r\n\
             Lambda-Runtime-Deadline-Ms: {deadline}\r\n\
             Lambda-Runtime-Invoked-Function-Arn: \
             arn:aws:lambda:eu-west-1:123456789012:function:workspace\r\n\
             Lambda-Runtime-Trace-Id: Root=1-5759e988-bd862e3fe1be46a994272793\r\n"
        );
        if let Some(context) = client_context {
            head += &format!("Lambda-Runtime-Client-Context: {context}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n{event}", event.len());
        self.stream.get_mut().write_all(head.as_bytes()).unwrap();
    }

    /// Whether the function has sent something that was not taken yet.
    pub fn has_something(&self) -> bool {
        self.stream.get_ref().set_nonblocking(true).unwrap();
        let waiting = self.stream.get_ref().peek(&mut [0]).is_ok();
        self.stream.get_ref().set_nonblocking(false).unwrap();
        waiting || !self.stream.buffer().is_empty()
    }

    /// Takes what the function hands in.
    pub fn take(&mut self) -> Handed {
        let (line, body) = self.read();
        let path = line
            .strip_prefix("POST /2018-06-01/runtime/")
            .and_then(|rest| rest.strip_suffix(" HTTP/1.1"))
            .unwrap_or_else(|| panic!("not handed in: {line}"));
        let accepted = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
        self.stream.get_mut().write_all(accepted).unwrap();
        Handed { to: path.to_owned(), body: serde_json::from_slice(&body).unwrap() }
    }

    /// Takes a hand-in chunk by chunk.
    fn take_stream(&mut self, id: &str, mut each: impl FnMut(&[u8])) -> Streamed {
        let head = self.head();
        let line = format!("post /2018-06-01/runtime/invocation/{id}/response http/1.1\r\n");
        assert!(head.starts_with(&line), "{head}");
        assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
        let mut chunks = Vec::new();
        loop {
            let mut size = String::new();
            self.stream.read_line(&mut size).unwrap();
            let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
            if size == 0 {
                break;
            }
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).unwrap();
            chunk.truncate(size);
            each(&chunk);
            chunks.push(chunk);
        }
        let trailers = self.head();
        let accepted = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n";
        self.stream.get_mut().write_all(accepted).unwrap();
        Streamed { head, chunks, trailers }
    }

    /// Lines up to an empty one, in lower case.
    fn head(&mut self) -> String {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            assert_ne!(self.stream.read_line(&mut line).unwrap(), 0, "the function went away");
            if line == "\r\n" {
                return head;
            }
            head += &line.to_lowercase();
        }
    }

    fn hang_up(&self) {
        self.stream.get_ref().shutdown(std::net::Shutdown::Both).unwrap();
    }

    fn read(&mut self) -> (String, Vec<u8>) {
        let mut first = String::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert_ne!(self.stream.read_line(&mut line).unwrap(), 0, "the function went away");
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            let lower = line.to_lowercase();
            if let Some(value) = lower.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            if first.is_empty() {
                line.clone_into(&mut first);
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        (first, body)
    }
}
