//! MCP beyond tools: resources, prompts and completion show what policy lets the caller see.

use std::path::Path;

use mcp_workspace_test_support::server::{Server, command};
use serde_json::{Value, json};

/// A reviewer who may do everything, and a reader who sees `docs` alone.
const POLICY: &str = r#"
version = 1

[[role]]
name    = "reviewer"
callers = ["reviewer"]
tools   = ["list_dir", "read_file", "grep", "write_finding", "propose_patch", "write_file"]
read    = ["**"]
write   = ["output/**"]
create  = ["output/reports/**", "work/*.csv"]
propose = ["src/**"]
deny    = ["**/.env"]

[[role]]
name    = "reader"
callers = ["reader"]
tools   = ["list_dir", "read_file"]
read    = ["docs/**"]
"#;

/// A server for the two callers, and their `Authorization` headers.
struct Two {
    server: Server,
    reviewer: String,
    reader: String,
    _directory: tempfile::TempDir,
}

impl Two {
    fn start() -> Two {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let root = directory.path().join("workspace");
        for (path, text) in [
            ("src/main.rs", "fn main() {}\n"),
            ("src/main_test.rs", "// tests\n"),
            ("docs/a b.md", "# Read me\n"),
            (".env", "SECRET=1\n"),
        ] {
            let file = root.join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        }
        std::fs::write(root.join("docs/logo.png"), PNG).unwrap();
        std::fs::write(root.join("docs/data.bin"), b"\0\x01\x02\x03").unwrap();
        std::fs::write(root.join("docs/long.txt"), "a line of text\n".repeat(9_000)).unwrap();
        std::fs::write(at("policy.toml"), POLICY).unwrap();
        let (reviewer, first) = token("reviewer");
        let (reader, second) = token("reader");
        std::fs::write(at("tokens.txt"), format!("{first}\n{second}\n")).unwrap();
        let server = Server::start(&[
            "--workspace",
            root.to_str().unwrap(),
            "--policy",
            &at("policy.toml"),
            "--tokens",
            &at("tokens.txt"),
        ]);
        Two { server, reviewer, reader, _directory: directory }
    }

    fn ask(&self, authorization: &str, method: &str, params: Value) -> Value {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.server.post(&message, &[("Authorization", authorization)]).json()
    }

    fn uris(&self, authorization: &str) -> Vec<String> {
        let listed = self.ask(authorization, "resources/list", json!({}));
        let resources = listed["result"]["resources"].as_array().expect("a list");
        resources.iter().map(|resource| resource["uri"].as_str().unwrap().to_owned()).collect()
    }

    fn completions(&self, authorization: &str, typed: &str) -> Vec<String> {
        let params = json!({
            "ref": { "type": "ref/resource", "uri": "workspace:///{+path}" },
            "argument": { "name": "path", "value": typed },
        });
        let completed = self.ask(authorization, "completion/complete", params);
        let values = completed["result"]["completion"]["values"].as_array().expect("values");
        values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
    }
}

/// The smallest file that is told as a PNG.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";

fn token(name: &str) -> (String, String) {
    let made = command().args(["token", name]).output().unwrap();
    let text = String::from_utf8(made.stdout).unwrap();
    let lines: Vec<_> =
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let [secret, line] = lines[..] else { panic!("{text}") };
    (format!("Bearer {secret}"), line.to_owned())
}

#[test]
fn records_are_listed_for_those_who_may_read_them() {
    let two = Two::start();
    assert_eq!(two.uris(&two.reviewer), [""; 0]);
    let call = |tool: &str, arguments: Value| {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = two.ask(&two.reviewer, "tools/call", params);
        answer["result"]["structuredContent"]["path"].as_str().expect("a record").to_owned()
    };
    let finding = call(
        "write_finding",
        json!({ "rule_id": "r", "severity": "low", "message": "m", "path": "src/main.rs",
                "start_line": 1 }),
    );
    let proposal = call(
        "propose_patch",
        json!({ "title": "t", "edits": [{ "path": "src/main.rs", "old_text": "main", "new_text": "run" }] }),
    );
    let uris = two.uris(&two.reviewer);
    assert_eq!(uris.len(), 2, "{uris:?}");
    assert_eq!(uris[0], format!("workspace:///{finding}"));
    assert!(uris[1].starts_with(&format!("workspace:///{}", directory_of(&proposal))), "{uris:?}");

    let report =
        call("write_file", json!({ "path": "output/reports/deep/a.md", "content": "# A" }));
    let table = call("write_file", json!({ "path": "work/t.csv", "content": "a,b\n" }));
    let files: Vec<_> = [report, table].map(|path| format!("workspace:///{path}")).into();
    assert_eq!(two.uris(&two.reviewer)[2..], files);

    let read = two.ask(&two.reviewer, "resources/read", json!({ "uri": uris[0] }));
    let contents = &read["result"]["contents"][0];
    assert_eq!(contents["mimeType"], "application/json");
    let record: Value = serde_json::from_str(contents["text"].as_str().unwrap()).unwrap();
    assert_eq!(record["rule_id"], "r");
    let read = two.ask(&two.reviewer, "resources/read", json!({ "uri": uris[1] }));
    assert!(read["result"]["contents"][0]["text"].as_str().unwrap().contains("+fn run() {}"));

    assert_eq!(two.uris(&two.reader), [""; 0]);
    let hidden = two.ask(&two.reader, "resources/read", json!({ "uri": uris[0] }));
    assert_eq!(hidden["error"]["code"], -32602, "{hidden}");
}

