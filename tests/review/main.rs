//! The review page keeps out everybody but one person's browser, and shows agents' text as text.
#![cfg(test)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mcp_workspace_test_support::idle::{closed, connections};
use mcp_workspace_test_support::server::{command, command_with_files};
use tempfile::TempDir;

const POLICY: &str = r#"
version = 1

[[role]]
name    = "agent"
callers = ["agent"]
tools   = ["list_dir", "read_file", "grep", "write_finding", "propose_patch"]
read    = ["**"]
write   = ["output/**"]
propose = ["src/**"]

[[role]]
name    = "person"
callers = ["person"]
tools   = ["read_file"]
read    = ["**"]
decide  = ["src/**"]
deny    = ["src/secret.txt"]
"#;

/// A workspace with its policy beside it.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { directory: TempDir::new().unwrap() };
        std::fs::create_dir_all(place.workspace().join("src")).unwrap();
        std::fs::write(place.workspace().join("src/main.py"), "one\ntwo\nthree\n").unwrap();
        std::fs::write(place.workspace().join("src/secret.txt"), "open\nhidden line\n").unwrap();
        std::fs::write(place.policy(), POLICY).unwrap();
        place
    }

    fn workspace(&self) -> std::path::PathBuf {
        self.directory.path().join("workspace")
    }

    fn policy(&self) -> std::path::PathBuf {
        self.directory.path().join("policy.toml")
    }

    fn options(&self, command: &mut Command) {
        command.arg("--workspace").arg(self.workspace()).arg("--policy").arg(self.policy());
    }

    /// Calls a tool as the agent.
    fn call(&self, tool: &str, arguments: &serde_json::Value) -> serde_json::Value {
        let mut command = command();
        command.args(["call", tool, &arguments.to_string(), "--caller", "agent"]);
        self.options(&mut command);
        let done = command.output().unwrap();
        let out = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success(), "{out}{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_str(&out).unwrap()
    }

    fn proposal(&self) -> String {
        let answer = self.call(
            "propose_patch",
            &serde_json::json!({
                "title": "Change </h1><script>alert(1)</script>",
                "edits": [{ "path": "src/main.py", "old_text": "two", "new_text": "2 <b>\u{202e}" }],
            }),
        );
        answer["id"].as_str().unwrap().to_owned()
    }
}

/// The page's server; ended when dropped.
struct Review {
    child: Child,
    address: String,
    token: String,
    log: std::path::PathBuf,
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn field(&self, name: &str) -> Option<String> {
        let (_, value) = self.body.split_once(&format!("name=\"{name}\" value=\""))?;
        Some(value.split('"').next()?.to_owned())
    }
}

impl Review {
    fn over(place: &Place) -> Review {
        Review::started_by(command(), place)
    }

    fn started_by(mut command: Command, place: &Place) -> Review {
        command.args(["review", "--caller", "person"]);
        place.options(&mut command);
        let log = place.directory.path().join("log");
        let err = std::fs::File::create(&log).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(err).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        while !banner.contains("Ctrl-C") {
            assert_ne!(out.read_line(&mut banner).unwrap(), 0, "ended early: {banner}");
        }
        let url = banner.lines().find_map(|line| line.trim().strip_prefix("http://")).unwrap();
        let (address, token) = url.split_once("/enter?token=").unwrap();
        Review { child, address: address.to_owned(), token: token.to_owned(), log }
    }

    fn request(&self, request: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut head = format!("{request} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        let mut raw = Vec::new();
        let _ = stream.read_to_end(&mut raw);
        let text = String::from_utf8_lossy(&raw).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    /// The cookie that the URL's token gives.
    fn cookie(&self) -> String {
        let answer = self.request(&format!("GET /enter?token={}", self.token), &[], "");
        assert_eq!(answer.status, 303, "{}", answer.head);
        let line = answer.head.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
        assert!(line.contains("httponly") && line.contains("samesite=strict"), "{line}");
        line.split(';').next().unwrap().to_owned()
    }

    fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path}"), &[("Cookie", &self.cookie())], "")
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        let headers = [
            ("Cookie", self.cookie()),
            ("Content-Type", "application/x-www-form-urlencoded".to_owned()),
        ];
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.request(&format!("POST {path}"), &headers, body)
    }
}

