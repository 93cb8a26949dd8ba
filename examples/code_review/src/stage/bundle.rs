//! A git bundle as a source: the tree of its HEAD, or of its only branch.
//!
//! Files are read as git stores them. `git archive` and a checkout would read `.gitattributes`,
//! which is a part of the sources and could hide files from the code review or run filters.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::StageError;
use super::gather::Gather;

/// Reads the tree.
pub(super) fn read(path: &Path, gather: &mut Gather<'_>) -> Result<(), StageError> {
    let git = Git::unpack(path)?;
    let tree = git.run(&["ls-tree", "-r", "-z", "--full-tree", STAGED])?;
    let mut blobs = git.blobs()?;
    for line in tree.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        // `<mode> <type> <object>\t<name>`
        let tab = line.iter().position(|byte| *byte == b'\t').unwrap_or(line.len());
        let (head, name) = line.split_at(tab);
        let name = name.get(1..).unwrap_or_default();
        let head = String::from_utf8_lossy(head).into_owned();
        let mut fields = head.split(' ');
        let (mode, object) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
        match mode {
            "100644" | "100664" => blobs.read(object, |file| gather.file(name, false, file))?,
            "100755" => blobs.read(object, |file| gather.file(name, true, file))?,
            "120000" => {
                let mut target = Vec::new();
                blobs.read(object, |file| {
                    let failed = |cause| StageError::io("read", path, cause);
                    file.take(4096).read_to_end(&mut target).map(drop).map_err(failed)
                })?;
                gather.link(name, &target)?;
            }
            // A submodule's files are in another repository.
            "160000" => gather.directory(name)?,
            _ => gather.refuse(name, "of a kind that is not known")?,
        }
    }
    blobs.end()
}

/// What the staged commit is called here.
const STAGED: &str = "refs/heads/staged";

/// A repository of its own, with what the bundle holds.
struct Git<'a> {
    bundle: &'a Path,
    repository: tempfile::TempDir,
}

impl<'a> Git<'a> {
    fn unpack(bundle: &'a Path) -> Result<Git<'a>, StageError> {
        let failed = |cause| StageError::io("read", bundle, cause);
        let bundle_path = bundle.canonicalize().map_err(failed)?;
        let repository = tempfile::tempdir().map_err(failed)?;
        let git = Git { bundle, repository };
        git.run(&["init", "--quiet", "--bare", "."])?;
        let file = bundle_path.to_string_lossy();
        let heads = git.run(&["bundle", "list-heads", &file])?;
        let heads = String::from_utf8_lossy(&heads).into_owned();
        let mut names: Vec<&str> =
            heads.lines().filter_map(|line| line.split_once(' ')).map(|(_, name)| name).collect();
        if names.contains(&"HEAD") {
            names = vec!["HEAD"];
        }
        let [head] = names.as_slice() else {
            return Err(git.failed(&format!(
                "it has no HEAD and {} branches or tags; make it with `git bundle create FILE HEAD`",
                names.len()
            )));
        };
        git.run(&["fetch", "--quiet", "--no-tags", &file, &format!("{head}:{STAGED}")])?;
        Ok(git)
    }

    /// Git with nothing of this machine's configuration, and nothing that could reach beyond the
    /// bundle.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        command
            .current_dir(self.repository.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("LC_ALL", "C")
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .args(["-c", "protocol.allow=never", "-c", "protocol.file.allow=always"])
            .args(["-c", "fetch.fsckObjects=true", "-c", "core.hooksPath=/dev/null"])
            .args(["-c", "gc.auto=0", "-c", "maintenance.auto=false"])
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Result<Vec<u8>, StageError> {
        let output = self
            .command(arguments)
            .output()
            .map_err(|error| self.failed(&format!("git cannot be run: {error}")))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(self.failed(String::from_utf8_lossy(&output.stderr).trim()))
    }

    fn failed(&self, reason: &str) -> StageError {
        StageError::Git { path: self.bundle.display().to_string(), reason: reason.to_owned() }
    }

    fn blobs(&self) -> Result<Blobs<'_>, StageError> {
        let mut child = self
            .command(&["cat-file", "--batch"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| self.failed(&error.to_string()))?;
        let (Some(asks), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(self.failed("git takes no questions"));
        };
        Ok(Blobs { git: self, child, asks: Some(asks), answers: BufReader::new(answers) })
    }
}

/// A git that gives out one object after the other.
struct Blobs<'a> {
    git: &'a Git<'a>,
    child: std::process::Child,
    asks: Option<std::process::ChildStdin>,
    answers: BufReader<std::process::ChildStdout>,
}

impl Blobs<'_> {
    fn read(
        &mut self,
        object: &str,
        take: impl FnOnce(&mut dyn Read) -> Result<(), StageError>,
    ) -> Result<(), StageError> {
        let git = self.git;
        let failed = |error: std::io::Error| git.failed(&error.to_string());
        if let Some(asks) = &mut self.asks {
            writeln!(asks, "{object}").and_then(|()| asks.flush()).map_err(failed)?;
        }
        let mut head = String::new();
        self.answers.read_line(&mut head).map_err(failed)?;
        let size = head.trim_end().rsplit_once(' ').and_then(|(_, size)| size.parse().ok());
        let Some(size) = size else {
            return Err(git.failed(&format!("object {object}: {}", head.trim_end())));
        };
        let mut content = (&mut self.answers).take(size);
        take(&mut content)?;
        // What was not taken, and the end of the line.
        let rest = content.limit() + 1;
        std::io::copy(&mut (&mut self.answers).take(rest), &mut std::io::sink()).map_err(failed)?;
        Ok(())
    }

    fn end(mut self) -> Result<(), StageError> {
        drop(self.asks.take());
        self.child.wait().map(drop).map_err(|error| self.git.failed(&error.to_string()))
    }
}

impl Drop for Blobs<'_> {
    fn drop(&mut self) {
        // Only after a failure: it is still there, waiting for questions.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
