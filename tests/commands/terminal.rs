//! What people see on a terminal, and programs do not: progress, colours, no records in JSON; and
//! that Ctrl-C in the middle of an apply loses nothing.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mcp_workspace_test_support::server;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};
use tempfile::TempDir;

/// As many as one proposal may change.
const FILES: usize = 200;
/// Longer than any of this takes.
const PATIENCE: Duration = Duration::from_secs(60);

const POLICY: &str = r#"
version = 1

[[role]]
name    = "agent"
callers = ["agent"]
tools   = ["write_finding", "propose_patch"]
read    = ["**"]
write   = ["output/**"]
propose = ["src/**"]

[[role]]
name    = "person"
callers = ["person"]
tools   = ["read_file"]
read    = ["**"]
decide  = ["src/**"]
"#;

/// How often an apply is tried to be interrupted in its middle.
const ATTEMPTS: usize = 20;
/// What clears the line of progress.
const CLEAR: &str = "\r\u{1b}[K";
/// The head of a table of findings.
const HEAD: &str = "SEVERITY  RULE  PLACE  SEEN BY  SUMMARY";

/// A command in an environment that says nothing about colours and logs.
fn command(arguments: &[&str]) -> Command {
    let mut command = server::command();
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color").args(arguments);
    command
}

/// A workspace with its policy beside it.
struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place { directory: TempDir::new().unwrap() };
        std::fs::create_dir_all(place.file(0).parent().unwrap()).unwrap();
        for index in 0..FILES {
            std::fs::write(place.file(index), "one\n").unwrap();
        }
        std::fs::write(place.directory.path().join("policy.toml"), POLICY).unwrap();
        place
    }

    fn file(&self, index: usize) -> PathBuf {
        self.directory.path().join(format!("workspace/src/{index:03}.txt"))
    }

    /// How many files are changed.
    fn changed(&self) -> usize {
        (0..FILES).filter(|index| std::fs::read(self.file(*index)).unwrap() == b"two\n").count()
    }

    fn command(&self, arguments: &[&str], caller: &str) -> Command {
        let mut command = command(arguments);
        command.args(["--caller", caller, "--workspace"]);
        command.arg(self.directory.path().join("workspace"));
        command.arg("--policy").arg(self.directory.path().join("policy.toml"));
        command
    }

    fn call(&self, tool: &str, arguments: &Value) -> Value {
        let done = self.command(&["call", tool, &arguments.to_string()], "agent").output().unwrap();
        assert!(done.status.success(), "{done:?}");
        serde_json::from_slice(&done.stdout).unwrap()
    }

    /// A proposal that changes all files, approved.
    fn approved(&self) -> String {
        let edits = (0..FILES).map(|index| {
            json!({ "path": format!("src/{index:03}.txt"), "old_text": "one", "new_text": "two" })
        });
        let edits = edits.collect::<Vec<_>>();
        let answer = self.call("propose_patch", &json!({ "title": "Count on", "edits": edits }));
        let id = answer["id"].as_str().unwrap().to_owned();
        assert!(self.elsewhere(&["proposals", "approve", &id]).status.success());
        id
    }

    /// Findings with the names of as many faults.
    fn findings(&self, count: usize) {
        let answer = self.call(
            "write_finding",
            &json!({
                "rule_id": "count", "severity": "high", "message": "One is too few.",
                "file": "src/000.txt", "start_line": 1,
            }),
        );
        let first = self.directory.path().join("workspace").join(answer["path"].as_str().unwrap());
        let record: Value = serde_json::from_slice(&std::fs::read(&first).unwrap()).unwrap();
        for index in 1..count {
            let (mut other, name) = (record.clone(), format!("{index:048x}"));
            other["fingerprint"] = json!(name);
            std::fs::write(first.with_file_name(format!("{name}.json")), other.to_string())
                .unwrap();
        }
    }

    /// Runs a command of the person where no terminal is.
    fn elsewhere(&self, arguments: &[&str]) -> Output {
        self.command(arguments, "person").output().unwrap()
    }
}

/// A command that runs with a terminal as stdout and stderr.
struct OnTerminal {
    child: Child,
    screen: JoinHandle<String>,
}

impl OnTerminal {
    fn start(mut command: Command) -> OnTerminal {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let open = || File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let child = command.stdout(open()).stderr(open()).spawn().unwrap();
        // Its copies of the terminal go, so that reading ends with the child.
        drop(command);
        let screen = std::thread::spawn(move || {
            let mut seen = Vec::new();
            // The end of a terminal is an error (EIO).
            let _ = File::from(terminal).read_to_end(&mut seen);
            String::from_utf8(seen).unwrap()
        });
        OnTerminal { child, screen }
    }

    /// Everything that the terminal was given, and whether the command succeeded.
    fn end(mut self) -> (String, bool) {
        let status = self.child.wait().unwrap();
        (self.screen.join().unwrap(), status.success())
    }
}

/// What is seen once everything was written: what was cleared is not.
fn left(screen: &str) -> String {
    screen.split(CLEAR).last().unwrap().replace("\r\n", "\n")
}

