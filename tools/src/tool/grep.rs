//! `grep`: lines that match, over many files at once, in the order of paths, page by page.

#[cfg(test)]
mod agreement;
mod automaton;
mod collect;
mod finder;
mod page;
mod pattern;
mod render;
mod scan;
mod search;
mod spanning;
mod turns;

use std::ops::ControlFlow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cursor::{Binding, Cursor};
use super::page_end::Stopped;
use super::selection::{Globs, PathGlob};
use super::{Alias, Effect, Foreign, Synonym, Tool, arguments};
use crate::answer::{Format, Shown};
use crate::call::{Call, Ended, Stop};
use crate::error::ToolError;
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::workspace::walk::{Options, walk_from};
use crate::workspace::{Directory, OpenFile, Scope, Start};

use page::{Matches, Page};
use search::Search;

/// Matches of one page in mode `content`, and files in the other modes.
const DEFAULT_MATCHES: usize = 200;
const DEFAULT_FILES: usize = 1_000;
const MAX_LIMIT: usize = 5_000;
/// Most lines of context on one side.
const MAX_CONTEXT: usize = 50;

/// The tool.
pub struct Grep;

/// Arguments of `grep`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// What to search for.
    pattern: String,
    /// The directory or file. Default: the root.
    #[serde(default)]
    path: String,
    /// Only files that match, such as `*.rs` or `src/**/*.py`; `!` negates.
    glob: Option<Globs>,
    /// Only files of this type, by ripgrep's names, such as `py`.
    #[serde(rename = "type")]
    file_type: Option<String>,
    /// Default: content.
    #[serde(default)]
    mode: Mode,
    /// Lines before and after each match, up to 50.
    context: Option<usize>,
    /// Lines before each match.
    before: Option<usize>,
    /// Lines after each match.
    after: Option<usize>,
    /// Default: false.
    #[serde(default)]
    ignore_case: bool,
    /// The pattern is plain text. Default: false.
    #[serde(default)]
    literal: bool,
    /// Default: false.
    #[serde(default)]
    multiline: bool,
    /// Leave out what .gitignore and .ignore name. Default: false.
    #[serde(default)]
    respect_ignore_files: bool,
    /// Most matches or files, up to 5000. Default: 200 matches, 1000 files.
    limit: Option<usize>,
    /// Where the page before ended; keep the other arguments.
    cursor: Option<String>,
    /// `json` for programs. Default: text.
    #[serde(default)]
    format: Format,
}

/// What a search returns.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Mode {
    #[default]
    Content,
    Files,
    Count,
}

/// Output of `grep`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// Mode `content`: the matching lines, by path and line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Vec<Match>>")]
    matches: Option<Matches>,
    /// Modes `files` and `count`: the files with matches, by path.
    #[serde(skip_serializing_if = "Option::is_none")]
    files: Option<Vec<FileWithMatches>>,
    /// Files that were searched for this page.
    files_searched: u64,
    /// Files that were not, and why.
    files_skipped: Skipped,
    /// Why the page ended before the search did; null when everything was searched.
    stopped: Option<Stopped>,
    /// Where the next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    #[serde(skip)]
    shown: Option<String>,
}

/// A match.
#[derive(Debug, Serialize, JsonSchema)]
struct Match {
    /// The path from the workspace root.
    path: String,
    /// The line's number, from 1; of a match over several lines the first.
    line: u64,
    /// The line without its end; long lines are cut around the match.
    text: String,
    /// Lines before it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    before: Vec<String>,
    /// Lines after it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after: Vec<String>,
}

/// A file with matches.
#[derive(Debug, Serialize, JsonSchema)]
struct FileWithMatches {
    /// The path from the workspace root.
    path: String,
    /// How many lines match.
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u64>,
}

/// Files that were not searched, by reason.
#[derive(Debug, Default, Clone, Copy, Serialize, JsonSchema)]
struct Skipped {
    /// Content with NUL bytes, or nothing that is text.
    binary: u64,
    /// Over the policy's `max_file_bytes`.
    too_large: u64,
    /// With a line too long for the pattern: over 128 KiB, or costly, while a match has no longest length.
    #[serde(skip_serializing_if = "is_zero")]
    long_lines: u64,
    /// Compressed files and documents that were searched as far as they go: they break off, or go on too long.
    #[serde(skip_serializing_if = "is_zero")]
    cut_off: u64,
    /// The file system refused.
    unreadable: u64,
    /// Files and directories left out by ignore files.
    ignored: u64,
}

