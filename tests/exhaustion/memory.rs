//! One budget of memory for the process: what calls hold together stays below it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use mcp_workspace_test_support::server::Server;
use serde_json::{Value, json};

use super::{MIB, eventually, write_letters};

/// What is not counted: the program, its threads, answers, requests.
const BESIDE: u64 = 64 * MIB;

#[test]
fn files_of_one_long_line_are_searched_in_a_part_of_their_size() {
    let workspace = tempfile::tempdir().unwrap();
    let first = workspace.path().join("0");
    write_letters(&first, 60_000_000);
    for number in 1..4 {
        std::fs::copy(&first, workspace.path().join(number.to_string())).unwrap();
    }
    let root = workspace.path().to_str().unwrap();
    let server = Server::start(&["--workspace", root, "--memory", "32"]);
    // Of three kinds: plain, of bounded and of unbounded length.
    for pattern in ["zzz0", "zz[0-9]", "zzz.*[0-9]"] {
        let arguments = json!({ "pattern": pattern, "mode": "count", "format": "json" });
        let answer = server.call("grep", arguments).text();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["files_searched"], 4, "{pattern} {answer}");
    }
    let most = server.memory("VmHWM");
    assert!(most < 32 * MIB + BESIDE, "{} MiB", most / MIB);
}

#[test]
fn a_directory_of_very_many_names_is_listed_in_a_part_of_their_size() {
    let workspace = tempfile::tempdir().unwrap();
    let wide = workspace.path().join("wide");
    std::fs::create_dir(&wide).unwrap();
    for number in 0..200_000 {
        std::fs::File::create(wide.join(format!("a_rather_long_name_of_a_file_{number:06}")))
            .unwrap();
    }
    let server = Server::over(workspace.path());
    server.call("list_dir", json!({}));
    let before = server.memory("VmRSS");
    for arguments in
        [json!({ "path": "wide" }), json!({ "depth": 3 }), json!({ "glob": "*_199999" })]
    {
        let listed = server.call("list_dir", arguments).text();
        assert!(listed.contains("a_rather_long_name"), "{listed}");
    }
    let more = server.memory("VmHWM").saturating_sub(before);
    assert!(more < 40 * MIB, "{} MiB more", more / MIB);
}

#[test]
fn fifty_hostile_calls_at_once_stay_within_the_budget_and_give_it_back() {
    let workspace = tempfile::tempdir().unwrap();
    let path = |name: &str| workspace.path().join(name);
    write_letters(&path("line"), 30_000_000);
    std::fs::write(path("ends"), "\n".repeat(20_000_000)).unwrap();
    std::fs::write(path("text"), "the quick brown fox\n".repeat(1_000_000)).unwrap();
    std::fs::write(path("words"), "a ".repeat(5_000_000)).unwrap();
    std::fs::create_dir(path("wide")).unwrap();
    for number in 0..50_000 {
        std::fs::File::create(path(&format!("wide/a_file_with_number_{number}"))).unwrap();
    }
    let root = workspace.path().to_str().unwrap();
    let server = Server::start(&["--workspace", root, "--memory", "128", "--timeout", "5"]);
    server.call("list_dir", json!({}));
    let before = server.memory("VmRSS");
    let finding = json!({
        "rule_id": "r", "severity": "low", "message": "m", "path": "ends", "start_line": 9,
    });
    let words = json!({
        "rule_id": "r", "severity": "low", "message": "m", "path": "words", "start_line": 1,
    });
    let edits = json!([{ "path": "text", "old_text": "fox", "new_text": "ox" }]);
    let calls = [
        ("grep", json!({ "pattern": "(?:[a-m].{0,900}[n-z]){2}[0-9]", "mode": "count" })),
        ("grep", json!({ "pattern": "zzz0" })),
        ("grep", json!({ "pattern": "(?s)a.*0", "multiline": true })),
        ("grep", json!({ "pattern": "x", "context": 50 })),
        ("grep", json!({ "pattern": "\\w{200}0|\\pL{90}1", "path": "line" })),
        ("list_dir", json!({ "path": "wide", "details": true, "limit": 5000 })),
        ("list_dir", json!({ "glob": "**/*7" })),
        ("read_file", json!({ "path": "line", "offset": -5 })),
        ("write_finding", finding),
        ("write_finding", words),
        ("propose_patch", json!({ "title": "t", "edits": edits })),
    ];
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for round in 0..5 {
            for (tool, arguments) in &calls {
                let (server, answered, arguments) = (&server, &answered, arguments.clone());
                scope.spawn(move || {
                    let answer = server.call(tool, arguments);
                    // 429: it waited long enough for a place among the caller's requests.
                    let status = answer.status;
                    assert!(status == 200 || status == 429, "{round} {tool} {}", answer.body);
                    answered.fetch_add(usize::from(status == 200), Relaxed);
                });
            }
        }
    });
    assert!(answered.into_inner() >= 24, "as many as run at a time");
    let most = server.memory("VmHWM");
    assert!(most < 128 * MIB + BESIDE, "{} MiB", most / MIB);
    eventually("all memory is given back", Duration::from_secs(10), || {
        let health = server.health();
        health["calls"]["running"] == 0 && health["memory"]["used"] == 0
    });
    eventually("the system has it back", Duration::from_secs(20), || {
        server.memory("VmRSS").saturating_sub(before) < 48 * MIB
    });
    // And the server is as good as before.
    let found =
        server.call("grep", json!({ "pattern": "quick", "path": "text", "limit": 1 })).text();
    assert!(found.contains("the quick brown fox"), "{found}");
}
