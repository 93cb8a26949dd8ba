//! `list_dir`: what is in a directory, in the order of paths, page by page.

mod render;

use std::ops::ControlFlow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cursor::Binding;
use super::page_end::Stopped;
use super::selection::{Globs, PathGlob};
use super::{Alias, Effect, Foreign, Tool, arguments};
use crate::answer::{Format, Shown};
use crate::call::{Call, Ended, Stop};
use crate::error::{Situation, ToolError};
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::workspace::walk::{Entry, Found, Options, Selection, Visitor, walk};
use crate::workspace::{Kind, Scope};

/// Entries of one page unless the caller says otherwise.
const DEFAULT_LIMIT: usize = 1_000;
/// Most entries of one page.
const MAX_LIMIT: usize = 5_000;
/// Deeper than any path goes.
const WHOLE_TREE: usize = 1_000;
/// What the JSON or the text around an entry costs of the answer's budget, and the last line of
/// the text with its cursor.
const JSON_CHARS: usize = 32;
const TEXT_CHARS: usize = 4;
const FOOTER_CHARS: usize = 2_048;

/// The tool.
pub struct ListDir;

/// Arguments of `list_dir`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Default: the root.
    #[serde(default)]
    path: String,
    /// How deep to go. Default: 1, the whole tree with `glob`.
    depth: Option<usize>,
    /// Only entries that match, such as `*.rs` or `src/**/*.py`; `!` negates.
    glob: Option<Globs>,
    /// Add sizes and times. Default: false.
    #[serde(default)]
    details: bool,
    /// Most entries, up to 5000. Default: 1000.
    limit: Option<usize>,
    /// Where the page before ended; keep the other arguments.
    cursor: Option<String>,
    /// `json` for programs. Default: text.
    #[serde(default)]
    format: Format,
}

/// Output of `list_dir`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The entries, sorted by path.
    entries: Vec<ListedEntry>,
    /// Whether entries follow after these.
    more: bool,
    /// Where the next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Why the page ended early: `deadline`, when time ran out.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<&'static str>,
    /// Directories that could not be read.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<String>,
    /// Entries whose names are not valid paths (not UTF-8, or with control characters).
    #[serde(skip_serializing_if = "is_zero")]
    unnameable: u64,
    #[serde(skip)]
    shown: Option<String>,
}

/// One entry.
#[derive(Debug, Serialize, JsonSchema)]
struct ListedEntry {
    /// The path from the workspace root.
    path: String,
    /// What it is.
    #[serde(rename = "type")]
    kind: EntryType,
    /// The size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// The time of the last change, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    /// Where a symbolic link points.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    /// True where the details or the target could not be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unreadable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum EntryType {
    File,
    Directory,
    Symlink,
    Other,
}

impl From<Kind> for EntryType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::File => EntryType::File,
            Kind::Directory => EntryType::Directory,
            Kind::Symlink => EntryType::Symlink,
            Kind::Other => EntryType::Other,
        }
    }
}

impl Tool for ListDir {
    const NAME: &'static str = "list_dir";
    const TITLE: &'static str = "List a directory";
    const DESCRIPTION: &'static str = include_str!("list_dir.md");
    const GUIDE: &'static str = "`list_dir` shows what is there.";
    const EFFECT: Effect = Effect::Reads;
    const ACCESS: Access = Access::Enter;
    const IDEMPOTENT: bool = true;
    const STRUCTURED: bool = false;
    const ESSENTIAL: &'static [&'static str] = &["path", "depth", "glob", "details", "cursor"];
    const ALIASES: &'static [Alias] = &[
        ("file_path", "path"),
        ("directory", "path"),
        ("directory_path", "path"),
        ("dir", "path"),
        ("folder", "path"),
        ("uri", "path"),
        ("max_depth", "depth"),
        ("pattern", "glob"),
        ("patterns", "glob"),
        ("include", "glob"),
        ("include_pattern", "glob"),
        ("file_pattern", "glob"),
        ("head", "limit"),
        ("head_limit", "limit"),
        ("max_results", "limit"),
        ("max", "limit"),
    ];
    const FOREIGN: &'static [Foreign] = &[("recursive", |given, _| {
        let depth = if arguments::flag(given)? { WHOLE_TREE } else { 1 };
        Some(vec![("depth", depth.into())])
    })];
    type Args = Args;
    type Output = Output;

    fn is_partial(output: &Output) -> bool {
        output.more || output.stopped.is_some()
    }

    fn run(scope: &Scope, mut args: Args, call: &Call) -> Result<Output, ToolError> {
        if args.depth == Some(0) {
            args.depth = Some(1);
            call.adjust("`depth` 0 as 1".to_owned());
        }
        let start = WorkspacePath::parse(&args.path)?;
        let limit = arguments::limit(args.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
        let glob = args.glob.as_ref().map(|globs| PathGlob::of(globs, &start)).transpose()?;
        let depth = args.depth.or(if glob.is_some() { None } else { Some(1) });
        let glob_text = args.glob.as_ref().map(Globs::text).unwrap_or_default();
        let depth_text = format!("{depth:?}");
        let binding =
            Binding::new(&call.caller, &["list_dir", start.as_str(), &depth_text, &glob_text]);
        let after = args.cursor.as_deref().map(|cursor| binding.read(cursor)).transpose()?;
        let options =
            Options { start, depth, after: after.map(|cursor| cursor.path), ..Options::default() };
        // Directories that are headings need no line of their own, unless it says more.
        let headings_only = glob.is_none() && !args.details;
        let visitor = Lister { glob, details: args.details };
        let mut page = Page::new(limit, args.format, call.answer_chars, options.after.as_deref());
        let ended = walk(scope, &options, visitor, call, &mut |found| page.add(found))
            .map_err(of_a_link)?;
        let (mut output, stopped) = page.finish(ended, &binding)?;
        if args.format == Format::Text {
            output.shown = Some(render::text(&output, stopped, headings_only));
        }
        Ok(output)
    }

    fn show(output: &Output) -> Shown {
        output.shown.clone().map_or(Shown::Json, Shown::Text)
    }
}

