//! The command line and the environment. The SDK itself reads credentials, region and endpoint of
//! AWS.

mod limits;
mod tuning;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use mcp_workspace_call::dispatch::Dispatcher;
use mcp_workspace_call::memory;
use mcp_workspace_remote::Place;
use mcp_workspace_tools::policy::Policy;
use mcp_workspace_tools::workspace::Workspace;
use serde::Deserialize;
use serde_json::Value;

use crate::backoff::Patience;
use crate::bedrock::Bedrock;
use crate::journal::Journal;
use crate::messages::Messages;
use crate::model::Service;
use crate::progress::{Progress, When};
use crate::steps::Event;
use crate::summary::Summary;
use crate::tool_calls::{RemoteTools, ToolRunner};
use crate::worker::Worker;
use mcp_workspace_tools::name::Name;

pub use limits::LimitOptions;

const LOCAL_POLICY: &str = include_str!("../../../policies/local.toml");

/// A model on Amazon Bedrock works with the tools of a workspace, under the rights of one role.
#[derive(Debug, Parser)]
#[command(name = "bedrock-agent", version, about, after_help = EXAMPLES)]
pub struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXAMPLES: &str = "Examples:
  bedrock-agent run --role reviewer --model MODEL --task 'Review the code for security problems' --dry-run
  bedrock-agent run --role security-reviewer --policy policies/code-review.toml --workspace /srv/review \\
    --model MODEL --task @task.md --run 2026-11-25 --max-turns 40 --max-seconds 840";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run one agent until it is done; the same command goes on with a run that has stopped
    Run(Box<RunOptions>),
}

/// How to run an agent.
#[derive(Debug, Args)]
#[command(after_help = "\
The agent calls tools as `bedrock-worker:ROLE`. Policy decides what that caller may do:

  [[role]]
  name    = \"security-reviewer\"
  callers = [\"bedrock-worker:security-reviewer\"]

With --mcp the tools are those of a server elsewhere. Requests are signed with the AWS credentials
(or carry the bearer token in BEDROCK_AGENT_MCP_TOKEN), the server's policy says what that identity
may do, and ROLE is only a name, for the run and for the model.

Exit status: 0 the model is done; 1 it ended otherwise (see `ending` in summary.json); 2 the run
could not start; 3 it has paused, and the same command goes on.

Examples:
  bedrock-agent run --role reviewer --model MODEL --task @task.md
  bedrock-agent run --role style-reviewer --policy policies/code-review.toml --workspace /srv/review \\
    --model MODEL --task @task.md --run monday
  bedrock-agent run --role reviewer --model MODEL --task @task.md --max-usd 2 --price-input 0.003 --price-output 0.015
  bedrock-agent run --role reviewer --model MODEL --task @task.md --mcp https://ID.lambda-url.eu-west-1.on.aws/mcp
  bedrock-agent run --role reviewer --model MODEL --task - --dry-run < task.md")]
pub struct RunOptions {
    /// The role; it is a part of the caller's id, and policy says what that caller may do (with --mcp: a name only)
    #[arg(long, value_name = "ROLE", value_parser = Name::parse)]
    role: Name,
    /// The task: the text itself, `@FILE`, or `-` to read it from stdin
    #[arg(long, value_name = "TEXT|@FILE|-")]
    task: String,
    /// The workspace's directory [env: MCP_WORKSPACE_ROOT] [default: the current directory]
    #[arg(long, value_name = "DIR")]
    workspace: Option<PathBuf>,
    /// The policy file [env: MCP_WORKSPACE_POLICY] [default: the built-in local policy, in which every role of a worker may read all but secrets]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Work with the tools of the MCP server at this URL instead: a function URL, an AgentCore Gateway, or one on this machine [env: BEDROCK_AGENT_MCP_URL]
    #[arg(long, value_name = "URL", conflicts_with_all = ["workspace", "policy"])]
    mcp: Option<String>,
    /// With --mcp: the directory for steps, transcript and summary [env: BEDROCK_AGENT_RECORDS] [default: bedrock-runs]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["workspace", "policy"])]
    records: Option<PathBuf>,
    /// Model id, inference profile or ARN, as in `aws bedrock list-inference-profiles`
    #[arg(long, value_name = "ID", env = "BEDROCK_AGENT_MODEL")]
    model: String,
    /// The AWS region of the model [default: as AWS tools find it]
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Ask the Messages API at this URL instead of Bedrock's Converse; the key is in BEDROCK_AGENT_MESSAGES_KEY
    #[arg(long, value_name = "URL", env = "BEDROCK_AGENT_MESSAGES_URL")]
    messages_url: Option<String>,
    /// The run's name; give that of a run that has stopped to go on with it [default: the time]
    #[arg(long, value_name = "NAME", value_parser = Name::parse)]
    run: Option<Name>,
    /// The agent's name, where one run has several of a role [default: the role]
    #[arg(long, value_name = "NAME", value_parser = Name::parse)]
    agent: Option<Name>,
    /// Print the next request as JSON; ask no model and write nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the summary as JSON instead of what the model said last
    #[arg(long)]
    json: bool,
    /// When to show progress on stderr
    #[arg(long, value_enum, default_value_t = When::Auto)]
    progress: When,
    /// A file to append audit records to [default: stderr]
    #[arg(long, value_name = "FILE")]
    audit_log: Option<PathBuf>,
    #[command(flatten)]
    limits: LimitOptions,
    /// Where the host sets it: when the invocation must have ended.
    #[arg(skip)]
    deadline: Option<Instant>,
    /// Whether the task is text whatever it begins with: others than the operator wrote it.
    #[arg(skip)]
    task_is_text: bool,
}

/// The event of an invocation on Lambda.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Invocation {
    role: String,
    task: String,
    run: String,
    agent: Option<String>,
    model: Option<String>,
}

