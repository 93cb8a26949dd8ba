//! Many real processes write records at once, and are killed at random: what was acknowledged is
//! there, whole, once.
//!
//! On a disk with the whole amounts, and over two mounts of one tree, each with delays and a
//! memory of names as of two Lambdas, with a part of them. `MCP_WORKSPACE_RECORDS_DIR` names
//! another directory to work in.
#![cfg(test)]

mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use delayed_mount::{Mounted, Options};
use serde_json::{Value, json};
use server::{Died, Fleet, Random};

/// Roles, each with a part of the processes and its own folder of findings.
const ROLES: usize = 4;

/// What each role may.
const RIGHTS: &str = r#"
tools = ["write_finding", "read_state", "write_state", "write_file"]
read = ["src/**", "state/**", "work/**"]
write = ["output/findings/@role/**", "state/**"]
create = ["work/**"]
[role.limits]
max_findings = 1_000_000
max_keys = 1_000_000
"#;

fn policy() -> String {
    let role = |number| {
        let rights = RIGHTS.replace("@role", &format!("agent-{number}"));
        format!("[[role]]\nname = \"agent-{number}\"\ncallers = [\"worker-{number}-*\"]{rights}")
    };
    (0..ROLES).map(role).fold("version = 1\n".to_owned(), |policy, role| policy + &role)
}

/// No test goes on longer.
const MOST: Duration = Duration::from_secs(900);

/// What a mount's round trip takes, and how long it goes by what it knows of names.
const DELAY: Duration = Duration::from_millis(1);
const REMEMBERED: Duration = Duration::from_secs(1);
/// How often old versions are removed, by the number of the new one, and how many at once.
const PRUNED_EVERY: usize = 8;
const PRUNED_AT_ONCE: usize = 32;
/// The part of the amounts that is written over mounts.
const PART: usize = 20;

/// The workspace, and its policy beside it.
struct Fixture {
    // Mounts end before the directory goes.
    _mounts: Vec<Mounted>,
    _directory: tempfile::TempDir,
    /// The tree itself.
    root: PathBuf,
    /// The same tree as the processes see it.
    roots: Vec<PathBuf>,
    policy: PathBuf,
    divisor: usize,
}

impl Fixture {
    fn on_disk() -> Fixture {
        let directory = match std::env::var_os("MCP_WORKSPACE_RECORDS_DIR") {
            Some(parent) => tempfile::tempdir_in(parent).unwrap(),
            None => tempfile::tempdir().unwrap(),
        };
        let root = directory.path().join("workspace");
        fs::create_dir(&root).unwrap();
        let policy = directory.path().join("policy.toml");
        fs::write(&policy, self::policy()).unwrap();
        let roots = vec![root.clone()];
        Fixture { _mounts: Vec::new(), _directory: directory, root, roots, policy, divisor: 1 }
    }

    /// None where this machine cannot mount; that is said on the terminal.
    fn over_two_mounts() -> Option<Fixture> {
        let mut fixture = Fixture::on_disk();
        let options = Options { delay: DELAY, remembered: REMEMBERED, ..Options::default() };
        for _ in 0..2 {
            fixture._mounts.push(Mounted::or_skip(&fixture.root, options.clone()).unwrap()?);
        }
        fixture.roots = fixture._mounts.iter().map(|mount| mount.path().to_owned()).collect();
        fixture.divisor = PART;
        Some(fixture)
    }

    fn fleet(&self, size: usize) -> Fleet<'_> {
        Fleet::new(&self.roots, &self.policy, size)
    }
}

/// Whether of two renames to one name only one can succeed here. Where not, as on NFS, two
/// writers at the same instant may both be told that they were first.
fn renames_exclusively(directory: &Path) -> bool {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    let (from, to) = (directory.join("probe-1"), directory.join("probe-2"));
    fs::write(&from, "").unwrap();
    let renamed = renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE).is_ok();
    fs::remove_file(if renamed { &to } else { &from }).unwrap();
    renamed
}

/// Lines of one source file; findings are about one line each.
const LINES: usize = 18;

#[test]
fn every_acknowledged_finding_is_there_once_whoever_is_killed() {
    findings(&Fixture::on_disk());
}

#[test]
fn every_acknowledged_finding_is_there_once_over_two_mounts() {
    Fixture::over_two_mounts().iter().for_each(findings);
}

