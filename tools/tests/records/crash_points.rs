//! A write may fail, or its process may die, before or after any file operation: what is left is
//! nothing, a whole record, or unfinished work that readers pass over; what was acknowledged is
//! there; and the next writer is not in the way of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mcp_workspace_test_support::tool_call::{open, run_as};
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::patch::version as version_of;
use mcp_workspace_tools::workspace::{FaultPoint, Operation, Workspace};
use rustix::io::Errno;
use serde_json::{Value, json};

const POLICY: &str = r#"
version = 1
[[role]]
name = "agent"
callers = ["local"]
tools = ["write_finding", "propose_patch", "write_file", "read_state", "write_state"]
read = ["**"]
write = ["output/**", "state/**"]
create = ["work/**"]
propose = ["src/**"]
"#;

/// Every kind of write.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Write {
    Finding,
    Proposal,
    FirstVersion,
    NextVersion,
    /// A version whose writer removes old ones.
    PruningVersion,
    NewFile,
    ReplacedFile,
    AppendedFile,
}

const ALL: [Write; 8] = [
    Write::Finding,
    Write::Proposal,
    Write::FirstVersion,
    Write::NextVersion,
    Write::PruningVersion,
    Write::NewFile,
    Write::ReplacedFile,
    Write::AppendedFile,
];

/// What a file has before, where it is there.
const OLD: &str = "old\n";

impl Write {
    /// Versions that the key has before.
    fn before(self) -> u64 {
        match self {
            Write::NextVersion => 3,
            Write::PruningVersion => 23,
            _ => 0,
        }
    }

    fn run(self, workspace: Workspace) -> Result<Value, ToolError> {
        let (tool, arguments) = match self {
            Write::Finding => (
                "write_finding",
                json!({"rule_id": "r", "severity": "low", "message": "m", "path": "src/a.txt",
                    "start_line": 1}),
            ),
            Write::Proposal => (
                "propose_patch",
                json!({"title": "t", "edits": [{"path": "src/a.txt", "old_text": "one",
                    "new_text": "two"}]}),
            ),
            Write::NewFile => {
                ("write_file", json!({"path": "work/deep/a.txt", "content": "new\n"}))
            }
            Write::ReplacedFile | Write::AppendedFile => (
                "write_file",
                json!({"path": "work/deep/a.txt", "content": "new\n",
                    "append": self == Write::AppendedFile, "expected_version": version_of(OLD.as_bytes())}),
            ),
            _ => (
                "write_state",
                json!({"key": "deep/key", "value": "new", "expected_version": self.before()}),
            ),
        };
        call(workspace, tool, arguments)
    }

    /// Whether the record is there, whole. Fails when something else is.
    fn is_there(self, root: &Path) -> bool {
        match self {
            Write::Finding => {
                let all = visible(&root.join("output/findings/agent"));
                assert!(all.len() <= 1, "{all:?}");
                all.iter().for_each(|file| {
                    let finding = read_json(file);
                    assert_eq!(finding["message"], "m");
                });
                !all.is_empty()
            }
            Write::Proposal => {
                let all = visible(&root.join("output/proposals"));
                assert!(all.len() <= 1, "{all:?}");
                all.iter().for_each(|directory| {
                    assert_eq!(read_json(&directory.join("proposal.json"))["title"], "t");
                    let patch = fs::read_to_string(directory.join("change.patch")).unwrap();
                    assert!(patch.ends_with("-one\n+two\n"), "{patch}");
                });
                !all.is_empty()
            }
            Write::NewFile | Write::ReplacedFile | Write::AppendedFile => {
                let all = visible(&root.join("work/deep"));
                assert!(all.len() <= 1, "{all:?}");
                let is_there = all.first().map(|file| fs::read_to_string(file).unwrap());
                let before = (self != Write::NewFile).then(|| OLD.to_owned());
                let after = if self == Write::AppendedFile { "old\nnew\n" } else { "new\n" };
                assert!(is_there == before || is_there.as_deref() == Some(after), "{is_there:?}");
                is_there.as_deref() == Some(after)
            }
            _ => {
                let read = call(open(root), "read_state", json!({"key": "deep/key"}));
                let before = self.before();
                match read {
                    Ok(answer) if answer["version"] == before + 1 => {
                        assert_eq!(answer["value"], "new");
                        true
                    }
                    Ok(answer) => {
                        assert_eq!(answer["version"], before);
                        assert_eq!(answer["value"], before);
                        false
                    }
                    Err(error) => {
                        assert_eq!((error.code, before), (Code::NotFound, 0), "{error}");
                        false
                    }
                }
            }
        }
    }
}

