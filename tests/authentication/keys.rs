//! Keys behind a URL: read when needed, replaced when the issuer replaces them, within bounds.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::case::POLICY;
use crate::issuer::{AUDIENCE, ISSUER, Issuer, Signer, claims};
use mcp_workspace_test_support::function::{Function, recorded};
use mcp_workspace_test_support::server::kernel_confines;

/// An issuer's web server, which says what it is told to say.
struct Web {
    url: String,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl Web {
    fn start() -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/keys", listener.local_addr().unwrap());
        let (answer, asked) = (Arc::new(Mutex::new(String::new())), Arc::new(AtomicUsize::new(0)));
        let (say, count) = (Arc::clone(&answer), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let text = say.lock().unwrap().clone();
                count.fetch_add(1, Ordering::SeqCst);
                // Held open where there is nothing to say, for the time-out to end.
                std::thread::spawn(move || talk(stream, &text));
            }
        });
        Web { url, answer, asked }
    }

    fn say(&self, status: &str, body: &str) {
        *self.answer.lock().unwrap() = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
    }

    fn has_keys(&self, keys: &[Value]) {
        self.say("200 OK", &json!({ "keys": keys }).to_string());
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn function(&self) -> Function {
        Function::start_with(
            POLICY,
            &[
                ("MCP_WORKSPACE_JWT_ISSUER", ISSUER),
                ("MCP_WORKSPACE_JWT_AUDIENCE", AUDIENCE),
                ("MCP_WORKSPACE_JWT_JWKS_URL", &self.url),
            ],
        )
    }
}

fn talk(mut stream: TcpStream, text: &str) {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while lines.next().and_then(Result::ok).is_some_and(|line| !line.is_empty()) {}
    if text.is_empty() {
        let _ = lines.next();
    } else {
        let _ = stream.write_all(text.as_bytes());
    }
}

/// The status of a call with a token that this issuer has signed by the key of this id.
pub(crate) fn call(function: &mut Function, issuer: &Issuer, id: &str) -> u64 {
    let header = json!({ "alg": "ES256", "kid": id });
    let token = issuer.sign(&header, &claims("anna"), &Signer::Es256);
    let mut event = recorded("url-tools-call");
    event["requestContext"].as_object_mut().unwrap().remove("authorizer");
    event["headers"]["authorization"] = Value::from(format!("Bearer {token}"));
    function.invoke(&event).answer()["statusCode"].as_u64().unwrap()
}

#[test]
fn a_new_key_is_found_and_the_old_one_is_dropped() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let web = Web::start();
    web.has_keys(&[old.es256_public("old")]);
    let mut function = web.function();
    assert_eq!(web.asked(), 0, "no key is read before a token comes");
    assert_eq!(call(&mut function, &old, "old"), 200);
    assert_eq!(call(&mut function, &old, "old"), 200);
    assert_eq!(web.asked(), 1);
    web.has_keys(&[new.es256_public("new")]);
    assert_eq!(call(&mut function, &new, "new"), 200);
    assert_eq!(call(&mut function, &old, "old"), 401);
    assert_eq!(call(&mut function, &new, "new"), 200);
    assert_eq!(web.asked(), 2);
}

#[test]
fn a_key_that_is_replaced_under_its_own_id_is_believed_no_more() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let web = Web::start();
    web.has_keys(&[old.es256_public("one")]);
    let mut function = web.function();
    assert_eq!(call(&mut function, &old, "one"), 200);
    web.has_keys(&[new.es256_public("one"), new.es256_public("two")]);
    assert_eq!(call(&mut function, &new, "two"), 200);
    assert_eq!(call(&mut function, &old, "one"), 401);
    assert_eq!(call(&mut function, &new, "one"), 200);
}

#[test]
fn tokens_with_made_up_keys_cannot_make_the_server_ask_and_ask() {
    let issuer = Issuer::new();
    let web = Web::start();
    web.has_keys(&[issuer.es256_public("good")]);
    let mut function = web.function();
    for number in 0..20 {
        assert_eq!(call(&mut function, &issuer, &format!("made-up-{number}")), 401);
    }
    assert_eq!(call(&mut function, &issuer, "good"), 200);
    assert!(web.asked() <= 2, "asked {} times", web.asked());
}

