//! `write_finding`: one immutable file an observation, identified by what it is about.

use std::time::Instant;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Alias, Effect, Synonym, Tool};
use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::hex::hex;
use crate::name;
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::records::finding::{FORMAT, Finding, Location, MAX_ITEMS, Severity, Verdict};
use crate::records::fingerprint::{self, Region};
use crate::storage::findings;
use crate::storage::omissions::{Omission, Omissions};
use crate::text::decode_whole;
use crate::workspace::{Kind, Published, Scope};

/// Longest text fields in characters.
const MAX_MESSAGE: usize = 8_000;
const MAX_SUMMARY: usize = 120;
const MAX_NAME: usize = 200;
/// Longest snippet that is stored; the fingerprint is of the whole region.
const MAX_SNIPPET: usize = 8_000;
/// Findings whose regions are at most this many lines apart may be the same.
const NEAR_LINES: u64 = 5;
/// Most ids in `possibly_same`, and most records that are read to find them.
const MAX_NEAR: usize = 10;
const MAX_READ: usize = 200;
/// Most agents whose folders are looked at.
const MAX_AGENTS: usize = 1_000;

/// What other tools call a severity. `error` and `note` may each mean two of ours.
pub(super) const SEVERITIES: &[Synonym] = &[
    ("severity", "crit", "critical"),
    ("severity", "warning", "medium"),
    ("severity", "warn", "medium"),
    ("severity", "moderate", "medium"),
    ("severity", "med", "medium"),
    ("severity", "informational", "info"),
    ("severity", "information", "info"),
];

/// The tool.
pub struct WriteFinding;

/// Arguments of `write_finding`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Such as `CWE-89/sql-injection`; the same for the same kind of problem.
    rule_id: String,
    /// `critical` to be fixed first, `high` a serious fault, `low` a small one.
    severity: Severity,
    /// What is wrong, for somebody who did not see the code.
    message: String,
    /// The file. Leave it out only for the workspace as a whole.
    path: Option<String>,
    /// The first line.
    start_line: Option<u64>,
    /// The last line. Default: `start_line`.
    end_line: Option<u64>,
    /// A title of at most 120 characters.
    short_summary: Option<String>,
    /// The input or state, and what goes wrong.
    failure_scenario: Option<String>,
    /// What to do about it.
    recommendation: Option<String>,
    /// Such as `injection`.
    category: Option<String>,
    /// `confirmed` if you have shown it.
    verdict: Option<Verdict>,
    /// Rows, log lines, commands and their output.
    #[serde(default)]
    evidence: Vec<String>,
    /// From 0 to 1.
    confidence: Option<f64>,
    /// Free labels.
    #[serde(default)]
    tags: Vec<String>,
    /// The run that it belongs to.
    run: Option<String>,
}

/// Output of `write_finding`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The finding's id: `<agent>:<fingerprint>`.
    id: String,
    /// The identity of what was found; equal for equal findings of any agent.
    fingerprint: String,
    /// Where the record lies.
    path: String,
    /// `created`, or `duplicate` when this agent had recorded the same before.
    status: Status,
    /// Agents that had recorded the same finding before.
    seen_by: Vec<String>,
    /// Ids of other findings close by that may mean the same.
    possibly_same: Vec<String>,
    /// Folders of findings that could not be looked at for `seen_by` and `possibly_same`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<Omission>,
    /// How many more could not be looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_left_out: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Status {
    Created,
    Duplicate,
}