/// Who lists a link is told where to look, and not to list what was just asked for.
fn of_a_link(error: ToolError) -> ToolError {
    match error.situation {
        Some(Situation::Link) => {
            error.hint("list the directory that holds it to see where it points")
        }
        _ => error,
    }
}

struct Lister {
    glob: Option<PathGlob>,
    details: bool,
}

impl Visitor for Lister {
    type Item = ListedEntry;

    fn select(&self, path: &WorkspacePath, kind: Kind) -> Selection {
        if self.glob.as_ref().is_some_and(|glob| !glob.selects(path)) {
            Selection::Skip
        } else if self.details || kind == Kind::Symlink {
            Selection::Later
        } else {
            Selection::Now
        }
    }

    fn visit(&self, entry: &Entry<'_>) -> Option<ListedEntry> {
        let metadata = self.details.then(|| entry.metadata().ok()).flatten();
        let modified = metadata.and_then(|metadata| Timestamp::try_from(metadata.modified).ok());
        let is_link = entry.kind == Kind::Symlink;
        let target = is_link.then(|| entry.link_target()).flatten();
        Some(ListedEntry {
            unreadable: (self.details && metadata.is_none()) || (is_link && target.is_none()),
            path: entry.path.as_str().to_owned(),
            kind: entry.kind.into(),
            size: metadata.filter(|m| m.kind == Kind::File).map(|metadata| metadata.size),
            modified: modified.map(|time| time.to_string()),
            target,
        })
    }
}

struct Page {
    output: Output,
    limit: usize,
    format: Format,
    chars_left: usize,
    /// The directory of the last entry: text names it once.
    directory: String,
    stopped: Option<Stopped>,
    /// The last place that is dealt with, in the order of the walk.
    place: Option<String>,
}

impl Page {
    fn new(limit: usize, format: Format, answer_chars: usize, after: Option<&str>) -> Page {
        let output = Output {
            entries: Vec::new(),
            more: false,
            next_cursor: None,
            stopped: None,
            unreadable: Vec::new(),
            unnameable: 0,
            shown: None,
        };
        let chars_left = answer_chars.saturating_sub(FOOTER_CHARS);
        let (directory, place) = (String::new(), after.map(str::to_owned));
        Page { output, limit, format, chars_left, directory, stopped: None, place }
    }

    /// What an entry costs of the answer's budget.
    fn cost(&self, entry: &ListedEntry) -> usize {
        let extra = entry.target.as_ref().map_or(0, String::len)
            + entry.modified.as_ref().map_or(0, |_| 64)
            + if entry.unreadable { 20 } else { 0 };
        let (directory, name) = render::split(&entry.path);
        extra
            + match self.format {
                Format::Json => entry.path.len() + JSON_CHARS,
                Format::Text if directory == self.directory => name.len() + TEXT_CHARS,
                Format::Text => entry.path.len() + 2 * TEXT_CHARS,
            }
    }

    fn add(&mut self, found: Found<ListedEntry>) -> ControlFlow<()> {
        let place = found.place();
        let cost = match &found {
            Found::Item(_, entry) => self.cost(entry),
            Found::Unreadable(path) => path.as_str().len() + 64,
            Found::Unnameable(..) | Found::Ignored(_) => 0,
        };
        let is_entry = matches!(found, Found::Item(..));
        // Something always fits: a page that never moves on helps nobody.
        let is_empty = self.output.entries.is_empty() && self.output.unreadable.is_empty();
        self.stopped = if is_entry && self.output.entries.len() == self.limit {
            Some(Stopped::Limit)
        } else {
            (cost > self.chars_left && !is_empty).then_some(Stopped::Bytes)
        };
        if self.stopped.is_some() {
            return ControlFlow::Break(());
        }
        self.chars_left = self.chars_left.saturating_sub(cost);
        match found {
            Found::Item(_, entry) => {
                render::split(&entry.path).0.clone_into(&mut self.directory);
                self.output.entries.push(entry);
            }
            Found::Unreadable(path) => self.output.unreadable.push(path.to_string()),
            Found::Unnameable(_, count) => self.output.unnameable += count,
            Found::Ignored(_) => {}
        }
        self.place = Some(place);
        ControlFlow::Continue(())
    }

    /// The output, and why the page ended early.
    fn finish(
        mut self,
        ended: Ended,
        binding: &Binding,
    ) -> Result<(Output, Option<Stopped>), ToolError> {
        match ended {
            Ended::Stopped(Stop::Cancelled) => return Err(Stop::Cancelled.into()),
            Ended::Stopped(Stop::Deadline) if self.output.entries.is_empty() => {
                return Err(Stop::Deadline.into());
            }
            Ended::Stopped(Stop::Deadline) => {
                self.stopped = Some(Stopped::Deadline);
                self.output.stopped = Some("deadline");
            }
            Ended::Complete => {}
        }
        self.output.more = self.stopped.is_some();
        if self.output.more {
            self.output.next_cursor = self.place.as_deref().map(|place| binding.at(place, None));
        }
        Ok((self.output, self.stopped))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
