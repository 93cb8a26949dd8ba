//! `mcp-workspace proposals`: a person decides about what agents propose.

use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::decide::{Listing, ProposalView};
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::policy::Judgement;
use mcp_workspace_tools::records::decision::{Action, State};
use mcp_workspace_tools::review::{Review, Verb, Verdict};
use serde_json::json;

use crate::audit::Record;
use crate::config::{DecideProposal, DeciderOptions, ListFormat, ProposalsCommand, ShowFormat};
use crate::review::{self, NoRole};
use crate::terminal::{
    BOLD, CYAN, GREEN, ProgressLine, RED, YELLOW, block, keeping_tabs, line, print, styled, table,
};

/// What audit records say of where a decision was taken.
const HOST: &str = "command";
/// Longest time for one command; a person can stop it before.
const TIME: Duration = Duration::from_secs(60 * 60);
/// Digits of an id in a table.
const SHORT: usize = 12;
/// Conflicts of a proposal in a table.
const SOME: usize = 3;

/// Runs the subcommand; exit status 1 when it was refused, or a proposal could not be read.
///
/// # Errors
/// When the workspace, the policy or the function cannot be had.
pub(crate) fn run(command: ProposalsCommand) -> anyhow::Result<ExitCode> {
    match command {
        ProposalsCommand::List(options) => list(&options.decider, options.format),
        ProposalsCommand::Show(options) => show(&options.decider, &options.id, options.format),
        ProposalsCommand::Approve(options) => {
            let DecideProposal { id, reason, decider } = &options.proposal;
            let seen = options.seen.as_deref();
            decide(decider, id, Verdict { verb: Verb::Approve, reason: reason.as_deref(), seen })
        }
        ProposalsCommand::Reject(options) => {
            let verdict = Verdict { verb: Verb::Reject, reason: Some(&options.reason), seen: None };
            decide(&options.decider, &options.id, verdict)
        }
        ProposalsCommand::Apply(options) => {
            let verdict = Verdict { verb: Verb::Apply, reason: None, seen: None };
            decide(&options.decider, &options.id, verdict)
        }
        ProposalsCommand::Revert(options) => {
            let verdict =
                Verdict { verb: Verb::Revert, reason: options.reason.as_deref(), seen: None };
            decide(&options.decider, &options.id, verdict)
        }
        ProposalsCommand::Recover(options) => {
            let verdict = Verdict { verb: Verb::Recover, reason: None, seen: None };
            decide(&options.decider, &options.id, verdict)
        }
    }
}

fn open(options: &DeciderOptions) -> anyhow::Result<(Box<dyn Review>, Call)> {
    let review = review::open(&options.url, &options.workspace, &options.caller, HOST)?;
    Ok((review, Call::new(&options.caller, TIME)))
}

fn decide(options: &DeciderOptions, id: &str, verdict: Verdict<'_>) -> anyhow::Result<ExitCode> {
    let (review, mut call) = match open(options) {
        Err(error) if error.is::<NoRole>() => {
            let call = Call::new(&options.caller, TIME);
            let verb = verdict.verb.as_str();
            let mut record = Record::of_decision(&options.caller, HOST, verb, id, &call);
            record.judged(Judgement::refused(error.to_string()));
            record.finish(&Err(ToolError::new(Code::Denied, error.to_string())));
            return Err(error);
        }
        other => other?,
    };
    let progress = ProgressLine::on_terminal();
    if let Some(line) = &progress {
        call = call.with_progress(line.sink());
    }
    let decided = review.decide(id, verdict, &call);
    drop(progress);
    match decided {
        Ok(decision) => {
            let done = action(decision.action);
            print(&format!("{done} {}\n", line(&decision.proposal)))
                .context("cannot write to stdout")?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => Ok(refused(&error, options)),
    }
}

/// Tells the error, and which command or option helps on.
fn refused(error: &ToolError, options: &DeciderOptions) -> ExitCode {
    eprint!("mcp-workspace: {}", block(&error.to_text(), ""));
    let next = match error.code {
        Code::NotFound => Some("see `mcp-workspace proposals list`"),
        Code::Conflict => Some("see `mcp-workspace proposals show ID`"),
        // Behind a URL the credentials say who decides.
        Code::Denied if options.url.url.is_none() => Some("see --caller"),
        _ => None,
    };
    if let Some(next) = next {
        eprintln!("{next}");
    }
    ExitCode::from(1)
}

fn action(action: Action) -> &'static str {
    match action {
        Action::Approved => "approved",
        Action::Rejected => "rejected",
        Action::Applying => "began to apply",
        Action::Applied => "applied",
        Action::ApplyUndone => "did not apply",
        Action::Reverting => "began to revert",
        Action::Reverted => "reverted",
        Action::RevertUndone => "did not revert",
    }
}