impl Tool for WriteFinding {
    const NAME: &'static str = "write_finding";
    const TITLE: &'static str = "Record a finding";
    const DESCRIPTION: &'static str = include_str!("write_finding.md");
    const GUIDE: &'static str = "Report each problem with `write_finding`, naming path and lines; the same again does no harm.";
    const EFFECT: Effect = Effect::Records;
    const ACCESS: Access = Access::Write;
    const IDEMPOTENT: bool = true;
    const STRUCTURED: bool = true;
    // `file`, `line` and `summary` are the names of Claude Code's own ReportFindings.
    const ALIASES: &'static [Alias] = &[
        ("file", "path"),
        ("file_path", "path"),
        ("filename", "path"),
        ("uri", "path"),
        ("line", "start_line"),
        ("line_number", "start_line"),
        ("line_start", "start_line"),
        ("line_end", "end_line"),
        ("summary", "message"),
        ("description", "message"),
        ("body", "message"),
        ("details", "message"),
        ("title", "short_summary"),
        ("rule", "rule_id"),
        ("suggestion", "recommendation"),
        ("fix", "recommendation"),
        ("level", "severity"),
    ];
    const SYNONYMS: &'static [Synonym] = SEVERITIES;
    const ESSENTIAL: &'static [&'static str] = &["path", "start_line"];
    type Args = Args;
    type Output = Output;

    fn folders(scope: &Scope) -> Result<Vec<WorkspacePath>, ToolError> {
        let roles = scope.grant().roles();
        roles.iter().map(|role| Ok(scope.layout().findings().join(role)?)).collect()
    }

    fn run(scope: &Scope, args: Args, call: &Call) -> Result<Output, ToolError> {
        check(&args)?;
        let (location, fingerprint) = locate(scope, &args, call)?;
        let agent = granting_agent(scope, &fingerprint)?;
        let record = record_path(scope, &agent, &fingerprint)?;
        let id = format!("{agent}:{fingerprint}");
        scope.make_directory_of(&record)?;
        let neighbours = Neighbours::find(scope, &agent, &fingerprint, &args, call)?;
        let omissions = neighbours.omissions;
        let mut output = Output {
            id: id.clone(),
            fingerprint: fingerprint.clone(),
            path: record.as_str().to_owned(),
            status: Status::Duplicate,
            seen_by: neighbours.seen_by,
            possibly_same: neighbours.possibly_same,
            left_out: omissions.named,
            more_left_out: (omissions.more > 0).then_some(omissions.more),
        };
        if output.seen_by.contains(&agent) {
            return Ok(output);
        }
        check_limit(scope, &agent, neighbours.own)?;
        let finding = Finding {
            format: FORMAT,
            id,
            fingerprint,
            rule_id: args.rule_id.trim().to_owned(),
            severity: args.severity,
            message: args.message,
            short_summary: args.short_summary,
            failure_scenario: args.failure_scenario,
            recommendation: args.recommendation,
            category: args.category,
            verdict: args.verdict,
            evidence: args.evidence,
            confidence: args.confidence,
            tags: args.tags,
            run: args.run,
            location,
            agent: agent.clone(),
            caller: call.caller.to_string(),
            created: Timestamp::now().to_string(),
        };
        let mut json = serde_json::to_vec_pretty(&finding).map_err(|error| {
            ToolError::new(Code::Internal, "the finding could not be written as JSON")
                .caused_by(error)
        })?;
        json.push(b'\n');
        call.check()?;
        if scope.publish_new_file(&record, &json)? == Published::Created {
            output.status = Status::Created;
        } else if findings::read_one(scope, &agent, &output.fingerprint, call).is_err() {
            // What stands there under its name is no finding, or one that just could not be read:
            // then it is this one.
            call.check()?;
            scope.publish_file(&record, &json)?;
            output.status = Status::Created;
        }
        Ok(output)
    }
}

