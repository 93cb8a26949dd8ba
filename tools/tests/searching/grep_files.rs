//! Files that are hard to search: binary, giant, badly encoded; and patterns that are hopeless.
//! Always a clear answer, in bounded time and memory.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use mcp_workspace_test_support::tree::{
    MODES, OPEN_POLICY, Tree, run, run_call, scope_at, strings,
};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::Code;
use serde_json::{Value, json};

fn grep(tree: &Tree, arguments: Value) -> Value {
    let mut arguments = arguments;
    arguments["format"] = "json".into();
    run(&tree.scope(MODES[0]), "grep", arguments).unwrap()
}

#[test]
fn binary_files_are_counted_wherever_the_nul_stands() {
    let tree = Tree::new();
    tree.file("early", b"\0needle\n".as_slice())
        .file("late", [vec![b'x'; 200_000], b"\nneedle\n\0".to_vec()].concat())
        .file("utf32", b"\xff\xfe\0\0n\0\0\0".as_slice())
        .file("text", "needle");
    let found = grep(&tree, json!({ "pattern": "needle", "mode": "files" }));
    let files = strings(&found["files"], "path");
    assert!(files.contains(&"text".to_owned()) && !files.contains(&"early".to_owned()), "{found}");
    let counted = found["files_searched"].as_u64().unwrap()
        + found["files_skipped"]["binary"].as_u64().unwrap();
    assert_eq!(counted, 4, "{found}");
    let found = grep(&tree, json!({ "pattern": "needle" }));
    assert_eq!(strings(&found["matches"], "path"), ["text"]);
    assert_eq!(found["files_skipped"]["binary"], 3, "{found}");
}

#[test]
fn files_over_the_limit_are_counted_as_too_large() {
    let tree = Tree::new();
    tree.file("small", "needle\n".repeat(100)).file("large", "needle\n".repeat(200));
    let policy = format!("{OPEN_POLICY}\n[role.limits]\nmax_file_bytes = 1000\n");
    for mode in MODES {
        let scope = scope_at(&tree.root(), mode, &policy);
        for path in ["", "large"] {
            let arguments = json!({ "pattern": "needle", "mode": "count", "path": path });
            let found = run(&scope, "grep", arguments).unwrap();
            assert_eq!(found["files_skipped"]["too_large"], 1, "{found}");
            assert!(!strings(&found["files"], "path").contains(&"large".to_owned()));
        }
    }
}

/// The most memory that this process ever had, in bytes.
fn most_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[test]
fn a_single_line_of_200_megabytes_is_too_large_by_default_and_bounded_when_allowed() {
    const SIZE: u64 = 200 * 1024 * 1024;
    let tree = Tree::new();
    let mut file = File::create(tree.root().join("line")).unwrap();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..200 {
        file.write_all(&block).unwrap();
    }
    file.seek(SeekFrom::Start(150 << 20)).unwrap();
    file.write_all(b"needle").unwrap();
    drop(file);
    let began = Instant::now();
    let found = grep(&tree, json!({ "pattern": "needle" }));
    assert_eq!(found["files_skipped"]["too_large"], 1, "{found}");
    assert!(began.elapsed() < Duration::from_secs(2));

    let policy = format!("{OPEN_POLICY}\n[role.limits]\nmax_file_bytes = 300_000_000\n");
    let scope = scope_at(&tree.root(), MODES[0], &policy);
    let found = run(&scope, "grep", json!({ "pattern": "needle", "format": "json" })).unwrap();
    if found["files_skipped"]["too_large"] == 0 {
        let line = found["matches"][0]["text"].as_str().unwrap();
        assert!(line.contains("needle") && line.len() < 4_000, "{} bytes", line.len());
        assert!(line.contains(&format!("of the line's {SIZE} bytes cut")), "{line}");
    }
    if let Some(most) = most_memory() {
        assert!(most < 4 * SIZE, "{most} bytes");
    }
}