impl Drop for Review {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn source(place: &Place) -> String {
    std::fs::read_to_string(place.workspace().join("src/main.py")).unwrap()
}

fn is_proposed(review: &Review, id: &str) -> bool {
    review.get(&format!("/proposal/{id}")).body.contains(">proposed</span>")
}

#[test]
fn only_the_urls_token_opens_the_page() {
    let place = Place::new();
    let review = Review::over(&place);
    for path in ["/", "/proposals", "/finding/0", "/enter", "/enter?token=", "/enter?token=00"] {
        let answer = review.request(&format!("GET {path}"), &[], "");
        assert_eq!(answer.status, 401, "{path}");
        assert!(!answer.head.contains("set-cookie"), "{path}");
    }
    let port = review.address.rsplit(':').next().unwrap();
    let forged = format!("mcp-workspace-review-{port}={}", "0".repeat(64));
    assert_eq!(review.request("GET /", &[("Cookie", &forged)], "").status, 401);
    assert_eq!(review.get("/").status, 200);
    assert_eq!(review.get("/nothing").status, 404);
}

#[test]
fn requests_for_other_hosts_and_from_other_pages_are_refused() {
    let place = Place::new();
    let id = place.proposal();
    let review = Review::over(&place);
    let cookie = review.cookie();
    let page = review.get(&format!("/proposal/{id}"));
    let form = format!("csrf={}", page.field("csrf").unwrap());
    let own = format!("http://{}", review.address);
    for header in [
        ("Host", "evil.example"),
        ("Host", "127.0.0.1"),
        ("Origin", "http://evil.example"),
        ("Origin", "http://127.0.0.1:1"),
        ("Origin", "null"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ] {
        for request in ["GET /".to_owned(), format!("POST /proposal/{id}/approve")] {
            let answer = review.request(&request, &[("Cookie", &cookie), header], &form);
            assert_eq!(answer.status, 403, "{request} {header:?}");
        }
        let entering = format!("GET /enter?token={}", review.token);
        assert_eq!(review.request(&entering, &[header], "").status, 403, "{header:?}");
    }
    assert!(is_proposed(&review, &id));
    let headers =
        [("Cookie", cookie.as_str()), ("Origin", &own), ("Sec-Fetch-Site", "same-origin")];
    assert_eq!(
        review.request(&format!("POST /proposal/{id}/approve"), &headers, &form).status,
        303
    );
}

#[test]
fn a_second_name_hides_behind_none_and_the_absolute_form_counts() {
    let place = Place::new();
    let review = Review::over(&place);
    let cookie = review.cookie();
    let own = format!("http://{}", review.address);
    let get = |line: &str, more: &[(&str, &str)]| {
        let headers = [&[("Cookie", cookie.as_str())], more].concat();
        review.request(line, &headers, "").status
    };
    assert_eq!(get("GET /", &[]), 200);
    assert_eq!(get("GET /", &[("Origin", &own), ("Origin", "https://evil.example")]), 400);
    let hosts = [("Host", review.address.as_str()), ("Host", "evil.example")];
    assert_eq!(get("GET /", &hosts), 400);
    assert_eq!(get("GET /", &[("Origin", &format!("{own}.evil.example"))]), 403);
    assert_eq!(get(&format!("GET {own}/"), &[]), 200);
    assert_eq!(get("GET http://evil.example/", &[("Host", &review.address)]), 403);
}

#[test]
fn connections_that_only_wait_keep_no_browser_out_and_are_closed() {
    // Each kind on a page of its own, since each is let go after a time that is its own.
    let on_a_page_of_its_own = |sent: &dyn Fn(&Review) -> String| {
        let place = Place::new();
        let review = Review::started_by(command_with_files(256), &place);
        let held = connections(&review.address, 200, &sent(&review));
        for _ in 0..5 {
            assert_eq!(review.get("/").status, 200);
        }
        closed(held, Duration::from_secs(45));
    };
    std::thread::scope(|scope| {
        scope.spawn(|| on_a_page_of_its_own(&|_| "GET / HTTP/1.1\r\nHost:".to_owned()));
        scope.spawn(|| on_a_page_of_its_own(&|_| String::new()));
        scope.spawn(|| {
            on_a_page_of_its_own(&|review| {
                let (address, cookie) = (&review.address, review.cookie());
                format!(
                    "POST /proposal/0/approve HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\
                     Content-Length: 5000\r\n\r\ncsrf="
                )
            });
        });
    });
}

#[test]
fn nothing_is_decided_without_the_forms_own_token() {
    let place = Place::new();
    let id = place.proposal();
    let review = Review::over(&place);
    for form in ["", "csrf=", "csrf=0", "reason=x"] {
        for action in ["approve", "reject", "apply", "revert"] {
            let answer = review.post(&format!("/proposal/{id}/{action}"), form);
            assert_eq!(answer.status, 403, "{action} {form}");
        }
    }
    // A link is no decision either.
    assert_eq!(review.get(&format!("/proposal/{id}/approve")).status, 404);
    assert!(is_proposed(&review, &id));
}

#[test]
fn a_proposal_is_approved_applied_and_reverted() {
    let place = Place::new();
    let id = place.proposal();
    let review = Review::over(&place);
    let path = format!("/proposal/{id}");
    let form = format!("csrf={}", review.get(&path).field("csrf").unwrap());
    let before = source(&place);
    assert_eq!(review.post(&format!("{path}/apply"), &form).status, 409, "it is not approved");
    assert_eq!(source(&place), before);
    for (action, state) in [("approve", "approved"), ("apply", "applied")] {
        assert_eq!(review.post(&format!("{path}/{action}"), &form).status, 303, "{action}");
        assert!(review.get(&path).body.contains(&format!(">{state}</span>")), "{state}");
    }
    assert_eq!(source(&place), "one\n2 <b>\u{202e}\nthree\n");
    assert_eq!(review.post(&format!("{path}/revert"), &form).status, 303);
    assert_eq!(source(&place), before);
    let log = std::fs::read_to_string(&review.log).unwrap();
    let audited: Vec<_> = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter(|record| record["target"] == "audit")
        .map(|record| {
            format!("{} {}", record["tool"].as_str().unwrap(), record["outcome"].as_str().unwrap())
        })
        .collect();
    let expected = ["apply conflict", "approve ok", "apply ok", "revert ok"];
    assert_eq!(audited, expected.map(|action| format!("proposals {action}")), "{log}");
}

/// Everything below a directory, with content and times.
fn tree(directory: &Path) -> Vec<(std::path::PathBuf, std::time::SystemTime, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_file() { std::fs::read(&path).unwrap() } else { Vec::new() };
        all.push((path.clone(), metadata.modified().unwrap(), content));
        if metadata.is_dir() {
            all.extend(tree(&path));
        }
    }
    all.sort();
    all
}

#[test]
fn an_interrupted_apply_is_shown_and_only_recovering_takes_it_up() {
    let place = Place::new();
    let id = place.proposal();
    let cli = |arguments: &[&str]| {
        let mut command = command();
        command.arg("proposals").args(arguments).args(["--caller", "person"]);
        place.options(&mut command);
        let done = command.output().unwrap();
        (done.status.code(), String::from_utf8([done.stdout, done.stderr].concat()).unwrap())
    };
    assert_eq!(cli(&["approve", &id]).0, Some(0));
    // As a process leaves it that dies before the first source is changed.
    let (old, new) = ("one\ntwo\nthree\n", "one\n2 <b>\u{202e}\nthree\n");
    let version = |text: &str| mcp_workspace_test_support::git::version(text.as_bytes());
    let step = place.workspace().join(format!("output/decisions/{id}/2"));
    std::fs::create_dir(&step).unwrap();
    std::fs::write(step.join("0.before"), old).unwrap();
    std::fs::write(step.join("0.after"), new).unwrap();
    let intent = serde_json::json!({
        "format": 1, "proposal": id, "step": 2, "action": "applying", "caller": "person",
        "role": "person", "created": "2026-01-01T00:00:00Z",
        "journal": {"files": [{
            "path": "src/main.py",
            "before": {"version": version(old), "mode": 0o4644, "content": "0.before"},
            "after": {"version": version(new), "mode": 0o4644, "content": "0.after"},
        }]},
    });
    std::fs::write(step.join("decision.json"), intent.to_string()).unwrap();
    let before = tree(&place.workspace());
    let review = Review::over(&place);
    assert!(review.get("/proposals").body.contains("not ended: open it to recover it"));
    let page = review.get(&format!("/proposal/{id}"));
    assert!(page.body.contains(">applying</span>") && page.body.contains(">Recover</button>"));
    for look in [vec!["list"], vec!["show", &id], vec!["list", "--format", "json"]] {
        let (status, told) = cli(&look);
        assert_eq!(status, Some(0), "{told}");
        assert!(told.contains("applying"), "{told}");
        assert!(told.contains("proposals recover"), "{told}");
    }
    assert!(tree(&place.workspace()) == before, "a look has changed something");
    let form = format!("csrf={}", page.field("csrf").unwrap());
    assert_eq!(review.post(&format!("/proposal/{id}/recover"), &form).status, 303);
    assert!(review.get(&format!("/proposal/{id}")).body.contains(">applied</span>"));
    assert_eq!(source(&place), new);
    let (status, told) = cli(&["recover", &id]);
    assert_eq!(status, Some(1), "{told}");
    assert!(told.contains("nothing of it was interrupted"), "{told}");
}

#[test]
fn a_page_approves_what_it_has_shown() {
    let place = Place::new();
    let id = place.proposal();
    let review = Review::over(&place);
    let path = format!("/proposal/{id}");
    let page = review.get(&path);
    let form = |page: &Answer| {
        format!("csrf={}&seen={}", page.field("csrf").unwrap(), page.field("seen").unwrap())
    };
    let record = place.workspace().join(format!("output/proposals/{id}/proposal.json"));
    let text = std::fs::read_to_string(&record).unwrap();
    std::fs::write(&record, text.replace("Change ", "Correct ")).unwrap();
    assert_eq!(review.post(&format!("{path}/approve"), &form(&page)).status, 409);
    assert!(is_proposed(&review, &id));
    let page = review.get(&path);
    assert_eq!(review.post(&format!("{path}/approve"), &form(&page)).status, 303);
}

#[test]
fn a_key_of_decisions_signs_them_and_is_asked_for() {
    let place = Place::new();
    let policy = format!("{POLICY}\n[decisions]\nkey_env = \"REVIEW_KEY\"\n");
    std::fs::write(place.policy(), policy).unwrap();
    let id = place.proposal();
    let cli = |key: &str, arguments: &[&str]| {
        let mut command = command();
        command.arg("proposals").args(arguments).args(["--caller", "person"]);
        if !key.is_empty() {
            command.env("REVIEW_KEY", key);
        }
        place.options(&mut command);
        let done = command.output().unwrap();
        let told = String::from_utf8([done.stdout, done.stderr].concat()).unwrap();
        assert!(key.is_empty() || !told.contains(key), "the key is told: {told}");
        (done.status.code(), told)
    };
    let key = "k3y".repeat(12);
    let (status, told) = cli("", &["approve", &id]);
    assert!(status == Some(1) && told.contains("was not given it"), "{told}");
    let (status, told) = cli("short-key-short", &["approve", &id]);
    assert!(status != Some(0) && told.contains("has 15 bytes"), "{told}");
    assert_eq!(cli(&key, &["approve", &id]).0, Some(0));
    let other = "other".repeat(8);
    let (status, told) = cli(&other, &["apply", &id]);
    assert!(status == Some(1) && told.contains("not of a key of this program"), "{told}");
    let (status, told) = cli(&other, &["list"]);
    assert!(status == Some(1) && told.contains("not of a key of this program"), "{told}");
    // A new key signs, and what the one behind it has signed counts.
    assert_eq!(cli(&format!("{other}\n{key}"), &["apply", &id]).0, Some(0));
    assert_eq!(cli(&key, &["list"]).0, Some(1), "the old key alone says nothing of the new one");
    assert_eq!(cli(&format!("{key} {other}"), &["list"]).0, Some(0));
    // A key that agents could read is none.
    let key_file = place.workspace().join("key");
    std::fs::write(&key_file, &key).unwrap();
    let table = format!("[decisions]\nkey_file = \"{}\"\n", key_file.display());
    std::fs::write(place.policy(), format!("{POLICY}\n{table}")).unwrap();
    let (status, told) = cli("", &["list"]);
    assert!(status != Some(0) && told.contains("must not be in the workspace"), "{told}");
}

#[test]
fn a_rejection_needs_a_reason_and_shows_it() {
    let place = Place::new();
    let id = place.proposal();
    let review = Review::over(&place);
    let path = format!("/proposal/{id}");
    let form = format!("csrf={}", review.get(&path).field("csrf").unwrap());
    assert_eq!(review.post(&format!("{path}/reject"), &form).status, 400);
    assert!(is_proposed(&review, &id));
    let form = format!("{form}&reason=not+%3Cthis%3E+way");
    assert_eq!(review.post(&format!("{path}/reject"), &form).status, 303);
    let body = review.get(&path).body;
    assert!(body.contains(">rejected</span>") && body.contains("not &lt;this&gt; way"), "{body}");
}

#[test]
fn every_answer_forbids_what_the_page_does_not_need() {
    let place = Place::new();
    let review = Review::over(&place);
    let answers = [
        review.get("/"),
        review.get("/proposals"),
        review.get("/nothing"),
        review.get("/review.css"),
        review.get("/review.js"),
        review.request("GET /", &[], ""),
        review.request("GET /", &[("Host", "evil.example")], ""),
        review.post("/proposal/x/approve", ""),
        review.request("DELETE /", &[("Cookie", &review.cookie())], ""),
    ];
    for answer in answers {
        for line in [
            "content-security-policy: default-src 'none'; style-src 'self'; script-src 'self';",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "cache-control: no-store",
            "referrer-policy: same-origin",
        ] {
            assert!(answer.head.contains(line), "no `{line}` in {}", answer.head);
        }
        assert!(!answer.body.contains("style=") && !answer.body.contains("<script>"));
    }
}

#[test]
fn text_of_agents_is_shown_and_never_markup() {
    let place = Place::new();
    let hostile = "</p><script>alert(1)</script>\u{202e}\u{1b}[31m\" onload=\"x";
    let finding = place.call(
        "write_finding",
        &serde_json::json!({
            "rule_id": "rule", "severity": "high", "message": hostile, "short_summary": "</title><script>",
            "recommendation": hostile, "evidence": [hostile], "tags": ["<b>"],
            "path": "src/main.py", "start_line": 2,
        }),
    );
    let id = place.proposal();
    let review = Review::over(&place);
    let fingerprint = finding["fingerprint"].as_str().unwrap();
    for path in [
        "/".to_owned(),
        format!("/finding/{fingerprint}"),
        "/proposals".to_owned(),
        format!("/proposal/{id}"),
        "/?words=%22%3E%3Cscript%3E".to_owned(),
        "/proposal/%3Cscript%3E".to_owned(),
    ] {
        let Answer { body, .. } = review.get(&path);
        assert!(!body.contains("<script>"), "{path}: {body}");
        assert!(!body.contains("\" onload"), "{path}");
        assert!(!body.contains('\u{202e}') && !body.contains('\u{1b}'), "{path}");
    }
    let body = review.get(&format!("/finding/{fingerprint}")).body;
    assert!(body.contains("&lt;script&gt;alert(1)&lt;/script&gt;\\u{202e}\\u{1b}[31m"), "{body}");
    let diff = review.get(&format!("/proposal/{id}/diff"));
    assert!(diff.head.contains("content-type: text/plain"), "{}", diff.head);
    assert!(diff.body.contains("+2 <b>\\u{202e}"), "{}", diff.body);
}

#[test]
fn sources_are_read_under_the_reviewers_rights() {
    let place = Place::new();
    let write = |path: &str| {
        let finding = serde_json::json!({
            "rule_id": "rule", "severity": "low", "message": "look", "path": path, "start_line": 1,
        });
        place.call("write_finding", &finding)["fingerprint"].as_str().unwrap().to_owned()
    };
    let (open, secret) = (write("src/main.py"), write("src/secret.txt"));
    let review = Review::over(&place);
    assert!(review.get(&format!("/finding/{open}")).body.contains("three"));
    let body = review.get(&format!("/finding/{secret}")).body;
    assert!(body.contains("no such file") && !body.contains("hidden line"), "{body}");
}

#[test]
fn it_listens_on_loopback_only() {
    let place = Place::new();
    let mut command = command();
    command.args(["review", "--caller", "person", "--listen", "0.0.0.0:0"]);
    place.options(&mut command);
    let done = command.output().unwrap();
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("loopback"));
    assert!(Path::new(&place.workspace()).exists());
}
