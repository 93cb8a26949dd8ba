//! Where `openat2` is forbidden or unknown, as under some seccomp filters and in gVisor, the
//! binary says so and confines as before.
#![cfg(target_os = "linux")]

use std::process::Output;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde_json::json;

use mcp_workspace_test_support::server::{Server, command};

/// The number of `openat2` on every architecture.
const OPENAT2: i64 = 437;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Runs `work` in a thread whose children get `errno` from `openat2`.
fn without_openat2<T: Send + 'static>(errno: u32, work: impl FnOnce() -> T + Send + 'static) -> T {
    let filter = SeccompFilter::new(
        [(OPENAT2, Vec::new())].into_iter().collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(errno),
        std::env::consts::ARCH.try_into().unwrap(),
    )
    .unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    std::thread::spawn(move || {
        seccompiler::apply_filter(&program).unwrap();
        work()
    })
    .join()
    .unwrap()
}

fn calls(workspace: std::path::PathBuf) -> Vec<(Option<i32>, String)> {
    let run = |tool: &str, arguments: serde_json::Value| -> Output {
        command()
            .args(["call", tool, &arguments.to_string(), "--workspace"])
            .arg(&workspace)
            .output()
            .unwrap()
    };
    [
        run("list_dir", json!({ "depth": 9 })),
        run("read_file", json!({ "path": "a/b/deep.txt", "format": "json" })),
        run("read_file", json!({ "path": "out" })),
        run("read_file", json!({ "path": "a/up/secret.txt" })),
        run("grep", json!({ "pattern": "deep|secret", "format": "json" })),
        run("list_dir", json!({ "path": "a/up" })),
    ]
    .into_iter()
    .map(|output| (output.status.code(), String::from_utf8(output.stdout).unwrap()))
    .collect()
}

#[test]
fn the_answers_are_the_same_without_openat2() {
    let outside = tempfile::tempdir().unwrap();
    let workspace = outside.path().join("workspace");
    std::fs::create_dir_all(workspace.join("a/b")).unwrap();
    std::fs::write(workspace.join("a/b/deep.txt"), "deep\n").unwrap();
    std::fs::write(outside.path().join("secret.txt"), "secret\n").unwrap();
    std::os::unix::fs::symlink("../secret.txt", workspace.join("out")).unwrap();
    std::os::unix::fs::symlink("../..", workspace.join("a/up")).unwrap();

    let with = calls(workspace.clone());
    assert_eq!(with[1].0, Some(0));
    for refused in [2, 3, 5] {
        assert_eq!(with[refused].0, Some(1), "{}", with[refused].1);
    }
    assert!(with.iter().all(|(_, answer)| !answer.contains("secret\\n")), "{with:?}");
    for errno in [EPERM, ENOSYS] {
        let workspace = workspace.clone();
        assert_eq!(with, without_openat2(errno, move || calls(workspace)), "errno {errno}");
    }
}

#[test]
fn the_way_of_resolving_is_told_at_start() {
    let workspace = tempfile::tempdir().unwrap();
    let path = workspace.path().to_path_buf();
    let banner = without_openat2(EPERM, move || Server::over(&path).banner.clone());
    assert!(banner.contains("resolved by components"), "{banner}");
    let forced = Server::start(&[
        "--workspace",
        workspace.path().to_str().unwrap(),
        "--resolution",
        "components",
    ]);
    assert!(forced.banner.contains("resolved by components"), "{}", forced.banner);
}
