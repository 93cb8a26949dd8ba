//! The server has no AWS crate in it: the SDK belongs to the worker, a package of its own. Nor has
//! it the formats of data, unless it is built with that feature.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

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
    let from_aws = |name: &&String| name.starts_with("aws-") || name.starts_with("aws_");
    let aws: Vec<_> = names.iter().filter(from_aws).collect();
    assert!(aws.is_empty(), "these belong into bedrock-agent/: {aws:?}");
}

#[test]
fn the_server_reads_data_only_where_it_is_built_for_it() {
    let formats = ["parquet", "flate2", "ruzstd", "snap", "lz4_flex"];
    let (plain, data) = (crates(&[]), crates(&["--features", "data"]));
    let in_plain: Vec<_> =
        formats.iter().filter(|format| plain.iter().any(|name| name == *format)).collect();
    assert!(in_plain.is_empty(), "these belong to the feature `data`: {in_plain:?}");
    for format in formats {
        assert!(data.iter().any(|name| name == format), "{format} is not in the build for data");
    }
}
