//! `list_findings`: what agents found, merged over all of them, grouped by file, page by page.

mod fitting;
mod render;

use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cursor::Binding;
use super::page_end::Stopped;
use super::selection::place_globs;
use super::{Alias, Effect, Synonym, Tool, arguments, write_finding};
use crate::answer::{Format, Shown};
use crate::call::{Call, Stop};
use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::policy::{Access, Layout};
use crate::records::export::describe::{self, ALL_SEVERITIES};
use crate::records::finding::{Finding, Severity, Verdict};
use crate::records::merged::{Filter, MergedFinding, Wanted};
use crate::storage::findings::{self, Listing};
use crate::storage::omissions::{Omission, Omissions};
use crate::text::visible::cut_line;
use crate::workspace::Scope;

use fitting::Fitting;

/// Findings of one page unless the caller says otherwise, and at most.
const DEFAULT_LIMIT: usize = 1_000;
const MAX_LIMIT: usize = 5_000;
/// Most characters of a text that is listed, and of a name; of evidence most items and characters.
const MAX_TEXT: usize = 4_000;
const MAX_NAME: usize = 200;
const MAX_EVIDENCE: usize = 5;
const MAX_ITEM: usize = 400;
/// Most agents and tags that are named.
const MAX_NAMES: usize = 20;

/// The tool.
pub struct ListFindings;

/// Arguments of `list_findings`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Only of this run.
    run: Option<String>,
    /// Only on this file, below this directory, or matching this glob.
    path: Option<String>,
    /// Only of at least this severity.
    severity: Option<Severity>,
    /// Only of this rule, or of a glob such as `CWE-*`.
    rule: Option<String>,
    /// Only what this agent saw.
    agent: Option<String>,
    /// Every text whole, evidence, and who saw it. Default: false.
    #[serde(default)]
    details: bool,
    /// Most findings, up to 5000. Default: 1000.
    limit: Option<usize>,
    /// Where the page before ended; keep the other arguments.
    cursor: Option<String>,
    /// `json` for programs. Default: text.
    #[serde(default)]
    format: Format,
}

/// Output of `list_findings`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The findings, by path and line.
    findings: Vec<Listed>,
    /// Whether findings follow after these.
    more: bool,
    /// Where the next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Why the page ended early; absent when everything was listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<Stopped>,
    /// To how many characters messages are cut, so that all fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    messages_cut_to: Option<usize>,
    /// What could not be read as a finding and is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<Omission>,
    /// How many more things are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_left_out: Option<u64>,
    #[serde(skip)]
    shown: Option<String>,
}

/// One finding, merged over the agents that saw it.
#[derive(Debug, Serialize, JsonSchema)]
struct Listed {
    /// What it is about; equal for equal findings of any agent. It names the finding.
    fingerprint: String,
    /// The file; none for the workspace as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// The first line; none for the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    start_line: Option<u64>,
    /// The last line.
    #[serde(skip_serializing_if = "Option::is_none")]
    end_line: Option<u64>,
    /// The worst that any agent gave it.
    severity: Severity,
    /// The rule that is broken.
    rule_id: String,
    /// What is wrong.
    message: String,
    /// Who saw it, by the names of their roles; the first ones of many.
    agents: Vec<String>,
    /// The rest, with `details`.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    /// A title, for where the message does not fit.
    #[serde(skip)]
    summary: Option<String>,
}

/// What `details` adds to a finding.
#[derive(Debug, Serialize, JsonSchema)]
struct Details {
    /// A title.
    #[serde(skip_serializing_if = "Option::is_none")]
    short_summary: Option<String>,
    /// `confirmed` when any agent has confirmed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    /// What goes wrong, and when.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_scenario: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    recommendation: Option<String>,
    /// What supports it; the first items of many.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evidence: Vec<String>,
    /// Labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// The runs in which it was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<String>,
}

