//! `--url`: the same commands and the same page over the function URL, signed with the person's
//! AWS credentials.
#![cfg(test)]

mod page;
mod signature;
mod url;

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use mcp_workspace_test_support::function::{Function, recorded};
use serde_json::{Value, json};
use url::{KEYS, Mishap, REGION, Url};

const PERSON: &str = "arn:aws:iam::123456789012:role/person";
const POLICY: &str = r#"
version = 1

[[role]]
name    = "agent"
callers = ["arn:aws:iam::123456789012:role/agent"]
tools   = ["read_file", "write_finding", "propose_patch"]
read    = ["src/**"]
write   = ["output/findings/agent/**", "output/proposals/**"]
propose = ["src/**"]

[[role]]
name    = "reader"
callers = ["arn:aws:iam::123456789012:role/reader"]
tools   = ["read_file"]
read    = ["output/findings/**"]

[[role]]
name    = "person"
callers = ["arn:aws:iam::123456789012:role/person"]
read    = ["src/**", "output/findings/**"]
decide  = ["src/**"]
deny    = ["src/secret.txt"]
"#;

/// A function behind a URL, with findings and proposals of an agent.
struct Place {
    pub url: Url,
    pub workspace: PathBuf,
    pub fingerprints: Vec<String>,
    pub proposals: Vec<String>,
}

impl Place {
    pub(crate) fn prepared() -> Place {
        let mut function = Function::start_with(POLICY, &[]);
        let workspace = function.workspace().to_owned();
        std::fs::create_dir(workspace.join("src")).unwrap();
        std::fs::write(workspace.join("src/main.py"), "one\ntwo\nthree\n").unwrap();
        std::fs::write(workspace.join("src/other.py"), "caf\u{e9}\r\n\u{202e}x\n").unwrap();
        std::fs::write(workspace.join("src/secret.txt"), "open\nhidden line\n").unwrap();
        let mut call = |tool: &str, arguments: Value| {
            let mut event = recorded("url-tools-call");
            event["requestContext"]["authorizer"]["iam"]["userArn"] =
                json!("arn:aws:sts::123456789012:assumed-role/agent/1");
            let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": { "name": tool, "arguments": arguments } });
            event["body"] = json!(message.to_string());
            let answer = function.invoke(&event).answer();
            function.audit();
            let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
            assert_eq!(body["result"]["isError"], json!(false), "{body}");
            body["result"]["structuredContent"].clone()
        };
        let findings = [
            ("src/main.py", 2, "high", "Two is \u{1b}[31m wrong <b>"),
            ("src/other.py", 1, "low", "A rather small thing & more"),
            ("src/secret.txt", 1, "critical", "Somebody should look"),
        ];
        let fingerprints = findings.map(|(path, line, severity, message)| {
            let arguments = json!({ "rule_id": format!("rule/{severity}"), "severity": severity,
                "message": message, "path": path, "start_line": line, "tags": ["a"],
                "confidence": 0.3, "evidence": ["seen"] });
            call("write_finding", arguments)["fingerprint"].as_str().unwrap().to_owned()
        });
        let edits = [
            ("Make two a number", "src/main.py", "two", "2"),
            ("Make two a word", "src/main.py", "two", "TWO"),
            ("Turn x", "src/other.py", "x", "y\u{202e}"),
        ];
        let proposals = edits.map(|(title, path, old, new)| {
            let arguments = json!({ "title": title, "rationale": "It is\nbetter.",
                "finding_ids": [format!("agent:{}", fingerprints[0])],
                "edits": [{ "path": path, "old_text": old, "new_text": new }] });
            call("propose_patch", arguments)["id"].as_str().unwrap().to_owned()
        });
        Place {
            url: Url::over(function),
            workspace,
            fingerprints: fingerprints.into(),
            proposals: proposals.into(),
        }
    }

    /// The command as somebody whose role this is has it on another machine.
    pub(crate) fn far(&self, role: &str, arguments: &[&str]) -> Command {
        let mut command = bare(arguments);
        let (key, secret, _) = KEYS.iter().find(|(_, _, whose)| *whose == role).unwrap();
        command
            .args(["--url", &self.url.address])
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_REGION", REGION);
        command
    }

