//! The examples with lines of `mcp-workspace call` print what they say, and none is left out of the table.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    reason = "a test prepares workspaces and may panic"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn every_example_has_a_page_and_a_line_in_the_table() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let table = fs::read_to_string(examples.join("README.md")).unwrap();
    let mut folders = 0;
    for entry in fs::read_dir(&examples).unwrap().map(|entry| entry.unwrap()) {
        if !entry.file_type().unwrap().is_dir() {
            continue;
        }
        let name = entry.file_name().into_string().unwrap();
        assert!(entry.path().join("README.md").is_file(), "{name} has no README.md");
        assert!(
            table.contains(&format!("| [`{name}`]({name}/README.md) |")),
            "{name} is not in it"
        );
        folders += 1;
    }
    assert!(folders >= 7, "{folders}");
}

#[test]
fn the_page_about_state_prints_what_it_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/state/README.md");
    let page = fs::read_to_string(page).unwrap();
    let workspace = tempfile::tempdir().unwrap();
    let (mut said, mut ran) = (String::new(), 0);
    let blocks = page.split("```console\n").skip(1);
    for line in blocks.flat_map(|block| block.split("```").next().unwrap().lines()).chain(["$ "]) {
        let Some(command) = line.strip_prefix("$ ") else {
            said = said.strip_prefix(line).unwrap_or_else(|| panic!("{line}\nbut: {said}")).into();
            said = said.strip_prefix('\n').unwrap_or_default().to_owned();
            continue;
        };
        assert_eq!(said, "", "before `{command}`");
        let Some(rest) = command.strip_prefix("mcp-workspace call ") else { continue };
        let (tool, arguments) = rest.split_once(" '").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_mcp-workspace"))
            .args(["call", tool, arguments.strip_suffix('\'').unwrap()])
            .current_dir(workspace.path())
            .output()
            .unwrap();
        said = on_that_morning(&String::from_utf8(output.stdout).unwrap());
        ran += 1;
    }
    assert_eq!(ran, 9);
}

/// Every time is the one of the page.
fn on_that_morning(text: &str) -> String {
    let mut parts = text.split("20").map(str::to_owned);
    let mut all = parts.next().unwrap_or_default();
    for part in parts {
        let is_time = part.len() > 8 && part.as_bytes()[8] == b'T' && part.as_bytes()[2] == b'-';
        match part.split_once('Z').filter(|_| is_time) {
            Some((_, after)) => all += &format!("2026-11-25T08:00:00Z{after}"),
            None => all += &format!("20{part}"),
        }
    }
    all
}
