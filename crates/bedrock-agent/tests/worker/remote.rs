//! A worker whose tools are those of a server elsewhere.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use crate::breakout::{assert_nothing_worked, attempts, try_all};
use crate::proxy::{ScriptedProxy, Turn, welcome};
use crate::reviewer::finding;
use crate::server::Server;
use crate::setting::{RECORDS, Setting};
use mcp_workspace_test_support::model::{Model, calls, done, results};

#[test]
fn a_good_reviewer_works_through_a_server_and_its_records_stay_here() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let proxy = ScriptedProxy::before(&server, |_, _, _| Turn::Through);
    let model = Model::playing(|number, request| match number {
        0 => calls(&[("a", "list_dir", json!({ "path": "input", "depth": 3 }))]),
        1 => {
            assert!(results(request)[0].2.contains("auth.py"));
            calls(&[("b", "read_file", json!({ "path": "input/src/auth.py" }))])
        }
        2 => {
            let text = &results(request)[0].2;
            assert!(text.starts_with("<data-") && text.contains("os.system"), "{text}");
            calls(&[("c", "write_finding", finding(3))])
        }
        _ => {
            assert_eq!(results(request)[0].1, "success");
            done("One critical finding.")
        }
    });
    let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert!(outcome.stdout.contains("One critical finding."), "{outcome:?}");
    let findings = setting.findings();
    assert_eq!(findings.len(), 1);
    assert!(findings[0].0.starts_with("workspace/output/findings/security-reviewer/"));

    let offered = model.requests()[0]["toolConfig"]["tools"].clone();
    let offered: Vec<_> =
        offered.as_array().unwrap().iter().map(|tool| &tool["toolSpec"]["name"]).collect();
    assert_eq!(
        offered,
        [
            "list_dir",
            "read_file",
            "grep",
            "write_finding",
            "read_state",
            "write_state",
            "recall_result"
        ]
    );
    assert_eq!(proxy.calls().len(), 3);
    assert!(server.audit(3).iter().all(|record| record["caller"] == "local"));

    let summary = setting.summary();
    assert_eq!(summary["ending"], "completed");
    assert_eq!(summary["directory"], setting.path(RECORDS).to_str().unwrap());
    let caller = format!("security-reviewer through {}", proxy.url());
    assert_eq!(summary["caller"], caller);
    assert_eq!(setting.transcript().len(), 9);
    assert!(!setting.workspace().join("output/runs").exists());
}

#[test]
fn calls_of_one_answer_are_under_way_at_the_same_time() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let here = Arc::new((Mutex::new(0), Condvar::new()));
    // No call is let through before all of them have come.
    let proxy = ScriptedProxy::before(&server, move |_, message, _| {
        if message["method"] == "tools/call" {
            let (count, changed) = &*here;
            let mut count = count.lock().unwrap();
            *count += 1;
            changed.notify_all();
            let time = Duration::from_secs(30);
            let waited = changed.wait_timeout_while(count, time, |count| *count < 20).unwrap();
            if waited.1.timed_out() {
                return Turn::Http(500, "one after the other".to_owned());
            }
        }
        Turn::Through
    });
    let ids: Vec<String> = (0..20).map(|number| format!("id-{number}")).collect();
    let expected = ids.clone();
    let model = Model::playing(move |number, request| match number {
        0 => {
            let asked: Vec<_> = ids.iter().map(|id| (id.as_str(), "list_dir", json!({}))).collect();
            calls(&asked)
        }
        _ => {
            let answers = results(request);
            assert!(answers.iter().all(|(_, status, _)| status == "success"), "{answers:?}");
            assert!(answers.iter().map(|(id, _, _)| id).eq(&expected));
            done("ok")
        }
    });
    let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 2);
    assert_eq!(proxy.calls().len(), 20);
}

#[test]
fn wrong_arguments_come_back_as_errors_and_the_model_recovers() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let proxy = ScriptedProxy::before(&server, |_, _, _| Turn::Through);
    let model = Model::playing(|number, request| match number {
        0 => calls(&[
            ("a", "read_file", json!({ "path": "input/src/auth.py", "words": 3 })),
            ("b", "read_file", json!("input/src/auth.py")),
            ("c", "read file", json!({ "path": "input/src/auth.py" })),
            ("d", "write_finding", json!({ "rule_id": "x" })),
        ]),
        1 => {
            for (id, status, text) in results(request) {
                assert_eq!(status, "error", "{id}: {text}");
            }
            assert!(results(request)[0].2.contains("words"));
            calls(&[("e", "write_finding", finding(3))])
        }
        _ => done("ok"),
    });
    let outcome = setting.run_remotely(&model, &proxy.url(), &[]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_eq!(model.requests().len(), 3);
    assert_eq!(setting.findings().len(), 1);
    assert_eq!(setting.summary()["tool_errors"], 4);
    proxy.messages();
}

#[test]
fn a_model_that_tries_to_break_out_gets_nothing_from_the_server() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let before = setting.files();
    let proxy = ScriptedProxy::before(&server, |_, _, _| Turn::Through);
    // The worker's name gives nothing either.
    let model = Model::playing(|number, _| if number == 0 { try_all() } else { done("ok") });
    let more = ["--role", "remediation", "--agent", "security-reviewer"];
    let outcome = setting.run_remotely(&model, &proxy.url(), &more);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert_nothing_worked(&model.requests()[1]);
    assert_eq!(setting.files(), before);
    let audit = server.audit(attempts().len());
    assert!(audit.iter().all(|record| record["caller"] == "local" && record["outcome"] != "ok"));
}

