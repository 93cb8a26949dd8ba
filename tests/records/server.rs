//! One `mcp-workspace stdio` under test, which may be killed at any moment.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// The process died before it answered: nobody knows how far the call came.
#[derive(Debug)]
pub(crate) struct Died;

/// What a call gave: its JSON, or the text of its error.
pub(crate) type Outcome = Result<Value, String>;

/// Places for processes, where the killer finds them.
pub(crate) struct Fleet<'a> {
    /// The same tree, through one mount or several.
    roots: &'a [PathBuf],
    policy: &'a Path,
    children: Vec<Mutex<Option<Child>>>,
    /// No process is started any more: the work is done, or took too long.
    ended: AtomicBool,
    pub killed: AtomicUsize,
}

impl<'a> Fleet<'a> {
    pub(crate) fn new(roots: &'a [PathBuf], policy: &'a Path, size: usize) -> Fleet<'a> {
        let children = (0..size).map(|_| Mutex::new(None)).collect();
        let (ended, killed) = (AtomicBool::new(false), AtomicUsize::new(0));
        Fleet { roots, policy, children, ended, killed }
    }

    /// Runs `work` once in each place, each on its thread. Every `pause`, if there is one, a
    /// process at random is sent SIGKILL. After `most` all are killed, so that nothing hangs.
    pub(crate) fn run(
        &self,
        pause: Option<Duration>,
        most: Duration,
        work: impl Fn(&mut Worker<'_>) + Sync,
    ) {
        let begun = Instant::now();
        std::thread::scope(|threads| {
            let running: Vec<_> = (0..self.children.len())
                .map(|place| {
                    let work = &work;
                    threads.spawn(move || {
                        let mut worker = Worker { fleet: self, place, pipes: None, id: 0 };
                        work(&mut worker);
                        self.kill(place);
                    })
                })
                .collect();
            let mut random = Random::new();
            while running.iter().any(|thread| !thread.is_finished()) {
                std::thread::sleep(pause.unwrap_or(Duration::from_millis(50)));
                if begun.elapsed() > most {
                    self.ended.store(true, Ordering::SeqCst);
                    (0..self.children.len()).for_each(|place| self.kill(place));
                } else if pause.is_some() {
                    self.killed.fetch_add(1, Ordering::Relaxed);
                    self.kill(random.below(self.children.len()));
                }
            }
        });
        assert!(!self.ended.load(Ordering::SeqCst), "not done after {most:?}");
    }

    fn kill(&self, place: usize) {
        if let Some(child) = self.children[place].lock().unwrap().as_mut() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn start(&self, place: usize) -> Option<(ChildStdin, BufReader<ChildStdout>)> {
        let mut slot = self.children[place].lock().unwrap();
        assert!(!self.ended.load(Ordering::SeqCst), "it took too long");
        let mut child = Command::new(env!("CARGO_BIN_EXE_mcp-workspace"))
            .arg("stdio")
            .arg("--workspace")
            .arg(&self.roots[place % self.roots.len()])
            .arg("--policy")
            .arg(self.policy)
            .arg("--caller")
            .arg(format!("worker-{}-{place}", place % crate::ROLES))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        // From here on the killer finds it and waits for it.
        *slot = Some(child);
        Some((stdin?, BufReader::new(stdout?)))
    }
}

/// Talks to the process in one place, and starts another after its death.
pub(crate) struct Worker<'f> {
    fleet: &'f Fleet<'f>,
    pub place: usize,
    pipes: Option<(ChildStdin, BufReader<ChildStdout>)>,
    id: u64,
}

impl Worker<'_> {
    /// Calls a tool.
    ///
    /// # Errors
    /// [`Died`].
    pub(crate) fn call(&mut self, tool: &str, arguments: &Value) -> Result<Outcome, Died> {
        if self.pipes.is_none() {
            self.pipes = self.fleet.start(self.place);
            let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" } });
            self.request("initialize", &hello)?;
            self.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))?;
        }
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = self.request("tools/call", &params)?;
        let result = &answer["result"];
        if result["isError"] == true || result.is_null() {
            let text = result["content"][0]["text"].as_str();
            return Ok(Err(text.map_or_else(|| answer.to_string(), str::to_owned)));
        }
        Ok(Ok(result["structuredContent"].clone()))
    }

    /// Calls a tool again and again until an answer comes, and says whether one was lost.
    pub(crate) fn call_until_answered(&mut self, tool: &str, arguments: &Value) -> (Outcome, bool) {
        let mut lost = false;
        loop {
            match self.call(tool, arguments) {
                Ok(outcome) => return (outcome, lost),
                Err(Died) => lost = true,
            }
        }
    }

    fn request(&mut self, method: &str, params: &Value) -> Result<Value, Died> {
        self.id += 1;
        self.send(&json!({ "jsonrpc": "2.0", "id": self.id, "method": method, "params": params }))?;
        let mut line = String::new();
        let (_, out) = self.pipes.as_mut().unwrap();
        match out.read_line(&mut line) {
            // A line without its end was cut by the kill.
            Ok(_) if line.ends_with('\n') => Ok(serde_json::from_str(&line).unwrap()),
            _ => {
                self.pipes = None;
                Err(Died)
            }
        }
    }

    fn send(&mut self, message: &Value) -> Result<(), Died> {
        let (stdin, _) = self.pipes.as_mut().unwrap();
        if stdin.write_all(format!("{message}\n").as_bytes()).is_err() {
            self.pipes = None;
            return Err(Died);
        }
        Ok(())
    }
}

/// Enough chance for a killer.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new() -> Random {
        use std::hash::{BuildHasher, Hasher, RandomState};
        Random(RandomState::new().build_hasher().finish() | 1)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap() % end
    }
}
