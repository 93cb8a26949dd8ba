//! The journal of a run. Each step is a record of its own in `output/runs/RUN/AGENT/steps/`,
//! written before the next step begins, and a run continues from these records. Where the workspace
//! is elsewhere, runs are in a directory of this machine instead.
//!
//! The journal is with the run and not in shared state. A model's tools can write state where its
//! role allows it, but no tool can write here, so a model cannot forge what it has done. A step is
//! published as state is: a directory is renamed to its number, which only one writer can do. A
//! second worker on the same run learns at its first step that it is not alone.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::policy::{Layout, Policy, ToolGrant};
use mcp_workspace_tools::workspace::{Published, Scope, Workspace};
use serde::{Deserialize, Serialize};

use crate::steps::Event;
use crate::summary::Summary;
use mcp_workspace_tools::name::Name;

/// The journal of one agent in one run.
pub(crate) struct Journal {
    scope: Scope,
    directory: WorkspacePath,
    /// The directory as a person is told of it.
    shown: String,
    /// The steps so far, one a line.
    lines: Vec<String>,
}

/// A step as it lies on disk.
#[derive(Serialize, Deserialize)]
struct Step {
    step: usize,
    /// When, in UTC.
    at: String,
    #[serde(flatten)]
    event: Event,
}

/// Who reads and writes journals, in errors and nowhere else.
const WRITER: &str = "bedrock-worker";
/// Time for one step to be read.
const TIME: Duration = Duration::from_secs(60);

impl Journal {
    /// Opens the journal in a workspace, and gives the steps that are in it.
    ///
    /// # Errors
    /// When it cannot be read, or is not whole.
    pub(crate) fn open(
        root: &Path,
        layout: &Layout,
        run: &Name,
        agent: &Name,
    ) -> anyhow::Result<(Journal, Vec<Event>)> {
        let directory = layout.runs().join(run.as_str())?.join(agent.as_str())?;
        let shown = directory.as_str().to_owned();
        Journal::open_at(root, directory, shown)
    }

    /// Opens the journal in a directory of this machine, which need not be there yet.
    ///
    /// # Errors
    /// When it cannot be read, or is not whole.
    pub(crate) fn open_in(
        records: &Path,
        run: &Name,
        agent: &Name,
    ) -> anyhow::Result<(Journal, Vec<Event>)> {
        let records = std::path::absolute(records)
            .with_context(|| format!("`{}` is no directory", records.display()))?;
        // What is missing is made with the first step: a dry run makes nothing.
        let root = records.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/"));
        let missing = records.strip_prefix(root).unwrap_or(Path::new("")).components();
        let mut directory = WorkspacePath::root();
        for name in missing {
            let name = name
                .as_os_str()
                .to_str()
                .with_context(|| format!("the name of `{}` is not UTF-8", records.display()))?;
            directory = directory.join(name)?;
        }
        let directory = directory.join(run.as_str())?.join(agent.as_str())?;
        let shown = records.join(run.as_str()).join(agent.as_str()).display().to_string();
        Journal::open_at(root, directory, shown)
    }

    fn open_at(
        root: &Path,
        directory: WorkspacePath,
        shown: String,
    ) -> anyhow::Result<(Journal, Vec<Event>)> {
        let workspace = Workspace::open_with_ambient_authority(root)
            .with_context(|| format!("cannot open the directory `{}`", root.display()))?;
        let (grant, layout) = rights_below(&directory)?;
        let scope = Scope::new(Arc::new(workspace), grant, Arc::new(layout));
        let mut journal = Journal { scope, directory, shown, lines: Vec::new() };
        let events = journal.read().map_err(|error| {
            error.context(format!("the journal in `{}` cannot be read", journal.shown))
        })?;
        Ok((journal, events))
    }

    /// Where it lies: in the workspace, or on this machine.
    pub(crate) fn directory(&self) -> &str {
        &self.shown
    }

