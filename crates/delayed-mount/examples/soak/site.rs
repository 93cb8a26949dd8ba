//! The workspace, the server over it, and what came of its calls.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_workspace_test_support::server::{Server, call_message};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Files of source text.
pub(crate) const FILES: u64 = 200;
/// Names in the wide directory.
const WIDE: usize = 5_000;
const LINE_BYTES: usize = 3_000_000;
/// Most records of which it is asked at the end whether they are there.
const MAX_ASKED: usize = 20_000;
const POLICY: &str = r#"
version = 1

[[role]]
name    = "agent"
callers = ["agent-*"]
tools   = ["list_dir", "read_file", "grep", "write_finding", "propose_patch", "read_state", "write_state"]
read    = ["**"]
write   = ["output/**", "state/**"]
propose = ["src/**"]
deny    = ["private/**"]

[role.limits]
max_findings  = 2000
max_proposals = 50
max_keys      = 200
"#;

pub(crate) struct Site {
    directory: TempDir,
    binary: PathBuf,
    tokens: Vec<String>,
}

impl Site {
    pub(crate) fn prepare(binary: &Path, callers: usize) -> Result<Site, Box<dyn Error>> {
        let directory = tempfile::tempdir()?;
        let at = |path: String| directory.path().join("source").join(path);
        for number in 0..FILES {
            let file = at(format!("src/{}/{}.rs", number % 10, number / 10));
            fs::create_dir_all(file.parent().unwrap())?;
            let functions =
                (0..40).map(|at| format!("fn number_{at}() {{ call_{number}_{at}() }}\n"));
            fs::write(file, functions.collect::<String>())?;
        }
        fs::create_dir(at("wide".to_owned()))?;
        for number in 0..WIDE {
            fs::File::create(at(format!("wide/a_file_with_number_{number}")))?;
        }
        fs::create_dir(at("private".to_owned()))?;
        fs::write(at("private/secret".to_owned()), "zqsecret\n")?;
        let letters = (0..LINE_BYTES).map(|at| b'a' + (at * at / 7 % 26) as u8);
        fs::write(at("line".to_owned()), letters.collect::<Vec<_>>())?;
        fs::write(directory.path().join("policy.toml"), POLICY)?;
        let (mut tokens, mut lines) = (Vec::new(), String::new());
        for number in 0..callers {
            let made = Command::new(binary).args(["token", &format!("agent-{number}")]).output()?;
            let made = String::from_utf8(made.stdout)?;
            let mut said = made.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
            tokens.push(said.next().ok_or("no token")?.to_owned());
            lines += &format!("{}\n", said.next().ok_or("no line of a token")?);
        }
        fs::write(directory.path().join("tokens"), lines)?;
        Ok(Site { directory, binary: binary.to_owned(), tokens })
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.directory.path().join("source")
    }

    pub(crate) fn tokens(&self) -> &[String] {
        &self.tokens
    }

    pub(crate) fn start(&self, workspace: &Path) -> Server {
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("MCP_WORKSPACE_") || name == "RUST_LOG" {
                command.env_remove(name);
            }
        }
        command.stdin(Stdio::null());
        let path = |name: &str| self.directory.path().join(name).to_str().unwrap().to_owned();
        let arguments = [
            "--workspace",
            workspace.to_str().unwrap(),
            "--policy",
            &path("policy.toml"),
            "--tokens",
            &path("tokens"),
            "--timeout",
            "3",
            "--memory",
            "128",
        ];
        Server::started_by(command, &arguments)
    }

    /// How many entries lie there under names of unfinished work.
    pub(crate) fn unfinished(&self) -> std::io::Result<usize> {
        let mut left = 0;
        let mut directories = vec![self.source()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with(".unfinished-") {
                    left += 1;
                } else if entry.file_type()?.is_dir() {
                    directories.push(entry.path());
                }
            }
        }
        Ok(left)
    }

    /// What was acknowledged and is not there.
    pub(crate) fn missing(
        &self,
        server: &Server,
        tally: &Tally,
    ) -> Result<Vec<String>, Box<dyn Error>> {
        let counted = tally.counted();
        let mut missing = Vec::new();
        for record in &counted.records {
            let whole = match fs::read(self.source().join(record)) {
                Ok(bytes) => serde_json::from_slice::<Value>(&bytes).is_ok(),
                Err(_) => self.source().join(record).join("proposal.json").is_file(),
            };
            if !whole {
                missing.push(format!("{record} was acknowledged and is not there"));
            }
        }
        for (key, acknowledged) in &counted.versions {
            let authorization = format!("Bearer {}", self.tokens[0]);
            let message = call_message("read_state", json!({ "key": key }));
            let answer = server.post(&message, &[("Authorization", &authorization)]).json();
            let version = answer["result"]["structuredContent"]["version"].as_u64();
            if version.is_none_or(|version| version < *acknowledged) {
                missing.push(format!("`{key}` had version {acknowledged} and has {version:?}"));
            }
        }
        println!(
            "{} records and {} keys were looked for",
            counted.records.len(),
            counted.versions.len()
        );
        Ok(missing)
    }
}