    /// The same command beside the workspace.
    fn near(&self, arguments: &[&str]) -> Command {
        let mut command = bare(arguments);
        command.arg("--workspace").arg(&self.workspace).args(["--caller", PERSON]);
        command.arg("--policy").arg(self.workspace.join("policy.toml"));
        command
    }

    pub(crate) fn source(&self) -> String {
        std::fs::read_to_string(self.workspace.join("src/main.py")).unwrap()
    }
}

/// The command with an environment of its own, in which nobody signs.
fn bare(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-workspace"));
    command.env_clear().env("AWS_EC2_METADATA_DISABLED", "true").env("HOME", "/nonexistent");
    command.args(arguments).stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn run(mut command: Command) -> Output {
    command.output().unwrap()
}

/// Runs a command that fails with this status, and gives what it says.
fn fails(command: Command, code: i32) -> String {
    let done = run(command);
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(code), "{}{said}", text(&done.stdout));
    said
}

#[test]
fn what_is_read_over_the_url_is_what_is_read_beside_the_workspace() {
    let place = Place::prepared();
    let (first, last) =
        (place.proposals[0].clone(), place.proposals[2].get(..8).unwrap().to_owned());
    let commands: &[&[&str]] = &[
        &["findings", "list"],
        &["findings", "list", "--format", "json"],
        &["findings", "list", "--severity", "high,low", "--format", "json"],
        &["findings", "list", "--rule", "rule/[hc]*", "--path", "src/*.py", "--agent", "agent"],
        &["findings", "list", "--run", "none & nothing=x+y"],
        &["findings", "export"],
        &["findings", "export", "--format", "sarif"],
        &["findings", "export", "--format", "sarif", "--profile", "ai"],
        &["findings", "export", "--format", "html"],
        &["findings", "export", "--format", "markdown"],
        &["proposals", "list"],
        &["proposals", "list", "--format", "json"],
        &["proposals", "show", &first],
        &["proposals", "show", &first, "--format", "json"],
        &["proposals", "show", &last, "--format", "patch"],
        &["proposals", "show", &last],
    ];
    for arguments in commands {
        let (far, near) = (run(place.far("person", arguments)), run(place.near(arguments)));
        assert!(near.status.success(), "{arguments:?}: {}", text(&near.stderr));
        assert_eq!(text(&far.stdout), text(&near.stdout), "{arguments:?}");
        assert_eq!(text(&far.stderr), text(&near.stderr), "{arguments:?}");
        assert_eq!(far.status, near.status, "{arguments:?}");
    }
    for arguments in
        [["findings", "list", "--path", "a["], ["proposals", "show", "000000", "--format=text"]]
    {
        let (far, near) = (run(place.far("person", &arguments)), run(place.near(&arguments)));
        assert!(!near.status.success());
        assert_eq!(text(&far.stderr), text(&near.stderr), "{arguments:?}");
        assert_eq!(far.status, near.status, "{arguments:?}");
    }
}

#[test]
fn decisions_are_the_functions_and_recorded_there_alone() {
    let place = Place::prepared();
    let id = place.proposals[0].as_str();
    let early = fails(place.far("person", &["proposals", "apply", id.get(..6).unwrap()]), 1);
    assert!(early.contains("somebody must approve it first"), "{early}");
    assert_eq!(place.url.audit()["outcome"], "conflict");
    for (arguments, done, source) in [
        (["approve", id, "--reason", "so \u{fc}"], "approved", "one\ntwo\nthree\n"),
        (["apply", id, "--region", REGION], "applied", "one\n2\nthree\n"),
        (["revert", id, "--reason", "oh"], "reverted", "one\ntwo\nthree\n"),
    ] {
        let mut whole = vec!["proposals"];
        whole.extend(arguments);
        let output = run(place.far("person", &whole));
        assert_eq!(text(&output.stdout), format!("{done} {id}\n"), "{}", text(&output.stderr));
        assert_eq!(text(&output.stderr), "", "an audit record of a machine that decided nothing");
        assert_eq!(place.source(), source);
        let record = place.url.audit();
        assert_eq!((&record["caller"], &record["proof"]), (&json!(PERSON), &json!("iam")));
        assert_eq!(record["tool"], format!("proposals {}", arguments[0]));
    }
    let shown = run(place.far("person", &["proposals", "show", id]));
    let shown = text(&shown.stdout);
    assert!(shown.contains("reverted") && shown.contains("so \u{fc}"), "{shown}");
}

