//! `write_file` leaves what is in a compressed file.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use mcp_workspace_test_support::tool_call;
use mcp_workspace_test_support::tree::Tree;
use mcp_workspace_tools::error::{Code, ToolError};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};

const POLICY: &str = r#"
version = 1
[[role]]
name = "agent"
callers = ["local"]
tools = ["write_file"]
read = ["input/**"]
create = ["work/**"]
[role.limits]
max_bytes = 4_000_000
"#;

fn text() -> Vec<u8> {
    (0..400_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn write(tree: &Tree, arguments: Value) -> Result<Value, ToolError> {
    tool_call::run_as(tool_call::open(&tree.root()), POLICY, "local", "write_file", arguments)
}

#[test]
fn what_is_written_is_the_text_of_the_compressed_file() {
    let text = text();
    for packed in [gzip(&text), compress_to_vec(&text[..], CompressionLevel::Fastest)] {
        let tree = Tree::new();
        tree.file("input/packed", &packed);
        let there = || std::fs::read(tree.root().join("work/text")).unwrap();
        let unpack = json!({"path": "work/text", "from": "input/packed", "decompress": true});
        let made = write(&tree, unpack.clone()).unwrap();
        assert_eq!((&made["status"], &made["size"]), (&json!("created"), &json!(text.len())));
        assert!(there() == text);
        assert_eq!(write(&tree, unpack.clone()).unwrap()["status"], "unchanged");
        let mut more = unpack;
        (more["append"], more["expected_version"]) = (true.into(), made["version"].clone());
        assert_eq!(write(&tree, more).unwrap()["size"], 2 * text.len());
        assert!(there() == [&text[..], &text[..]].concat());
    }
}

#[test]
fn nothing_of_a_damaged_file_is_written() {
    let tree = Tree::new();
    let packed = gzip(&text());
    let zeros = gzip(&vec![0; 5_000_000]);
    tree.file("input/cut", &packed[..packed.len() / 2]).file("input/plain", "text");
    tree.file("input/large", &zeros);
    for (from, code, said) in [
        ("input/cut", Code::Io, "cut off after"),
        ("input/plain", Code::InvalidArgument, "is not compressed"),
        // The bytes that are written are charged, and not those that are read.
        ("input/large", Code::Denied, "max_bytes"),
    ] {
        let error = write(&tree, json!({"path": "work/x", "from": from, "decompress": true}));
        let error = error.unwrap_err();
        assert_eq!(error.code, code, "{from}: {error}");
        assert!(error.to_text().contains(said), "{from}: {}", error.to_text());
        assert!(!tree.root().join("work/x").exists(), "{from}");
    }
    let error = write(&tree, json!({"path": "work/x", "content": "a", "decompress": true}));
    assert_eq!(error.unwrap_err().code, Code::InvalidArgument);
}
