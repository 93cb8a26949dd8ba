//! What `read_file` answers, as models and programs see it.

use std::sync::Arc;
use std::time::Duration;

use insta::{assert_json_snapshot, assert_snapshot};
use mcp_workspace_tools::answer::{Answer, Shown};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::tool::find;
use mcp_workspace_tools::workspace::{Scope, Workspace};
use serde_json::{Value, json};
use tempfile::TempDir;

const POLICY: &str = r#"
version = 1
[[role]]
name = "reader"
callers = ["local"]
tools = ["read_file"]
read = ["**"]
deny = ["secret.txt"]
[role.limits]
max_file_bytes = 1_000_000
"#;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0";

struct Fixture {
    directory: TempDir,
    scope: Scope,
    call: Call,
}

impl Fixture {
    fn new(files: &[(&str, &[u8])]) -> Fixture {
        let directory = TempDir::new().unwrap();
        for (name, bytes) in files {
            std::fs::write(directory.path().join(name), bytes).unwrap();
        }
        let policy = Policy::parse(POLICY, "test").unwrap();
        let workspace = Workspace::open_with_ambient_authority(directory.path()).unwrap();
        let grant = policy.grant("local").unwrap().for_tool("read_file");
        let scope = Scope::new(Arc::new(workspace), grant, Arc::new(policy.layout().clone()));
        Fixture { directory, scope, call: Call::new("local", Duration::from_secs(60)) }
    }

    fn try_read(&self, arguments: Value) -> Result<Answer, ToolError> {
        find("read_file").unwrap().run(&self.scope, arguments, &self.call)
    }

    fn text(&self, arguments: Value) -> String {
        match self.try_read(arguments).unwrap().shown {
            Shown::Text(text) => text,
            other => panic!("not text: {other:?}"),
        }
    }

    fn error(&self, arguments: Value) -> String {
        self.try_read(arguments).unwrap_err().to_text()
    }
}

fn one(bytes: &[u8]) -> Fixture {
    Fixture::new(&[("f", bytes)])
}