fn list(options: &DeciderOptions, format: ListFormat) -> anyhow::Result<ExitCode> {
    let (review, call) = open(options)?;
    let Listing { readable, unreadable, not_read } = match review.proposals(&call) {
        Ok(all) => all,
        Err(error) => return Ok(refused(&error, options)),
    };
    let text = match format {
        ListFormat::Json => serde_json::to_string_pretty(&json!({ "proposals": readable }))? + "\n",
        ListFormat::Table => {
            let head = ["ID", "STATE", "FILES", "AGENT", "PROPOSED", "CONFLICTS WITH", "TITLE"];
            let rows = readable.iter().map(|view| {
                let proposal = &view.proposal;
                let told = view.conflicts_with.iter().take(SOME).map(|id| short(id));
                let mut conflicts = told.collect::<Vec<_>>().join(",");
                if view.conflicts_with.len() > SOME {
                    conflicts.push_str(",…");
                }
                vec![
                    short(&proposal.id),
                    coloured(view.state),
                    proposal.files.len().to_string(),
                    line(&proposal.agent),
                    line(&proposal.created.chars().take(16).collect::<String>()),
                    if conflicts.is_empty() { "-".to_owned() } else { conflicts },
                    line(&proposal.title),
                ]
            });
            table(
                &std::iter::once(head.map(str::to_owned).to_vec()).chain(rows).collect::<Vec<_>>(),
            )
        }
    };
    print(&text).context("cannot write to stdout")?;
    for left_out in &unreadable {
        eprintln!(
            "mcp-workspace: proposal `{}` is left out: {}",
            line(&left_out.id),
            line(&left_out.error.message)
        );
    }
    for view in &readable {
        if view.is_begun() {
            eprintln!("mcp-workspace: proposal {}", interrupted(view));
        }
        if let Some(doubt) = &view.doubt {
            eprintln!("mcp-workspace: proposal {}: {}", short(&view.proposal.id), line(doubt));
        }
    }
    if not_read > 0 {
        eprintln!("mcp-workspace: {not_read} proposals are left out: the time was not enough");
    }
    let is_whole = unreadable.is_empty() && not_read == 0;
    let is_believed = readable.iter().all(|view| view.doubt.is_none());
    Ok(if is_whole && is_believed { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

/// What can be done about something that was begun and has not ended.
fn interrupted(view: &ProposalView) -> String {
    let id = short(&view.proposal.id);
    let state = view.state.as_str();
    format!(
        "{id} is {state}: if nobody is at it, it was interrupted: run `mcp-workspace proposals \
         recover {id}`"
    )
}

fn coloured(state: State) -> String {
    let colour = match state {
        State::Applied | State::Approved => GREEN,
        State::Rejected | State::Conflicted => RED,
        _ => YELLOW,
    };
    styled(colour, state.as_str())
}

fn short(id: &str) -> String {
    line(&id.chars().take(SHORT).collect::<String>())
}

fn show(options: &DeciderOptions, id: &str, format: ShowFormat) -> anyhow::Result<ExitCode> {
    let (review, call) = open(options)?;
    let view = match review.proposal(id, &call) {
        Ok(view) => view,
        Err(error) => return Ok(refused(&error, options)),
    };
    match format {
        ShowFormat::Json => print(&(serde_json::to_string_pretty(&view)? + "\n")),
        ShowFormat::Text => print(&as_text(&view)?),
        ShowFormat::Patch => {
            use std::io::Write;
            std::io::stdout().lock().write_all(&view.patch)
        }
    }
    .context("cannot write to stdout")?;
    Ok(ExitCode::SUCCESS)
}

fn as_text(view: &ProposalView) -> Result<String, std::fmt::Error> {
    let proposal = &view.proposal;
    let mut text = String::new();
    writeln!(text, "{}", styled(BOLD, &line(&proposal.title)))?;
    writeln!(text, "id        {}", line(&proposal.id))?;
    writeln!(text, "state     {}", coloured(view.state))?;
    if view.is_begun() {
        writeln!(text, "          {}", styled(YELLOW, &interrupted(view)))?;
    }
    if let Some(doubt) = &view.doubt {
        let text_of = styled(RED, &line(doubt));
        writeln!(text, "doubt     {text_of}; nothing is decided about it")?;
    }
    writeln!(text, "digest    {}", proposal.digest())?;
    let (agent, caller) = (line(&proposal.agent), line(&proposal.caller));
    writeln!(text, "proposed  {} by {caller} as {agent}", line(&proposal.created))?;
    if let Some(run) = &proposal.run {
        writeln!(text, "run       {}", line(run))?;
    }
    if !proposal.finding_ids.is_empty() {
        writeln!(text, "findings  {}", line(&proposal.finding_ids.join(", ")))?;
    }
    if !view.conflicts_with.is_empty() {
        let mut others = view.conflicts_with.join(", ");
        if view.more_conflicts {
            others.push_str(" and more");
        }
        writeln!(text, "conflicts {}", styled(YELLOW, &line(&others)))?;
    }
    if !view.changed.is_empty() {
        writeln!(text, "the sources are not those that it is made for:")?;
        for changed in &view.changed {
            writeln!(text, "{}", line(changed))?;
        }
    }
    if let Some(rationale) = &proposal.rationale {
        write!(text, "\n{}", block(rationale, "    "))?;
    }
    if !view.history.is_empty() {
        writeln!(text, "\nhistory")?;
    }
    for step in &view.history {
        let (done, caller) = (action(step.action), line(&step.caller));
        writeln!(text, "  {}  {done} by {caller} as {}", line(&step.created), line(&step.role))?;
        if let Some(reason) = &step.reason {
            text.push_str(&block(reason, "      "));
        }
    }
    text.push('\n');
    for source in String::from_utf8_lossy(&view.patch).lines() {
        let shown = keeping_tabs(source);
        let shown = match source.as_bytes() {
            [b'+', b'+', b'+', ..] | [b'-', b'-', b'-', ..] | [b'd', ..] => styled(BOLD, &shown),
            [b'+', ..] => styled(GREEN, &shown),
            [b'-', ..] => styled(RED, &shown),
            [b'@', ..] => styled(CYAN, &shown),
            _ => shown,
        };
        writeln!(text, "{shown}")?;
    }
    Ok(text)
}