#[test]
fn a_sparse_terabyte_is_not_read() {
    let tree = Tree::new();
    let file = File::create(tree.root().join("sparse")).unwrap();
    if file.set_len(1 << 40).is_err() {
        return;
    }
    let began = Instant::now();
    let found = grep(&tree, json!({ "pattern": "needle" }));
    let skipped = &found["files_skipped"];
    assert_eq!(skipped["binary"].as_u64().unwrap() + skipped["too_large"].as_u64().unwrap(), 1);
    assert!(began.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_pattern_that_is_too_large_when_compiled_is_refused_with_a_hint() {
    let tree = Tree::new();
    tree.file("a", "aaaa");
    let began = Instant::now();
    for pattern in ["(a{100}){100}{100}", "\\w{1000}{1000}", "(((a{50}){50}){50}){50}"] {
        let error = run(&tree.scope(MODES[0]), "grep", json!({ "pattern": pattern })).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{pattern}");
        assert!(error.hint.unwrap().contains("smaller"), "{pattern}");
    }
    for pattern in ["(", "[", "a{2,1}", "(?=a)", "(a)\\1", "\\", &"(".repeat(9_000)] {
        let error = run(&tree.scope(MODES[0]), "grep", json!({ "pattern": pattern })).unwrap_err();
        assert_eq!(error.code, Code::InvalidArgument, "{pattern:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_hopeless_search_answers_soon_after_its_deadline() {
    let tree = Tree::new();
    let mut state = 1_u32;
    let mut digits = |count: usize| -> String {
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if state >> 31 == 0 { '0' } else { '1' }
        })
        .take(count)
        .collect()
    };
    tree.file("one_line", digits(2_000_000));
    let lines: Vec<String> = (0..2_000).map(|_| digits(1_000)).collect();
    tree.file("lines", lines.join("\n"));
    // The end of the pattern is in no file, so nothing is found early.
    for path in ["", "one_line", "lines"] {
        for mode in ["content", "count"] {
            let began = Instant::now();
            let call = Call::new("local", Duration::from_secs(2));
            let arguments = json!({ "pattern": "[01]*1[01]{300}x", "path": path, "mode": mode });
            let answer = run_call(&tree.scope(MODES[0]), "grep", arguments, &call);
            let took = began.elapsed();
            assert!(took < Duration::from_secs(4), "{took:?} for {path} {mode}");
            match answer {
                Ok(answer) if answer["stopped"] == "deadline" => {
                    assert!(answer["next_cursor"].is_string(), "{answer}");
                }
                Ok(_) => {}
                Err(error) => {
                    assert_eq!(error.code, Code::Deadline);
                    assert!(error.hint.is_some());
                }
            }
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_searched_and_shown_as_valid_text() {
    let tree = Tree::new();
    tree.file("latin1", b"caf\xe9 needle\nna\xefve\n".as_slice());
    tree.file("mixed", b"\xff\xff needle \xc3\xa9\n\xf0\x9f needle".as_slice());
    let found = grep(&tree, json!({ "pattern": "needle" }));
    let lines = strings(&found["matches"], "text");
    assert_eq!(lines, ["caf\u{fffd} needle", "\u{fffd}\u{fffd} needle é", "\u{fffd} needle"]);
    let found = grep(&tree, json!({ "pattern": "na.ve", "path": "latin1" }));
    assert_eq!(found["matches"].as_array().unwrap().len(), 0, "`.` is a character of text");
    let found = grep(&tree, json!({ "pattern": "(?-u:na.ve)", "path": "latin1" }));
    assert_eq!(found["matches"].as_array().unwrap().len(), 1);
}

#[test]
fn utf16_with_a_byte_order_mark_is_searched_as_text() {
    let tree = Tree::new();
    let text = "first\r\nthe needle é 😀\r\n".repeat(2_000);
    let units: Vec<u16> = text.encode_utf16().collect();
    let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    tree.file("little", [b"\xff\xfe".to_vec(), little.clone()].concat());
    tree.file("big", [b"\xfe\xff".to_vec(), big].concat());
    tree.file("short", [b"\xff\xfe".to_vec(), little[..60].to_vec()].concat());
    tree.file("bom8", "\u{feff}the needle é 😀\n");
    let found = grep(&tree, json!({ "pattern": "needle é 😀", "mode": "count" }));
    let counts: Vec<_> = found["files"].as_array().unwrap().iter().collect();
    assert_eq!(counts.len(), 4, "{found}");
    assert_eq!(counts[0], &json!({ "path": "big", "count": 2000 }));
    assert_eq!(counts[2], &json!({ "path": "little", "count": 2000 }));
    let found = grep(&tree, json!({ "pattern": "^the", "path": "bom8" }));
    assert_eq!(strings(&found["matches"], "text"), ["the needle é 😀"]);
}

#[test]
fn windows_line_ends_belong_to_no_line() {
    let tree = Tree::new();
    tree.file("crlf", "one\r\nneedle\r\nthree\r\n");
    let found = grep(&tree, json!({ "pattern": "needle", "context": 1 }));
    let expected = json!([{ "path": "crlf", "line": 2, "text": "needle", "before": ["one"], "after": ["three"] }]);
    assert_eq!(found["matches"], expected);
    let found = grep(&tree, json!({ "pattern": "needle\\r$" }));
    assert_eq!(strings(&found["matches"], "text"), ["needle"]);
}

#[test]
fn an_empty_file_and_a_file_without_a_last_line_end_are_searched() {
    let tree = Tree::new();
    tree.file("empty", "").file("blank", "\n").file("open", "a\nneedle");
    let found = grep(&tree, json!({ "pattern": "needle$" }));
    assert_eq!(found["files_searched"], 3);
    assert_eq!(found["matches"][0]["line"], 2);
    let found = grep(&tree, json!({ "pattern": "^$", "mode": "count" }));
    assert_eq!(found["files"], json!([{ "path": "blank", "count": 1 }]));
}
