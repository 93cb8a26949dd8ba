//! Callbacks of code reviews that wait for people, as files that people find:
//! `output/runs/RUN/.callbacks/`.
//!
//! No agent can write there: names of agents begin with a letter or digit, and their tools write
//! findings, proposals and state only. A callback's id is no secret: completing one takes an IAM
//! permission, and only wakes the workflow.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::Layout;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A review that waits for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What `aws lambda send-durable-execution-callback-success --callback-id` takes.
    pub callback_id: String,
    /// The execution that waits.
    pub execution: String,
    /// How many callbacks it has waited for, this one included.
    pub round: u32,
}

/// Writes a callback down, whole or not at all. An execution has one file: its last callback is
/// the one that it waits for. Other executions of the same run have files of their own.
///
/// # Errors
/// When the file system fails.
pub fn publish(root: &Path, layout: &Layout, run: &Name, waiting: &Waiting) -> io::Result<()> {
    let directory = directory(root, layout, run);
    fs::create_dir_all(&directory)?;
    let digest = Sha256::digest(&waiting.execution);
    let name: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    // Of one execution one invocation is at work, and what a killed one left is written over.
    let aside = directory.join(format!(".{name}.new"));
    let mut file = File::create(&aside)?;
    file.write_all(&serde_json::to_vec_pretty(waiting)?)?;
    file.sync_all()?;
    fs::rename(&aside, directory.join(format!("{name}.json")))?;
    File::open(&directory)?.sync_all()
}

/// The callbacks of a run, in the order of their files' names.
///
/// # Errors
/// When the file system fails, or a file is no callback.
pub fn waiting(root: &Path, layout: &Layout, run: &Name) -> io::Result<Vec<Waiting>> {
    let entries = match fs::read_dir(directory(root, layout, run)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files.iter().map(|file| Ok(serde_json::from_slice(&fs::read(file)?)?)).collect()
}

fn directory(root: &Path, layout: &Layout, run: &Name) -> PathBuf {
    root.join(layout.output.as_str()).join("runs").join(run.as_str()).join(".callbacks")
}

#[cfg(test)]
mod tests {
    use mcp_workspace_tools::path::WorkspacePath;
    use mcp_workspace_tools::policy::{Access, Policy};
    use mcp_workspace_tools::tool::catalog;

    use super::*;
    use crate::agents::team;

    #[test]
    fn an_execution_has_one_callback_and_a_run_may_have_several() {
        let root = tempfile::tempdir().unwrap();
        let policy = Policy::parse(crate::POLICY, "policy.toml").unwrap();
        let run = Name::parse("monday").unwrap();
        let callback = |execution: &str, round| Waiting {
            callback_id: format!("{execution}-{round}"),
            execution: execution.to_owned(),
            round,
        };
        assert!(waiting(root.path(), policy.layout(), &run).unwrap().is_empty());
        for one in [callback("a", 1), callback("b", 1), callback("a", 2), callback("a", 2)] {
            publish(root.path(), policy.layout(), &run, &one).unwrap();
        }
        let mut found = waiting(root.path(), policy.layout(), &run).unwrap();
        found.sort_by_key(|one| one.execution.clone());
        assert_eq!(found, [callback("a", 2), callback("b", 1)]);
    }

    #[test]
    fn no_agent_may_write_among_callbacks() {
        let policies = [crate::POLICY, include_str!("../../../../policies/code-review.toml")];
        let run = Name::parse("monday").unwrap();
        for text in policies {
            let policy = Policy::parse(text, "policy.toml").unwrap();
            let path =
                directory(Path::new(""), policy.layout(), &run).join("0123456789abcdef.json");
            let path = WorkspacePath::parse(&path.display().to_string()).unwrap();
            for agent in team(policy.layout(), &run) {
                let Some(grant) = policy.grant(&format!("bedrock-worker:{}", agent.role)) else {
                    continue;
                };
                for tool in catalog() {
                    assert!(
                        !grant.for_tool(tool.name).may(Access::Write, &path),
                        "{} by {}",
                        agent.role,
                        tool.name
                    );
                }
            }
        }
    }
}