/// Whether it writes a plain file.
fn is_file(write: Write) -> bool {
    matches!(write, Write::NewFile | Write::ReplacedFile | Write::AppendedFile)
}

fn call(workspace: Workspace, tool: &str, arguments: Value) -> Result<Value, ToolError> {
    run_as(workspace, POLICY, "local", tool, arguments)
}

fn read_json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// What readers see in a directory.
fn visible(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .collect()
}

/// A workspace before the write: a copy, since to write 23 versions takes 70 synced files.
fn prepare(write: Write) -> tempfile::TempDir {
    static MODELS: Mutex<Vec<(u64, tempfile::TempDir)>> = Mutex::new(Vec::new());
    let directory = tempfile::tempdir().unwrap();
    let mut models = MODELS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !models.iter().any(|(before, _)| *before == write.before()) {
        let model = tempfile::tempdir().unwrap();
        fs::create_dir(model.path().join("src")).unwrap();
        fs::write(model.path().join("src/a.txt"), "one\n").unwrap();
        for version in 1..=write.before() {
            let arguments = json!({"key": "deep/key", "value": version});
            call(open(model.path()), "write_state", arguments).unwrap();
        }
        models.push((write.before(), model));
    }
    let model = models.iter().find(|(before, _)| *before == write.before()).unwrap();
    copy(model.1.path(), directory.path());
    if matches!(write, Write::ReplacedFile | Write::AppendedFile) {
        fs::create_dir_all(directory.path().join("work/deep")).unwrap();
        fs::write(directory.path().join("work/deep/a.txt"), OLD).unwrap();
    }
    directory
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The operations of a write on which nothing fails.
fn operations(write: Write) -> Vec<(Operation, FaultPoint)> {
    let directory = prepare(write);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&seen);
    let workspace = open(directory.path()).with_faults(move |operation, point| {
        sink.lock().unwrap().push((operation, point));
        None
    });
    write.run(workspace).unwrap();
    assert!(write.is_there(directory.path()));
    let seen = seen.lock().unwrap().clone();
    for needed in [Operation::SyncFile, Operation::SyncDirectory, Operation::Rename] {
        assert!(
            seen.contains(&(needed, FaultPoint::After)),
            "{write:?} has no {needed:?}: {seen:?}"
        );
    }
    seen
}

