//! `code_review status` shows what people have decided, and `code_review apply` applies what they
//! have approved.

use std::fmt::Write;
use std::process::ExitCode;

use super::arguments::RunOptions;
use super::{one_line, print};
use crate::apply::{self, Applied};
use crate::decisions::{self, Standing};

/// Says how the proposals of a run stand.
pub(super) fn status(options: &RunOptions) -> anyhow::Result<ExitCode> {
    let standing =
        decisions::standing(&options.workspace, &options.policy()?, &options.run, &options.caller)?;
    print(&in_words(&standing)?)?;
    Ok(ExitCode::SUCCESS)
}

fn in_words(standing: &Standing) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let lists = [
        ("proposed", &standing.proposed),
        ("approved", &standing.approved),
        ("applied", &standing.applied),
        ("rejected", &standing.rejected),
        ("conflicted", &standing.conflicted),
        ("superseded", &standing.superseded),
        ("reverted", &standing.reverted),
    ];
    for (state, proposals) in lists {
        for proposal in proposals {
            let (title, paths) = (one_line(&proposal.title), one_line(&proposal.paths.join(" ")));
            writeln!(text, "{state:<10}  {}  {title}  {paths}", proposal.id)?;
        }
    }
    for (id, problem) in &standing.unreadable {
        writeln!(text, "unreadable  {}  {}", one_line(id), one_line(problem))?;
    }
    if text.is_empty() {
        text.push_str("no proposals\n");
    }
    Ok(text)
}

/// Applies what is approved; exit status 1 when some of it cannot be.
pub(super) fn apply(options: &RunOptions) -> anyhow::Result<ExitCode> {
    let Applied { applied, conflicts, undecided } =
        apply::apply(&options.workspace, &options.policy()?, &options.run, &options.caller)?;
    let mut text = String::new();
    for id in &applied {
        writeln!(text, "applied   {id}")?;
    }
    for conflict in &conflicts {
        let (title, reason) = (one_line(&conflict.title), one_line(&conflict.reason));
        writeln!(text, "conflict  {}  {title}: {reason}", conflict.id)?;
    }
    for id in &undecided {
        writeln!(text, "undecided {id}")?;
    }
    if text.is_empty() {
        text.push_str("no proposals\n");
    }
    print(&text)?;
    Ok(if conflicts.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
