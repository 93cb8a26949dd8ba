//! From the arguments to a matcher and a set of file types.

use std::sync::{Arc, OnceLock};

use grep_matcher::Matcher;
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use ignore::types::{FileTypeDef, Types, TypesBuilder};
use serde_json::Value;

use super::Args;
use super::automaton::Automaton;
use crate::call::Call;
use crate::error::ToolError;

/// Longest pattern in bytes.
const MAX_PATTERN_BYTES: usize = 8_192;
/// Largest compiled pattern. It also bounds the time that one byte of text can cost.
const MAX_COMPILED_BYTES: usize = 2 * 1024 * 1024;
/// A pattern that is compiled to more than this is heavy. Most take a tenth of it.
const HEAVY_BYTES: usize = 256 * 1024;
/// Largest cache of a matching thread.
const MAX_CACHE_BYTES: usize = 512 * 1024;

/// A pattern, ready to search. Clones share what is compiled.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub matcher: RegexMatcher,
    /// Whether a match may span lines.
    pub multiline: bool,
    /// The longest match in bytes; none without a bound.
    pub longest: Option<usize>,
    /// Whether a byte of text may cost it much.
    pub heavy: bool,
    source: Arc<Source>,
}

/// What the automaton is made from, which few searches need.
#[derive(Debug)]
struct Source {
    pattern: String,
    ignore_case: bool,
    automaton: OnceLock<Option<Arc<Automaton>>>,
}

impl Compiled {
    /// The pattern as an automaton that is walked in steps; none where it is too large for one.
    pub(super) fn automaton(&self) -> Option<Arc<Automaton>> {
        let Source { pattern, ignore_case, automaton } = &*self.source;
        let compile = || Automaton::new(pattern, *ignore_case, MAX_COMPILED_BYTES, MAX_CACHE_BYTES);
        automaton.get_or_init(|| compile().map(Arc::new)).clone()
    }

    /// What a matcher of one thread takes at most, with its caches, in bytes; the compiled pattern
    /// takes no more.
    pub(super) fn bytes(&self) -> usize {
        if self.heavy { 4 * MAX_COMPILED_BYTES } else { 4 * HEAVY_BYTES }
    }
}

/// Whether the pattern has a line break, so that no line can match it by itself.
pub(super) fn spans_lines(args: &Args) -> bool {
    let may = args.pattern.contains('\n') || !args.literal && args.pattern.contains("\\n");
    may && args.pattern.len() <= MAX_PATTERN_BYTES
        && build(args, false, HEAVY_BYTES).is_err_and(|error| is_about_lines(&error))
}

/// Compiles the pattern as ripgrep would.
pub(super) fn compile(args: &Args) -> Result<Compiled, ToolError> {
    if args.pattern.is_empty() {
        return Err(ToolError::invalid("`pattern` is empty")
            .hint("give text to search for; to list files use list_dir with a glob"));
    }
    if args.pattern.len() > MAX_PATTERN_BYTES {
        return Err(ToolError::invalid(format!(
            "`pattern` has {} bytes; the limit is {MAX_PATTERN_BYTES}",
            args.pattern.len()
        )));
    }
    let (matcher, heavy) = match build(args, args.multiline, HEAVY_BYTES) {
        Err(error) if is_too_large(&error) => {
            (build(args, args.multiline, MAX_COMPILED_BYTES), true)
        }
        built => (built, false),
    };
    let mut matcher = matcher.map_err(|error| refused(args, &error))?;
    // What contains no line end is searched line by line all the same.
    let in_lines = |matcher: &RegexMatcher| {
        matcher.non_matching_bytes().is_some_and(|bytes| bytes.contains(b'\n'))
    };
    let multiline = args.multiline && !in_lines(&matcher);
    if args.multiline && !multiline {
        matcher = build(args, false, MAX_COMPILED_BYTES).map_err(|error| refused(args, &error))?;
    }
    let pattern =
        if args.literal { regex_syntax::escape(&args.pattern) } else { args.pattern.clone() };
    let parsed = regex_syntax::ParserBuilder::new()
        .utf8(false)
        .multi_line(true)
        .case_insensitive(args.ignore_case)
        .build()
        .parse(&pattern);
    Ok(Compiled {
        matcher,
        multiline,
        longest: parsed.ok().and_then(|parsed| parsed.properties().maximum_len()),
        heavy,
        source: Arc::new(Source {
            pattern,
            ignore_case: args.ignore_case,
            automaton: OnceLock::new(),
        }),
    })
}

fn build(
    args: &Args,
    multiline: bool,
    size_limit: usize,
) -> Result<RegexMatcher, grep_regex::Error> {
    let mut builder = RegexMatcherBuilder::new();
    builder
        .multi_line(true)
        .unicode(true)
        .octal(false)
        .case_insensitive(args.ignore_case)
        .fixed_strings(args.literal)
        .size_limit(size_limit)
        .dfa_size_limit(MAX_CACHE_BYTES);
    if !multiline {
        builder.line_terminator(Some(b'\n'));
    }
    builder.build(&args.pattern)
}

fn is_too_large(error: &grep_regex::Error) -> bool {
    error.to_string().contains("size limit")
}

fn is_about_lines(error: &grep_regex::Error) -> bool {
    error.to_string().contains("\\n")
}

fn refused(args: &Args, error: &grep_regex::Error) -> ToolError {
    let text = error.to_string();
    let hint = if is_about_lines(error) && !args.multiline {
        "set `multiline` to true to match across lines"
    } else if is_too_large(error) {
        "the pattern is too large when compiled; use smaller repetitions"
    } else if text.contains("look-around") || text.contains("backreference") {
        "Rust's regular expressions have no look-around and no backreferences"
    } else {
        "escape special characters with `\\`, or set `literal` to true for plain text"
    };
    ToolError::invalid(format!("`pattern` is not valid: {text}")).hint(hint)
}

/// The files of a type by ripgrep's names, or those with an extension that a type of it has.
pub(super) fn types(name: &str, call: &Call) -> Result<Types, ToolError> {
    let mut builder = TypesBuilder::new();
    builder.add_defaults();
    let known = builder.definitions();
    let is_known = |name: &str| known.iter().any(|definition| definition.name() == name);
    let lower = name.to_lowercase();
    let extension = lower.strip_prefix("*.").or(lower.strip_prefix('.')).unwrap_or(&lower);
    let glob = format!("*.{extension}");
    let has = |definition: &FileTypeDef| definition.globs().contains(&glob);
    let selected = if is_known(name) {
        name
    } else if is_known(&lower) {
        call.adjust(format!("`type` {} as {}", Value::from(name), Value::from(&*lower)));
        &lower
    } else if known.iter().any(has) {
        call.adjust(format!("`type` {} as files named `{glob}`", Value::from(name)));
        // A name of its own that no type of ripgrep has.
        let added = builder.add("extension", &glob);
        added.map_err(|error| ToolError::invalid(format!("`type`: {error}")))?;
        "extension"
    } else {
        let nearest = known
            .iter()
            .map(|definition| (strsim::jaro_winkler(name, definition.name()), definition.name()))
            .filter(|(likeness, _)| *likeness > 0.7)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let error = ToolError::invalid(format!("`type` is `{name}`, which is no known file type"));
        return Err(match nearest {
            Some((_, near)) => error.hint(format!("did you mean `{near}`? or use `glob`")),
            None => error.hint("use `glob`, such as `*.txt`"),
        });
    };
    builder.select(selected);
    builder.build().map_err(|error| ToolError::invalid(format!("`type`: {error}")))
}