/// The bounds of the arguments.
fn check(args: &Args) -> Result<(), ToolError> {
    let texts = [
        ("rule_id", Some(&args.rule_id), MAX_NAME),
        ("message", Some(&args.message), MAX_MESSAGE),
        ("short_summary", args.short_summary.as_ref(), MAX_SUMMARY),
        ("failure_scenario", args.failure_scenario.as_ref(), MAX_MESSAGE),
        ("recommendation", args.recommendation.as_ref(), MAX_MESSAGE),
        ("category", args.category.as_ref(), MAX_NAME),
        ("run", args.run.as_ref(), MAX_NAME),
    ];
    for (name, text, most) in texts {
        let Some(text) = text else { continue };
        if text.trim().is_empty() {
            return Err(ToolError::invalid(format!("`{name}` is empty")));
        }
        let length = text.chars().count();
        if length > most {
            return Err(ToolError::invalid(format!(
                "`{name}` has {length} characters; the limit is {most}"
            )));
        }
    }
    for (name, items, most) in
        [("tags", &args.tags, MAX_NAME), ("evidence", &args.evidence, MAX_MESSAGE)]
    {
        if items.len() > MAX_ITEMS || items.iter().any(|item| item.chars().count() > most) {
            return Err(ToolError::invalid(format!(
                "`{name}` may have {MAX_ITEMS} items of {most} characters"
            )));
        }
    }
    let names = [("rule_id", Some(&args.rule_id)), ("run", args.run.as_ref())];
    for (argument, name) in names.into_iter().chain([("category", args.category.as_ref())]) {
        name.map_or(Ok(()), |name| name::must_be_seen(argument, name))?;
    }
    args.tags.iter().try_for_each(|tag| name::must_be_seen("tags", tag))?;
    if let Some(confidence) = args.confidence
        && !(0.0..=1.0).contains(&confidence)
    {
        return Err(ToolError::invalid(format!(
            "`confidence` is {confidence}; it goes from 0 to 1"
        )));
    }
    match (&args.path, args.start_line, args.end_line) {
        // Clients that fill in every argument give line 0 of no file.
        (None, None | Some(0), None | Some(0)) | (Some(_), _, None) => Ok(()),
        (None, ..) => Err(ToolError::invalid("lines without a file: `path` is missing")),
        (Some(_), None, Some(_)) => {
            Err(ToolError::invalid("`end_line` without `start_line`").hint("give both, or neither"))
        }
        (Some(_), Some(start), Some(end)) if end < start => {
            Err(ToolError::invalid(format!("`end_line` is {end}, before `start_line` {start}")))
        }
        _ => Ok(()),
    }
}

/// Reads the region and takes its fingerprint.
fn locate(
    scope: &Scope,
    args: &Args,
    call: &Call,
) -> Result<(Option<Location>, String), ToolError> {
    let rule = args.rule_id.trim();
    let Some(path) = &args.path else {
        return Ok((None, fingerprint::of_workspace(rule, &args.message)));
    };
    let path = WorkspacePath::parse(path)?;
    name::must_be_seen("path", path.as_str()).map_err(|error| {
        error.hint("leave `path` out, and name the file in `message` as it is written here")
    })?;
    let opened = scope.open_file(&path, call)?;
    let whole_file = args.start_line.is_none();
    if whole_file && opened.size > scope.grant().limits().max_file_bytes {
        let location = location(&path, None);
        return Ok((Some(location), fingerprint::of_file(rule, &path)));
    }
    let bytes = scope.read_opened(&path, opened, call)?;
    let version = hex(&Sha256::digest(&bytes));
    let mut location = location(&path, Some(version));
    let Some(start) = args.start_line else {
        return Ok((Some(location), fingerprint::of_file(rule, &path)));
    };
    let end = args.end_line.unwrap_or(start);
    // The text, where each of its lines is, and what the fingerprint needs.
    let line_ends = memchr::memchr_iter(b'\n', &bytes).count();
    let each = 2 * size_of::<&str>() + fingerprint::BYTES_A_LINE;
    // Text of other encodings has at most three bytes for each one.
    let times = if std::str::from_utf8(&bytes).is_ok() { 1 } else { 3 };
    let text_bytes = bytes.len().saturating_mul(times);
    let made = text_bytes.saturating_add(line_ends.saturating_mul(each));
    let _drawn = scope.memory().draw(made, call)?;
    let text = text_of(&path, &bytes)?;
    let lines: Vec<&str> = text.lines().collect();
    let count = lines.len() as u64;
    if start == 0 || end > count {
        return Err(ToolError::invalid(format!(
            "lines {start} to {end} are not all in `{path}`, which has {count} lines"
        ))
        .hint("lines count from 1; read_file shows them with their numbers"));
    }
    // Both are at most the number of lines.
    let region = Region {
        lines: &lines,
        start_line: usize::try_from(start).unwrap_or(usize::MAX),
        end_line: usize::try_from(end).unwrap_or(usize::MAX),
    };
    let fingerprint = fingerprint::of_region(rule, &path, region, &mut || call.check())?;
    location.start_line = Some(start);
    location.end_line = Some(end);
    location.snippet = Some(snippet(region.own_lines()));
    Ok((Some(location), fingerprint))
}

