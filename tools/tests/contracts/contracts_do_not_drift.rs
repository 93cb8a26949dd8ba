//! The committed contracts and tool tables are what the code says.
//!
//! After a change of a tool: `UPDATE_CONTRACTS=1 cargo test -p mcp-workspace-tools --test
//! contracts`, then read the difference.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mcp_workspace_tools::contract::{
    agentcore, bedrock_functions, bedrock_openapi, converse, mcp, reference,
};
use mcp_workspace_tools::records::finding;
use mcp_workspace_tools::tool::{self, Entry};
use serde_json::Value;

const BEGIN: &str = "<!-- tools:begin -->\n";
const END: &str = "<!-- tools:end -->";

/// The tools that every build has: the documents are made of these.
fn catalog() -> &'static [Entry] {
    let all = tool::catalog();
    let of_some_builds = all.iter().filter(|entry| OF_SOME_BUILDS.contains(&entry.name)).count();
    // They stand behind the others.
    &all[..all.len() - of_some_builds]
}

/// The tools that the feature `data` adds.
const OF_SOME_BUILDS: [&str; 1] = ["query_table"];

#[test]
fn the_tools_of_some_builds_are_the_last() {
    let names = tool::names();
    let added: &[&str] = if cfg!(feature = "data") { &OF_SOME_BUILDS } else { &[] };
    assert_eq!(&names[catalog().len()..], added);
}

fn crate_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a file with what it should hold, or writes it when asked to.
#[track_caller]
fn check(file: &Path, wanted: &str) {
    if std::env::var_os("UPDATE_CONTRACTS").is_some() {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, wanted).unwrap();
    }
    let held = fs::read_to_string(file).unwrap_or_default().replace("\r\n", "\n");
    if held == wanted {
        return;
    }
    let (number, (is, should)) = held
        .lines()
        .chain(std::iter::repeat("(nothing)"))
        .zip(wanted.lines().chain(std::iter::repeat("(nothing)")))
        .enumerate()
        .find(|(_, (is, should))| is != should)
        .unwrap();
    panic!(
        "{} is not what the code says.\n  line {}: {is}\n  should be: {should}\n\
         If the change is meant, run `UPDATE_CONTRACTS=1 cargo test` and read the difference.",
        file.display(),
        number + 1,
    );
}

#[track_caller]
fn check_json(name: &str, wanted: &Value) {
    check(&crate_root().join("contracts").join(name), &format!("{wanted:#}\n"));
}

#[test]
fn each_tool_has_its_mcp_snapshot() {
    for entry in tool::catalog() {
        check_json(&format!("mcp/{}.json", entry.name), &mcp::tool(entry));
    }
}

fn file_of(name: &str) -> String {
    format!("{name}.json")
}

#[test]
fn no_snapshot_outlives_its_tool() {
    let tools: BTreeSet<String> =
        catalog().iter().map(|entry| entry.name).chain(OF_SOME_BUILDS).map(file_of).collect();
    for file in fs::read_dir(crate_root().join("contracts/mcp")).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        if !tools.contains(&name) && std::env::var_os("UPDATE_CONTRACTS").is_some() {
            fs::remove_file(file.path()).unwrap();
            continue;
        }
        assert!(tools.contains(&name), "{name} is the snapshot of no tool; remove it");
    }
}

#[test]
fn agentcore_tool_schema() {
    check_json("agentcore.json", &agentcore::document(catalog()));
}

#[test]
fn bedrock_function_schema() {
    check_json("bedrock-functions.json", &bedrock_functions::document(catalog()));
}

#[test]
fn bedrock_openapi_schema() {
    check_json("bedrock-openapi.json", &bedrock_openapi::document(catalog()));
}

#[test]
fn converse_tool_config() {
    check_json("converse.json", &converse::document(catalog()));
}

#[test]
fn schema_of_a_finding() {
    check_json("finding.schema.json", &finding::schema());
}

#[test]
fn tool_table_of_the_readme() {
    let readme = crate_root().join("../README.md");
    check_between_markers(readme, &reference::summary(catalog(), "docs/tools.md"));
}

#[test]
fn tool_reference_of_the_docs() {
    let tools = catalog();
    let reference = format!("{}\n{}", reference::summary(tools, ""), reference::details(tools));
    check_between_markers(crate_root().join("../docs/tools.md"), &reference);
}

#[track_caller]
fn check_between_markers(file: PathBuf, wanted: &str) {
    let held = fs::read_to_string(&file).unwrap().replace("\r\n", "\n");
    let (before, rest) = held.split_once(BEGIN).expect("the file has the marker `tools:begin`");
    let (_, after) = rest.split_once(END).expect("the file has the marker `tools:end`");
    check(&file, &format!("{before}{BEGIN}\n{wanted}\n{END}{after}"));
}