fn directory_of(path: &str) -> &str {
    let path: &Path = path.as_ref();
    let directory = if path.extension().is_some() { path.parent().unwrap() } else { path };
    directory.to_str().unwrap()
}

#[test]
fn many_records_come_by_pages_each_once() {
    let two = Two::start();
    let root = two._directory.path().join("workspace/output/findings/reviewer");
    std::fs::create_dir_all(&root).unwrap();
    for number in 0..230 {
        std::fs::write(root.join(format!("{number:032x}.json")), "{}").unwrap();
    }
    for (folder, files) in [("output/reports/a", 150), ("work", 70)] {
        let folder = two._directory.path().join("workspace").join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        for number in 0..files {
            std::fs::write(folder.join(format!("{number}.csv")), "a,b\n").unwrap();
        }
    }
    let mut seen = Vec::new();
    let mut cursor = Value::Null;
    for _ in 0..10 {
        let params = if cursor.is_null() { json!({}) } else { json!({ "cursor": cursor }) };
        let page = two.ask(&two.reviewer, "resources/list", params);
        let resources = page["result"]["resources"].as_array().unwrap().clone();
        seen.extend(resources.iter().map(|one| one["uri"].as_str().unwrap().to_owned()));
        cursor = page["result"]["nextCursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    let mut unique = seen.clone();
    unique.sort();
    unique.dedup();
    assert_eq!((seen.len(), unique.len()), (450, 450));
    for nonsense in ["nonsense", "a", "a9", "ax.", "a0"] {
        let wrong = two.ask(&two.reviewer, "resources/list", json!({ "cursor": nonsense }));
        assert_eq!(wrong["error"]["code"], -32602, "{nonsense}: {wrong}");
    }
}

#[test]
fn any_file_is_read_by_its_uri_within_policy() {
    let two = Two::start();
    let read = |who: &str, uri: &str| two.ask(who, "resources/read", json!({ "uri": uri }));
    let templates = two.ask(&two.reader, "resources/templates/list", json!({}));
    assert_eq!(templates["result"]["resourceTemplates"][0]["uriTemplate"], "workspace:///{+path}");
    let text = read(&two.reader, "workspace:///docs/a%20b.md");
    assert_eq!(text["result"]["contents"][0]["text"], "# Read me\n");
    let image = read(&two.reader, "workspace:///docs/logo.png");
    assert_eq!(image["result"]["contents"][0]["mimeType"], "image/png");
    assert!(image["result"]["contents"][0]["blob"].as_str().unwrap().starts_with("iVBOR"));

    let long = read(&two.reader, "workspace:///docs/long.txt");
    let parts = long["result"]["contents"].as_array().unwrap();
    assert!(parts[0]["text"].as_str().unwrap().len() < 50_000);
    assert!(parts[1]["text"].as_str().unwrap().contains("offset"), "a cut is said: {}", parts[1]);

    for uri in [
        "workspace:///src/main.rs",
        "workspace:///.env",
        "workspace:///../x",
        "workspace:///docs/%2e%2e/src/main.rs",
        "workspace:///docs/none.md",
        "workspace:///docs",
        "workspace:///docs/data.bin",
        "file:///etc/passwd",
        "workspace:////etc/passwd",
        "",
    ] {
        let refused = read(&two.reader, uri);
        assert_eq!(refused["error"]["code"], -32602, "{uri}: {refused}");
        assert!(!refused.to_string().contains("SECRET"), "{uri}");
    }
    let hidden = read(&two.reviewer, "workspace:///.env")["error"]["message"].to_string();
    let missing = read(&two.reviewer, "workspace:///.enw")["error"]["message"].to_string();
    assert_eq!(hidden, missing.replace(".enw", ".env"));
}

#[test]
fn reads_of_resources_are_audited_like_tools() {
    let two = Two::start();
    two.ask(&two.reader, "resources/read", json!({ "uri": "workspace:///.env" }));
    let record = two.server.audit();
    assert_eq!(record["tool"], "read_file");
    assert_eq!(record["caller"], "reader");
    assert_eq!((&record["path"], &record["decision"]), (&json!(".env"), &json!("deny")));
}

#[test]
fn completion_offers_visible_paths_alone() {
    let two = Two::start();
    assert_eq!(two.completions(&two.reviewer, ""), ["docs/", "src/"]);
    assert_eq!(two.completions(&two.reader, ""), ["docs/"]);
    assert_eq!(two.completions(&two.reviewer, "src/main"), ["src/main.rs", "src/main_test.rs"]);
    assert_eq!(two.completions(&two.reader, "docs/a"), ["docs/a b.md"]);
    for typed in ["src/main", "..", "../", "/etc/", ".e", "none/", "\u{202e}"] {
        assert_eq!(two.completions(&two.reader, typed), [""; 0], "{typed}");
    }
}

#[test]
fn prompts_are_offered_with_the_tools_that_they_need() {
    let two = Two::start();
    let names = |who: &str| {
        let listed = two.ask(who, "prompts/list", json!({}));
        let prompts = listed["result"]["prompts"].as_array().expect("a list").clone();
        prompts.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&two.reviewer), ["security-review", "data-quality-review", "propose-fix"]);
    assert_eq!(names(&two.reader), [""; 0]);
    let params = json!({ "name": "security-review", "arguments": { "path": "src" } });
    let got = two.ask(&two.reviewer, "prompts/get", params.clone());
    let text = got["result"]["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(text.contains("`src`") && text.contains("write_finding"), "{text}");
    assert_eq!(two.ask(&two.reader, "prompts/get", params)["error"]["code"], -32602);
}
