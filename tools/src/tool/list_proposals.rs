//! `list_proposals`: proposed changes and how they stand, page by page.

use std::fmt::Write;
use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cursor::Binding;
use super::page_end::{self, Stopped};
use super::selection::place_globs;
use super::{Alias, Effect, Tool, arguments};
use crate::answer::{Format, Shown};
use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::patch::Change;
use crate::path::WorkspacePath;
use crate::policy::{Access, Layout};
use crate::records::decision::State;
use crate::records::fingerprint;
use crate::records::merged::{Filter, Wanted};
use crate::records::proposal::{Proposal, ProposedFile};
use crate::storage::omissions::{Omission, Omissions};
use crate::storage::proposals;
use crate::text::visible::cut_line;
use crate::workspace::Scope;

/// Proposals of one page unless the caller says otherwise, and at most.
const DEFAULT_LIMIT: usize = 500;
const MAX_LIMIT: usize = 5_000;
/// What the last line with its cursor and what is left out cost of the answer's budget.
const FOOTER_BYTES: usize = 4_000;
/// Most files and findings of a proposal that are named, and most characters of a text.
const MAX_FILES: usize = 50;
const MAX_FINDINGS: usize = 20;
const MAX_TEXT: usize = 4_000;
const MAX_NAME: usize = 200;

/// The tool.
pub struct ListProposals;

/// Arguments of `list_proposals`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Only these; `open` may still be applied.
    state: Option<Standing>,
    /// Only of this run.
    run: Option<String>,
    /// Only on this file, below this directory, or matching this glob.
    path: Option<String>,
    /// Only of this agent.
    agent: Option<String>,
    /// Add the rationale. Default: false.
    #[serde(default)]
    details: bool,
    /// Most proposals, up to 5000. Default: 500.
    limit: Option<usize>,
    /// Where the page before ended; keep the other arguments.
    cursor: Option<String>,
    /// `json` for programs. Default: text.
    #[serde(default)]
    format: Format,
}

/// How a proposal may be wanted to stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Standing {
    Open,
    Proposed,
    Approved,
    Rejected,
    Applied,
    Reverted,
}

/// Output of `list_proposals`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The proposals, in the order of their ids.
    proposals: Vec<Listed>,
    /// Whether proposals follow after these.
    more: bool,
    /// Where the next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Why the page ended early; absent when everything was listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<Stopped>,
    /// What could not be read as a proposal and is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<Omission>,
    /// How many more things are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_left_out: Option<u64>,
    #[serde(skip)]
    shown: Option<String>,
}

/// One proposal.
#[derive(Debug, Serialize, JsonSchema)]
struct Listed {
    /// Its id.
    id: String,
    /// How it stands: proposed, approved, rejected, applying, applied, reverting or reverted.
    state: &'static str,
    /// What it does.
    title: String,
    /// Why, with `details`.
    #[serde(skip_serializing_if = "Option::is_none")]
    rationale: Option<String>,
    /// Who proposed it, by the name of the role.
    agent: String,
    /// When, RFC 3339 in UTC.
    created: String,
    /// The run that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<String>,
    /// The files; the first ones of many.
    files: Vec<ListedFile>,
    /// How many more files.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_files: Option<usize>,
    /// The findings that it answers; the first ones of many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    finding_ids: Vec<String>,
}

/// One file of a proposal.
#[derive(Debug, Serialize, JsonSchema)]
struct ListedFile {
    /// The path afterwards; of a deleted file the path before.
    path: String,
    /// What happens to it.
    change: Change,
    /// The path before, of a renamed file.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_path: Option<String>,
    /// Lines added.
    additions: usize,
    /// Lines deleted.
    deletions: usize,
}