/// Kept back at the end of an invocation to write down where the run stands.
const RESERVE: Duration = Duration::from_secs(5);
/// Where the workspace is mounted on Lambda unless `MCP_WORKSPACE_ROOT` says otherwise.
const LAMBDA_ROOT: &str = "/mnt/workspace";
/// Where runs lie whose workspace is elsewhere.
const RECORDS: &str = "bedrock-runs";

/// Whether this process is a Lambda function: started by Lambda, without arguments.
pub fn is_on_lambda() -> bool {
    std::env::args_os().len() == 1 && std::env::var_os("AWS_LAMBDA_RUNTIME_API").is_some()
}

impl RunOptions {
    /// The options of an invocation; what the event does not say is said by the environment.
    ///
    /// # Errors
    /// With what is wrong with the event, or missing in the environment.
    pub fn of_invocation(event: Value, deadline: Instant) -> anyhow::Result<RunOptions> {
        let event: Invocation = serde_json::from_value(event)
            .context("the event must be {role, task, run} with agent and model if need be")?;
        // An invoker could name any role; a function that is one agent's says so.
        if let Ok(role) = std::env::var("BEDROCK_AGENT_ROLE")
            && role != event.role
        {
            bail!("this function is the role `{role}` and not `{}`", event.role);
        }
        let mut arguments = vec!["bedrock-agent".to_owned(), "run".to_owned()];
        arguments.push(format!("--role={}", event.role));
        arguments.push(format!("--task={}", event.task));
        arguments.push(format!("--run={}", event.run));
        arguments.extend(event.agent.map(|agent| format!("--agent={agent}")));
        arguments.extend(event.model.map(|model| format!("--model={model}")));
        let Command::Run(mut options) = CommandLine::try_parse_from(arguments)?.command;
        if options.mcp_url().is_none() && options.policy_file().is_none() {
            bail!(
                "neither MCP_WORKSPACE_POLICY nor BEDROCK_AGENT_MCP_URL is set: on Lambda nobody \
                 has a role by default"
            );
        }
        // What the function itself keeps is gone with it.
        if options.mcp_url().is_some() {
            let mounted = || path_in("MCP_WORKSPACE_ROOT").map(|root| root.join("output/runs"));
            let records = path_in("BEDROCK_AGENT_RECORDS").or_else(mounted);
            options.records = Some(records.context(
                "BEDROCK_AGENT_MCP_URL is set, but neither BEDROCK_AGENT_RECORDS nor \
                 MCP_WORKSPACE_ROOT: the run's records need a mounted directory",
            )?);
        }
        if options.mcp_url().is_none() {
            let root = path_in("MCP_WORKSPACE_ROOT");
            options.workspace = Some(root.unwrap_or_else(|| PathBuf::from(LAMBDA_ROOT)));
        }
        options.deadline = Some(deadline);
        options.task_is_text = true;
        Ok(*options)
    }

