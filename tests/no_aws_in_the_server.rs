//! The server has no AWS crate in it: the SDK belongs to the worker, a package of its own.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;

#[test]
fn the_server_depends_on_no_aws_crate() {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package", "mcp-workspace", "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{p}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains(&"mcp-workspace-tools") && names.contains(&"tokio"), "{names:?}");
    let from_aws = |name: &&&str| name.starts_with("aws-") || name.starts_with("aws_");
    let aws: Vec<_> = names.iter().filter(from_aws).collect();
    assert!(aws.is_empty(), "these belong into bedrock-agent/: {aws:?}");
}
