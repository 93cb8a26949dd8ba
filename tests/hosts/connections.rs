//! Whoever can connect and proves nothing takes nothing away: the server answers others, and closes
//! what only waits.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mcp_workspace_test_support::idle::{closed, connections};
use mcp_workspace_test_support::server::{JSON_HEADERS, Server, call_message, command_with_files};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;

/// Files that the server may open, and connections that are more than that.
const FILES: u32 = 256;
const MANY: usize = 300;
/// Longer than any of the server's limits.
const PATIENCE: Duration = Duration::from_secs(45);

/// A server with few files; this process may open as many as it needs.
fn server(more: &[&str]) -> Server {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum.map(|most| most.min(4096)).or(Some(4096));
    setrlimit(Resource::Nofile, limit).unwrap();
    let arguments = [&["--workspace", "examples/workspace"], more].concat();
    Server::started_by(command_with_files(FILES), &arguments)
}

fn answers(server: &Server) {
    for _ in 0..5 {
        assert_eq!(server.request("GET /healthz", &[], "").status, 200);
        assert_eq!(server.call("list_dir", json!({})).status, 200);
    }
}

#[test]
fn half_requests_keep_nobody_out_and_are_closed() {
    let server = server(&[]);
    let held = connections(&server.address, MANY, "POST /mcp HTTP/1.1\r\nHost: local");
    answers(&server);
    closed(held, PATIENCE);
    answers(&server);
}

#[test]
fn connections_that_say_nothing_keep_nobody_out_and_are_closed() {
    let server = server(&[]);
    let held = connections(&server.address, MANY, "");
    answers(&server);
    // One that was used and is kept open is closed as well.
    let healthz = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    let used = connections(&server.address, 1, &healthz);
    closed(held, PATIENCE);
    let [sent] = closed(used, PATIENCE).try_into().unwrap();
    assert!(sent.starts_with("HTTP/1.1 200 OK"), "{sent}");
}

#[test]
fn slow_bodies_keep_nobody_out_and_are_closed() {
    let server = server(&[]);
    let head: String =
        JSON_HEADERS.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let address = &server.address;
    let half = format!(
        "POST /mcp HTTP/1.1\r\nHost: {address}\r\n{head}Content-Length: 5000\r\n\r\n{{\"jsonrpc\":"
    );
    let held = connections(address, MANY, &half);
    answers(&server);
    let told = closed(held, PATIENCE);
    let late = told.iter().filter(|text| text.starts_with("HTTP/1.1 408 ")).count();
    // Those that had to make room for others are closed without a word.
    assert!(
        late > 0 && told.iter().all(|text| text.is_empty() || text.contains(" 408 ")),
        "{late}"
    );
    assert!(told.iter().any(|text| text.contains("did not come within 20 seconds")));
}

#[test]
fn a_shortage_of_files_ends_no_server_and_takes_no_processor() {
    // More connections than files: accepting fails.
    let server = server(&["--max-connections", "1000"]);
    let held = connections(&server.address, MANY, "GET");
    answers(&server);
    let before = server.processor_time();
    closed(held, PATIENCE);
    let took = server.processor_time() - before;
    assert!(took < Duration::from_secs(5), "{took:?}");
    answers(&server);
}

#[test]
fn a_peer_that_does_not_read_its_answers_is_closed() {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::write(workspace.path().join("a.txt"), "\u{1f600}".repeat(45_000)).unwrap();
    let server = Server::over(workspace.path());
    let body = call_message("read_file", json!({ "path": "a.txt" })).to_string();
    let mut request = format!("POST /mcp HTTP/1.1\r\nHost: {}\r\n", server.address);
    for (name, value) in JSON_HEADERS {
        request += &format!("{name}: {value}\r\n");
    }
    request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
    // Far more than the buffers of both sides hold.
    let mut slow = TcpStream::connect(&server.address).unwrap();
    slow.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    slow.write_all(request.repeat(200).as_bytes()).unwrap();
    let begun = Instant::now();
    // What is written to a closed connection fails sooner or later, and not for want of room.
    loop {
        match slow.write(b"x") {
            Err(error) if error.kind() != ErrorKind::WouldBlock => break,
            _ => assert!(begun.elapsed() < PATIENCE, "it is still open"),
        }
        assert_eq!(server.request("GET /healthz", &[], "").status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    // One that reads gets all that it has asked for.
    let mut quick = TcpStream::connect(&server.address).unwrap();
    quick.write_all(request.repeat(3).as_bytes()).unwrap();
    quick.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut read = Vec::new();
    let mut bytes = vec![0; 64 * 1024];
    while read.windows(8).filter(|window| *window == b"HTTP/1.1").count() < 3 {
        let got = quick.read(&mut bytes).unwrap();
        assert_ne!(got, 0, "closed after {} bytes", read.len());
        read.extend_from_slice(&bytes[..got]);
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let server = server(&[]);
    let status_with =
        |bytes: usize| server.request("GET /healthz", &[("X-Long", &"x".repeat(bytes))], "").status;
    assert_eq!(status_with(40_000), 431);
    assert_eq!(status_with(20_000), 200);
}