#[test]
fn without_keys_nobody_is_believed_and_the_source_is_left_alone() {
    let issuer = Issuer::new();
    let set = json!({ "keys": [issuer.es256_public("good")] }).to_string();
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300_000));
    let moved = format!("302 Found\r\nLocation: {}", "https://idp.example.com/keys");
    for (status, body) in [
        ("404 Not Found", set.as_str()),
        ("500 Internal Server Error", ""),
        (moved.as_str(), set.as_str()),
        ("200 OK", "<html></html>"),
        ("200 OK", "{\"keys\":[]}"),
        ("200 OK", large.as_str()),
    ] {
        let web = Web::start();
        web.say(status, body);
        let mut function = web.function();
        assert_eq!(call(&mut function, &issuer, "good"), 503, "{status}");
        assert_eq!(call(&mut function, &issuer, "good"), 503, "{status}");
        assert_eq!(web.asked(), 1, "{status}");
    }
}

#[test]
fn a_source_that_went_away_costs_nobody_the_keys_that_are_known() {
    let issuer = Issuer::new();
    let web = Web::start();
    web.has_keys(&[issuer.es256_public("good")]);
    let mut function = web.function();
    assert_eq!(call(&mut function, &issuer, "good"), 200);
    web.say("500 Internal Server Error", "");
    assert_eq!(call(&mut function, &issuer, "other"), 401);
    assert_eq!(call(&mut function, &issuer, "good"), 200);
}

#[test]
fn a_source_that_says_nothing_is_not_waited_for() {
    let issuer = Issuer::new();
    let web = Web::start();
    let mut function = web.function();
    let begun = Instant::now();
    assert_eq!(call(&mut function, &issuer, "good"), 503);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn a_file_of_keys_may_be_replaced() {
    let (old, new) = (Issuer::new(), Issuer::new());
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("jwks.json");
    std::fs::write(&file, json!({ "keys": [old.es256_public("old")] }).to_string()).unwrap();
    let mut function = Function::start_with(
        POLICY,
        &[
            ("MCP_WORKSPACE_JWT_ISSUER", ISSUER),
            ("MCP_WORKSPACE_JWT_AUDIENCE", AUDIENCE),
            ("MCP_WORKSPACE_JWT_JWKS_FILE", file.to_str().unwrap()),
        ],
    );
    assert_eq!(call(&mut function, &old, "old"), 200);
    std::fs::write(&file, json!({ "keys": [new.es256_public("new")] }).to_string()).unwrap();
    assert_eq!(call(&mut function, &new, "new"), 200);
    assert_eq!(call(&mut function, &old, "old"), 401);
}

#[test]
#[cfg(target_os = "linux")]
fn a_file_of_keys_leads_nowhere_else() {
    let (own, other) = (Issuer::new(), Issuer::new());
    let (directory, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (file, outside) = (directory.path().join("jwks.json"), elsewhere.path().join("jwks.json"));
    std::fs::write(&outside, json!({ "keys": [other.es256_public("other")] }).to_string()).unwrap();
    let status = |confinement: &str| {
        std::fs::write(&file, json!({ "keys": [own.es256_public("own")] }).to_string()).unwrap();
        let mut function = Function::start_with(
            POLICY,
            &[
                ("MCP_WORKSPACE_JWT_ISSUER", ISSUER),
                ("MCP_WORKSPACE_JWT_AUDIENCE", AUDIENCE),
                ("MCP_WORKSPACE_JWT_JWKS_FILE", file.to_str().unwrap()),
                ("MCP_WORKSPACE_CONFINEMENT", confinement),
            ],
        );
        assert_eq!(call(&mut function, &own, "own"), 200);
        std::fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink(&outside, &file).unwrap();
        let status = call(&mut function, &other, "other");
        std::fs::remove_file(&file).unwrap();
        status
    };
    // A link is followed where nothing but the server's own code stands in its way.
    assert_eq!(status("off"), 200);
    if kernel_confines() {
        assert_eq!(status("auto"), 401);
    }
}
