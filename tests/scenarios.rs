//! Calls as data: each folder under `tests/scenarios/` holds a workspace, a call, and what must
//! come of it: the answer, the audit record, and the files afterwards. With `UPDATE_SCENARIOS=1`
//! the answers and files are written anew, to be read before they are committed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test prepares workspaces and may panic"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(#[test] fn $name() { run(stringify!($name)); })*

        #[test]
        fn every_folder_is_run() {
            let mut folders: Vec<_> = fs::read_dir(root())
                .unwrap()
                .map(|entry| format!("s{}", entry.unwrap().file_name().to_str().unwrap()))
                .collect();
            folders.sort();
            assert_eq!(folders, [$(stringify!($name)),*]);
        }
    };
}

scenarios! {
    s010_list_dir_hides_secrets_and_sorts_by_path
    s011_list_dir_shows_a_link_and_its_target
    s012_list_dir_pages_with_a_cursor
    s013_list_dir_of_a_file_says_what_to_use
    s014_list_dir_shows_only_what_leads_to_readable_files
    s020_read_file_gives_lines_and_version
    s021_read_file_of_a_near_name_suggests_the_right_one
    s022_read_file_of_a_hidden_file_is_not_found
    s023_read_file_outside_read_is_not_found
    s024_symlink_to_parent_is_not_found
    s025_read_file_refuses_to_climb
    s026_read_file_takes_the_mounts_own_prefix
    s027_an_unknown_argument_names_the_nearest
    s030_grep_groups_matches_by_file
    s031_grep_finds_nothing_in_hidden_files
    s032_grep_of_an_invalid_pattern_says_what_is_wrong
    s033_grep_counts_what_ignore_files_leave_out
    s034_grep_searches_what_ignore_files_name_by_default
    s040_write_finding_reads_the_region_itself
    s041_write_finding_takes_the_names_of_report_findings
    s042_write_finding_on_lines_that_are_not_there
    s043_write_finding_on_a_hidden_file_is_not_found
    s050_propose_patch_stores_a_diff_and_changes_no_source
    s051_propose_patch_outside_propose_is_denied
    s052_propose_patch_that_does_not_fit_shows_what_is_there
    s053_propose_patch_never_touches_records
    s060_a_caller_that_no_role_names_has_no_tools
    s061_a_tool_that_no_role_lists_is_unknown
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

fn run(name: &str) {
    let scenario = root().join(name.strip_prefix('s').unwrap());
    let call: Value = serde_json::from_str(&read(&scenario.join("call.json"))).unwrap();
    let workspace = tempfile::tempdir().unwrap();
    copy(&scenario.join("workspace"), workspace.path());
    for (link, target) in call["links"].as_object().into_iter().flatten() {
        let target = target.as_str().unwrap();
        std::os::unix::fs::symlink(target, workspace.path().join(link)).unwrap();
    }

    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-workspace"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("MCP_WORKSPACE_") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
        .args(["call", call["tool"].as_str().unwrap(), &call["arguments"].to_string()])
        .args(["--caller", call["caller"].as_str().unwrap(), "--workspace"])
        .arg(workspace.path())
        .stdin(Stdio::null());
    let policy = scenario.join("policy.toml");
    if policy.exists() {
        command.arg("--policy").arg(policy);
    }
    let output = command.output().unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout).expect("JSON on stdout");
    let refused = answer.get("error").is_some();
    assert_eq!(output.status.code(), Some(i32::from(refused)), "{answer}");
    expect(&scenario.join("answer.json"), &format!("{answer:#}\n"));

    let logged = String::from_utf8(output.stderr).unwrap();
    let records: Vec<Value> = logged
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON lines on stderr"))
        .filter(|record: &Value| record["target"] == "audit")
        .collect();
    assert_eq!(records.len(), 1, "one record a call: {logged}");
    if scenario.join("audit.json").exists() {
        let expected: Value = serde_json::from_str(&read(&scenario.join("audit.json"))).unwrap();
        for (key, value) in expected.as_object().unwrap() {
            assert_eq!(&records[0][key], value, "{key} of {}", records[0]);
        }
    }

    let before = files(&scenario.join("workspace"));
    let mut written = String::new();
    for (path, text) in files(workspace.path()) {
        match before.get(&path) {
            Some(old) => assert_eq!(old, &text, "{path} was changed"),
            None => written += &format!("=== {path}\n{}", without_time(&text)),
        }
    }
    let after = scenario.join("written.txt");
    if after.exists() || !written.is_empty() {
        expect(&after, &written);
    }
}

/// Compares with what is committed, or writes it.
fn expect(file: &Path, told: &str) {
    if std::env::var_os("UPDATE_SCENARIOS").is_some() {
        fs::write(file, told).unwrap();
    }
    let expected = fs::read_to_string(file).unwrap_or_default();
    assert_eq!(told, expected, "{}", file.display());
}

fn without_time(text: &str) -> String {
    text.lines()
        .map(|line| match line.split_once("\"created\": ") {
            Some((before, _)) => format!("{before}\"created\": \"<any>\"\n"),
            None => format!("{line}\n"),
        })
        .collect()
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files(root: &Path) -> BTreeMap<String, String> {
    fn walk(root: &Path, directory: &Path, files: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                walk(root, &path, files);
            } else if kind.is_file() {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut all = BTreeMap::new();
    walk(root, root, &mut all);
    all
}