impl Tool for Grep {
    const NAME: &'static str = "grep";
    const TITLE: &'static str = "Search file contents";
    const DESCRIPTION: &'static str = include_str!("grep.md");
    const GUIDE: &'static str = "`grep` finds text in all files at once.";
    const EFFECT: Effect = Effect::Reads;
    const ACCESS: Access = Access::Enter;
    const IDEMPOTENT: bool = true;
    const STRUCTURED: bool = false;
    const ESSENTIAL: &'static [&'static str] = &["path", "glob", "mode", "cursor"];
    const GLOB_IN_PATH: bool = true;
    const ALIASES: &'static [Alias] = &[
        ("query", "pattern"),
        ("regex", "pattern"),
        ("regexp", "pattern"),
        ("search", "pattern"),
        ("text", "pattern"),
        ("-e", "pattern"),
        ("file_path", "path"),
        ("directory", "path"),
        ("dir", "path"),
        ("folder", "path"),
        ("uri", "path"),
        ("include", "glob"),
        ("include_pattern", "glob"),
        ("file_pattern", "glob"),
        ("-g", "glob"),
        ("file_type", "type"),
        ("-t", "type"),
        ("output_mode", "mode"),
        ("context_lines", "context"),
        ("-C", "context"),
        ("before_context", "before"),
        ("-B", "before"),
        ("after_context", "after"),
        ("-A", "after"),
        ("case_insensitive", "ignore_case"),
        ("-i", "ignore_case"),
        ("fixed_strings", "literal"),
        ("-F", "literal"),
        ("-U", "multiline"),
        ("head", "limit"),
        ("head_limit", "limit"),
        ("max_results", "limit"),
        ("max_count", "limit"),
        ("max", "limit"),
        ("-m", "limit"),
    ];
    const FOREIGN: &'static [Foreign] = &[
        // Matches have the numbers of their lines, and directories are searched whole.
        ("-n", |given, _| arguments::flag(given)?.then(Vec::new)),
        ("line_numbers", |given, _| arguments::flag(given)?.then(Vec::new)),
        ("recursive", |given, _| arguments::flag(given)?.then(Vec::new)),
        ("-r", |given, _| arguments::flag(given)?.then(Vec::new)),
        ("-l", |given, _| arguments::flag(given)?.then(|| vec![("mode", "files".into())])),
        ("-c", |given, _| arguments::flag(given)?.then(|| vec![("mode", "count".into())])),
        ("case_sensitive", |given, _| {
            Some(vec![("ignore_case", (!arguments::flag(given)?).into())])
        }),
        ("is_regexp", |given, _| Some(vec![("literal", (!arguments::flag(given)?).into())])),
        ("is_regex", |given, _| Some(vec![("literal", (!arguments::flag(given)?).into())])),
    ];
    const SYNONYMS: &'static [Synonym] = &[
        ("mode", "files_with_matches", "files"),
        ("mode", "lines", "content"),
        ("type", "javascript", "js"),
    ];
    type Args = Args;
    type Output = Output;

    fn is_partial(output: &Output) -> bool {
        output.stopped.is_some()
    }

    fn run(scope: &Scope, mut args: Args, call: &Call) -> Result<Output, ToolError> {
        if !args.multiline && pattern::spans_lines(&args) {
            args.multiline = true;
            call.adjust("`pattern` has a line break, so `multiline` as true".to_owned());
        }
        let question = Question::new(scope, &args, call)?;
        let mut page = Page::new(&question, call.answer_chars);
        let ended = match scope.open_start(&question.start, call)? {
            Start::File(file) => search_file(file, scope, &question, call, &mut page),
            Start::Directory(start) => search_tree(start, scope, &question, call, &mut page)?,
        };
        if let Some(error) = page.failed.take() {
            return Err(error);
        }
        // A file that was interrupted ends the page, whether by time or by cancellation.
        if call.check() == Err(Stop::Cancelled) {
            return Err(Stop::Cancelled.into());
        }
        let mut output = page.finish(ended, &question)?;
        if args.format == Format::Text {
            output.shown = Some(render::text(&output, &args, &page));
        }
        if args.mode == Mode::Content {
            output.matches = Some(page.into_matches());
        }
        Ok(output)
    }

    fn show(output: &Output) -> Shown {
        match &output.shown {
            Some(text) => Shown::Text(text.clone()),
            None => Shown::Json,
        }
    }
}