#[test]
fn who_may_not_is_told_why() {
    let place = Place::prepared();
    let id = place.proposals[0].as_str();
    let said = fails(place.far("stranger", &["findings", "list"]), 2);
    assert!(said.contains("denied") && said.contains("role/stranger"), "{said}");
    let said = fails(place.far("reader", &["proposals", "approve", id]), 1);
    assert!(said.contains("role/reader` may not decide"), "{said}");
    let said = fails(place.far("stranger", &["review"]), 2);
    assert!(said.contains("may not look"), "{said}");
    let mut forged = place.far("person", &["proposals", "approve", id]);
    forged.env("AWS_SECRET_ACCESS_KEY", "another");
    let said = fails(forged, 1);
    assert!(said.contains("Forbidden") && said.contains("lambda:InvokeFunctionUrl"), "{said}");
    let mut elsewhere = place.far("person", &["proposals", "approve", id]);
    elsewhere.args(["--region", "us-east-1"]);
    assert!(fails(elsewhere, 1).contains("Forbidden"));
    place.url.asked();
    let mut nobody = bare(&["findings", "list", "--url", &place.url.address]);
    nobody.env("AWS_REGION", REGION);
    assert!(fails(nobody, 2).contains("no AWS credentials"));
    let nowhere = place.far("person", &["proposals", "approve", "../../src"]);
    assert!(fails(nowhere, 1).contains("no proposal"));
    assert_eq!(place.url.asked(), [""; 0], "something was sent");
}

#[test]
fn a_busy_function_is_asked_again_and_nothing_is_done_twice() {
    let place = Place::prepared();
    let id = place.proposals[0].as_str();
    let mishap = |mishaps: Vec<Mishap>| place.url.mishaps.lock().unwrap().extend(mishaps);
    let throttled = || Mishap::Instead(429, "{\"Message\":\"Rate exceeded\"}");
    mishap(vec![throttled(), Mishap::Instead(502, "Internal Server Error")]);
    let listed = run(place.far("person", &["proposals", "list"]));
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    assert_eq!(place.url.asked(), ["GET /review/v1/proposals"; 3]);
    // Throttled is not begun; anything else may have been done.
    mishap(vec![throttled(), Mishap::Instead(502, "Internal Server Error")]);
    let said = fails(place.far("person", &["proposals", "approve", id]), 1);
    assert!(said.contains("502") && said.contains("may have been done"), "{said}");
    assert_eq!(place.url.asked().len(), 2);
    mishap(vec![Mishap::Silence]);
    let said = fails(place.far("person", &["proposals", "approve", id]), 1);
    assert!(said.contains("no answer") && said.contains("may have been done"), "{said}");
    assert_eq!(place.url.asked().len(), 1);
}