    fn read(&mut self) -> anyhow::Result<Vec<Event>> {
        let mut events = Vec::new();
        let call = Call::new(WRITER, TIME);
        for name in self.scope.record_names(&self.directory.join("steps")?).map_err(told)? {
            let number = self.lines.len() + 1;
            let path = self.step(number)?.join("step.json")?;
            if self.step(number)?.file_name() != Some(&name) {
                bail!("step {number} is missing: there is `{name}`");
            }
            let bytes = self.scope.read_whole(&path, &call).map_err(told)?;
            let line = String::from_utf8(bytes.into_parts().0).context("a step is not text")?;
            let step: Step =
                serde_json::from_str(&line).with_context(|| format!("step {number} is no step"))?;
            self.lines.push(line.trim_end().to_owned());
            events.push(step.event);
        }
        Ok(events)
    }

    /// Records a step, and gives it as it will be read. Once this returns, a crash does not lose it.
    ///
    /// # Errors
    /// When it cannot be written, or another worker has written a step of that number.
    pub(crate) fn append(&mut self, event: &Event) -> anyhow::Result<Event> {
        let number = self.lines.len() + 1;
        let step =
            Step { step: number, at: jiff::Timestamp::now().to_string(), event: event.clone() };
        let line = serde_json::to_string(&step).context("a step cannot be written as JSON")?;
        let files: [(&str, &[u8]); 1] = [("step.json", line.as_bytes())];
        match self.scope.publish_directory(&self.step(number)?, &files).map_err(told)? {
            Published::Created => {
                // A number may be written in more digits than are read.
                let read: Step = serde_json::from_str(&line).context("a step cannot be read")?;
                self.lines.push(line);
                Ok(read.event)
            }
            Published::AlreadyThere => bail!(
                "another worker is at work in `{}`: step {number} is there already. Let it end, or \
                 give this one another --run or --agent",
                self.shown
            ),
        }
    }

    /// Writes `transcript.jsonl` and `summary.json` anew.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn conclude(&self, summary: &Summary) -> anyhow::Result<()> {
        let mut transcript = self.lines.join("\n");
        transcript.push('\n');
        let mut text = serde_json::to_string_pretty(summary)?;
        text.push('\n');
        for (name, content) in [("transcript.jsonl", transcript), ("summary.json", text)] {
            let path = self.directory.join(name)?;
            self.scope.publish_file(&path, content.as_bytes()).map_err(told)?;
        }
        Ok(())
    }

    fn step(&self, number: usize) -> anyhow::Result<WorkspacePath> {
        Ok(self.directory.join("steps")?.join(&format!("{number:06}"))?)
    }
}

/// Reading and writing below this directory and nothing else, said as any policy says it.
fn rights_below(directory: &WorkspacePath) -> anyhow::Result<(ToolGrant, Layout)> {
    let literal = |c: char| c.is_alphanumeric() || " ._-/".contains(c);
    if !directory.as_str().chars().all(literal) {
        bail!(
            "`{directory}` cannot hold runs: it has special characters; change --records, or \
             [layout] output in the policy"
        );
    }
    let text = format!(
        "version = 1\n[[role]]\nname = \"journal\"\ncallers = [\"{WRITER}\"]\n\
         tools = [\"read_file\"]\nread = [\"{directory}/**\"]\nwrite = [\"{directory}/**\"]\n"
    );
    let policy = Policy::parse(&text, "the journal's rights").map_err(|errors| {
        anyhow!("{}", errors.iter().map(ToString::to_string).collect::<String>())
    })?;
    let grant = policy.grant(WRITER).context("the journal has no rights")?;
    Ok((grant.for_tool("read_file"), policy.layout().clone()))
}

/// A tool's error with its cause, for the operator.
fn told(error: ToolError) -> anyhow::Error {
    match &error.source_for_log {
        Some(cause) => anyhow!("{} ({cause})", error.to_text()),
        None => anyhow!("{}", error.to_text()),
    }
}