impl Tool for ListFindings {
    const NAME: &'static str = "list_findings";
    const TITLE: &'static str = "List findings";
    const DESCRIPTION: &'static str = include_str!("list_findings.md");
    const GUIDE: &'static str = "`list_findings` shows what all agents found, in one answer.";
    const EFFECT: Effect = Effect::Reads;
    const ACCESS: Access = Access::Enter;
    const SUBJECT: Option<&'static str> = None;
    const IDEMPOTENT: bool = true;
    const STRUCTURED: bool = false;
    const ESSENTIAL: &'static [&'static str] = &["run", "path", "severity", "details", "cursor"];
    const ALIASES: &'static [Alias] = &[
        ("file_path", "path"),
        ("file", "path"),
        ("glob", "path"),
        ("min_severity", "severity"),
        ("rule_id", "rule"),
        ("head", "limit"),
        ("max_results", "limit"),
    ];
    const SYNONYMS: &'static [Synonym] = write_finding::SEVERITIES;
    type Args = Args;
    type Output = Output;

    fn subject_path(layout: &Layout, _: Option<&str>) -> Result<Option<WorkspacePath>, ToolError> {
        Ok(Some(layout.findings().clone()))
    }

    fn is_partial(output: &Output) -> bool {
        output.more
    }

    fn run(scope: &Scope, args: Args, call: &Call) -> Result<Output, ToolError> {
        let limit = arguments::limit(args.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
        let wanted = wanted(&args)?;
        let filter = Filter::new(&wanted)?;
        let binding =
            Binding::new(&call.caller, &["list_findings", &format!("{wanted:?} {}", args.details)]);
        let after = args.cursor.as_deref().map(|cursor| binding.read(cursor)).transpose()?;
        let after = after.map(|cursor| cursor.path);
        if !scope.judge(Access::Enter, scope.layout().findings()).allowed {
            let findings = scope.layout().findings();
            return Err(ToolError::new(Code::Denied, "this caller may not read findings")
                .hint(format!("its role needs `read` on `{findings}`; ask the operator")));
        }
        let mut page = Page {
            fitting: Fitting::new(args.format, call.answer_chars),
            listed: Vec::new(),
            omissions: Omissions::default(),
            place: after.clone(),
            stopped: None,
        };
        page.fill(scope, &filter, after.as_deref(), limit, args.details, call)?;
        let mut output = page.finish(&binding);
        if args.format == Format::Text {
            output.shown = Some(render::text(&output));
        }
        Ok(output)
    }

    fn show(output: &Output) -> Shown {
        output.shown.clone().map_or(Shown::Json, Shown::Text)
    }
}

/// The filter, as the commands have it.
fn wanted(args: &Args) -> Result<Wanted, ToolError> {
    // The worst is the least.
    let at_least = |least: Severity| ALL_SEVERITIES.into_iter().filter(move |one| *one <= least);
    Ok(Wanted {
        severities: args.severity.map(|least| at_least(least).collect()).unwrap_or_default(),
        rules: args.rule.iter().cloned().collect(),
        paths: args.path.as_deref().map(place_globs).transpose()?.unwrap_or_default(),
        agents: args.agent.iter().cloned().collect(),
        runs: args.run.iter().cloned().collect(),
    })
}

/// Whether the caller may see a finding of which it may read the record: one on a file that it
/// may read, or on no file.
fn may_see(scope: &Scope, finding: &Finding) -> Result<bool, String> {
    let Some(location) = &finding.location else { return Ok(true) };
    match WorkspacePath::parse(&location.path) {
        Ok(path) => Ok(scope.grant().may(Access::Read, &path)),
        Err(_) => Err("its path is none".to_owned()),
    }
}

/// A page as it fills.
struct Page {
    fitting: Fitting,
    listed: Vec<Listed>,
    omissions: Omissions,
    /// The last fingerprint that is dealt with.
    place: Option<String>,
    stopped: Option<Stopped>,
}