#[test]
fn an_answer_that_is_not_the_functions_own_is_not_believed() {
    let place = Place::prepared();
    let id = place.proposals[0].as_str();
    let other = place.proposals[1].clone();
    let show = || place.far("person", &["proposals", "show", id]);
    let mishap = |mishap| place.url.mishaps.lock().unwrap().push_back(mishap);
    // Another diff under the id that a person is about to approve.
    mishap(Mishap::Replaced("\"additions\":1", "\"additions\":9"));
    assert!(run(show()).status.success(), "counts are no part of the identity");
    mishap(Mishap::Replaced("\"base_version\":\"", "\"base_version\":\"0"));
    assert!(fails(show(), 1).contains("not what its id names"));
    mishap(Mishap::Instead(200, "<html>"));
    assert!(fails(show(), 1).contains("not understood"));
    mishap(Mishap::Instead(404, "{\"error\":\"nothing here; MCP is at /mcp\"}"));
    assert!(fails(show(), 1).contains("no review API"));
    mishap(Mishap::Instead(500, "\u{1b}[2Jgone"));
    let said = fails(show(), 1);
    assert!(said.contains("500") && !said.contains('\u{1b}'), "{said}");
    // Newer servers say more.
    mishap(Mishap::Replaced("\"proposal\":{", "\"more\":[1],\"proposal\":{\"more\":{},"));
    assert!(run(show()).status.success());
    mishap(Mishap::Instead(
        409,
        "{\"error\":{\"code\":\"brand_new\",\"message\":\"m\",\"more\":1}}",
    ));
    assert!(fails(show(), 1).contains("internal: m"));
    // Pages that never end.
    mishap(Mishap::Instead(200, "{\"findings\":[],\"next\":\"b\",\"done\":1,\"all\":9}"));
    mishap(Mishap::Instead(200, "{\"findings\":[],\"next\":\"b\",\"done\":1,\"all\":9}"));
    let said = fails(place.far("person", &["findings", "list"]), 2);
    assert!(said.contains("do not go on"), "{said}");
    assert_ne!(id, other);
}

#[test]
fn what_was_typed_comes_before_the_environment_and_both_are_a_mistake() {
    let place = Place::prepared();
    let list = ["proposals", "list"];
    for option in ["--workspace", "--policy", "--caller"] {
        let mut command = place.far("person", &list);
        command.args([option, "x"]);
        let said = fails(command, 2);
        assert!(said.contains("--url and") && said.contains(option), "{said}");
    }
    let with_environment = |mut command: Command, name: &str, value: &str| {
        command.env(name, value);
        command
    };
    let (url, root) = (place.url.address.as_str(), place.workspace.to_str().unwrap());
    let near = with_environment(place.near(&list), "MCP_WORKSPACE_URL", url);
    assert!(run(near).status.success());
    assert_eq!(place.url.asked(), [""; 0], "the workspace was typed");
    let far = with_environment(place.far("person", &list), "MCP_WORKSPACE_ROOT", root);
    assert!(run(far).status.success());
    assert_eq!(place.url.asked().len(), 1, "the URL was typed");
    let mut both = bare(&list);
    both.env("MCP_WORKSPACE_URL", url).env("MCP_WORKSPACE_ROOT", root);
    assert!(fails(both, 2).contains("both set"));
    let mut alone = bare(&list);
    alone.env("MCP_WORKSPACE_URL", format!("{url}/mcp")).env("AWS_REGION", REGION);
    alone.env("AWS_ACCESS_KEY_ID", KEYS[0].0).env("AWS_SECRET_ACCESS_KEY", KEYS[0].1);
    let done = run(alone);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert_eq!(place.url.asked(), ["GET /review/v1/proposals"], "the URL of MCP is good as well");
}

#[test]
fn thousands_of_findings_are_read_page_by_page() {
    let place = Place::prepared();
    let folder = place.workspace.join("output/findings/scanner");
    std::fs::create_dir_all(&folder).unwrap();
    for number in 0..2_000 {
        let fingerprint = format!("{:048x}", number * 7919);
        let finding = json!({
            "format": 1, "id": format!("scanner:{fingerprint}"), "fingerprint": fingerprint,
            "rule_id": format!("scan-{}", number % 7), "severity": "low",
            "message": "m".repeat(2_500), "agent": "scanner", "caller": "scanner",
            "created": "2026-01-02T03:04:05Z",
        });
        std::fs::write(folder.join(format!("{fingerprint}.json")), finding.to_string()).unwrap();
    }
    std::fs::write(folder.join("broken.json"), "{").unwrap();
    let list = ["findings", "list", "--format", "json"];
    let (far, near) = (run(place.far("person", &list)), run(place.near(&list)));
    assert!(far.stdout == near.stdout, "{}", text(&far.stderr));
    assert_eq!((far.status.code(), near.status.code()), (Some(1), Some(1)), "one is left out");
    assert_eq!(text(&far.stderr), text(&near.stderr));
    assert!(place.url.asked().len() >= 3);
}
