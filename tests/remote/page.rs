//! The review page, whose workspace is behind the URL.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::{PERSON, Place};

/// The page's server; ended when dropped.
struct Page {
    child: Child,
    address: String,
    cookie: String,
}

impl Page {
    fn over(place: &Place) -> Page {
        let mut command = place.far("person", &["review"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        while !banner.contains("Ctrl-C") {
            assert_ne!(out.read_line(&mut banner).unwrap(), 0, "ended early: {banner}");
        }
        assert!(banner.contains(PERSON) && banner.contains(&place.url.address), "{banner}");
        let line = banner.lines().find(|line| line.contains("/enter?token=")).unwrap();
        let (address, token) =
            line.trim().strip_prefix("http://").unwrap().split_once("/enter?token=").unwrap();
        let mut page = Page { child, address: address.to_owned(), cookie: String::new() };
        let (status, head, _) = page.ask(&format!("GET /enter?token={token}"), "");
        assert_eq!(status, 303, "{head}");
        let cookie = head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        page.cookie = cookie.split(';').next().unwrap().to_owned();
        page
    }

    fn ask(&self, request: &str, body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "{request} HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            self.cookie,
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut raw = Vec::new();
        stream.read_to_end(&mut raw).unwrap();
        let text = String::from_utf8_lossy(&raw).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_owned(), body.to_owned())
    }

    fn get(&self, path: &str) -> String {
        let (status, _, body) = self.ask(&format!("GET {path}"), "");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn from_a_finding_to_its_proposal_applied_over_the_url() {
    let place = Place::prepared();
    let page = Page::over(&place);
    assert_eq!(place.url.audit()["tool"], "review");
    let list = page.get("/");
    assert!(list.contains("3 findings") && list.contains(PERSON), "{list}");
    assert_eq!(place.url.audit()["tool"], "findings list");

    let finding = page.get(&format!("/finding/{}", place.fingerprints[0]));
    assert!(finding.contains("class=\"marked\"") && finding.contains("<td>two</td>"), "{finding}");
    assert!(finding.contains("\\u{1b}[31m wrong &lt;b&gt;"), "{finding}");
    assert!(finding.contains(&format!("/proposal/{}", place.proposals[0])), "{finding}");
    for tool in ["findings show", "findings source", "proposals list"] {
        let record = place.url.audit();
        assert_eq!(record["tool"], tool);
        if tool == "findings source" {
            assert_eq!(record["path"], "src/main.py");
        }
    }
    let hidden = page.get(&format!("/finding/{}", place.fingerprints[2]));
    assert!(hidden.contains("no such file") && !hidden.contains("hidden line"), "{hidden}");

    let path = format!("/proposal/{}", place.proposals[0]);
    let proposal = page.get(&path);
    assert!(proposal.contains("<del>two</del>") && proposal.contains("<ins>2</ins>"), "{proposal}");
    let (_, token) = proposal.split_once("name=\"csrf\" value=\"").unwrap();
    let form = format!("csrf={}", token.split('"').next().unwrap());
    // The page itself checks its forms: without their token nothing is sent.
    place.url.asked();
    assert_eq!(page.ask(&format!("POST {path}/approve"), "csrf=0").0, 403);
    assert_eq!(place.url.asked(), [""; 0]);
    assert_eq!(page.ask(&format!("POST {path}/apply"), &form).0, 409);
    for verb in ["approve", "apply"] {
        assert_eq!(page.ask(&format!("POST {path}/{verb}"), &form).0, 303, "{verb}");
    }
    assert_eq!(place.source(), "one\n2\nthree\n");
    assert!(page.get(&path).contains(">applied</span>"));
    assert!(page.get(&format!("{path}/diff")).contains("+2"));
    let mut decided = Vec::new();
    while decided.len() < 3 {
        let record = place.url.audit();
        if record["rule"] == "decide" {
            assert_eq!(record["caller"], json!(PERSON));
            decided.push(record["tool"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(decided, ["proposals apply", "proposals approve", "proposals apply"]);
    assert_eq!(page.ask("GET /finding/..%2f..%2fx", "").0, 404);
    assert_eq!(page.ask("GET /proposal/..", "").0, 404);
}
