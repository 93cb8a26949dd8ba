//! The ways in: how a call is made through each, and what its answer and its audit record say.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use mcp_workspace_test_support::function::{EVERY_EVENT, Function, recorded};
use mcp_workspace_test_support::server::{Server, call_message, command};
use serde_json::{Value, json};

use crate::workspace::{POLICY, Site};

/// How a call ended: the whole answer, and the outcome in the audit record.
pub(crate) struct Ended {
    pub answer: String,
    pub outcome: String,
}

/// A way in.
pub(crate) trait Door {
    fn name(&self) -> &'static str;
    fn call(&mut self, tool: &str, arguments: &Value) -> Ended;
}

/// Every way in over one workspace, with paths resolved in this way.
pub(crate) fn all(site: &Site, resolution: &'static str) -> Vec<Box<dyn Door>> {
    let function = |kind| -> Box<dyn Door> { Box::new(OnLambda::new(site, resolution, kind)) };
    vec![
        Box::new(CommandLine { site: site.into(), resolution }),
        Box::new(OverStdio::new(site, resolution)),
        Box::new(Http(Server::start(&[
            "--workspace",
            site.root().to_str().unwrap(),
            "--policy",
            site.policy().to_str().unwrap(),
            "--resolution",
            resolution,
        ]))),
        function(Kind::Url),
        function(Kind::Gateway),
        function(Kind::ActionGroup),
    ]
}

struct CommandLine {
    site: Places,
    resolution: &'static str,
}

struct Places {
    root: std::path::PathBuf,
    policy: std::path::PathBuf,
}

impl From<&Site> for Places {
    fn from(site: &Site) -> Places {
        Places { root: site.root(), policy: site.policy() }
    }
}

fn over(command: &mut Command, site: &Places, resolution: &str) {
    command.arg("--workspace").arg(&site.root).arg("--policy").arg(&site.policy);
    command.args(["--resolution", resolution]);
}

fn outcome(stderr: &str) -> Option<String> {
    let record: Value = serde_json::from_str(stderr).ok()?;
    (record["target"] == "audit").then(|| record["outcome"].as_str().unwrap().to_owned())
}

impl Door for CommandLine {
    fn name(&self) -> &'static str {
        "command line"
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Ended {
        let mut command = command();
        command.args(["call", tool, &arguments.to_string()]);
        over(&mut command, &self.site, self.resolution);
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        Ended {
            answer: String::from_utf8(output.stdout).unwrap(),
            outcome: stderr.lines().find_map(outcome).expect("an audit record"),
        }
    }
}

struct OverStdio {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    outcomes: mpsc::Receiver<String>,
}

impl OverStdio {
    fn new(site: &Site, resolution: &str) -> OverStdio {
        let mut command = command();
        command.arg("stdio");
        over(&mut command, &site.into(), resolution);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (send, outcomes) = mpsc::channel();
        let err = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for found in err.lines().map_while(Result::ok).filter_map(|line| outcome(&line)) {
                let _ = send.send(found);
            }
        });
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut door = OverStdio { child, stdin, stdout: BufReader::new(stdout), outcomes };
        door.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "attack", "version": "1" } } }));
        door.receive();
        door.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        door
    }

    fn send(&mut self, message: &Value) {
        writeln!(self.stdin, "{message}").unwrap();
    }

    fn receive(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.stdout.read_line(&mut line).unwrap(), 0, "the server went away");
        line
    }
}

impl Drop for OverStdio {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Door for OverStdio {
    fn name(&self) -> &'static str {
        "stdio"
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Ended {
        self.send(&call_message(tool, arguments.clone()));
        let answer = self.receive();
        let outcome = self.outcomes.recv_timeout(Duration::from_secs(30));
        Ended { answer, outcome: outcome.expect("an audit record") }
    }
}

struct Http(Server);

impl Door for Http {
    fn name(&self) -> &'static str {
        "HTTP"
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Ended {
        let answer = self.0.call(tool, arguments.clone()).body;
        Ended { answer, outcome: self.0.audit()["outcome"].as_str().unwrap().to_owned() }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Url,
    Gateway,
    ActionGroup,
}

struct OnLambda {
    function: Function,
    kind: Kind,
}

impl OnLambda {
    fn new(site: &Site, resolution: &str, kind: Kind) -> OnLambda {
        let root = site.root();
        let settings = [
            ("MCP_WORKSPACE_ROOT", root.to_str().unwrap()),
            ("MCP_WORKSPACE_RESOLUTION", resolution),
            EVERY_EVENT,
        ];
        OnLambda { function: Function::start_with(POLICY, &settings), kind }
    }
}

impl Door for OnLambda {
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Url => "function URL",
            Kind::Gateway => "AgentCore Gateway",
            Kind::ActionGroup => "action group",
        }
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> Ended {
        let handed = match self.kind {
            Kind::Url => {
                let mut event = recorded("url-tools-call");
                event["body"] = call_message(tool, arguments.clone()).to_string().into();
                self.function.invoke(&event)
            }
            Kind::Gateway => {
                let mut context = recorded("gateway-client-context");
                context["custom"]["bedrockAgentCoreToolName"] =
                    format!("workspace___{tool}").into();
                self.function.invoke_with(arguments, &context.to_string())
            }
            Kind::ActionGroup => {
                let mut event = recorded("action-group-function");
                event["function"] = tool.into();
                // A group's arguments are text, structured ones JSON in text.
                let text = |value: &Value| match value {
                    Value::String(text) => text.clone(),
                    other => other.to_string(),
                };
                event["parameters"] = arguments
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(name, value)| {
                        json!({ "name": name, "type": "string", "value": text(value) })
                    })
                    .collect();
                self.function.invoke(&event)
            }
        };
        let answer = handed.body.to_string();
        let record = self.function.audit();
        Ended { answer, outcome: record["outcome"].as_str().unwrap().to_owned() }
    }
}
