//! The server has no AWS crate in it: the SDK belongs to the worker, a package of its own, and what
//! signs requests for people to the feature `remote`.
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
    assert!(aws.is_empty(), "these belong into bedrock-agent/ and remote/: {aws:?}");
    assert!(!names.contains(&"mcp-workspace-remote"), "it belongs to the feature `remote`");
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
