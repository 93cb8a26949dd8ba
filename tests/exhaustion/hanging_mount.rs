//! A file system that hangs for good holds some threads, and never the server.

use std::time::Duration;

use delayed_mount::{Effect, Fault, Mounted, Operation, Options};
use mcp_workspace_test_support::server::Server;
use serde_json::json;

use super::eventually;

#[test]
fn calls_on_files_that_answer_go_on_while_others_hang_and_places_come_back() {
    let source = tempfile::tempdir().unwrap();
    for path in ["dead/0", "dead/1", "dead/2", "alive/0"] {
        let path = source.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "needle\n").unwrap();
    }
    let Some(mounted) = Mounted::or_skip(source.path(), Options::default()).unwrap() else {
        return;
    };
    let root = mounted.path().to_str().unwrap().to_owned();
    let server = Server::start(&["--workspace", &root, "--timeout", "1"]);
    let read = |path: &str| server.call("read_file", json!({ "path": path })).text();
    assert!(read("alive/0").contains("needle"));
    server.audit();
    let threads = server.threads();
    // The first files that are opened from now on hang; those after them do not.
    let every = Fault::every(Operation::Open, Effect::Hang);
    mounted.fail(Fault { count: 4, ..every });
    std::thread::scope(|scope| {
        for number in 0..4 {
            let read = &read;
            scope.spawn(move || {
                let answer = read(&format!("dead/{}", number % 3));
                assert!(answer.contains("did not answer in time"), "{answer}");
            });
        }
    });
    for _ in 0..4 {
        let record = server.audit();
        assert_eq!(record["outcome"], "deadline", "{record}");
        assert_eq!(record["still_running"], true, "{record}");
    }
    eventually("they are counted", Duration::from_secs(5), || {
        server.health()["calls"]["hanging"] == 4
    });
    // There no more is begun, and whoever asks hears why. Elsewhere all goes on.
    for path in ["dead/0", "dead/new"] {
        let answer = read(path);
        assert!(answer.contains("overloaded") && answer.contains("other paths"), "{answer}");
    }
    for _ in 0..40 {
        assert!(read("alive/0").contains("needle"));
    }
    let health = server.health();
    assert_eq!((&health["status"], &health["calls"]["running"]), (&json!("ok"), &json!(4)));
    // The mount answers again.
    mounted.clear_faults();
    eventually("the places come back", Duration::from_secs(10), || {
        server.health()["calls"]["running"] == 0
    });
    assert!(read("dead/0").contains("needle"));
    eventually("the threads end", Duration::from_secs(20), || server.threads() <= threads + 1);
}

#[test]
fn walks_that_hang_leave_threads_and_places_to_others() {
    let source = tempfile::tempdir().unwrap();
    for number in 0..300 {
        let path = source.path().join(format!("dead/{}/{number}", number % 3));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "needle\n").unwrap();
    }
    std::fs::create_dir(source.path().join("alive")).unwrap();
    for number in 0..100 {
        std::fs::write(source.path().join(format!("alive/{number}")), "needle\n").unwrap();
    }
    let Some(mounted) = Mounted::or_skip(source.path(), Options::default()).unwrap() else {
        return;
    };
    let root = mounted.path().to_str().unwrap().to_owned();
    let server = Server::start(&["--workspace", &root, "--timeout", "1"]);
    let grep = |path: String| {
        server.call("grep", json!({ "pattern": "needle", "mode": "count", "path": path })).text()
    };
    assert!(grep("alive".to_owned()).contains("100 files searched"));
    mounted.fail(Fault::every(Operation::Open, Effect::Hang));
    std::thread::scope(|scope| {
        for number in 0..6 {
            let grep = &grep;
            scope.spawn(move || grep(format!("dead/{}", number % 3)));
        }
    });
    eventually("they are counted", Duration::from_secs(5), || {
        server.health()["calls"]["hanging"] == 6
    });
    assert!(server.threads() < 400, "{}", server.threads());
    mounted.clear_faults();
    eventually("the places come back", Duration::from_secs(10), || {
        server.health()["calls"]["running"] == 0
    });
    assert!(grep("alive".to_owned()).contains("100 files searched"));
}
