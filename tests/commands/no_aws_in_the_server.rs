//! The server has no AWS crate in it: the SDK belongs to the worker, a package of its own, and what
//! signs requests for people to the feature `remote`. The types of Lambda's events are no more than
//! types, and are allowed by their name. Nor has it the formats of data, unless it is
//! built with that feature.

use std::process::Command;

/// The crates of the server, built with these arguments.
fn crates(more: &[&str]) -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package", "mcp-workspace", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .args(more)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

#[test]
fn the_server_depends_on_no_aws_crate() {
    let names = crates(&[]);
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    assert!(has("mcp-workspace-tools") && has("tokio"), "{names:?}");
    let from_aws = |name: &&String| {
        (name.starts_with("aws-") || name.starts_with("aws_")) && *name != "aws_lambda_events"
    };
    let aws: Vec<_> = names.iter().filter(from_aws).collect();
    assert!(aws.is_empty(), "these belong into crates/bedrock-agent/ and crates/remote/: {aws:?}");
    assert!(!has("mcp-workspace-remote"), "it belongs to the feature `remote`");
}

#[cfg(not(feature = "remote"))]
#[test]
fn a_build_without_it_says_how_to_get_it() {
    let url = ["--url", "https://id.lambda-url.eu-west-1.on.aws"];
    for command in [&["findings", "list"][..], &["proposals", "list"], &["review"]] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_mcp-workspace"));
        let done =
            program.args(command).args(url).env_remove("MCP_WORKSPACE_URL").output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains("this build has no --url") && said.contains("--features remote"));
    }
}

#[test]
fn the_server_reads_data_and_has_sqlite_only_where_it_is_built_for_it() {
    let formats = [
        "parquet",
        "flate2",
        "ruzstd",
        "snap",
        "lz4_flex",
        "csv-core",
        "rusqlite",
        "libsqlite3-sys",
    ];
    let (plain, data) = (crates(&[]), crates(&["--features", "data"]));
    let in_plain: Vec<_> =
        formats.iter().filter(|format| plain.iter().any(|name| name == *format)).collect();
    assert!(in_plain.is_empty(), "these belong to the feature `data`: {in_plain:?}");
    for format in formats {
        assert!(data.iter().any(|name| name == format), "{format} is not in the build for data");
    }
}
