//! `list_dir`: what is in a directory, in the order of paths, page by page.

use std::ops::ControlFlow;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cursor::Binding;
use super::selection::{Globs, PathGlob};
use super::{Alias, Effect, Foreign, Tool, arguments};
use crate::call::{Call, Ended, Stop};
use crate::error::{Situation, ToolError};
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::workspace::walk::{Entry, Found, Options, Selection, Visitor, walk};
use crate::workspace::{Kind, Scope};

/// Entries of one page unless the caller says otherwise.
const DEFAULT_LIMIT: usize = 500;
/// Most entries of one page.
const MAX_LIMIT: usize = 5_000;
/// Deeper than any path goes.
const WHOLE_TREE: usize = 1_000;
/// What the JSON around an entry costs of the answer's budget.
const ENTRY_CHARS: usize = 32;

/// The tool.
pub struct ListDir;

/// Arguments of `list_dir`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// The directory, relative to the workspace root. Default: the root.
    #[serde(default)]
    path: String,
    /// How deep to go: 1 is the directory's own entries. Default: 1, or the whole tree with `glob`.
    depth: Option<usize>,
    /// Only entries that match, such as `*.rs` (names at any depth) or `src/**/*.py`; `!` negates.
    glob: Option<Globs>,
    /// Add size in bytes and time of the last change. Default: false.
    #[serde(default)]
    details: bool,
    /// Most entries to return, up to 5000. Default: 500.
    limit: Option<usize>,
    /// `next_cursor` of the page before, with the other arguments unchanged.
    cursor: Option<String>,
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

#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
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
    const EFFECT: Effect = Effect::Reads;
    const ACCESS: Access = Access::Enter;
    const IDEMPOTENT: bool = true;
    const STRUCTURED: bool = true;
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
        let limit = args.limit.unwrap_or(DEFAULT_LIMIT);
        if limit == 0 || limit > MAX_LIMIT {
            return Err(ToolError::invalid(format!("`limit` is {limit}; it goes from 1 to 5000")));
        }
        let glob = args.glob.as_ref().map(|globs| PathGlob::of(globs, &start)).transpose()?;
        let depth = args.depth.or(if glob.is_some() { None } else { Some(1) });
        let glob_text = args.glob.as_ref().map(Globs::text).unwrap_or_default();
        let depth_text = format!("{depth:?}");
        let binding =
            Binding::new(&call.caller, &["list_dir", start.as_str(), &depth_text, &glob_text]);
        let after = args.cursor.as_deref().map(|cursor| binding.read(cursor)).transpose()?;
        let options =
            Options { start, depth, after: after.map(|cursor| cursor.path), ..Options::default() };
        let visitor = Lister { glob, details: args.details };
        let mut page = Page::new(limit, call.answer_chars, options.after.as_deref());
        let ended = walk(scope, &options, visitor, call, &mut |found| page.add(found))
            .map_err(of_a_link)?;
        page.finish(ended, &binding)
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
    chars_left: usize,
    /// The last place that is dealt with, in the order of the walk.
    place: Option<String>,
}

impl Page {
    fn new(limit: usize, answer_chars: usize, after: Option<&str>) -> Page {
        let output = Output {
            entries: Vec::new(),
            more: false,
            next_cursor: None,
            stopped: None,
            unreadable: Vec::new(),
            unnameable: 0,
        };
        let chars_left = answer_chars.saturating_sub(1_024);
        Page { output, limit, chars_left, place: after.map(str::to_owned) }
    }

    fn add(&mut self, found: Found<ListedEntry>) -> ControlFlow<()> {
        let place = found.place();
        let cost = match &found {
            Found::Item(_, entry) => {
                let extra = entry.target.as_ref().map_or(0, String::len)
                    + entry.modified.as_ref().map_or(0, |_| 64)
                    + if entry.unreadable { 20 } else { 0 };
                entry.path.len() + extra + ENTRY_CHARS
            }
            Found::Unreadable(path) => path.as_str().len() + 4,
            Found::Unnameable(..) | Found::Ignored(_) => 0,
        };
        let is_entry = matches!(found, Found::Item(..));
        // Something always fits: a page that never moves on helps nobody.
        let is_empty = self.output.entries.is_empty() && self.output.unreadable.is_empty();
        if is_entry && self.output.entries.len() == self.limit
            || cost > self.chars_left && !is_empty
        {
            self.output.more = true;
            return ControlFlow::Break(());
        }
        self.chars_left = self.chars_left.saturating_sub(cost);
        match found {
            Found::Item(_, entry) => self.output.entries.push(entry),
            Found::Unreadable(path) => self.output.unreadable.push(path.to_string()),
            Found::Unnameable(_, count) => self.output.unnameable += count,
            Found::Ignored(_) => {}
        }
        self.place = Some(place);
        ControlFlow::Continue(())
    }

    fn finish(mut self, ended: Ended, binding: &Binding) -> Result<Output, ToolError> {
        match ended {
            Ended::Stopped(Stop::Cancelled) => return Err(Stop::Cancelled.into()),
            Ended::Stopped(Stop::Deadline) if self.output.entries.is_empty() => {
                return Err(Stop::Deadline.into());
            }
            Ended::Stopped(Stop::Deadline) => {
                self.output.more = true;
                self.output.stopped = Some("deadline");
            }
            Ended::Complete => {}
        }
        if self.output.more {
            self.output.next_cursor = self.place.as_deref().map(|place| binding.at(place, None));
        }
        Ok(self.output)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