fn findings(fixture: &Fixture) {
    let (writes, processes) = (20_000 / fixture.divisor, 64);
    // Of each role. What one finding costs grows with the folder that it goes to, so that all in
    // one would take most of the time of all suites.
    let writes = writes / ROLES;
    let different = writes * 9 / 10;
    fs::create_dir(fixture.root.join("src")).unwrap();
    for file in 0..different.div_ceil(LINES) {
        let text: String = (0..LINES).map(|line| format!("{file} {line}\n")).collect();
        fs::write(fixture.root.join(format!("src/{file}.txt")), text).unwrap();
    }
    let exclusive = fixture.roots.len() == 1 && renames_exclusively(&fixture.root);
    let begun = Instant::now();
    let fleet = fixture.fleet(processes);
    // By role and number of the finding: the file that was named, and how often it was `created`.
    let acknowledged: Mutex<BTreeMap<(usize, usize), (String, usize)>> = Mutex::default();
    let (next, lost) = ([const { AtomicUsize::new(0) }; ROLES], AtomicUsize::new(0));
    fleet.run(Some(Duration::from_millis(250)), MOST, |worker| {
        let mut random = Random::new();
        let role = worker.place % ROLES;
        loop {
            let write = next[role].fetch_add(1, Ordering::Relaxed);
            if write >= writes {
                break;
            }
            // Each tenth write is of a finding that others have just written, or are writing.
            let number = if write % 10 == 9 {
                let before = (write / 10 * 9).max(1);
                before - 1 - random.below(before.min(processes / ROLES))
            } else {
                write / 10 * 9 + write % 10
            };
            let arguments = json!({
                "rule_id": "line", "severity": "low", "message": format!("finding {number}"),
                "path": format!("src/{}.txt", number / LINES), "start_line": number % LINES + 1,
            });
            let (outcome, died) = worker.call_until_answered("write_finding", &arguments);
            lost.fetch_add(usize::from(died), Ordering::Relaxed);
            let answer = outcome.unwrap();
            let created = usize::from(answer["status"] == "created");
            let path = answer["path"].as_str().unwrap().to_owned();
            let mut all = acknowledged.lock().unwrap();
            let entry = all.entry((role, number)).or_insert((path.clone(), 0));
            assert_eq!(entry.0, path, "one finding, two names");
            entry.1 += created;
        }
    });
    let acknowledged = acknowledged.into_inner().unwrap();
    println!(
        "{} findings by {processes} processes in {:.1?}; {} killed, {} answers lost",
        writes * ROLES,
        begun.elapsed(),
        fleet.killed.load(Ordering::Relaxed),
        lost.load(Ordering::Relaxed)
    );

    assert_eq!(acknowledged.len(), different * ROLES);
    let mut names = BTreeSet::new();
    for ((_, number), (path, created)) in &acknowledged {
        let text =
            fs::read(fixture.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
        let finding: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(finding["message"], format!("finding {number}"), "{path}");
        assert!(names.insert(path.to_owned()), "{path} is of two");
        // None when the answer to the one that was created was lost.
        assert!(*created <= 1 || !exclusive, "finding {number} was created {created} times");
    }
    let folders = (0..ROLES).map(|role| format!("output/findings/agent-{role}"));
    let there: BTreeSet<String> = folders
        .flat_map(|folder| {
            let names = visible(&fixture.root.join(&folder));
            names.into_iter().map(move |name| format!("{folder}/{name}"))
        })
        .collect();
    assert_eq!(there, names, "what is there and what was acknowledged");
    assert!(lost.into_inner() > 0, "nobody was killed at work; this shows nothing");
}

#[test]
fn a_counter_loses_no_step() {
    counter(&Fixture::on_disk());
}

/// Numbers that somebody else has put among the versions: no writer reaches any but the first two,
/// which have no content and are passed over.
const PLANTED: [&str; 6] =
    ["100", "333", "500000", "9007199254740991", "9007199254740992", "18446744073709551615"];

#[test]
fn a_counter_loses_no_step_among_versions_that_nobody_made() {
    let mut fixture = Fixture::on_disk();
    fixture.divisor = 5;
    for planted in PLANTED {
        fs::create_dir_all(fixture.root.join("state/counter/@").join(planted)).unwrap();
    }
    counter_with(&fixture, 2);
    for planted in PLANTED.into_iter().skip(2) {
        assert!(fixture.root.join("state/counter/@").join(planted).exists(), "{planted}");
    }
}

#[test]
fn a_counter_loses_no_step_over_two_mounts() {
    Fixture::over_two_mounts().iter().for_each(counter);
}

fn counter(fixture: &Fixture) {
    counter_with(fixture, 0);
}

/// `passed_over` numbers of versions are given to nobody.
fn counter_with(fixture: &Fixture, passed_over: usize) {
    let (steps, processes) = (5_000 / fixture.divisor, 32);
    let begun = Instant::now();
    let fleet = fixture.fleet(processes);
    let (next, conflicts) = (AtomicUsize::new(0), AtomicUsize::new(0));
    fleet.run(None, MOST, |worker| {
        let mut random = Random::new();
        while next.fetch_add(1, Ordering::Relaxed) < steps {
            let mut tries = 0;
            loop {
                let read = worker.call("read_state", &json!({ "key": "counter" })).unwrap();
                let (count, version) = match &read {
                    Ok(state) => {
                        // Where the newest version cannot be read, its number counts all the same.
                        let newest = state.get("newest_version");
                        (state["value"].as_u64().unwrap(), newest.unwrap_or(&state["version"]))
                    }
                    Err(error) if error.starts_with("not_found") => (0, &json!(0)),
                    Err(error) => panic!("{error}"),
                };
                let write =
                    json!({ "key": "counter", "value": count + 1, "expected_version": version });
                match worker.call("write_state", &write).unwrap() {
                    Ok(_) => break,
                    Err(error) if error.starts_with("conflict") => {
                        conflicts.fetch_add(1, Ordering::Relaxed);
                        tries += 1;
                        let wait = random.below(tries.min(8) * 50);
                        std::thread::sleep(Duration::from_millis(wait as u64));
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }
    });
    println!(
        "{steps} steps by {processes} processes in {:.1?}; {} conflicts",
        begun.elapsed(),
        conflicts.into_inner()
    );
    let kept = fixture.root.join("state/counter/@");
    let written = |name: &String| kept.join(name).join("value.json").exists();
    let names = visible(&kept).into_iter().filter(written);
    let newest = names.map(|name| name.parse::<usize>().unwrap()).max().unwrap();
    let value: Value =
        serde_json::from_slice(&fs::read(kept.join(format!("{newest}/value.json"))).unwrap())
            .unwrap();
    let expected = (steps + passed_over, Some(steps as u64));
    assert_eq!((newest, value["value"].as_u64()), expected);
    let stay = || visible(&kept).len();
    if fixture.roots.len() > 1 {
        // Who prunes asks whether the version before the oldest is gone. A mount that remembers a
        // name of which the other has removed the file leaves the rest for later: for so long as
        // it remembers, and no longer. Then each time of pruning removes as many as it may.
        let late = stay();
        std::thread::sleep(REMEMBERED + REMEMBERED / 2);
        let more = PRUNED_EVERY * (late / PRUNED_AT_ONCE + 1);
        fixture.fleet(1).run(None, MOST, |worker| {
            for version in steps..steps + more {
                let write =
                    json!({ "key": "counter", "value": version + 1, "expected_version": version });
                worker.call("write_state", &write).unwrap().unwrap();
            }
        });
        println!("{late} versions stayed, {} after {more} more", stay());
    }
    let stay = stay() - if passed_over > 0 { PLANTED.len() - passed_over } else { 0 };
    assert!(stay < 32, "{stay} old versions stay");
}

#[test]
fn each_task_is_claimed_once_whoever_is_killed() {
    claims(&Fixture::on_disk());
}

#[test]
fn each_task_is_claimed_once_over_two_mounts() {
    Fixture::over_two_mounts().iter().for_each(claims);
}

fn claims(fixture: &Fixture) {
    let (tasks, processes) = (1_000 / fixture.divisor, 16);
    let begun = Instant::now();
    let fleet = fixture.fleet(processes);
    let won: Mutex<BTreeMap<usize, Vec<usize>>> = Mutex::default();
    let lost = AtomicUsize::new(0);
    fleet.run(Some(Duration::from_millis(250)), MOST, |worker| {
        for task in 0..tasks {
            let key = format!("tasks/{task}");
            let claim = json!({ "key": key, "value": worker.place, "expected_version": 0 });
            let mine = match worker.call("write_state", &claim) {
                Ok(Ok(_)) => true,
                Ok(Err(error)) if error.starts_with("conflict") => false,
                Ok(Err(error)) => panic!("{error}"),
                // Whether the claim came through is found out as an agent would: it claims
                // again, so that somebody has it, and reads who.
                Err(Died) => {
                    lost.fetch_add(1, Ordering::Relaxed);
                    let (again, _) = worker.call_until_answered("write_state", &claim);
                    assert!(again.is_ok() || again.unwrap_err().starts_with("conflict"));
                    let read = worker.call_until_answered("read_state", &json!({ "key": key }));
                    read.0.unwrap()["value"] == worker.place
                }
            };
            if mine {
                won.lock().unwrap().entry(task).or_default().push(worker.place);
            }
        }
    });
    println!(
        "{tasks} claims by {processes} processes in {:.1?}; {} killed, {} answers lost",
        begun.elapsed(),
        fleet.killed.load(Ordering::Relaxed),
        lost.into_inner()
    );
    let won = won.into_inner().unwrap();
    let mut winners = BTreeSet::new();
    for task in 0..tasks {
        let stored =
            fs::read(fixture.root.join(format!("state/tasks/{task}/@/1/value.json"))).unwrap();
        let stored: Value = serde_json::from_slice(&stored).unwrap();
        let by = won.get(&task).unwrap_or_else(|| panic!("nobody has task {task}"));
        assert_eq!(by.len(), 1, "task {task} has {by:?}");
        assert_eq!(stored["value"], by[0], "task {task}");
        winners.insert(by[0]);
    }
    assert!(winners.len() > 1, "one process won everything; this shows nothing");
}

#[test]
fn each_line_that_is_appended_is_there_once_whoever_is_killed() {
    lines(&Fixture::on_disk(), 25);
}

#[test]
fn each_line_that_is_appended_is_there_once_over_two_mounts() {
    Fixture::over_two_mounts().iter().for_each(|fixture| lines(fixture, 4));
}

/// Processes append lines to one file, each by the version that it knows.
fn lines(fixture: &Fixture, of_each: usize) {
    const PROCESSES: usize = 16;
    let file = fixture.root.join("work/lines.txt");
    let is_there = |line: &str| {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.lines().any(|one| one == line.trim_end())
    };
    let begun = Instant::now();
    let fleet = fixture.fleet(PROCESSES);
    let (lost, conflicts) = (AtomicUsize::new(0), AtomicUsize::new(0));
    fleet.run(Some(Duration::from_millis(100)), MOST, |worker| {
        let mut random = Random::new();
        let mut known = Value::Null;
        for number in 0..of_each {
            let line = format!("{} {number}\n", worker.place);
            let (mut tries, mut is_unsure) = (0, false);
            loop {
                let append = json!({ "path": "work/lines.txt", "content": line, "append": true,
                    "expected_version": known });
                match worker.call("write_file", &append) {
                    Ok(Ok(answer)) => {
                        known = answer["version"].clone();
                        break;
                    }
                    Ok(Err(error)) if error.starts_with("conflict") => {
                        conflicts.fetch_add(1, Ordering::Relaxed);
                        let (_, version) = error.split_once("with version ").expect(&error);
                        known = version.split(' ').next().into();
                        if is_unsure && is_there(&line) {
                            break;
                        }
                        tries += 1;
                        let wait = random.below(tries.min(8) * 10);
                        std::thread::sleep(Duration::from_millis(wait as u64));
                    }
                    Ok(Err(error)) => panic!("{error}"),
                    // What the dead process asked of a mount may still come to pass. Then the
                    // version that it knew is no longer the newest, and the same call again is a
                    // conflict.
                    Err(Died) => {
                        lost.fetch_add(1, Ordering::Relaxed);
                        is_unsure = true;
                        if is_there(&line) {
                            break;
                        }
                    }
                }
            }
        }
    });
    let (lost, conflicts) = (lost.into_inner(), conflicts.into_inner());
    println!(
        "{} lines by {PROCESSES} processes in {:.1?}; {} killed, {lost} answers lost, {conflicts} \
         conflicts",
        PROCESSES * of_each,
        begun.elapsed(),
        fleet.killed.load(Ordering::Relaxed),
    );
    let text = fs::read_to_string(&file).unwrap();
    for place in 0..PROCESSES {
        // Those of one process in its order, each once.
        let expected: Vec<_> = (0..of_each).map(|number| format!("{place} {number}")).collect();
        let begins = format!("{place} ");
        let there: Vec<_> = text.lines().filter(|line| line.starts_with(&begins)).collect();
        assert_eq!(there, expected, "of process {place}");
    }
    assert_eq!(text.lines().count(), PROCESSES * of_each);
    assert!(lost > 0 && conflicts > 0, "nobody was in anybody's way; this shows nothing");
}

/// The names in a directory that readers see.
fn visible(directory: &Path) -> BTreeSet<String> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect()
}