    /// Where audit records go, when not to stderr.
    pub fn audit_log(&self) -> Option<&Path> {
        self.audit_log.as_deref()
    }

    /// Whether to print the request only.
    pub fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// Puts a worker together, at the place where its run has stopped.
    ///
    /// # Errors
    /// With the setting that is wrong, or when a server cannot be worked with.
    pub async fn worker(&self) -> anyhow::Result<Worker> {
        let began = Instant::now();
        let run = match &self.run {
            Some(run) => run.clone(),
            None => run_of_now()?,
        };
        let agent = self.agent.clone().unwrap_or_else(|| self.role.clone());
        let task = self.task()?;
        let (runner, (journal, events)) = match self.mcp_url() {
            Some(url) => {
                let journal = self.records(&run, &agent)?;
                (ToolRunner::remote(self.remote(&url).await?), journal)
            }
            None if self.records.is_some() => {
                bail!("--records goes with --mcp; in a workspace, runs lie in its output")
            }
            None => self.local(&run, &agent)?,
        };
        let progress = Progress::new(agent.as_str(), self.progress);
        let mut orders = self.limits.orders(self.role.clone(), agent, run, task, &self.model)?;
        orders.until = self.until(began);
        Worker::new(orders, runner, journal, &events, progress)
    }

    /// The tools in this process, and the journal in the workspace.
    fn local(
        &self,
        run: &Name,
        agent: &Name,
    ) -> anyhow::Result<(ToolRunner, (Journal, Vec<Event>))> {
        let root = self.workspace.clone().or_else(|| path_in("MCP_WORKSPACE_ROOT"));
        let root = root.unwrap_or_else(|| PathBuf::from("."));
        let policy = self.policy()?;
        let journal = Journal::open(&root, policy.layout(), run, agent)?;
        let workspace = Workspace::open_with_ambient_authority(&root)
            .with_context(|| format!("cannot open the workspace `{}`", root.display()))?
            .with_memory(memory::budget(None));
        let time_for_a_call = Duration::from_secs(self.limits.timeout);
        let dispatcher = Dispatcher::new(workspace, policy, time_for_a_call);
        Ok((ToolRunner::new(dispatcher, &self.role, run, agent), journal))
    }

    /// The tools of a server.
    async fn remote(&self, url: &str) -> anyhow::Result<RemoteTools> {
        let token = std::env::var("BEDROCK_AGENT_MCP_TOKEN").ok().filter(|token| !token.is_empty());
        let link = if let Some(token) = token {
            mcp_workspace_remote::Remote::with_token(url, &token)?
        } else {
            // Most host names tell the server's region; it need not be the model's.
            let place = Place::parse(url)?;
            let region = place.region().or(self.region.as_deref());
            mcp_workspace_remote::Remote::connect(url, region).await?
        };
        let patience = Patience {
            time: Duration::from_secs(self.limits.timeout),
            attempts: self.limits.max_attempts,
            first_wait: Duration::from_millis(self.limits.first_wait_ms),
        };
        RemoteTools::connect(link, &self.role, patience).await
    }

    /// The journal on this machine.
    fn records(&self, run: &Name, agent: &Name) -> anyhow::Result<(Journal, Vec<Event>)> {
        let records = self.records.clone().or_else(|| path_in("BEDROCK_AGENT_RECORDS"));
        Journal::open_in(&records.unwrap_or_else(|| PathBuf::from(RECORDS)), run, agent)
    }

