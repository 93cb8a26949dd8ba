//! The command line.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use bedrock_agent::config::LimitOptions;
use clap::{Args, Parser, Subcommand, ValueEnum};
use mcp_workspace_call::decision_keys::with_keys;
use mcp_workspace_tools::name::Name;
use mcp_workspace_tools::policy::Policy;

use crate::{ORCHESTRATOR, POLICY};

/// Agents review a repository together, and propose fixes; a person decides.
#[derive(Debug, Parser)]
#[command(name = "code_review", version, after_help = EXAMPLES)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "\
Exit status: 0 all agents are done; 1 one is not, see the report; 2 it could not start; 3 it has
paused, and the same command goes on.

Examples:
  code_review review --source ~/repo --workspace /tmp/review --run monday --model MODEL
  code_review status --workspace /tmp/review --run monday
  mcp-workspace review --workspace /tmp/review --policy examples/code_review/policy.toml
  code_review apply --workspace /tmp/review --run monday";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Stage, let the agents work, and make the report; the same command goes on with a run
    Review(Box<ReviewOptions>),
    /// Let one agent of a staged run work, as an engine of one's own would
    Work(Box<WorkOptions>),
    /// Say how the proposals of a run stand
    Status(RunOptions),
    /// Apply what a person has approved
    Apply(RunOptions),
}

/// Which run.
#[derive(Debug, Args)]
pub(super) struct RunOptions {
    /// The workspace's directory; it is made if it is not there
    #[arg(long, value_name = "DIR", env = "MCP_WORKSPACE_ROOT")]
    pub workspace: PathBuf,
    /// The run's name
    #[arg(long, value_name = "NAME", value_parser = Name::parse)]
    pub run: Name,
    /// The policy file [default: that of the example]
    #[arg(long, value_name = "FILE", env = "MCP_WORKSPACE_POLICY")]
    policy: Option<PathBuf>,
    /// The caller for all that no agent does, as the policy names it
    #[arg(long, value_name = "ID", default_value = ORCHESTRATOR)]
    pub caller: String,
}

/// The model, and how far it may go.
#[derive(Debug, Args)]
pub(super) struct ModelOptions {
    /// Model id, inference profile or ARN, as in `aws bedrock list-inference-profiles`
    #[arg(long, value_name = "ID", env = "BEDROCK_AGENT_MODEL")]
    pub model: String,
    /// The AWS region [default: as AWS tools find it]
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// How to show progress on stderr
    #[arg(long, value_enum, default_value_t = Progress::Auto)]
    pub progress: Progress,
    /// A file to append audit records to [default: output/runs/RUN/audit.jsonl in the workspace]
    #[arg(long, value_name = "FILE")]
    pub audit_log: Option<PathBuf>,
    /// Limits of each agent.
    #[command(flatten)]
    pub limits: LimitOptions,
}

#[derive(Debug, Args)]
pub(super) struct ReviewOptions {
    /// What to review: a directory, or a file ending in .tar .tar.gz .tgz .zip .bundle
    #[arg(long, value_name = "DIR|FILE")]
    pub source: PathBuf,
    #[command(flatten)]
    pub run: RunOptions,
    #[command(flatten)]
    pub model: ModelOptions,
}

#[derive(Debug, Args)]
pub(super) struct WorkOptions {
    /// The agent
    #[arg(long, value_name = "NAME", value_parser = Name::parse)]
    pub agent: Name,
    #[command(flatten)]
    pub run: RunOptions,
    #[command(flatten)]
    pub model: ModelOptions,
}

/// How to show progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Progress {
    /// One line an agent that changes in place on a terminal, plain lines elsewhere
    Auto,
    /// A line for each thing that happens
    Plain,
    /// None
    Never,
}

impl RunOptions {
    /// The policy, checked, with the key that it names for decisions.
    pub(super) fn policy(&self) -> anyhow::Result<Policy> {
        let (text, name) = match &self.policy {
            Some(file) => {
                let text = std::fs::read_to_string(file)
                    .with_context(|| format!("cannot read `{}`", file.display()))?;
                (text, file.display().to_string())
            }
            None => (POLICY.to_owned(), "examples/code_review/policy.toml (built in)".to_owned()),
        };
        let policy = Policy::parse(&text, &name).map_err(|errors| {
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            anyhow!("the policy does not check:\n{}", all.join("\n"))
        })?;
        Ok(with_keys(policy, &self.workspace, |name| std::env::var_os(name))?)
    }

    /// The policy's file, for commands that a person is to give.
    fn policy_file(&self) -> PathBuf {
        let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("policy.toml");
        let file = self.policy.clone().unwrap_or_else(own);
        let here = std::env::current_dir().unwrap_or_default();
        file.strip_prefix(here).map(Path::to_owned).unwrap_or(file)
    }

    /// What to give `mcp-workspace` so that it looks at this workspace.
    pub(super) fn for_people(&self) -> String {
        let quoted = |path: &Path| quote(&path.display().to_string());
        format!("--workspace {} --policy {}", quoted(&self.workspace), quoted(&self.policy_file()))
    }

    /// What to give this command again.
    pub(super) fn for_this(&self) -> String {
        let policy = self.policy.as_ref().map_or_else(String::new, |file| {
            format!(" --policy {}", quote(&file.display().to_string()))
        });
        let workspace = quote(&self.workspace.display().to_string());
        format!("--workspace {workspace} --run {}{policy}", self.run)
    }
}

/// A word for a shell.
fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
        assert_eq!(quote("/tmp/a b'c"), r"'/tmp/a b'\''c'");
    }
}