/// What came of all calls.
#[derive(Default)]
pub(crate) struct Tally(Mutex<Counted>);

#[derive(Default)]
pub(crate) struct Counted {
    /// Answers by what was asked, status and outcome.
    answers: BTreeMap<(String, u16, &'static str), u64>,
    /// Outcomes of the audit records.
    audited: BTreeMap<String, u64>,
    longest: Duration,
    failed_writes: usize,
    /// Paths of acknowledged records.
    records: BTreeSet<String>,
    /// The newest acknowledged version of each key.
    versions: BTreeMap<String, u64>,
}

impl Tally {
    pub(crate) fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, what: &str, status: u16, outcome: &'static str, took: Duration) {
        let mut counted = self.counted();
        *counted.answers.entry((what.to_owned(), status, outcome)).or_default() += 1;
        counted.longest = counted.longest.max(took);
    }

    pub(crate) fn write_failed(&self) {
        self.counted().failed_writes += 1;
    }

    pub(crate) fn acknowledge(&self, call: &Value, answer: &Value) {
        let mut counted = self.counted();
        match call["name"].as_str() {
            Some("write_state") => {
                let key = answer["key"].as_str().unwrap().to_owned();
                let version = answer["version"].as_u64().unwrap();
                let newest = counted.versions.entry(key).or_default();
                *newest = version.max(*newest);
            }
            Some("write_finding" | "propose_patch") if counted.records.len() < MAX_ASKED => {
                counted.records.insert(answer["path"].as_str().unwrap().to_owned());
            }
            _ => {}
        }
    }

    pub(crate) fn note(&self, records: Vec<Value>) {
        let mut counted = self.counted();
        for record in records {
            let outcome = record["outcome"].as_str().unwrap_or("?").to_owned();
            *counted.audited.entry(outcome).or_default() += 1;
        }
    }

    pub(crate) fn line(&self) -> String {
        let counted = self.counted();
        let calls: u64 = counted.answers.values().sum();
        format!("{calls} calls, the longest {:.1} s", counted.longest.as_secs_f64())
    }

    /// What of the answers must not be.
    pub(crate) fn wrong(&self, longest: Duration, unfinished: usize) -> Vec<String> {
        let counted = self.counted();
        let mut wrong = Vec::new();
        for ((what, status, _), times) in &counted.answers {
            if matches!(status, 0 | 500 | 501 | 502) {
                wrong.push(format!("{times} calls of {what} were answered with {status}"));
            }
        }
        if let Some(times) = counted.audited.get("internal") {
            wrong.push(format!("{times} calls failed inside of the server"));
        }
        if counted.longest > longest {
            wrong.push(format!("a call took {:?}", counted.longest));
        }
        // A writer that fails cleans up, unless that fails as well.
        if unfinished > counted.failed_writes {
            wrong.push(format!(
                "{unfinished} unfinished entries of {} failed writes",
                counted.failed_writes
            ));
        }
        wrong
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counted = self.counted();
        for ((what, status, outcome), times) in &counted.answers {
            // 1 stands for calls that nobody waits for, and for answers that a closed connection took away.
            let status = if *status == 1 { "none".to_owned() } else { status.to_string() };
            writeln!(to, "{times:>8}  {what}: {status} {outcome}")?;
        }
        let audited = counted.audited.iter().map(|(outcome, times)| format!("{outcome} {times}"));
        writeln!(to, "audited: {}", audited.collect::<Vec<_>>().join(", "))?;
        let (longest, failed) = (counted.longest, counted.failed_writes);
        write!(to, "the longest call took {longest:?}; {failed} writes failed")
    }
}