/// The first characters of lines.
fn snippet(lines: &[&str]) -> String {
    let ends = std::iter::once("").chain(std::iter::repeat("\n"));
    let pieces = ends.zip(lines).flat_map(|(end, line)| [end, line]);
    pieces.flat_map(str::chars).take(MAX_SNIPPET).collect()
}

fn location(path: &WorkspacePath, file_version: Option<String>) -> Location {
    Location {
        path: path.as_str().to_owned(),
        start_line: None,
        end_line: None,
        file_version,
        snippet: None,
    }
}

fn text_of(path: &WorkspacePath, bytes: &[u8]) -> Result<String, ToolError> {
    decode_whole(bytes).map(|(text, _)| text).ok_or_else(|| {
        ToolError::invalid(format!("`{path}` is binary and has no lines"))
            .hint("leave `start_line` out to report on the file as a whole")
    })
}

/// The role under which this caller may write the record: the first in the policy's order.
fn granting_agent(scope: &Scope, fingerprint: &str) -> Result<String, ToolError> {
    let mut refusal = None;
    for role in scope.grant().roles() {
        let record = record_path(scope, role, fingerprint)?;
        if scope.grant().granting_role(Access::Write, &record) == Some(role) {
            return Ok(role.to_owned());
        }
        refusal.get_or_insert(record);
    }
    if let Some(record) = refusal {
        scope.judge(Access::Write, &record);
    }
    Err(ToolError::new(Code::Denied, "this caller may not write findings")
        .hint("its role needs `write` on its own folder of findings; ask the operator"))
}

fn record_path(scope: &Scope, agent: &str, fingerprint: &str) -> Result<WorkspacePath, ToolError> {
    Ok(scope.layout().findings().join(agent)?.join(&format!("{fingerprint}.json"))?)
}

/// Findings of any agent on the same file.
#[derive(Default)]
struct Neighbours {
    seen_by: Vec<String>,
    possibly_same: Vec<String>,
    /// How many findings this agent has written, on any file.
    own: u64,
    omissions: Omissions,
    read: usize,
}

/// What is looked for.
struct Wanted<'a> {
    scope: &'a Scope,
    fingerprint: &'a str,
    args: &'a Args,
}

