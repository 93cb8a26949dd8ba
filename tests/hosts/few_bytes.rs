//! What listings cost: bytes of whole results, as a client gets them.

use mcp_workspace_test_support::server::Server;
use serde_json::json;

#[test]
fn a_thousand_names_cost_little_more_than_their_letters() {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::create_dir(workspace.path().join("names")).unwrap();
    for number in 0..1_000 {
        std::fs::write(workspace.path().join(format!("names/file_{number:04}.txt")), "x").unwrap();
    }
    let server = Server::over(workspace.path());
    let answer = server.call("list_dir", json!({ "path": "names" })).json();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert_eq!(text.matches("file_").count(), 1_000, "all names are in one answer");
    // 13,000 letters, and a new line for each, which JSON writes as two.
    let bytes = answer["result"].to_string().len();
    assert!(bytes <= 15_400, "{bytes} bytes");
    // What is asked for as JSON is there once.
    let answer = server.call("list_dir", json!({ "path": "names", "format": "json" })).json();
    let whole = answer["result"].to_string();
    assert_eq!(whole.matches("file_0007.txt").count(), 1);
    assert!(answer["result"].get("structuredContent").is_none());
}

#[test]
fn a_file_costs_its_lines_their_numbers_and_one_line_about_it() {
    let workspace = tempfile::tempdir().unwrap();
    let text: String = (0..300).map(|line| format!("    let value_{line} = {line};\n")).collect();
    std::fs::write(workspace.path().join("a.rs"), &text).unwrap();
    let server = Server::over(workspace.path());
    let answer = server.call("read_file", json!({ "path": "a.rs" })).json();
    let shown = answer["result"]["content"][0]["text"].as_str().unwrap();
    let numbers: usize = (1..=300).map(|line: i32| line.to_string().len() + 1).sum();
    let around = shown.len() - text.len() - numbers;
    assert!(around <= 80, "{around} bytes about the file: {:?}", shown.lines().last());
    assert!(answer["result"].get("structuredContent").is_none());
}