/// What was asked, checked and compiled.
struct Question {
    start: WorkspacePath,
    mode: Mode,
    format: Format,
    limit: usize,
    before: usize,
    after: usize,
    search: pattern::Compiled,
    glob: Option<PathGlob>,
    types: Option<ignore::types::Types>,
    ignore_files: bool,
    max_file_bytes: u64,
    binding: Binding,
    resume: Option<Cursor>,
}

impl Question {
    fn new(scope: &Scope, args: &Args, call: &Call) -> Result<Question, ToolError> {
        let start = WorkspacePath::parse(&args.path)?;
        let default = if args.mode == Mode::Content { DEFAULT_MATCHES } else { DEFAULT_FILES };
        let limit = arguments::limit(args.limit, default, MAX_LIMIT)?;
        let before = args.before.or(args.context).unwrap_or(0);
        let after = args.after.or(args.context).unwrap_or(0);
        if before.max(after) > MAX_CONTEXT {
            return Err(ToolError::invalid(format!(
                "{} lines of context are too many; the limit is {MAX_CONTEXT}",
                before.max(after)
            ))
            .hint("use read_file with offset and limit to see more of a file"));
        }
        let search = pattern::compile(args)?;
        let glob = args.glob.as_ref().map(|globs| PathGlob::of(globs, &start)).transpose()?;
        let types = args.file_type.as_deref().map(|name| pattern::types(name, call)).transpose()?;
        let flags = format!(
            "{:?} {} {} {} {} {before} {after}",
            args.mode, args.ignore_case, args.literal, args.multiline, args.respect_ignore_files
        );
        let binding = Binding::new(
            &call.caller,
            &[
                "grep",
                &args.pattern,
                start.as_str(),
                &args.glob.as_ref().map(Globs::text).unwrap_or_default(),
                args.file_type.as_deref().unwrap_or(""),
                &flags,
            ],
        );
        let resume = args.cursor.as_deref().map(|cursor| binding.read(cursor)).transpose()?;
        Ok(Question {
            start,
            mode: args.mode,
            format: args.format,
            limit,
            before,
            after,
            search,
            glob,
            types,
            ignore_files: args.respect_ignore_files,
            max_file_bytes: scope.grant().limits().max_file_bytes,
            binding,
            resume,
        })
    }
}

fn search_tree(
    start: Directory,
    scope: &Scope,
    question: &Question,
    call: &Call,
    page: &mut Page,
) -> Result<Ended, ToolError> {
    let options = Options {
        start: question.start.clone(),
        depth: None,
        after: question.resume.as_ref().map(|cursor| cursor.path.clone()),
        // A cursor inside a file begins with that file again.
        inclusive: question.resume.as_ref().is_some_and(|cursor| cursor.line.is_some()),
        ignore_files: question.ignore_files,
    };
    let visitor = Search::new(question, scope.memory(), call);
    walk_from(start, scope, &options, visitor, call, &mut |found| {
        let flow = page.add(found);
        page.report(call);
        flow
    })
}

fn search_file(
    opened: OpenFile,
    scope: &Scope,
    question: &Question,
    call: &Call,
    page: &mut Page,
) -> Ended {
    let path = &question.start;
    if question.resume.as_ref().is_some_and(|cursor| cursor.line.is_none()) {
        return Ended::Complete;
    }
    let search = Search::new(question, scope.memory(), call);
    match page.add_file(path, search.search(path.as_str(), opened.file)) {
        ControlFlow::Break(()) | ControlFlow::Continue(()) => call.check().into(),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
