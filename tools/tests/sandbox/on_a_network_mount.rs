//! The sandbox suite of the tools on the mount: every case, in both ways of resolving paths.

use std::process::{Command, Stdio};

use delayed_mount::{Mounted, Operation, Options};

#[test]
fn every_case_holds_on_a_network_mount() {
    let source = tempfile::tempdir().unwrap();
    let Some(mounted) = Mounted::or_skip(source.path(), Options::default()).unwrap() else {
        return;
    };
    // The cases make their workspaces in the directory for temporary files.
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["sandbox_paths::", "--skip", "hard_link"])
        .env("TMPDIR", mounted.path())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("13 passed"), "{said}");
    assert!(mounted.counts().of(Operation::Readdir) > 20, "{}", mounted.counts());
}