/// Afterwards, whatever happened: the record is whole or absent, and the write can be done.
fn check(write: Write, root: &Path, acknowledged: bool, what: &str) {
    let there = write.is_there(root);
    assert!(there || !acknowledged, "acknowledged and not there: {what}");
    let is_state = !matches!(write, Write::Finding | Write::Proposal) && !is_file(write);
    if there && is_state {
        // The number is taken: the write again is told so.
        let again = write.run(open(root)).unwrap_err();
        assert_eq!(again.code, Code::Conflict, "{what}: {again}");
    } else {
        let again = write.run(open(root)).unwrap_or_else(|error| panic!("{what}: {error}"));
        if there {
            let expected = if is_file(write) { "unchanged" } else { "duplicate" };
            assert_eq!(again["status"], expected, "{what}");
        } else if is_file(write) {
            let expected = match write {
                Write::NewFile => "created",
                Write::ReplacedFile => "replaced",
                _ => "appended",
            };
            assert_eq!(again["status"], expected, "{what}");
        } else if !is_state {
            assert_eq!(again["status"], "created", "{what}");
        }
    }
    assert!(write.is_there(root), "{what}");
    if is_file(write) {
        // A claim ends, whoever made it and whatever became of its writer.
        let left = fs::read_dir(root.join("work/deep"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let claims: Vec<_> = left.filter(|name| name.starts_with(".claim-")).collect();
        assert!(there || claims.is_empty(), "{what}: {claims:?}");
    }
    assert_eq!(fs::read(root.join("src/a.txt")).unwrap(), b"one\n", "{what}");
    if write == Write::PruningVersion {
        // However far the removal came, the newest are kept, and the next writer removes more.
        for version in 9..=24 {
            let kept = json!({"key": "deep/key", "version": version});
            call(open(root), "read_state", kept).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        for version in 25..=32 {
            let next =
                json!({"key": "deep/key", "value": version, "expected_version": version - 1});
            call(open(root), "write_state", next).unwrap_or_else(|e| panic!("{what}: {e}"));
        }
        let mut kept: Vec<u64> = visible(&root.join("state/deep/key/@"))
            .iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().parse().unwrap())
            .collect();
        kept.sort_unstable();
        assert_eq!(kept, (17..=32).collect::<Vec<_>>(), "{what}");
    }
}

/// The first three are enough where each costs the writing of many versions.
const ERRORS: [Errno; 8] = [
    Errno::IO,
    Errno::STALE,
    Errno::NOENT,
    Errno::NOSPC,
    Errno::DQUOT,
    Errno::ROFS,
    Errno::ACCESS,
    Errno::MFILE,
];

#[test]
fn an_operation_fails() {
    for write in ALL {
        let operations = operations(write);
        for (at, operation) in operations.iter().enumerate() {
            let errors = if write == Write::PruningVersion { 3 } else { ERRORS.len() };
            for errno in ERRORS.into_iter().take(errors) {
                // Once, as a network hiccup; and for ever after, as a full disk.
                for for_ever in [false, true] {
                    let what = format!("{write:?} {at} {operation:?} {errno} {for_ever}");
                    let directory = prepare(write);
                    let counted = AtomicUsize::new(0);
                    let workspace = open(directory.path()).with_faults(move |_, _| {
                        let now = counted.fetch_add(1, Ordering::Relaxed);
                        let fails = now == at || for_ever && now > at;
                        fails.then(|| errno.raw_os_error())
                    });
                    let done = write.run(workspace);
                    if let Err(error) = &done {
                        let expected = match errno {
                            Errno::ROFS | Errno::ACCESS => Code::Denied,
                            Errno::MFILE => Code::Overloaded,
                            _ => Code::Io,
                        };
                        let told = error.code == expected
                            || errno == Errno::NOENT && error.code == Code::Conflict;
                        assert!(told, "{what}: {error:?}");
                        assert!(error.hint.as_ref().is_some_and(|hint| hint.len() > 10), "{what}");
                    }
                    check(write, directory.path(), done.is_ok(), &what);
                }
            }
        }
    }
}

#[test]
fn a_stale_handle_before_the_rename_is_opened_anew() {
    for write in ALL {
        let operations = operations(write);
        let rename = operations.iter().position(|(operation, _)| *operation == Operation::Rename);
        for (at, operation) in operations.iter().enumerate().take(rename.unwrap()) {
            let directory = prepare(write);
            let counted = AtomicUsize::new(0);
            let workspace = open(directory.path()).with_faults(move |_, _| {
                let now = counted.fetch_add(1, Ordering::Relaxed);
                (now == at).then(|| Errno::STALE.raw_os_error())
            });
            write.run(workspace).unwrap_or_else(|error| {
                panic!("{write:?} {at} {operation:?}: {error}");
            });
        }
    }
}

#[test]
fn the_process_dies() {
    for write in ALL {
        let operations = operations(write);
        for (at, operation) in operations.iter().enumerate() {
            let what = format!("{write:?} {at} {operation:?}");
            let directory = prepare(write);
            let child = Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "crash_points::a_process_that_dies",
                    "--nocapture",
                    "--test-threads=1",
                ])
                .env("CRASH_POINT", format!("{write:?} {at}"))
                .env("CRASH_ROOT", directory.path())
                .output()
                .unwrap();
            let printed = String::from_utf8_lossy(&child.stdout);
            assert_eq!(child.status.code(), Some(DIED), "{what}: {printed}");
            assert!(!printed.contains("acknowledged"), "{what}");
            check(write, directory.path(), false, &what);
        }
    }
}

const DIED: i32 = 70;

/// The child of [`the_process_dies`]; nothing when it is run with the other tests.
#[test]
fn a_process_that_dies() {
    let Ok(point) = std::env::var("CRASH_POINT") else { return };
    let root = PathBuf::from(std::env::var("CRASH_ROOT").unwrap());
    let (write, at) = point.split_once(' ').unwrap();
    let write = ALL.into_iter().find(|kind| format!("{kind:?}") == write).unwrap();
    let at: usize = at.parse().unwrap();
    let counted = AtomicUsize::new(0);
    let workspace = open(&root).with_faults(move |_, _| {
        if counted.fetch_add(1, Ordering::Relaxed) == at {
            // No destructor and no clean-up of the write runs.
            std::process::exit(DIED);
        }
        None
    });
    write.run(workspace).unwrap();
    println!("acknowledged");
}