impl Page {
    /// Reads in the order of fingerprints, in which the findings of a file follow each other, until
    /// the page is full or half of the time is used.
    fn fill(
        &mut self,
        scope: &Scope,
        filter: &Filter<'_>,
        after: Option<&str>,
        limit: usize,
        details: bool,
        call: &Call,
    ) -> Result<(), ToolError> {
        let until = Instant::now() + call.time_left() / 2;
        let Listing { records, omissions, drawn: _drawn } = findings::list(scope, call)?;
        if after.is_none() {
            self.omissions = omissions;
        }
        let admits = |finding: &Finding| may_see(scope, finding);
        for (done, (name, group)) in records.iter().enumerate() {
            if after.is_some_and(|after| name.as_str() <= after) {
                continue;
            }
            if self.place.as_deref() != after && Instant::now() >= until {
                self.stopped = Some(Stopped::Deadline);
                break;
            }
            findings::report(done, records.len(), call);
            let finding = match group.read(scope, &admits, &mut self.omissions, call) {
                Err(error) if error.code == Code::Deadline && self.place.as_deref() != after => {
                    self.stopped = Some(Stopped::Deadline);
                    break;
                }
                read => read?,
            };
            if let Some(finding) = finding.filter(|finding| filter.wants(finding)) {
                if self.listed.len() >= limit {
                    self.stopped = Some(Stopped::Limit);
                    break;
                }
                let listed = Listed::new(finding, details);
                if !self.fitting.takes(&listed) {
                    self.stopped = Some(Stopped::Bytes);
                    break;
                }
                self.listed.push(listed);
            }
            self.place = Some(name.clone());
        }
        if call.check() == Err(Stop::Cancelled) {
            return Err(Stop::Cancelled.into());
        }
        Ok(())
    }

    fn finish(mut self, binding: &Binding) -> Output {
        let place = |one: &Listed| (one.path.clone(), one.start_line, one.severity);
        self.listed.sort_by_cached_key(|one| (place(one), one.fingerprint.clone()));
        let messages_cut_to = self.fitting.fit(&mut self.listed);
        let omissions = self.omissions.for_answer();
        let more = self.stopped.is_some();
        Output {
            findings: self.listed,
            more,
            next_cursor: self.place.filter(|_| more).map(|place| binding.at(&place, None)),
            stopped: self.stopped,
            messages_cut_to,
            left_out: omissions.named,
            more_left_out: (omissions.more > 0).then_some(omissions.more),
            shown: None,
        }
    }
}

impl Listed {
    /// A finding with each text on one line and cut: records may be longer than what is written
    /// here.
    fn new(finding: MergedFinding, with_details: bool) -> Listed {
        let text = |text: &str| cut_line(text, MAX_TEXT);
        let agents = first(describe::agents(&finding), MAX_NAMES, MAX_NAME);
        let summary = finding.short_summary.as_deref().map(|summary| cut_line(summary, MAX_NAME));
        let details = with_details.then(|| Details {
            short_summary: summary.clone(),
            verdict: finding.verdict,
            failure_scenario: finding.failure_scenario.as_deref().map(text),
            recommendation: finding.recommendation.as_deref().map(text),
            evidence: first(&finding.evidence, MAX_EVIDENCE, MAX_ITEM),
            tags: first(&finding.tags, MAX_NAMES, MAX_NAME),
            runs: first(describe::runs(&finding), MAX_NAMES, MAX_NAME),
        });
        let at = finding.location;
        Listed {
            start_line: at.as_ref().and_then(|at| at.start_line),
            end_line: at.as_ref().and_then(|at| at.end_line),
            path: at.map(|at| {
                WorkspacePath::parse(&at.path).map_or(at.path, |path| path.as_str().to_owned())
            }),
            fingerprint: finding.fingerprint,
            severity: finding.severity,
            rule_id: cut_line(&finding.rule_id, MAX_NAME),
            message: text(&finding.message),
            agents,
            details,
            summary,
        }
    }
}

fn first<T: AsRef<str>>(
    items: impl IntoIterator<Item = T>,
    most: usize,
    characters: usize,
) -> Vec<String> {
    items.into_iter().take(most).map(|item| cut_line(item.as_ref(), characters)).collect()
}
