//! What `read_file` promises when files or calls are not as one hopes: they change, are too long,
//! are malformed, or time runs out.

use std::io::{Cursor, Read, Result, Seek, SeekFrom};
use std::sync::Arc;
use std::time::Duration;

use mcp_workspace_tools::answer::{Answer, Shown};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::text::{
    Encoding, Family, NoVersion, Request, Window, WindowError, read_head, read_window,
};
use mcp_workspace_tools::tool::find;
use mcp_workspace_tools::workspace::{Scope, Workspace};
use serde_json::{Value, json};

const POLICY: &str = r#"
version = 1
[[role]]
name = "reader"
callers = ["local"]
tools = ["read_file"]
read = ["**"]
"#;

/// What `read_file` answers about a file of this name and content.
fn read(name: &str, bytes: &[u8], arguments: &Value, call: &Call) -> Answer {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
    let policy = Policy::parse(POLICY, "test").unwrap();
    let workspace = Workspace::open_with_ambient_authority(directory.path()).unwrap();
    let grant = policy.grant("local").unwrap().for_tool("read_file");
    let scope = Scope::new(Arc::new(workspace), grant, Arc::new(policy.layout().clone()));
    let mut all = json!({ "path": name });
    all.as_object_mut().unwrap().extend(arguments.as_object().unwrap().clone());
    find("read_file").unwrap().run(&scope, all, call).unwrap()
}

fn call() -> Call {
    Call::new("local", Duration::from_secs(60))
}

fn notes(answer: &Answer) -> String {
    answer.json()["notes"].to_string()
}

#[test]
fn a_large_image_as_json_is_described_and_fits() {
    let mut image = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    image.resize(400_000, 0);
    let answer = read("a.png", &image, &json!({"format": "json"}), &call());
    assert_eq!(
        (&answer.json()["encoding"], &answer.json()["content"]),
        (&json!("binary"), &json!(""))
    );
    assert_eq!(answer.json()["media_type"], "image/png");
    assert!(answer.json()["version"].is_string());
    assert!(notes(&answer).contains("leave out `format` to see or hear it"), "{}", notes(&answer));
    let shown = read("a.png", &image, &json!({}), &call()).shown;
    assert!(matches!(shown, Shown::Image { data, .. } if data.len() > 500_000));
}

#[test]
fn unused_offset_and_limit_of_an_image_are_mentioned() {
    let answer = read("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &json!({"limit": 9}), &call());
    assert!(notes(&answer).contains("offset and limit were not used"));
}

#[test]
fn a_cut_line_is_counted() {
    let text = format!("{}\nshort\n{}\n", "a".repeat(3_000), "b".repeat(2_001));
    let answer = read("f", text.as_bytes(), &json!({"format": "json"}), &call());
    assert_eq!(answer.json()["lines_cut"], 2);
    assert!(notes(&answer).contains("2 lines cut at 2000 characters; grep finds"));
    let whole = read("f", "x".repeat(2_000).as_bytes(), &json!({}), &call());
    assert_eq!((&whole.json()["lines_cut"], &whole.json()["notes"]), (&Value::Null, &Value::Null));
}

#[test]
fn windows_1252_is_told_from_latin_1() {
    for (bytes, encoding, text) in [
        (b"caf\xe9".as_slice(), "iso-8859-1", "café"),
        (b"\x93caf\xe9\x94", "windows-1252", "“café”"),
        ("“café”".as_bytes(), "utf-8", "“café”"),
    ] {
        let answer = read("f", bytes, &json!({"format": "json"}), &call());
        assert_eq!(
            (&answer.json()["encoding"], &answer.json()["content"]),
            (&json!(encoding), &json!(text))
        );
    }
    // All windows of a file agree, wherever the byte is that decides.
    let bytes = ["é\n".repeat(200_000).as_bytes(), b"\xe9 \x80\n"].concat();
    for offset in [1, 150_000, -1] {
        let answer = read("f", &bytes, &json!({"offset": offset, "limit": 1}), &call());
        assert_eq!(answer.json()["encoding"], "windows-1252");
    }
}

#[test]
fn malformed_characters_are_mentioned() {
    for (bytes, encoding) in [
        (b"\xef\xbb\xbfa\xffb".as_slice(), "utf-8-bom"),
        (b"\xff\xfea\0\0\xd8", "utf-16le"),
        (b"\xfe\xff\0ab", "utf-16be"),
    ] {
        let answer = read("f", bytes, &json!({}), &call());
        assert_eq!(answer.json()["encoding"], encoding);
        assert!(notes(&answer).contains(&format!("not valid {encoding}")), "{}", notes(&answer));
    }
}

#[test]
fn utf_32_is_binary() {
    let answer = read("f", b"\xff\xfe\0\0h\0\0\0i\0\0\0", &json!({}), &call());
    assert_eq!(
        (&answer.json()["encoding"], &answer.json()["content"]),
        (&json!("binary"), &json!(""))
    );
}

#[test]
fn an_answer_fits_with_a_long_path() {
    let path = ["d".repeat(250), "e".repeat(250), "f".repeat(250), "g".repeat(250)].join("/");
    let text = "\"quoted\" line\n".repeat(9_000);
    for format in ["text", "json"] {
        let arguments = json!({"format": format, "limit": 9_000});
        let answer = read(&path, text.as_bytes(), &arguments, &call());
        let chars = match &answer.shown {
            Shown::Text(text) => text.chars().count(),
            _ => answer.json().to_string().chars().count(),
        };
        assert!((40_000..=48_000).contains(&chars), "{chars}");
    }
}

fn window_within(
    source: &mut (impl Read + Seek),
    size: u64,
    (offset, limit): (i64, u64),
    whole_bytes: u64,
    time: Duration,
) -> std::result::Result<Window, WindowError> {
    let cost = |line: &str, _| line.chars().count();
    let request = Request { offset, limit, whole_bytes, room: 47_000, cost };
    let head = read_head(source).unwrap();
    let family = Family::of(&head).unwrap();
    read_window(source, size, &head, family, &request, &Call::new("test", time))
}

/// A source that changes when it is read a second time.
struct Changing {
    now: Cursor<Vec<u8>>,
    later: Option<Vec<u8>>,
}

impl Read for Changing {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.now.read(buffer)
    }
}