#[test]
fn lines_have_numbers_and_a_last_line_about_the_file() {
    let text: String = (1..=12).map(|line| format!("line {line}\n")).collect();
    let fixture = one(text.as_bytes());
    assert_snapshot!(fixture.text(json!({"path": "f", "offset": 9})), @r#"
    9	line 9
    10	line 10
    11	line 11
    12	line 12
    [lines 9-12 of 12 · 87 bytes · version 1538fe25978bc3982a9d]
    "#);
    assert_snapshot!(fixture.text(json!({"path": "f", "limit": 2})), @r#"
    1	line 1
    2	line 2
    [lines 1-2 of 12 · 87 bytes · version 1538fe25978bc3982a9d · more: offset 3]
    "#);
    assert_snapshot!(fixture.text(json!({"path": "f", "offset": -3, "limit": 1})), @r#"
    10	line 10
    [line 10 of 12 · 87 bytes · version 1538fe25978bc3982a9d · more: offset 11]
    "#);
}

#[test]
fn control_characters_and_line_ends_are_visible() {
    assert_snapshot!(one(b"a\tb\r\n\x1b[31mred\x7f\ra\n\nend").text(json!({"path": "f"})), @r#"
    1	a	b
    2	␛[31mred␡␍a
    3	
    4	end
    [lines 1-4 of 4 · LF and CRLF mixed · 21 bytes · no newline at end of file · version 0ec155dca8862a8cdcb7]
    "#);
    assert_snapshot!(one(b"a\r\n").text(json!({"path": "f"})), @r#"
    1	a
    [line 1 of 1 · CRLF · 3 bytes · version 8e4621379786ef42a4fe]
    "#);
}

#[test]
fn an_empty_file_is_empty() {
    let fixture = one(b"");
    assert_snapshot!(fixture.text(json!({"path": "f"})), @r#"
    [empty file · 0 bytes · version e3b0c44298fc1c149afb]
    "#);
    assert_snapshot!(fixture.text(json!({"path": "f", "offset": -5})), @r#"
    [empty file · 0 bytes · version e3b0c44298fc1c149afb]
    "#);
    assert_snapshot!(fixture.text(json!({"path": "f", "offset": 2})), @r#"
    [empty file · 0 bytes · version e3b0c44298fc1c149afb · nothing at offset 2: the file has no lines]
    "#);
}

#[test]
fn other_encodings_are_named() {
    assert_snapshot!(one(b"caf\xe9 \x80\n").text(json!({"path": "f"})), @r#"
    1	café €
    [line 1 of 1 · windows-1252 · 7 bytes · version 279b2e00b6bce308c0e1]
    "#);
    assert_snapshot!(one(b"\xff\xfeh\0i\0\r\0\n\0").text(json!({"path": "f"})), @r#"
    1	hi
    [line 1 of 1 · utf-16le · CRLF · 10 bytes · version 73253e1bb32ae0be8234]
    "#);
    assert_snapshot!(one(b"\xef\xbb\xbfhi\n").text(json!({"path": "f"})), @r#"
    1	hi
    [line 1 of 1 · utf-8-bom · 6 bytes · version 6f6dd753736cf2098044]
    "#);
}

#[test]
fn json_has_the_exact_text() {
    let fixture = one(b"a\x1b\r\nb\r\nc");
    let answer = fixture.try_read(json!({"path": "f", "limit": 1, "format": "json"})).unwrap();
    assert_eq!(answer.shown, Shown::Json);
    assert_json_snapshot!(answer.json(), @r#"
    {
      "content": "a\u001b\r\n",
      "encoding": "utf-8",
      "end_line": 1,
      "line_endings": "crlf",
      "more": true,
      "next_offset": 2,
      "path": "f",
      "size": 8,
      "start_line": 1,
      "total_lines": 3,
      "version": "ea61421ffafd2a51b8a8864af9c163745cee47b90aac4ae15cfd7a8bbfedf9dd"
    }
    "#);
}

#[test]
fn a_file_over_the_limit_has_no_version_and_says_so() {
    let fixture = one("0123456789\n".repeat(100_000).as_bytes());
    assert_snapshot!(fixture.text(json!({"path": "f", "limit": 1})), @r#"
    1	0123456789
    [line 1 · 1100000 bytes · no version: the file is over 1000000 bytes (max_file_bytes) · more: offset 2]
    "#);
    assert_snapshot!(fixture.text(json!({"path": "f", "offset": -2})), @r#"
    -2	0123456789
    -1	0123456789
    [lines -2 to -1, counted from the end · 1100000 bytes · no version: the file is over 1000000 bytes (max_file_bytes)]
    "#);
}

#[test]
fn an_answer_ends_before_it_is_too_long() {
    let mut fixture = one("\u{1b}0123456789\n".repeat(9_000).as_bytes());
    fixture.call.answer_chars = 10_000;
    for format in ["text", "json"] {
        let arguments = json!({"path": "f", "limit": 9_000, "format": format});
        let answer = fixture.try_read(arguments).unwrap();
        let chars = match &answer.shown {
            Shown::Text(text) => text.chars().count(),
            _ => answer.json().to_string().chars().count(),
        };
        assert!((7_000..10_000).contains(&chars), "{chars}");
        assert_eq!(answer.json()["more"], true);
        let next = answer.json()["next_offset"].as_i64().unwrap();
        assert_eq!(next, answer.json()["end_line"].as_i64().unwrap() + 1);
    }
}

#[test]
fn images_and_sounds_come_as_such() {
    let fixture = Fixture::new(&[("a.png", PNG), ("b", b"RIFF\x04\0\0\0WAVEfmt ")]);
    let Shown::Image { data, media_type, note } =
        fixture.try_read(json!({"path": "a.png"})).unwrap().shown
    else {
        panic!("not an image")
    };
    assert_eq!((data.len(), media_type.as_str()), (40, "image/png"));
    assert_snapshot!(note, @r#"
    [a.png · image/png · 29 bytes · version 71fde3856a298a052c6e]
    "#);
    let sound = fixture.try_read(json!({"path": "b"})).unwrap().shown;
    assert!(matches!(sound, Shown::Audio { media_type, .. } if media_type == "audio/wav"));
    let image = fixture.try_read(json!({"path": "a.png", "format": "json"})).unwrap();
    assert_json_snapshot!(image.json(), @r#"
    {
      "content": "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAA=",
      "encoding": "base64",
      "end_line": 0,
      "media_type": "image/png",
      "more": false,
      "path": "a.png",
      "size": 29,
      "start_line": 0,
      "version": "71fde3856a298a052c6edb5155638d8422114e55bf0e28374d90dea8be99ef6c"
    }
    "#);
}

#[test]
fn other_binary_files_are_described() {
    let zip = [b"PK\x03\x04".as_slice(), &[0; 40]].concat();
    assert_snapshot!(one(&zip).text(json!({"path": "f"})), @r#"
    [application/zip · binary · 44 bytes · version 2de6da6b40d823e317cc]
    "#);
    assert_snapshot!(one(b"ab\0").text(json!({"path": "f"})), @r#"
    [application/octet-stream · binary · 3 bytes · version 969caaeb3626c0d5695e]
    "#);
    let large = [PNG, &vec![0; 1_000_000]].concat();
    assert_snapshot!(one(&large).text(json!({"path": "f"})), @r#"
    [image/png · binary · 1000029 bytes · not shown: over 1000000 bytes · no version: the file is over 1000000 bytes (max_file_bytes)]
    "#);
}

#[test]
fn a_text_that_begins_like_an_image_is_text() {
    assert_snapshot!(one(b"GIF is a format\n").text(json!({"path": "f"})), @r#"
    1	GIF is a format
    [line 1 of 1 · 16 bytes · version 3cf1a84fe28976aef8ab]
    "#);
    assert_snapshot!(one(b"ID3 tags\n").text(json!({"path": "f"})), @r#"
    1	ID3 tags
    [line 1 of 1 · 9 bytes · version add502a583700a65123b]
    "#);
}

#[test]
fn wrong_arguments_say_what_to_do() {
    let fixture = Fixture::new(&[("main.rs", b"one\ntwo\n"), ("secret.txt", b"x")]);
    std::fs::create_dir(fixture.directory.path().join("src")).unwrap();
    for (arguments, code) in [
        (json!({"path": "main.rs", "offset": 0}), "invalid_argument: `offset` is 0"),
        (json!({"path": "main.rs", "limit": 0}), "invalid_argument: `limit` is 0"),
        (json!({"path": "main.rs", "limit": 100_001}), "invalid_argument: `limit` is 100001"),
        (json!({"path": "src"}), "invalid_argument: `src` is a directory"),
        (json!({"path": "mian.rs"}), "not_found: no such file: mian.rs"),
        (json!({"path": "secret.txt"}), "not_found: no such file: secret.txt"),
        (json!({"path": "../x"}), "invalid_argument: `../x` contains `..`"),
        (json!({"path": "main.rs", "lenght": 3}), "invalid_argument: unknown argument `lenght`"),
    ] {
        let error = fixture.error(arguments);
        assert!(error.starts_with(code), "{error}");
    }
}

#[test]
fn an_offset_after_the_last_line_gives_nothing_and_the_number_of_lines() {
    let fixture = Fixture::new(&[("main.rs", b"one\ntwo\n"), ("wide.txt", b"caf\xe9\n")]);
    assert_snapshot!(fixture.text(json!({"path": "main.rs", "offset": 3})), @r#"
    [no lines · 8 bytes · version c3f9c8c283a2b1f2f189 · nothing at offset 3: the file has 2 lines, the last at offset 2]
    "#);
    let answer = fixture
        .try_read(json!({"path": "wide.txt", "offset": i64::MAX, "format": "json"}))
        .unwrap();
    let json = answer.json();
    assert_eq!((&json["content"], &json["more"]), (&json!(""), &json!(false)));
    assert_eq!((&json["start_line"], &json["end_line"]), (&json!(2), &json!(1)));
    assert_eq!((&json["total_lines"], &json["encoding"]), (&json!(1), &json!("iso-8859-1")));
    assert!(json.get("next_offset").is_none(), "{json}");
}

#[test]
fn a_cancelled_call_answers_nothing() {
    let fixture = one(b"x");
    fixture.call.cancel();
    assert!(fixture.error(json!({"path": "f"})).starts_with("cancelled"));
}
