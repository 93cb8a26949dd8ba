//! The real server on loopback, over the workspace of a setting.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::setting::Setting;

/// The same rights as those of the worker in process, for whoever reaches the server.
const POLICY: &str = r#"
version = 1

[[role]]
name    = "security-reviewer"
callers = ["local", "ci"]
tools   = ["list_dir", "read_file", "grep", "write_finding", "read_state", "write_state"]
read    = ["input/**", "output/findings/**", "state/**"]
write   = ["output/findings/security-reviewer/**", "state/notes/**"]
deny    = ["**/.env*"]
"#;

pub(crate) struct Server {
    child: Child,
    pub address: String,
    audit: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    pub(crate) fn over(setting: &Setting) -> Server {
        Server::start(setting, &[])
    }

    /// A server that takes nobody without this token, whose SHA-256 in hex this is.
    pub(crate) fn with_token(setting: &Setting, sha256: &str) -> Server {
        setting.write("tokens", &format!("ci {sha256}\n"));
        Server::start(setting, &["--tokens", setting.path("tokens").to_str().unwrap()])
    }

    fn start(setting: &Setting, more: &[&str]) -> Server {
        setting.write("server.toml", POLICY);
        let mut child = Command::new(binary())
            .env_clear()
            .args(["serve", "--listen", "127.0.0.1:0", "--workspace"])
            .arg(setting.workspace())
            .arg("--policy")
            .arg(setting.path("server.toml"))
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let banner = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = banner
            .map_while(Result::ok)
            .find_map(|line| Some(line.trim().strip_prefix("serving")?.trim().to_owned()))
            .and_then(|url| Some(url.strip_prefix("http://")?.strip_suffix("/mcp")?.to_owned()))
            .expect("the server says where it listens");
        let audit = Arc::new(Mutex::new(Vec::new()));
        let records = Arc::clone(&audit);
        let log = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in log.map_while(Result::ok) {
                let record: Value = serde_json::from_str(&line).expect("stderr is JSON lines");
                if record["target"] == "audit" {
                    records.lock().unwrap().push(record);
                }
            }
        });
        Server { child, address, audit }
    }

    /// The audit records of calls of tools, once there are so many.
    pub(crate) fn audit(&self, records: usize) -> Vec<Value> {
        let begun = Instant::now();
        loop {
            let audit = self.audit.lock().unwrap().clone();
            let calls: Vec<Value> =
                audit.into_iter().filter(|record| !record["tool"].is_null()).collect();
            if calls.len() >= records {
                return calls;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "only {calls:#?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server's binary, which is another package's: `MCP_WORKSPACE_BINARY`, or cargo builds it.
fn binary() -> PathBuf {
    if let Some(named) = std::env::var_os("MCP_WORKSPACE_BINARY") {
        return named.into();
    }
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        let mut command = Command::new(env!("CARGO"));
        command
            .args(["build", "--quiet", "--message-format=json", "-p", "mcp-workspace"])
            // With `--url`: tests that run after these take the same file for a binary that has it.
            .args(["--all-features", "--bin", "mcp-workspace", "--manifest-path"])
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        // What cargo says to this package's tests would have it build others anew.
        let said = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY"];
        for (name, _) in std::env::vars_os() {
            if said.iter().any(|start| name.to_string_lossy().starts_with(start)) {
                command.env_remove(name);
            }
        }
        let built = command.output().unwrap();
        assert!(built.status.success(), "the server was not built: {command:?}");
        let messages = String::from_utf8(built.stdout).unwrap();
        let messages = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
        let executable = messages
            .filter_map(|message: Value| Some(message["executable"].as_str()?.to_owned()))
            .next_back();
        PathBuf::from(executable.expect("cargo says where the server is"))
    };
    BINARY.get_or_init(build).clone()
}