impl Tool for ListProposals {
    const NAME: &'static str = "list_proposals";
    const TITLE: &'static str = "List proposals";
    const DESCRIPTION: &'static str = include_str!("list_proposals.md");
    const GUIDE: &'static str = "`list_proposals` shows what was proposed and how it stands.";
    const EFFECT: Effect = Effect::Reads;
    const ACCESS: Access = Access::Enter;
    const SUBJECT: Option<&'static str> = None;
    const IDEMPOTENT: bool = true;
    const STRUCTURED: bool = false;
    const ESSENTIAL: &'static [&'static str] = &["state", "run", "path", "agent", "cursor"];
    const ALIASES: &'static [Alias] = &[
        ("status", "state"),
        ("file_path", "path"),
        ("file", "path"),
        ("glob", "path"),
        ("head", "limit"),
        ("max_results", "limit"),
    ];
    type Args = Args;
    type Output = Output;

    fn subject_path(layout: &Layout, _: Option<&str>) -> Result<Option<WorkspacePath>, ToolError> {
        Ok(Some(layout.proposals().clone()))
    }

    fn is_partial(output: &Output) -> bool {
        output.more
    }

    fn run(scope: &Scope, args: Args, call: &Call) -> Result<Output, ToolError> {
        let limit = arguments::limit(args.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
        let paths = args.path.as_deref().map(place_globs).transpose()?.unwrap_or_default();
        let question =
            format!("{paths:?} {:?} {:?} {:?} {}", args.state, args.run, args.agent, args.details);
        let binding = Binding::new(&call.caller, &["list_proposals", &question]);
        let after = args.cursor.as_deref().map(|cursor| binding.read(cursor)).transpose()?;
        let directory = scope.layout().proposals();
        if !scope.judge(Access::Enter, directory).allowed {
            return Err(ToolError::new(Code::Denied, "this caller may not read proposals")
                .hint(format!("its role needs `read` on `{directory}`; ask the operator")));
        }
        let wanted = Wanted { paths, ..Wanted::default() };
        let reading = Reading { scope, args: &args, paths: Filter::new(&wanted)?, call };
        let mut page = Page::new(limit, call.answer_chars, after.map(|cursor| cursor.path));
        page.fill(&reading)?;
        let mut output = page.finish(&binding);
        if args.format == Format::Text {
            output.shown = Some(text(&output));
        }
        Ok(output)
    }

    fn show(output: &Output) -> Shown {
        output.shown.clone().map_or(Shown::Json, Shown::Text)
    }
}

/// What is read, and what of it is wanted.
struct Reading<'a> {
    scope: &'a Scope,
    args: &'a Args,
    paths: Filter<'a>,
    call: &'a Call,
}

impl Reading<'_> {
    /// A proposal, if it is wanted and the caller may read all of its files.
    fn one(&self, id: &str) -> Result<Option<Listed>, String> {
        let proposal = proposals::read_one(self.scope, id, self.call)?;
        let args = self.args;
        let paths = || proposal.files.iter().flat_map(ProposedFile::paths);
        let may_read = |path| {
            WorkspacePath::parse(path).is_ok_and(|path| self.scope.grant().may(Access::Read, &path))
        };
        let is_wanted = paths().any(|path| self.paths.wants_path(Some(path)))
            && args.run.as_ref().is_none_or(|run| proposal.run.as_ref() == Some(run))
            && args.agent.as_ref().is_none_or(|agent| proposal.agent == *agent)
            && paths().all(may_read);
        if !is_wanted {
            return Ok(None);
        }
        let state = proposals::state(self.scope, id).map_err(|error| error.message)?;
        let stands = args.state.is_none_or(|standing| standing.is(state));
        Ok(stands.then(|| Listed::new(proposal, state, args.details)))
    }
}

impl Standing {
    fn is(self, state: State) -> bool {
        match self {
            Standing::Open => state.is_live(),
            Standing::Proposed => state == State::Proposed,
            Standing::Approved => state == State::Approved,
            Standing::Rejected => state == State::Rejected,
            // An interrupted revert has not taken it back.
            Standing::Applied => matches!(state, State::Applied | State::Reverting),
            Standing::Reverted => state == State::Reverted,
        }
    }
}

impl Listed {
    /// A proposal with each text on one line and cut: records may be longer than what is written
    /// here.
    fn new(proposal: Proposal, state: State, details: bool) -> Listed {
        let more = proposal.files.len().saturating_sub(MAX_FILES);
        let files = proposal.files.into_iter().take(MAX_FILES).map(|file| ListedFile {
            path: file.path,
            change: file.change,
            old_path: file.old_path,
            additions: file.additions,
            deletions: file.deletions,
        });
        let name = |text: &str| cut_line(text, MAX_NAME);
        let rationale = proposal.rationale.filter(|_| details);
        Listed {
            state: state.as_str(),
            title: name(&proposal.title),
            rationale: rationale.map(|rationale| cut_line(&rationale, MAX_TEXT)),
            agent: name(&proposal.agent),
            created: name(&proposal.created),
            run: proposal.run.as_deref().map(name),
            files: files.collect(),
            more_files: (more > 0).then_some(more),
            finding_ids: proposal
                .finding_ids
                .iter()
                .take(MAX_FINDINGS)
                .map(|id| name(id))
                .collect(),
            id: proposal.id,
        }
    }
}

