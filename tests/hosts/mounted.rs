//! The running binary on a network mount: one that hangs holds no other caller, and writers in
//! many processes on two mounts lose nothing.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use delayed_mount::{Effect, Fault, Mounted, Operation, Options};
use mcp_workspace_test_support::server::{JSON_HEADERS, Server, call_message, command};
use serde_json::{Value, json};

fn mounted(files: &[(&str, &str)]) -> Option<(tempfile::TempDir, Mounted)> {
    let source = tempfile::tempdir().unwrap();
    for (path, content) in files {
        let path = source.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
    let mounted = Mounted::or_skip(source.path(), Options::default()).unwrap()?;
    Some((source, mounted))
}

/// Calls a tool from a thread of its own.
fn text_of_call(address: &str, tool: &str, arguments: Value) -> String {
    let body = call_message(tool, arguments).to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut head = format!("POST /mcp HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in JSON_HEADERS {
        head += &format!("{name}: {value}\r\n");
    }
    write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_server_on_a_mount_that_hangs_answers_each_call_in_time_and_goes_on() {
    let Some((_source, mounted)) = mounted(&[("a.txt", "needle\n"), ("d/b.txt", "needle\n")])
    else {
        return;
    };
    let root = mounted.path().to_str().unwrap().to_owned();
    let server = Server::start(&["--workspace", &root, "--timeout", "1"]);
    let calls = [
        ("read_file", json!({ "path": "a.txt" })),
        ("grep", json!({ "pattern": "needle" })),
        (
            "write_finding",
            json!({
                "rule_id": "r", "severity": "low", "message": "m", "path": "a.txt", "start_line": 1,
            }),
        ),
        (
            "propose_patch",
            json!({
                "title": "t", "edits": [{ "path": "a.txt", "old_text": "needle", "new_text": "pin" }],
            }),
        ),
    ];
    mounted.fail(Fault::every(Operation::Open, Effect::Hang));
    std::thread::scope(|scope| {
        let address = server.address.as_str();
        let waiting = calls.clone().map(|(tool, arguments)| {
            scope.spawn(move || {
                let begun = Instant::now();
                let text = text_of_call(address, tool, arguments);
                assert!(begun.elapsed() < Duration::from_secs(4), "{tool}: {:?}", begun.elapsed());
                assert!(
                    text.contains("deadline") || text.contains("did not answer"),
                    "{tool}: {text}"
                );
            })
        });
        assert!(mounted.wait_under_way(2, Duration::from_secs(10)));
        // Others, whose files do not hang, are answered at once.
        let begun = Instant::now();
        let listed = server.call("list_dir", json!({ "depth": 2 })).text();
        assert!(listed.contains("d:\nb.txt"), "{listed}");
        assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
        waiting.into_iter().for_each(|waiting| waiting.join().unwrap());
    });
    // The mount answers again, and so does every tool.
    mounted.clear_faults();
    for (tool, arguments) in calls {
        let answer = server.call(tool, arguments).json();
        assert_ne!(answer["result"]["isError"], true, "{tool}: {answer}");
    }
    let (status, took) = server.terminate();
    assert_eq!(status, Some(0));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn one_call_on_a_mount_that_hangs_prints_its_error_in_time() {
    let Some((_source, mounted)) = mounted(&[("a.txt", "needle\n")]) else { return };
    mounted.fail(Fault::every(Operation::Open, Effect::Hang));
    let mut child = command()
        .args(["call", "read_file", r#"{"path":"a.txt"}"#, "--timeout", "1", "--workspace"])
        .arg(mounted.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut printed = String::new();
    let printed = loop {
        let mut byte = [0];
        assert_ne!(out.read(&mut byte).unwrap(), 0, "it printed {printed}");
        printed.push(char::from(byte[0]));
        if let Ok(json) = serde_json::from_str::<Value>(&printed) {
            break json;
        }
    };
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert_eq!(printed["error"]["code"], "deadline", "{printed}");
    // FUSE lets a process end only when its request is answered; NFS lets it be killed.
    mounted.clear_faults();
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

fn call(workspace: &Path, resolution: &str, tool: &str, arguments: &Value) -> Value {
    let output = command()
        .args(["call", tool, &arguments.to_string(), "--resolution", resolution, "--workspace"])
        .arg(workspace)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {said}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn processes_on_two_mounts_lose_and_double_no_finding() {
    let lines: String = (1..=60).map(|line| format!("line {line}\n")).collect();
    let Some((source, one)) = mounted(&[("a.txt", &lines)]) else { return };
    let two = Mounted::over(source.path(), Options::default()).unwrap();
    let acknowledged: Mutex<BTreeMap<String, u64>> = Mutex::default();
    std::thread::scope(|scope| {
        for worker in 0..4_u64 {
            let (acknowledged, one, two) = (&acknowledged, one.path(), two.path());
            scope.spawn(move || {
                let root = if worker % 2 == 0 { one } else { two };
                let resolution = if worker < 2 { "auto" } else { "components" };
                for number in 0..10 {
                    // Every third finding is everybody's.
                    let line = if number % 3 == 0 { number + 1 } else { worker * 10 + number + 11 };
                    let answer = call(
                        root,
                        resolution,
                        "write_finding",
                        &json!({
                            "rule_id": "r", "severity": "low", "message": "m", "path": "a.txt",
                            "start_line": line,
                        }),
                    );
                    let path = answer["path"].as_str().unwrap().to_owned();
                    acknowledged.lock().unwrap().insert(path, line);
                }
            });
        }
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    assert_eq!(acknowledged.len(), 4 + 4 * 6);
    for (path, line) in &acknowledged {
        let record = std::fs::read(source.path().join(path)).unwrap();
        let record: Value = serde_json::from_slice(&record).unwrap();
        assert!(record.to_string().contains(&format!("\"start_line\":{line}")), "{record}");
    }
    let directory = acknowledged.keys().next().unwrap().rsplit_once('/').unwrap().0;
    let names = std::fs::read_dir(source.path().join(directory)).unwrap().count();
    assert_eq!(names, acknowledged.len(), "each once, and nothing unfinished");
}