impl Seek for Changing {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        if let Some(later) = self.later.take() {
            self.now = Cursor::new(later);
        }
        self.now.seek(to)
    }
}

#[test]
fn a_version_never_belongs_to_another_text_than_the_one_shown() {
    let before = "one line of several\n".repeat(40_000);
    for (after, changed) in [
        (before.clone(), false),
        (before.replace("several", "SEVERAL"), true),
        (before.get(..before.len() / 2).unwrap().to_owned(), true),
        (String::new(), true),
        (format!("{before}more\n"), false),
    ] {
        for offset in [-1, -20_000, -50_000] {
            let now = Cursor::new(before.clone().into_bytes());
            let mut source = Changing { now, later: Some(after.clone().into_bytes()) };
            let size = before.len() as u64;
            let time = Duration::from_secs(60);
            let window = window_within(&mut source, size, (offset, 3), 1 << 30, time).unwrap();
            assert_eq!(window.version == Err(NoVersion::Changed), changed, "{offset}");
        }
    }
}

#[test]
fn a_tail_has_the_version_of_the_whole_file() {
    for (mark, encode) in [
        (&b""[..], (|text: &str| text.as_bytes().to_vec()) as fn(&str) -> Vec<u8>),
        (b"\xef\xbb\xbf", |text| text.as_bytes().to_vec()),
        (b"\xff\xfe", |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
    ] {
        let lines: Vec<String> = (0..60_000).map(|n| format!("line {n} é\r\n")).collect();
        let bytes = [mark, &encode(&lines.concat())].concat();
        let size = bytes.len() as u64;
        let time = Duration::from_secs(60);
        let mut source = Cursor::new(&bytes);
        let first = window_within(&mut source, size, (1, 1), 1 << 30, time).unwrap();
        for from_end in [1, 2, 30_000, 59_999, 60_000, 60_001] {
            let mut source = Cursor::new(&bytes);
            let window = window_within(&mut source, size, (-from_end, 2), 1 << 30, time).unwrap();
            let start = 60_000 - from_end.min(60_000) as usize;
            assert_eq!(window.content, lines[start..60_000.min(start + 2)].concat());
            assert_eq!((window.start_line, &window.version), (start as i64 + 1, &first.version));
        }
    }
}

/// Takes a while for each block.
struct Sleepy<S>(S);

impl<S: Read> Read for Sleepy<S> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        std::thread::sleep(Duration::from_millis(60));
        self.0.read(buffer)
    }
}

impl<S: Seek> Seek for Sleepy<S> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.0.seek(to)
    }
}

#[test]
fn when_time_runs_out_the_lines_that_were_read_are_given() {
    let text = format!("one\ntwo\n{}", "x".repeat(30_000_000));
    let size = text.len() as u64;
    let time = Duration::from_millis(500);
    let mut source = Sleepy(Cursor::new(text.as_bytes()));
    let window = window_within(&mut source, size, (1, 9), 1 << 20, time).unwrap();
    assert!(window.content.starts_with("one\ntwo\nxxx"));
    assert!(window.content.contains("… [line cut: over "), "a line without an end is cut");
    assert_eq!((window.end_line, window.more, window.next_offset), (3, true, Some(4)));
    assert_eq!((window.lines_cut, window.version), (1, Err(NoVersion::Deadline)));
    assert_eq!(window.encoding, Encoding::Utf8);

    let mut source = Sleepy(Cursor::new(text.as_bytes()));
    let nothing = window_within(&mut source, size, (4, 1), 1 << 20, time);
    assert!(matches!(nothing, Err(WindowError::Stopped(_))));
}

#[test]
fn utf_16_that_grows_inside_a_character_stays_aligned() {
    /// Ends inside a character the first time, and goes on afterwards.
    struct Growing(Vec<Vec<u8>>);
    impl Read for Growing {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let part = self.0.remove(0);
            buffer[..part.len()].copy_from_slice(&part);
            Ok(part.len())
        }
    }
    impl Seek for Growing {
        fn seek(&mut self, _: SeekFrom) -> Result<u64> {
            Ok(0)
        }
    }
    let mut source = Growing(vec![b"\xff\xfea\0\n\0b".to_vec(), vec![], b"\0c\0".to_vec()]);
    let window = window_within(&mut source, 7, (1, 9), 1 << 20, Duration::from_secs(60)).unwrap();
    assert_eq!((window.content.as_str(), window.size), ("a\n\u{fffd}", 7));
}
