//! `tokens`: what the tasks of a review cost a model, in bytes and tokens.

use std::error::Error;
use std::path::PathBuf;
use std::process::Command;

use clap::Args;
use tiktoken_rs::{CoreBPE, o200k_base};

use crate::corpus;
use crate::session::Session;
use crate::tasks::{At, Server, TASKS};

/// Counts bytes and tokens (o200k_base) of the tasks of a review over each server
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The binary of mcp-workspace
    binary: PathBuf,
    /// The script `mcp-server-filesystem` of the npm package @modelcontextprotocol/server-filesystem
    #[arg(long)]
    node: Option<PathBuf>,
    /// The binary of the crate rust-mcp-filesystem
    #[arg(long)]
    rust: Option<PathBuf>,
    /// The sources that the tasks are about
    #[arg(long, default_value = "tools/src")]
    sources: PathBuf,
    /// Writes what is said into this directory, a file for each server
    #[arg(long)]
    transcripts: Option<PathBuf>,
}

/// What a task has cost.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    /// Bytes of the answers as they came.
    bytes: usize,
    /// Tokens of the calls and of the answers' text.
    tokens: usize,
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Cost>>(costs: I) -> Cost {
        costs.fold(Cost::default(), |sum, cost| Cost {
            bytes: sum.bytes + cost.bytes,
            tokens: sum.tokens + cost.tokens,
        })
    }
}

/// What our server may do in the comparison: all that it can.
const POLICY: &str = r#"version = 1
[layout]
input  = "."
output = "out"
state  = "state"
[[role]]
name    = "local"
callers = ["local"]
tools   = ["list_dir", "read_file", "grep", "write_finding", "propose_patch", "write_file", "read_state", "write_state", "list_findings", "list_proposals", "query_table"]
read    = ["**"]
write   = ["out/**", "state/**"]
create  = ["out/reports/**"]
propose = ["src/**"]
"#;

/// Prints the table.
///
/// # Errors
/// When a server cannot be started, or refuses what it should do.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let encoder = o200k_base()?;
    let mut servers = vec![Server::Ours];
    servers.extend(arguments.node.is_some().then_some(Server::Node));
    servers.extend(arguments.rust.is_some().then_some(Server::Rust));
    let mut columns = Vec::new();
    for server in &servers {
        columns.push(measure(*server, arguments, &encoder)?);
    }
    print(&servers, &columns);
    Ok(())
}

/// The costs of the list of tools and of each task; none where the server cannot do it.
fn measure(
    server: Server,
    arguments: &Arguments,
    encoder: &CoreBPE,
) -> Result<Vec<Option<Cost>>, Box<dyn Error>> {
    // Each server has a tree of its own at a path of the same length.
    let folder = tempfile::Builder::new().prefix("review-").tempdir()?;
    let (root, policy) = (folder.path().join("workspace"), folder.path().join("policy.toml"));
    std::fs::create_dir(&root)?;
    std::fs::write(&policy, POLICY)?;
    corpus::plant(&arguments.sources, &root)?;
    let command = match (server, &arguments.node, &arguments.rust) {
        (Server::Node, Some(script), _) => {
            let mut command = Command::new("node");
            command.arg(script).arg(&root);
            command
        }
        (Server::Rust, _, Some(binary)) => {
            let mut command = Command::new(binary);
            command.arg("--allow-write").arg(&root);
            command
        }
        _ => {
            let mut command = Command::new(&arguments.binary);
            command.args(["stdio", "--workspace"]).arg(&root).arg("--policy").arg(&policy);
            command
        }
    };
    let mut session = Session::start(command)?;
    let count = |text: &str| encoder.encode_ordinary(text).len();
    let (line, tools) = session.tools()?;
    let mut costs = vec![Some(Cost { bytes: line.len(), tokens: count(&tools.to_string()) })];
    let mut transcript = String::new();
    for task in &TASKS {
        let mut at = At { server, session: &mut session, root: &root };
        let can = (task.run)(&mut at).map_err(|error| format!("{}: {error}", task.name))?;
        let mut cost = Cost::default();
        for exchange in session.take() {
            cost.bytes += exchange.line.len();
            cost.tokens += count(&exchange.call) + count(&exchange.text);
            transcript += &format!("# {}\n> {}\n{}\n", task.name, exchange.call, exchange.text);
        }
        costs.push(can.then_some(cost));
    }
    if let Some(directory) = &arguments.transcripts {
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join(format!("{server:?}.txt")), transcript)?;
    }
    Ok(costs)
}

/// A table in Markdown: bytes of answers, then tokens, and ours as a part of the better peer's.
fn print(servers: &[Server], columns: &[Vec<Option<Cost>>]) {
    let names = servers.iter().map(|server| format!(" {server:?} |")).collect::<String>();
    println!("| task: bytes of answers / tokens of calls and answers |{names} ours : better |");
    println!("|---|{}---:|", "---:|".repeat(servers.len()));
    let titles = std::iter::once("tools/list".to_owned())
        .chain(TASKS.iter().map(|task| format!("{} ({:?})", task.name, task.kind)));
    for (row, title) in titles.enumerate() {
        let costs: Vec<Option<Cost>> =
            columns.iter().map(|column| column.get(row).copied().flatten()).collect();
        print_row(&title, &costs);
    }
    let Some((ours, peers)) = columns.split_first() else { return };
    for (number, (server, theirs)) in servers.iter().skip(1).zip(peers).enumerate() {
        let both = || ours.iter().zip(theirs).filter_map(|(ours, theirs)| ours.zip(*theirs));
        let mut sums = vec![Some(both().map(|(ours, _)| ours).sum())];
        sums.extend(std::iter::repeat_n(None, number));
        sums.push(Some(both().map(|(_, theirs)| theirs).sum()));
        sums.resize(servers.len(), None);
        print_row(&format!("**all that both can do, ours and {server:?}**"), &sums);
    }
}

fn print_row(title: &str, costs: &[Option<Cost>]) {
    let cells = costs.iter().map(|cost| match cost {
        Some(cost) => format!(" {} / {} |", cost.bytes, cost.tokens),
        None => " - |".to_owned(),
    });
    let ours = costs.first().copied().flatten();
    let better = costs.iter().skip(1).flatten().map(|cost| cost.tokens).min();
    let ratio = match (ours, better) {
        (Some(ours), Some(better)) if better > 0 => {
            #[expect(clippy::cast_precision_loss, reason = "counts of tokens are small")]
            let ratio = ours.tokens as f64 / better as f64;
            format!(" {ratio:.2} |")
        }
        _ => " |".to_owned(),
    };
    println!("| {title} |{}{ratio}", cells.collect::<String>());
}