#[test]
fn a_bearer_token_takes_the_place_of_the_signature() {
    let setting = Setting::new();
    // Of `test-token`.
    let sha256 = "4c5dc9b7708905f77f5e5d16316b5dfb425e68cb326dcd55a860e90a7707031e";
    let server = Server::with_token(&setting, sha256);
    let url = format!("http://{}/mcp", server.address);
    let model = Model::playing(|number, _| match number {
        0 => calls(&[("a", "write_finding", finding(3))]),
        _ => done("ok"),
    });
    for (token, status) in [("wrong", 2), ("test-token", 0)] {
        let mut command = setting.remotely(&model, &url, &[]);
        command.env("BEDROCK_AGENT_MCP_TOKEN", token);
        let outcome = setting.end_of(command.spawn().unwrap());
        assert_eq!(outcome.status, Some(status), "{outcome:?}");
        assert_eq!(outcome.stderr.contains("HTTP 401"), status == 2, "{outcome:?}");
        assert!(!outcome.stderr.contains(token) || token == "wrong", "{outcome:?}");
    }
    assert_eq!(server.audit(1)[0]["caller"], "ci");
    assert_eq!(setting.findings().len(), 1);
}

#[test]
fn a_dry_run_lists_the_tools_of_the_server_and_writes_nothing() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let before = setting.files();
    let proxy = ScriptedProxy::before(&server, |_, _, _| Turn::Through);
    let model = Model::playing(|_, _| done("ok"));
    let outcome = setting.run_remotely(&model, &proxy.url(), &["--dry-run"]);
    assert_eq!(outcome.status, Some(0), "{outcome:?}");
    assert!(model.requests().is_empty());
    assert!(proxy.calls().is_empty());
    assert_eq!(setting.files(), before);
    assert!(!setting.path("records").exists());

    let mut printed: Value = serde_json::from_str(&outcome.stdout).unwrap();
    printed.as_object_mut().unwrap().remove("modelId").unwrap();
    assert_eq!(setting.run_remotely(&model, &proxy.url(), &[]).status, Some(0));
    assert_eq!(model.requests(), [printed]);
}

#[test]
fn a_url_that_cannot_be_worked_with_is_refused_before_anything_is_spent() {
    let setting = Setting::new();
    let model = Model::playing(|_, _| done("?"));
    let nobody = ScriptedProxy::alone(|_, _, _| Turn::Hang);
    nobody.shut();
    let stranger = ScriptedProxy::alone(|_, _, _| Turn::Http(200, "<html>".to_owned()));
    let denied = ScriptedProxy::alone(|_, _, _| Turn::Http(403, "Forbidden".to_owned()));
    let empty = ScriptedProxy::alone(|_, message, _| match message["method"].as_str() {
        Some("tools/list") => Turn::Result(json!({ "tools": [] })),
        _ => welcome(message),
    });
    for (url, told) in [
        ("http://example.com/mcp", "plain HTTP goes to this machine only"),
        ("files", "no URL"),
        (&nobody.url(), "refused"),
        (&stranger.url(), "content type"),
        (&denied.url(), "HTTP 403: Forbidden"),
        (&empty.url(), "offers no tools"),
    ] {
        let outcome = setting.run_remotely(&model, url, &["--timeout", "5"]);
        assert_eq!(outcome.status, Some(2), "{url}: {outcome:?}");
        assert!(outcome.stderr.contains(told), "{url}: {outcome:?}");
        // Said once.
        assert!(outcome.stderr.starts_with("bedrock-agent: "), "{url}: {outcome:?}");
    }
    assert!(model.requests().is_empty());
    assert!(!setting.path("records").exists());
}

#[test]
fn what_is_here_and_what_is_elsewhere_are_not_mixed() {
    let setting = Setting::new();
    let model = Model::playing(|_, _| done("?"));
    let url = "http://127.0.0.1:1/mcp";
    for wrong in [["--workspace", "."], ["--policy", "policy.toml"]] {
        let outcome = setting.run_remotely(&model, url, &wrong);
        assert_eq!(outcome.status, Some(2), "{outcome:?}");
        assert!(outcome.stderr.contains("cannot be used with"), "{outcome:?}");
    }
    let strange = setting.path("a*b/c");
    let mut command = setting.command(&model, &["--mcp", url]);
    command.arg("--records").arg(strange);
    let outcome = setting.end_of(command.spawn().unwrap());
    assert_eq!(outcome.status, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("cannot hold runs"), "{outcome:?}");
    // What the command line says is stronger than the environment.
    let workspace = setting.workspace();
    let mut command = setting.command(&model, &["--workspace", workspace.to_str().unwrap()]);
    command.arg("--dry-run").env("BEDROCK_AGENT_MCP_URL", url);
    assert_eq!(setting.end_of(command.spawn().unwrap()).status, Some(0));
    let outcome = setting.run(&model, &["--records", "somewhere"]);
    assert_eq!(outcome.status, Some(2), "{outcome:?}");
    assert!(outcome.stderr.contains("--records goes with --mcp"), "{outcome:?}");
    assert!(model.requests().is_empty());
}

#[test]
fn records_lie_in_the_current_directory_unless_said_otherwise() {
    let setting = Setting::new();
    let server = Server::over(&setting);
    let proxy = ScriptedProxy::before(&server, |_, _, _| Turn::Through);
    let model = Model::playing(|_, _| done("ok"));
    for _ in 0..2 {
        let mut command = setting.command(&model, &["--mcp", &proxy.url()]);
        command.current_dir(setting.path(""));
        assert_eq!(setting.end_of(command.spawn().unwrap()).status, Some(0));
    }
    assert!(setting.path("bedrock-runs/r1/security-reviewer/summary.json").is_file());
    assert_eq!(model.requests().len(), 1);
}
