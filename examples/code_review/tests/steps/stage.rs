//! Staging: whole or not at all, whatever the sources are and wherever it is stopped.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use super::archives::{Entry, tar, tar_gz, zip};
use code_review::POLICY;
use code_review::stage::{
    Limits, RECORD, Source, StageError, Staged, stage, stage_observed, stage_within,
};
use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::{Layout, Policy};
use tempfile::TempDir;

fn layout() -> Layout {
    Policy::parse(POLICY, "policy.toml").unwrap().layout().clone()
}

fn run() -> Name {
    Name::parse("r1").unwrap()
}

/// A small tree: text, a program, a link, an empty directory, something large.
fn sources() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let at = |path: &str| directory.path().join(path);
    fs::create_dir_all(at("src/deep")).unwrap();
    fs::create_dir_all(at("empty")).unwrap();
    fs::create_dir_all(at(".git/objects")).unwrap();
    fs::write(at(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    fs::write(at("README.md"), "hello\n").unwrap();
    fs::write(at("src/deep/a.py"), "pass\n").unwrap();
    fs::write(at("src/large.bin"), vec![7; 700_000]).unwrap();
    fs::write(at("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(at("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("deep/a.py", at("src/link")).unwrap();
    directory
}

/// Every path below with what it is; the record of the stage is left out.
fn tree(root: &Path) -> BTreeMap<String, String> {
    let mut tree = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let what = if metadata.is_dir() {
                waiting.push(path);
                "directory".to_owned()
            } else if metadata.is_symlink() {
                format!("link to {}", fs::read_link(&path).unwrap().display())
            } else {
                let program = metadata.permissions().mode() & 0o100 != 0;
                let bytes = fs::read(&path).unwrap();
                let sum: u64 = bytes.iter().map(|byte| u64::from(*byte)).sum();
                format!("{} bytes {sum}{}", bytes.len(), if program { " program" } else { "" })
            };
            if name != RECORD && !name.starts_with(".git") {
                tree.insert(name, what);
            }
        }
    }
    tree
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn git(directory: &Path, arguments: &[&str]) {
    let done = Command::new("git")
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .args(["-c", "user.name=Example", "-c", "user.email=example@example.com"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn every_kind_of_source_gives_the_same_stage() {
    let sources = sources();
    let files = tempfile::tempdir().unwrap();
    let at = |name: &str| files.path().join(name);
    let entries = [
        Entry::directory("./"),
        Entry::directory("./empty/"),
        Entry::file("./README.md", b"hello\n"),
        Entry::directory("./src/"),
        Entry::file("./src/deep/a.py", b"pass\n"),
        Entry::file("./src/large.bin", &[7; 700_000]),
        Entry::program("./run.sh", b"#!/bin/sh\n"),
        Entry::link("./src/link", "deep/a.py"),
    ];
    fs::write(at("a.tar"), tar(&entries)).unwrap();
    fs::write(at("a.tar.gz"), tar_gz(&entries)).unwrap();
    fs::write(at("a.zip"), zip(&entries)).unwrap();
    let mut digests = Vec::new();
    for source in [sources.path().to_owned(), at("a.tar"), at("a.tar.gz"), at("a.zip")] {
        let workspace = tempfile::tempdir().unwrap();
        let source = Source::at(&source).unwrap();
        let staged = stage(workspace.path(), &layout(), &run(), &source).unwrap();
        assert_eq!((staged.files, staged.already), (4, false), "{source:?}");
        assert_eq!(tree(&workspace.path().join("input/r1")), tree(sources.path()), "{source:?}");
        assert_eq!(names(&workspace.path().join("input")), ["r1"]);
        digests.push(staged.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[test]
fn a_git_bundle_is_staged_as_git_stores_it_and_hides_nothing() {
    let repository = sources();
    fs::remove_dir_all(repository.path().join(".git")).unwrap();
    // `git archive` would leave the file out, and a checkout would change it.
    let attributes = "README.md export-ignore\n*.py text eol=crlf ident\n";
    fs::write(repository.path().join(".gitattributes"), attributes).unwrap();
    git(repository.path(), &["init", "--quiet"]);
    git(repository.path(), &["-c", "core.autocrlf=false", "add", "."]);
    git(repository.path(), &["commit", "--quiet", "--message", "x"]);
    let bundle = repository.path().join("x.bundle");
    git(repository.path(), &["bundle", "create", "--quiet", "x.bundle", "HEAD"]);
    let workspace = tempfile::tempdir().unwrap();
    let source = Source::at(&bundle).unwrap();
    stage(workspace.path(), &layout(), &run(), &source).unwrap();
    let staged = workspace.path().join("input/r1");
    assert_eq!(fs::read(staged.join("README.md")).unwrap(), b"hello\n");
    assert_eq!(fs::read(staged.join("src/deep/a.py")).unwrap(), b"pass\n");
    assert_eq!(fs::read(staged.join("src/large.bin")).unwrap().len(), 700_000);
    assert_eq!(fs::read_link(staged.join("src/link")).unwrap(), Path::new("deep/a.py"));
    let mode = fs::metadata(staged.join("run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    // Nothing of git itself, and no empty directory, which git does not know.
    assert!(!staged.join(".git").exists() && !staged.join("empty").exists());
    assert!(stage(workspace.path(), &layout(), &run(), &source).unwrap().already);
    fs::write(&bundle, "no bundle").unwrap();
    let refused = stage(workspace.path(), &layout(), &Name::parse("r2").unwrap(), &source);
    assert!(matches!(refused, Err(StageError::Git { .. })), "{refused:?}");
}

#[test]
fn the_same_sources_again_change_nothing_and_others_are_refused() {
    let (sources, workspace) = (sources(), tempfile::tempdir().unwrap());
    let source = Source::Directory(sources.path().to_owned());
    let again = || stage(workspace.path(), &layout(), &run(), &source);
    let first = again().unwrap();
    // What people approve changes sources; that is no other stage.
    fs::write(workspace.path().join("input/r1/README.md"), "changed\n").unwrap();
    assert_eq!(again().unwrap(), Staged { already: true, ..first });
    let text = fs::read_to_string(workspace.path().join("input/r1/README.md")).unwrap();
    assert_eq!(text, "changed\n");
    fs::write(sources.path().join("more.txt"), "more\n").unwrap();
    assert!(matches!(again(), Err(StageError::OtherSources(path)) if path == "input/r1"));
    assert_eq!(names(&workspace.path().join("input")), ["r1"]);
    // Another run is another stage.
    let other = Name::parse("r2").unwrap();
    assert!(!stage(workspace.path(), &layout(), &other, &source).unwrap().already);
    // What was not staged is not taken over.
    fs::create_dir_all(workspace.path().join("input/r3/src")).unwrap();
    let third = stage(workspace.path(), &layout(), &Name::parse("r3").unwrap(), &source);
    assert!(matches!(third, Err(StageError::NotAStage(_))), "{third:?}");
}

#[test]
fn hostile_archives_stage_nothing_and_touch_nothing() {
    let ok = || Entry::file("a.txt", b"a");
    let long = format!("{}/a", "x".repeat(300));
    let hostile: Vec<(&str, Vec<Entry>)> = vec![
        ("climbs", vec![ok(), Entry::file("../outside.txt", b"x")]),
        ("climbs within", vec![ok(), Entry::file("b/../../../outside.txt", b"x")]),
        ("absolute", vec![ok(), Entry::file("/tmp/code-review-outside.txt", b"x")]),
        ("link that climbs", vec![ok(), Entry::link("l", "../../outside.txt")]),
        ("absolute link", vec![ok(), Entry::link("l", "/etc/passwd")]),
        ("written through a link", vec![Entry::link("l", "d"), Entry::file("l/x", b"x")]),
        ("link over a directory", vec![Entry::file("d/x", b"x"), Entry::link("d", "e")]),
        ("file over a directory", vec![Entry::file("d/x", b"x"), Entry::file("d", b"x")]),
        ("the same twice", vec![ok(), ok()]),
        ("a name with an escape", vec![ok(), Entry::file("b\u{1b}[2J", b"x")]),
        ("a name that is too long", vec![ok(), Entry::file(&long, b"x")]),
        ("the stage's own record", vec![ok(), Entry::file(RECORD, b"{}")]),
        ("a backslash", vec![ok(), Entry::file("..\\outside.txt", b"x")]),
    ];
    let only_tar = vec![
        ("hard link", vec![ok(), Entry::hard_link("h", "../../outside.txt")]),
        ("hard link within", vec![ok(), Entry::hard_link("h", "a.txt")]),
        ("device", vec![ok(), Entry::device("null")]),
        ("FIFO", vec![ok(), Entry::fifo("pipe")]),
        ("no UTF-8", vec![ok(), Entry::raw(b"\xff\xfe")]),
    ];
    let mut archives: Vec<(String, &str, Vec<u8>)> = Vec::new();
    for (what, entries) in hostile.iter().chain(&only_tar) {
        archives.push((format!("{what} in a tar"), "tar", tar(entries)));
    }
    for (what, entries) in &hostile {
        // The format has no second entry of a name.
        if *what != "the same twice" {
            archives.push((format!("{what} in a zip"), "zip", zip(entries)));
        }
    }
    let sound = [ok(), Entry::file("b.bin", &[1; 5000])];
    let cut = |mut bytes: Vec<u8>, to: usize| {
        bytes.truncate(to);
        bytes
    };
    archives.push(("a tar that is cut off".into(), "tar", cut(tar(&sound), 2000)));
    archives.push(("a gzip that is cut off".into(), "tar.gz", cut(tar_gz(&sound), 60)));
    archives.push(("a zip that is cut off".into(), "zip", cut(zip(&sound), 60)));
    archives.push(("no archive".into(), "tar", b"hello".repeat(300)));

    for (what, ending, bytes) in archives {
        let directory = tempfile::tempdir().unwrap();
        let workspace = directory.path().join("w/x");
        fs::create_dir_all(&workspace).unwrap();
        let archive = directory.path().join(format!("a.{ending}"));
        fs::write(&archive, bytes).unwrap();
        let before = tree(directory.path());
        let refused = stage(&workspace, &layout(), &run(), &Source::at(&archive).unwrap());
        let error = refused.expect_err(&what);
        assert!(!error.to_string().chars().any(char::is_control), "{what}: {error}");
        // At most the directory in which stages lie was made.
        let _ = fs::remove_dir(workspace.join("input"));
        assert_eq!(tree(directory.path()), before, "{what}: {error}");
        assert!(!Path::new("/tmp/code-review-outside.txt").exists(), "{what}");
    }
}

#[test]
fn directories_are_held_to_the_same_rules() {
    let workspace = tempfile::tempdir().unwrap();
    let refused = |prepare: &dyn Fn(&Path)| {
        let sources = sources();
        prepare(sources.path());
        let source = Source::Directory(sources.path().to_owned());
        let refused = stage(workspace.path(), &layout(), &run(), &source).unwrap_err();
        assert_eq!(names(&workspace.path().join("input")), Vec::<String>::new());
        refused
    };
    let link = refused(&|at| symlink("/etc/passwd", at.join("src/passwd")).unwrap());
    assert!(matches!(&link, StageError::Link { path, .. } if path == "src/passwd"), "{link}");
    let fifo = refused(&|at| {
        assert!(Command::new("mkfifo").arg(at.join("pipe")).status().unwrap().success());
    });
    assert!(matches!(&fifo, StageError::Kind { kind: "a FIFO", .. }), "{fifo}");
    let within = tempfile::tempdir().unwrap();
    let inner = within.path().join("w");
    fs::create_dir(&inner).unwrap();
    let source = Source::Directory(within.path().to_owned());
    let error = stage(&inner, &layout(), &run(), &source).unwrap_err();
    assert!(matches!(error, StageError::WorkspaceWithin(_)), "{error}");
}

#[test]
fn limits_hold_for_what_is_unpacked() {
    let entries = [Entry::file("a", &[0; 300_000]), Entry::file("b", &[0; 300_000])];
    let files = tempfile::tempdir().unwrap();
    let archive = files.path().join("bomb.tgz");
    fs::write(&archive, tar_gz(&entries)).unwrap();
    assert!(fs::metadata(&archive).unwrap().len() < 10_000);
    let workspace = tempfile::tempdir().unwrap();
    let source = Source::at(&archive).unwrap();
    let limits = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        stage_within(workspace.path(), &layout(), &run(), &source, &limits).unwrap_err()
    };
    assert!(matches!(limits(|l| l.bytes = 500_000), StageError::TooLarge(500_000)));
    assert!(matches!(limits(|l| l.entries = 1), StageError::TooMany(1)));
    // A name is not held in memory to its end.
    fs::write(&archive, tar_gz(&[Entry::file(&"x".repeat(8 << 20), b"x")])).unwrap();
    let error = limits(|_| {});
    assert!(error.to_string().ends_with("longer than 1 MiB"), "{error}");
    fs::write(&archive, tar_gz(&entries)).unwrap();
    let error = limits(|l| l.file_bytes = 299_999);
    assert!(matches!(&error, StageError::FileTooLarge { path, .. } if path == "a"), "{error}");
    assert_eq!(names(&workspace.path().join("input")), Vec::<String>::new());
}

#[test]
fn a_reader_sees_nothing_or_all_at_every_moment() {
    let (sources, workspace) = (sources(), tempfile::tempdir().unwrap());
    let whole = tree(sources.path());
    let staged = workspace.path().join("input/r1");
    let (moments, seen) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let look = || {
        moments.fetch_add(1, Ordering::SeqCst);
        if staged.exists() {
            let complete = tree(&staged) == whole && staged.join(RECORD).exists();
            seen.lock().unwrap().push(complete);
        }
    };
    let source = Source::Directory(sources.path().to_owned());
    let limits = Limits::default();
    stage_observed(workspace.path(), &layout(), &run(), &source, &limits, &look).unwrap();
    assert!(moments.into_inner() > 10);
    assert_eq!(seen.into_inner().unwrap(), [true], "looked after the rename and before its sync");
}

#[test]
fn of_several_at_once_one_wins_and_all_agree() {
    let (sources, workspace) = (sources(), tempfile::tempdir().unwrap());
    let other = tempfile::tempdir().unwrap();
    fs::write(other.path().join("other.txt"), "other\n").unwrap();
    let results: Vec<Result<Staged, StageError>> = std::thread::scope(|threads| {
        let stagers: Vec<_> = (0..8)
            .map(|number| {
                let directory = if number % 4 == 0 { other.path() } else { sources.path() };
                let source = Source::Directory(directory.to_owned());
                let root = workspace.path();
                threads.spawn(move || stage(root, &layout(), &run(), &source))
            })
            .collect();
        stagers.into_iter().map(|stager| stager.join().unwrap()).collect()
    });
    let won = results.iter().flatten().filter(|staged| !staged.already).count();
    assert_eq!(won, 1, "{results:?}");
    let mut digests: Vec<&String> = results.iter().flatten().map(|staged| &staged.digest).collect();
    digests.dedup();
    assert_eq!(digests.len(), 1, "{results:?}");
    let staged = tree(&workspace.path().join("input/r1"));
    assert!(staged == tree(sources.path()) || staged == tree(other.path()), "{staged:?}");
}

/// Run by the next test in a process of its own, which it ends in the middle.
#[test]
fn stages_in_a_process_that_dies() {
    let Ok(at) = std::env::var("CODE_REVIEW_DIES_AT") else { return };
    let (at, moments) = (at.parse::<usize>().unwrap(), AtomicUsize::new(0));
    let path = |name: &str| PathBuf::from(std::env::var(name).unwrap());
    let source = Source::Directory(path("CODE_REVIEW_SOURCES"));
    let workspace = path("CODE_REVIEW_WORKSPACE");
    let die = || {
        if moments.fetch_add(1, Ordering::SeqCst) == at {
            std::process::abort();
        }
    };
    stage_observed(&workspace, &layout(), &run(), &source, &Limits::default(), &die).unwrap();
}

#[test]
fn a_crash_at_any_moment_leaves_nothing_that_readers_see_and_the_next_stage_sweeps_it() {
    let sources = sources();
    let whole = tree(sources.path());
    let (mut crashes, mut swept) = (0, 0);
    for at in 0.. {
        let workspace = tempfile::tempdir().unwrap();
        let died = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "stage::stages_in_a_process_that_dies"])
            .env("CODE_REVIEW_DIES_AT", at.to_string())
            .env("CODE_REVIEW_SOURCES", sources.path())
            .env("CODE_REVIEW_WORKSPACE", workspace.path())
            .output()
            .unwrap();
        let input = workspace.path().join("input");
        let left = names(&input);
        let (hidden, shown): (Vec<_>, Vec<_>) = left.iter().partition(|name| name.starts_with('.'));
        if shown.is_empty() {
            swept += hidden.len();
        } else {
            assert_eq!(tree(&input.join("r1")), whole, "at {at}");
        }
        // The next one, whatever was left.
        let source = Source::Directory(sources.path().to_owned());
        let staged = stage(workspace.path(), &layout(), &run(), &source).unwrap();
        assert_eq!(staged.already, !shown.is_empty(), "at {at}");
        assert_eq!(tree(&input.join("r1")), whole, "at {at}");
        assert_eq!(names(&input), ["r1"], "at {at}");
        if died.status.success() {
            break;
        }
        crashes += 1;
        assert!(crashes < 100, "it never ends");
    }
    assert!(crashes > 10 && swept > 5, "{crashes} crashes, {swept} swept");
}

#[test]
fn what_another_run_has_left_is_swept_when_it_is_old() {
    let (sources, workspace) = (sources(), tempfile::tempdir().unwrap());
    let input = workspace.path().join("input");
    for name in [".stage~old~1", ".stage~young~1", ".swept~r1~1", ".mine"] {
        fs::create_dir_all(input.join(name).join("deep")).unwrap();
    }
    let old = SystemTime::now() - Duration::from_secs(48 * 60 * 60);
    for name in [".stage~old~1", ".swept~r1~1", ".mine"] {
        fs::File::open(input.join(name)).unwrap().set_modified(old).unwrap();
    }
    let source = Source::Directory(sources.path().to_owned());
    stage(workspace.path(), &layout(), &run(), &source).unwrap();
    assert_eq!(names(&input), [".mine", ".stage~young~1", "r1"]);
}