    /// The server's URL; a workspace or a policy on the command line is stronger than the
    /// environment.
    fn mcp_url(&self) -> Option<String> {
        let local = self.workspace.is_some() || self.policy.is_some();
        let told = || std::env::var("BEDROCK_AGENT_MCP_URL").ok().filter(|url| !url.is_empty());
        self.mcp.clone().or_else(|| if local { None } else { told() })
    }

    fn policy_file(&self) -> Option<PathBuf> {
        self.policy.clone().or_else(|| path_in("MCP_WORKSPACE_POLICY"))
    }

    /// Finds the model's service.
    ///
    /// # Errors
    /// When no region is set, or the other service has no key.
    pub async fn service(&self) -> anyhow::Result<Service> {
        service(self.messages_url.clone(), self.region.clone()).await
    }

    /// What to print at the end.
    ///
    /// # Errors
    /// Never in practice: the types are those of JSON.
    pub fn report(&self, summary: &Summary) -> anyhow::Result<String> {
        if self.json {
            return Ok(serde_json::to_string_pretty(summary)?);
        }
        let Summary { text, reason, directory, run, .. } = summary;
        let end = format!("({reason}; run {run} in {directory})");
        Ok(if text.is_empty() { end } else { format!("{text}\n\n{end}") })
    }

    fn policy(&self) -> anyhow::Result<Policy> {
        let (text, name) = match self.policy_file() {
            Some(file) => (read_text(&file)?, file.display().to_string()),
            None => (LOCAL_POLICY.to_owned(), "local.toml (built in)".to_owned()),
        };
        Policy::parse(&text, &name).map_err(|errors| {
            let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
            anyhow::anyhow!("the policy does not check:\n{}", all.join("\n"))
        })
    }

    /// When to have everything written down.
    fn until(&self, began: Instant) -> Option<Instant> {
        let asked = self.limits.max_seconds.map(|seconds| began + Duration::from_secs(seconds));
        let end = asked.into_iter().chain(self.deadline).min()?;
        let time = end.saturating_duration_since(began);
        Some(began + time.saturating_sub(RESERVE.min(time / 4)))
    }

    fn task(&self) -> anyhow::Result<String> {
        let text = match self.task.strip_prefix('@') {
            _ if self.task_is_text => self.task.clone(),
            Some(file) => read_text(Path::new(file))?,
            None if self.task == "-" => {
                let mut text = String::new();
                std::io::stdin().read_to_string(&mut text).context("cannot read stdin")?;
                text
            }
            None => self.task.clone(),
        };
        if text.trim().is_empty() {
            bail!("the task is empty");
        }
        Ok(text.trim().to_owned())
    }
}

/// The service of the environment.
///
/// # Errors
/// When no region is set, or the Messages API has no key.
pub(crate) async fn service_of_environment() -> anyhow::Result<Service> {
    let url = std::env::var("BEDROCK_AGENT_MESSAGES_URL").ok().filter(|url| !url.is_empty());
    service(url, None).await
}

async fn service(url: Option<String>, region: Option<String>) -> anyhow::Result<Service> {
    let Some(url) = url else { return Ok(Service::Bedrock(Bedrock::connect(region).await?)) };
    let key = std::env::var("BEDROCK_AGENT_MESSAGES_KEY");
    let key = key.context("BEDROCK_AGENT_MESSAGES_KEY is not set: the Messages API needs a key")?;
    let messages = Messages::new(&url, &key);
    let messages = messages.with_context(|| format!("cannot use `{url}`"))?;
    Ok(Service::Messages(Box::new(messages)))
}

/// A path that the environment names.
fn path_in(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// A name for a run that was given none: the time, in UTC.
fn run_of_now() -> anyhow::Result<Name> {
    let now = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    Name::parse(&now).map_err(anyhow::Error::msg)
}

fn read_text(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read `{}`", file.display()))
}
