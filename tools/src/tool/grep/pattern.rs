//! From the arguments to a matcher and a set of file types.

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use ignore::types::{Types, TypesBuilder};

use super::Args;
use crate::error::ToolError;

/// Longest pattern in bytes.
const MAX_PATTERN_BYTES: usize = 8_192;
/// Largest compiled pattern. It also bounds the time that one byte of text can cost.
const MAX_COMPILED_BYTES: usize = 8 * 1024 * 1024;

/// Largest cache of a matching thread; there may be 64 of them.
const MAX_CACHE_BYTES: usize = 2 * 1024 * 1024;

/// A pattern, ready to search.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub matcher: RegexMatcher,
    pub multiline: bool,
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
    let mut builder = RegexMatcherBuilder::new();
    builder
        .multi_line(true)
        .unicode(true)
        .octal(false)
        .case_insensitive(args.ignore_case)
        .fixed_strings(args.literal)
        .size_limit(MAX_COMPILED_BYTES)
        .dfa_size_limit(MAX_CACHE_BYTES);
    if !args.multiline {
        builder.line_terminator(Some(b'\n'));
    }
    let matcher = builder.build(&args.pattern).map_err(|error| {
        let text = error.to_string();
        let hint = if text.contains("\\n") && !args.multiline {
            "set `multiline` to true to match across lines"
        } else if text.contains("size limit") {
            "the pattern is too large when compiled; use smaller repetitions"
        } else if text.contains("look-around") || text.contains("backreference") {
            "Rust's regular expressions have no look-around and no backreferences"
        } else {
            "escape special characters with `\\`, or set `literal` to true for plain text"
        };
        ToolError::invalid(format!("`pattern` is not valid: {text}")).hint(hint)
    })?;
    Ok(Compiled { matcher, multiline: args.multiline })
}

/// The files of a type by ripgrep's names.
pub(super) fn types(name: &str) -> Result<Types, ToolError> {
    let mut builder = TypesBuilder::new();
    builder.add_defaults();
    let known = builder.definitions();
    if !known.iter().any(|definition| definition.name() == name) {
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
    }
    builder.select(name);
    builder.build().map_err(|error| ToolError::invalid(format!("`type`: {error}")))
}