impl Neighbours {
    /// Looks at the agent's own folder, without which nothing is written, and then at those of
    /// others, for half of the time that is left. What is wrong with those is told, and the
    /// finding is written all the same.
    fn find(
        scope: &Scope,
        own_agent: &str,
        fingerprint: &str,
        args: &Args,
        call: &Call,
    ) -> Result<Neighbours, ToolError> {
        let wanted = Wanted { scope, fingerprint, args };
        let mut neighbours = Neighbours::default();
        neighbours.own = neighbours.look_at(&wanted, own_agent, call)?;
        let directory = scope.layout().findings();
        let mut looking = call.clone();
        looking.end_by(Instant::now() + call.time_left() / 2);
        let agents = match scope.record_entries(directory, "", &looking) {
            Ok(listing) => listing.entries,
            Err(error) => {
                neighbours.leave_out(scope, directory, &error.message);
                Vec::new()
            }
        };
        let all = agents.iter().filter(|(agent, _)| agent != own_agent);
        let others = || all.clone().filter(|(_, kind)| *kind == Kind::Directory);
        let mut done = 0_usize;
        for (agent, _) in others().take(MAX_AGENTS) {
            match neighbours.look_at(&wanted, agent, &looking) {
                Ok(_) => {}
                Err(_) if looking.check().is_err() => break,
                Err(error) => {
                    neighbours.leave_out(scope, &directory.join(agent)?, &error.message);
                }
            }
            done = done.saturating_add(1);
        }
        call.check()?;
        let rest = others().count().saturating_sub(done);
        if rest > 0 {
            let problem =
                format!("{rest} folders of agents were not looked at: there are too many");
            neighbours.leave_out(scope, directory, &problem);
        }
        let no_folders = all.filter(|(_, kind)| *kind != Kind::Directory);
        for (name, _) in no_folders {
            neighbours.leave_out(scope, &directory.join(name)?, "it is no folder of an agent");
        }
        neighbours.seen_by.sort_unstable();
        Ok(neighbours)
    }

    /// Looks at the folder of one agent. Says how many findings it has.
    fn look_at(&mut self, wanted: &Wanted<'_>, agent: &str, call: &Call) -> Result<u64, ToolError> {
        let Wanted { scope, fingerprint, args } = *wanted;
        let of_agent = scope.layout().findings().join(agent)?;
        let of_path = fingerprint.get(..fingerprint::PATH_DIGITS).unwrap_or_default();
        let listing = scope.record_entries(&of_agent, of_path, call)?;
        for (name, _) in listing.entries {
            let Some(other) = name.strip_suffix(".json") else { continue };
            if other == fingerprint {
                call.check()?;
                // What is no finding says nothing of this one.
                match findings::read_one(scope, agent, other, call) {
                    Ok(_) => self.seen_by.push(agent.to_owned()),
                    Err(problem) => self.leave_out(scope, &of_agent.join(&name)?, &problem),
                }
                continue;
            }
            if self.read >= MAX_READ || self.possibly_same.len() >= MAX_NEAR {
                continue;
            }
            self.read += 1;
            call.check()?;
            let near = findings::read_one(scope, agent, other, call);
            if near.is_ok_and(|near| is_near(&near, args)) {
                self.possibly_same.push(format!("{agent}:{other}"));
            }
        }
        Ok(listing.all)
    }

    fn leave_out(&mut self, scope: &Scope, path: &WorkspacePath, problem: &str) {
        if scope.may_be_told_of(path) {
            self.omissions.add(Omissions::MOST_IN_ANSWER, path, problem);
        }
    }
}

fn is_near(other: &Finding, args: &Args) -> bool {
    let there = other.location.as_ref().and_then(|at| at.start_line.zip(at.end_line));
    let here = args.start_line.map(|start| (start, args.end_line.unwrap_or(start)));
    match (there, here) {
        (Some((start, end)), Some((from, to))) => {
            start <= to.saturating_add(NEAR_LINES) && from <= end.saturating_add(NEAR_LINES)
        }
        _ => other.rule_id == args.rule_id.trim(),
    }
}

/// How many findings a role has is how many names its folder has: processes that look at the same
/// instant may each write one more.
fn check_limit(scope: &Scope, agent: &str, own: u64) -> Result<(), ToolError> {
    let most = scope.grant().limits().max_findings;
    if own < most {
        return Ok(());
    }
    Err(ToolError::new(
        Code::Denied,
        format!("`{agent}` has {own} findings; the limit is {most} (max_findings)"),
    )
    .hint(
        "nothing was written; the operator can raise max_findings in the policy, or move old \
         findings away",
    ))
}