/// A text without styles, as it comes through a pipe.
fn without_styles(screen: &str) -> String {
    let mut parts = screen.split('\u{1b}');
    let first = parts.next().unwrap().to_owned();
    let others = parts.map(|part| part.split_once('m').unwrap().1);
    (first + &others.collect::<String>()).replace("\r\n", "\n")
}

#[test]
fn progress_is_shown_on_a_terminal_and_gone_at_the_end() {
    let place = Place::new();
    place.findings(101);
    let id = place.approved();
    for (arguments, result) in [
        (vec!["proposals", "apply", &id], format!("applied {id}\n")),
        (vec!["proposals", "revert", &id], format!("reverted {id}\n")),
        (vec!["findings", "list", "--severity", "critical"], format!("{HEAD}\n")),
    ] {
        let (screen, succeeded) = OnTerminal::start(place.command(&arguments, "person")).end();
        assert!(succeeded, "{screen}");
        let shown = ["1 of ", "100 of 101 findings read"].map(|text| format!("{CLEAR}{text}"));
        assert!(
            shown.iter().any(|shown| screen.contains(shown)),
            "{arguments:?} shows no progress: {screen:?}"
        );
        assert_eq!(left(&screen), result, "{arguments:?}: {screen:?}");
    }
    let listed = place.elsewhere(&["findings", "list", "--severity", "critical"]);
    assert_eq!(String::from_utf8(listed.stdout).unwrap(), format!("{HEAD}\n"));
    assert_eq!(String::from_utf8(listed.stderr).unwrap(), "");
}

#[test]
fn colours_are_for_terminals_of_people_who_want_them() {
    let place = Place::new();
    place.findings(1);
    let id = place.approved();
    for arguments in
        [vec!["proposals", "show", &id], vec!["proposals", "list"], vec!["findings", "list"]]
    {
        let (coloured, _) = OnTerminal::start(place.command(&arguments, "person")).end();
        assert!(coloured.contains("\u{1b}["), "{arguments:?} has no colours: {coloured:?}");
        let plain = place.elsewhere(&arguments);
        let plain = String::from_utf8(plain.stdout).unwrap();
        assert!(!plain.contains('\u{1b}'), "{arguments:?} is coloured in a pipe: {plain:?}");
        assert_eq!(without_styles(&coloured), plain, "{arguments:?}");
        for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
            let mut command = place.command(&arguments, "person");
            command.env(name, value);
            let (screen, _) = OnTerminal::start(command).end();
            assert_eq!(screen.replace("\r\n", "\n"), plain, "{arguments:?} with {name}={value}");
        }
    }
}

#[test]
fn every_decision_leaves_a_record_for_programs_and_none_on_a_terminal() {
    let place = Place::new();
    let id = place.approved();
    for (caller, status, decision, outcome) in [
        ("nobody", 2, "deny", "denied"),
        ("agent", 1, "deny", "denied"),
        ("person", 0, "allow", "ok"),
    ] {
        let apply = ["proposals", "apply", &id];
        let done = place.command(&apply, caller).output().unwrap();
        assert_eq!(done.status.code(), Some(status), "{done:?}");
        let told = String::from_utf8(done.stderr).unwrap();
        let records: Vec<Value> =
            told.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let [record] = &records[..] else { panic!("{caller}: {told}") };
        assert_eq!(
            [&record["caller"], &record["tool"], &record["decision"], &record["outcome"]],
            [caller, "proposals apply", decision, outcome],
            "{told}"
        );
        let (screen, _) = OnTerminal::start(place.command(&apply, caller)).end();
        assert!(!screen.contains("\"target\""), "{caller}: {screen}");
    }
}

#[test]
fn ctrl_c_in_the_middle_of_an_apply_loses_nothing() {
    for _ in 0..ATTEMPTS {
        let place = Place::new();
        let id = place.approved();
        let apply = ["proposals", "apply", &id];
        let running = OnTerminal::start(place.command(&apply, "person"));
        let begun = Instant::now();
        while std::fs::read(place.file(0)).unwrap() != b"two\n" {
            assert!(begun.elapsed() < PATIENCE, "nothing is applied");
        }
        // What the terminal sends for Ctrl-C.
        kill_process(Pid::from_child(&running.child), Signal::INT).unwrap();
        let (screen, succeeded) = running.end();
        let changed = place.changed();
        if succeeded {
            // Too late: this attempt shows nothing.
            assert_eq!(changed, FILES, "{screen}");
            continue;
        }
        assert!((1..FILES).contains(&changed), "{changed} files are changed: {screen:?}");

        // Whoever says it again gets it done, and it can be taken back whole.
        let again = place.elsewhere(&apply);
        assert!(again.status.success(), "{again:?}");
        assert_eq!(String::from_utf8(again.stdout).unwrap(), format!("applied {id}\n"));
        assert_eq!(place.changed(), FILES);
        assert!(place.elsewhere(&["proposals", "revert", &id]).status.success());
        assert_eq!(place.changed(), 0);
        let names = std::fs::read_dir(place.file(0).parent().unwrap()).unwrap();
        assert_eq!(names.count(), FILES, "something unfinished is left");
        return;
    }
    panic!("of {ATTEMPTS} attempts none was interrupted in the middle");
}
