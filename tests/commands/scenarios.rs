//! Scenarios as data: each folder of `tests/scenarios/` is one call of the real binary, in both
//! ways of resolving paths.
//!
//! | file | meaning |
//! |---|---|
//! | `call.json` | `tool`, `arguments`, and `caller` where it is not `local` |
//! | `workspace/` | the workspace; the call gets a copy |
//! | `policy.toml` | the policy; the built-in one where there is none |
//! | `answer.json` | what is printed, all of it; `"<any>"` stands for a value that differs from run to run |
//! | `audit.json` | fields that the audit record must have; others are not looked at |
//! | `changes.json` | files that are `added`, `changed` or `removed`; none where there is no such file |
//!
//! `UPDATE_SCENARIOS=1 cargo test --test commands scenarios` writes `answer.json`, `audit.json` and
//! `changes.json` anew; read the difference before you commit it. A new folder needs its line
//! below, and a test says so when it is forgotten.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use mcp_workspace_test_support::server::command;
use serde_json::{Value, json};

macro_rules! scenarios {
    ($($name:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];
        $(
            #[test]
            fn $name() {
                scenario(stringify!($name));
            }
        )*
    };
}

scenarios! {
    s010_symlink_to_parent_is_not_found
    s011_link_to_a_file_outside_is_not_found
    s012_path_through_a_link_is_not_found
    s013_climbing_path_is_an_invalid_argument
    s014_absolute_path_is_an_invalid_argument
    s015_prefix_of_the_mount_is_understood
    s016_links_are_listed_with_their_target_and_not_entered
    s017_search_does_not_follow_links
    s020_denied_file_is_not_found
    s021_missing_file_is_answered_like_a_denied_one
    s022_near_name_is_suggested
    s023_denied_and_ungranted_files_are_in_no_listing
    s024_denied_and_ungranted_files_are_in_no_search
    s025_caller_without_a_role_has_no_tools
    s026_tool_of_another_role_is_unknown
    s027_roles_of_a_caller_add_up
    s028_deny_of_one_role_binds_the_other
    s029_built_in_policy_hides_secrets_and_version_control
    s030_listing_is_in_the_order_of_whole_paths
    s031_listing_stops_at_its_limit_with_a_cursor
    s032_glob_searches_the_whole_tree
    s033_listing_a_file_is_an_invalid_argument
    s040_search_shows_lines_around_matches
    s041_search_counts_binary_files
    s042_search_stops_at_its_limit_with_a_cursor
    s043_look_around_is_refused_with_a_hint
    s044_ignore_files_are_counted_when_asked_for
    s050_negative_offset_reads_the_tail
    s051_reading_a_directory_points_to_list_dir
    s060_finding_is_stored_in_the_folder_of_its_role
    s061_finding_on_a_line_that_is_not_there_is_refused
    s062_finding_on_a_hidden_file_is_not_found
    s063_findings_are_listed_by_file_and_those_on_hidden_files_are_not
    s070_proposal_is_stored_and_sources_stay
    s071_proposal_that_does_not_fit_shows_what_is_there
    s072_proposal_outside_the_propose_rights_is_denied
    s073_proposal_on_a_hidden_file_is_not_found
    s074_patch_that_is_nearly_right_is_stored_exactly
    s074_proposals_are_listed_with_how_they_stand
    s080_unknown_argument_names_the_nearest
    s081_missing_argument_is_named
    s082_wrong_type_names_the_argument
    s083_unknown_tool_names_those_that_there_are
    s084_arguments_filled_in_with_nothing_are_not_given
    s085_key_is_read_though_every_argument_is_filled_in
    s086_finding_without_a_place_though_every_argument_is_filled_in
    s087_required_argument_that_is_empty_is_refused
    s088_arguments_are_read_as_meant
    s089_argument_given_twice_is_refused_with_both
    s090_state_is_written_as_version_one
    s091_state_that_is_claimed_is_a_conflict
    s092_state_that_has_moved_on_is_a_conflict
    s093_state_is_read_with_its_version
    s094_state_keys_are_listed_by_prefix
    s095_state_outside_the_write_rights_is_denied
    s096_state_that_policy_hides_is_not_found
    s097_state_key_cannot_name_a_version
    s098_state_value_over_the_limit_is_too_large
    s100_report_is_left_for_people
    s101_file_that_is_there_is_a_conflict_that_names_its_version
    s102_file_is_replaced_by_the_version_that_was_read
    s103_file_is_copied_from_one_that_may_be_read
    s104_file_among_sources_is_denied
    s105_file_among_records_is_denied
}

#[test]
fn every_folder_has_its_line() {
    let mut folders: Vec<String> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| format!("s{}", entry.unwrap().file_name().into_string().unwrap()))
        .collect();
    folders.sort();
    assert_eq!(folders, NAMES);
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

fn scenario(name: &str) {
    let folder = folder().join(name.strip_prefix('s').unwrap());
    let call = read(&folder.join("call.json")).expect("call.json");
    let update = std::env::var_os("UPDATE_SCENARIOS").is_some();
    for resolution in ["auto", "components"] {
        let outcome = run(&folder, &call, resolution);
        for (file, actual) in outcome {
            let path = folder.join(file);
            let expected = read(&path).unwrap_or_else(|| json!({}));
            if update && resolution == "auto" {
                let mut new = keep_any(&expected, actual);
                if let (true, Some(kept), Some(fields)) = (
                    file == "audit.json" && path.exists(),
                    expected.as_object(),
                    new.as_object_mut(),
                ) {
                    fields.retain(|name, _| kept.contains_key(name));
                }
                write(&path, &new);
            } else {
                let problem = difference(&expected, &actual, file == "audit.json", "");
                if let Some(problem) = problem {
                    panic!(
                        "{name}/{file} with resolution {resolution}: {problem}\nactual: {actual:#}"
                    );
                }
            }
        }
    }
}