/// A page as it fills.
struct Page {
    listed: Vec<Listed>,
    limit: usize,
    bytes_left: usize,
    omissions: Omissions,
    /// The last id that is dealt with.
    place: Option<String>,
    stopped: Option<Stopped>,
}

impl Page {
    fn new(limit: usize, answer_chars: usize, after: Option<String>) -> Page {
        let bytes_left = answer_chars.saturating_sub(FOOTER_BYTES);
        let (listed, omissions) = (Vec::new(), Omissions::default());
        Page { listed, limit, bytes_left, omissions, place: after, stopped: None }
    }

    /// Reads in the order of ids until the page is full or half of the time is used.
    fn fill(&mut self, reading: &Reading<'_>) -> Result<(), ToolError> {
        let call = reading.call;
        let until = Instant::now() + call.time_left() / 2;
        let (ids, omissions) = proposals::ids(reading.scope, call)?;
        let after = self.place.clone();
        if after.is_none() {
            self.omissions = omissions;
        }
        let rest = ids.into_iter().filter(|id| after.as_ref().is_none_or(|after| id > after));
        for id in rest {
            call.check()?;
            if self.place != after && Instant::now() >= until {
                self.stopped = Some(Stopped::Deadline);
                break;
            }
            match reading.one(&id) {
                Ok(None) => {}
                Ok(Some(_)) if self.listed.len() >= self.limit => {
                    self.stopped = Some(Stopped::Limit);
                    break;
                }
                Ok(Some(listed)) => {
                    let cost = match reading.args.format {
                        Format::Text => proposal(&listed).len(),
                        Format::Json => {
                            serde_json::to_vec(&listed).map_or(0, |json| json.len() + 1)
                        }
                    };
                    if cost > self.bytes_left && !self.listed.is_empty() {
                        self.stopped = Some(Stopped::Bytes);
                        break;
                    }
                    self.bytes_left = self.bytes_left.saturating_sub(cost);
                    self.listed.push(listed);
                }
                Err(problem) => {
                    call.check()?;
                    let path = reading.scope.layout().proposals().join(&id)?;
                    self.omissions.add(Omissions::MOST, path, problem);
                }
            }
            self.place = Some(id);
        }
        Ok(())
    }

    fn finish(self, binding: &Binding) -> Output {
        let omissions = self.omissions.for_answer();
        let more = self.stopped.is_some();
        Output {
            proposals: self.listed,
            more,
            next_cursor: self.place.filter(|_| more).map(|place| binding.at(&place, None)),
            stopped: self.stopped,
            left_out: omissions.named,
            more_left_out: (omissions.more > 0).then_some(omissions.more),
            shown: None,
        }
    }
}

/// The whole answer as text.
fn text(output: &Output) -> String {
    let mut text: String = output.proposals.iter().map(proposal).collect();
    page_end::left_out(&mut text, &output.left_out, output.more_left_out);
    let count = match output.proposals.len() {
        0 => "no proposals".to_owned(),
        1 => "1 proposal".to_owned(),
        count => format!("{count} proposals"),
    };
    page_end::last_line(&mut text, vec![count], output.stopped, output.next_cursor.as_deref());
    text
}

fn proposal(one: &Listed) -> String {
    let mut text = format!("{} {} {}: {}\n", one.id, one.state, one.agent, one.title);
    // Writing to a String cannot fail.
    for file in &one.files {
        let _ = match (file.change, &file.old_path) {
            (Change::Added, _) => writeln!(text, " {} new +{}", file.path, file.additions),
            (Change::Deleted, _) => writeln!(text, " {} deleted -{}", file.path, file.deletions),
            (_, Some(old)) => {
                let (added, deleted) = (file.additions, file.deletions);
                writeln!(text, " {} renamed from {old} +{added} -{deleted}", file.path)
            }
            _ => writeln!(text, " {} +{} -{}", file.path, file.additions, file.deletions),
        };
    }
    if let Some(more) = one.more_files {
        let _ = writeln!(text, " and {more} more files");
    }
    if !one.finding_ids.is_empty() {
        let ids: Vec<&str> = one.finding_ids.iter().map(|id| fingerprint::shown(id)).collect();
        let _ = writeln!(text, "   answers {}", ids.join(", "));
    }
    if let Some(rationale) = &one.rationale {
        let _ = writeln!(text, "   why: {rationale}");
    }
    text
}
