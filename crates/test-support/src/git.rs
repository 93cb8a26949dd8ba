//! What git makes of the same files and patches.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use sha2::{Digest, Sha256};

/// Files by path: content, and whether they are executable.
pub type Files = BTreeMap<String, (Vec<u8>, bool)>;

/// Plain text files.
pub fn files_of(files: &[(&str, &str)]) -> Files {
    files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (text.as_bytes().to_vec(), false)))
        .collect()
}

/// The version of a file with these bytes.
pub fn version(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the files below a directory.
pub fn write_tree(root: &Path, files: &Files) {
    fs::create_dir_all(root).unwrap();
    for (path, (bytes, executable)) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let mode = if *executable { 0o755 } else { 0o644 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

/// The files below a directory, without records and what git keeps.
pub fn read_tree(root: &Path) -> Files {
    fn walk(root: &Path, directory: &Path, files: &mut Files) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let metadata = fs::symlink_metadata(&path).unwrap();
            if name == "output" || name == ".git" {
            } else if metadata.is_dir() {
                walk(root, &path, files);
            } else if metadata.is_file() {
                let executable = metadata.permissions().mode() & 0o100 != 0;
                files.insert(name, (fs::read(&path).unwrap(), executable));
            } else {
                files.insert(name, (b"not a regular file".to_vec(), false));
            }
        }
    }
    let mut files = Files::new();
    walk(root, root, &mut files);
    files
}

/// Whether git is there. Without it a test says so and passes, except on CI.
pub fn git_is_there() -> bool {
    let there = Command::new("git").arg("--version").output().is_ok_and(|out| out.status.success());
    if !there {
        assert!(std::env::var_os("CI").is_none(), "git is missing, and these tests need it");
        eprintln!("SKIPPED: git is missing, so nothing was compared with it");
    }
    there
}

/// Runs git in a directory, without settings of the machine.
pub fn git(directory: &Path, arguments: &[&str]) -> Output {
    Command::new("git")
        .args(["-c", "core.autocrlf=false", "-c", "core.fileMode=true", "-c", "user.name=t"])
        .args(["-c", "user.email=t@example.org", "-c", "commit.gpgSign=false"])
        .args(arguments)
        .current_dir(directory)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CEILING_DIRECTORIES", directory.parent().unwrap())
        .env("LC_ALL", "C")
        .output()
        .unwrap()
}

/// What `git apply` makes of files, or what it says.
pub fn git_apply(files: &Files, patch: &[u8], strip: &str) -> Result<Files, String> {
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    write_tree(&tree, files);
    let patch_file = directory.path().join("patch");
    fs::write(&patch_file, patch).unwrap();
    let applied = git(&tree, &["apply", strip, patch_file.to_str().unwrap()]);
    if applied.status.success() {
        Ok(read_tree(&tree))
    } else {
        Err(String::from_utf8_lossy(&applied.stderr).into_owned())
    }
}

/// How many lines `git apply` finds in a patch to add or to remove: it may pass over some of them
/// without a word.
pub fn git_counts_lines(patch: &[u8], strip: &str) -> u64 {
    let directory = tempfile::tempdir().unwrap();
    let patch_file = directory.path().join("patch");
    fs::write(&patch_file, patch).unwrap();
    let all = ["apply", "--numstat", "-z", strip, patch_file.to_str().unwrap()];
    let counted = git(directory.path(), &all);
    let text = String::from_utf8_lossy(&counted.stdout).into_owned();
    let numbers = text.split('\0').flat_map(|file| file.split('\t').take(2));
    numbers.filter_map(|number| number.parse::<u64>().ok()).sum()
}

/// What `git diff` says between two trees.
pub fn git_diff(old: &Files, new: &Files, arguments: &[&str]) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    write_tree(&tree, old);
    git(&tree, &["init", "-q"]);
    git(&tree, &["add", "-A", "-f"]);
    let made = git(&tree, &["commit", "-q", "--allow-empty", "-m", "old"]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    for path in old.keys() {
        fs::remove_file(tree.join(path)).unwrap();
    }
    write_tree(&tree, new);
    git(&tree, &["add", "-A", "-f"]);
    let mut all = vec!["diff", "--cached", "--no-color"];
    all.extend(arguments);
    git(&tree, &all).stdout
}