/// Runs the call over a copy of the workspace; gives answer, audit record and changed files.
fn run(folder: &Path, call: &Value, resolution: &str) -> [(&'static str, Value); 3] {
    let directory = tempfile::tempdir().unwrap();
    let workspace = directory.path().join("workspace");
    fs::create_dir(&workspace).unwrap();
    copy(&folder.join("workspace"), &workspace);
    // What links of a scenario may point to, beside the workspace.
    fs::write(directory.path().join("outside.txt"), "OUTSIDE\n").unwrap();
    let before = files(&workspace);

    let mut command = command();
    command.args(["call", call["tool"].as_str().unwrap(), &call["arguments"].to_string()]);
    command.args(["--caller", call["caller"].as_str().unwrap_or("local")]);
    command.args(["--resolution", resolution, "--workspace"]).arg(&workspace);
    if folder.join("policy.toml").exists() {
        command.arg("--policy").arg(folder.join("policy.toml"));
    }
    let output = command.output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("no JSON on stdout ({error}); stderr: {log}"));
    assert_eq!(output.status.code(), Some(i32::from(answer.get("error").is_some())), "{answer}");
    for text in [&answer.to_string(), &log] {
        assert!(!text.contains("OUTSIDE"), "something from outside is in: {text}");
        let machine = directory.path().to_str().unwrap();
        assert!(!text.contains(machine), "a path of the machine is in: {text}");
    }

    let records = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut records: Vec<Value> = records.filter(|record| record["target"] == "audit").collect();
    assert_eq!(records.len(), 1, "one audit record a call: {log}");
    let mut audit = records.remove(0);
    let kept = ["caller", "tool", "path", "decision", "role", "rule", "outcome"];
    audit.as_object_mut().unwrap().retain(|name, _| kept.contains(&name.as_str()));

    let after = files(&workspace);
    let names = |all: &BTreeMap<String, Vec<u8>>, other: &BTreeMap<String, Vec<u8>>| -> Value {
        all.keys().filter(|path| !other.contains_key(*path)).cloned().collect()
    };
    let changed =
        after.iter().filter(|(path, bytes)| before.get(*path).is_some_and(|old| old != *bytes));
    let mut changes = json!({
        "added": names(&after, &before),
        "changed": changed.map(|(path, _)| path.clone()).collect::<Value>(),
        "removed": names(&before, &after),
    });
    changes.as_object_mut().unwrap().retain(|_, paths| *paths != json!([]));
    [("answer.json", answer), ("audit.json", audit), ("changes.json", changes)]
}

/// Where `actual` is not what is expected; with `subset` it may have fields more.
fn difference(expected: &Value, actual: &Value, subset: bool, at: &str) -> Option<String> {
    match (expected, actual) {
        (Value::String(any), _) if any == "<any>" => None,
        (Value::Object(expected), Value::Object(actual)) => {
            let missing = expected.keys().find(|name| !actual.contains_key(*name));
            let extra = actual.keys().find(|name| !subset && !expected.contains_key(*name));
            if let Some(name) = missing {
                return Some(format!("{at}/{name} is missing"));
            }
            if let Some(name) = extra {
                return Some(format!("{at}/{name} is not expected"));
            }
            let mut both = expected.iter().map(|(name, value)| (name, value, &actual[name]));
            both.find_map(|(name, expected, actual)| {
                difference(expected, actual, subset, &format!("{at}/{name}"))
            })
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            let mut both = expected.iter().zip(actual).enumerate();
            both.find_map(|(index, (expected, actual))| {
                difference(expected, actual, subset, &format!("{at}/{index}"))
            })
        }
        _ => (expected != actual).then(|| format!("{at} should be {expected} and is {actual}")),
    }
}

/// The new value, with `"<any>"` where the old one has it.
fn keep_any(old: &Value, mut new: Value) -> Value {
    match (old, &mut new) {
        (Value::String(any), _) if any == "<any>" => return old.clone(),
        (Value::Object(old), Value::Object(fields)) => {
            for (name, value) in fields {
                *value = keep_any(old.get(name).unwrap_or(&Value::Null), value.take());
            }
        }
        (Value::Array(old), Value::Array(items)) => {
            for (index, value) in items.iter_mut().enumerate() {
                *value = keep_any(old.get(index).unwrap_or(&Value::Null), value.take());
            }
        }
        _ => {}
    }
    new
}

fn read(path: &Path) -> Option<Value> {
    let text = fs::read_to_string(path).ok()?;
    Some(serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn write(path: &Path, value: &Value) {
    if *value == json!({}) {
        let _ = fs::remove_file(path);
    } else {
        fs::write(path, format!("{value:#}\n")).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).into_iter().flatten() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(source).unwrap(), target).unwrap();
        } else if kind.is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&source, &target);
        } else {
            fs::copy(source, target).unwrap();
        }
    }
}

/// Every file and link below `root`, with its content.
fn files(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            if path.is_symlink() {
                all.insert(
                    name,
                    fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(),
                );
            } else if path.is_dir() {
                open.push(path);
            } else {
                all.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    all
}
