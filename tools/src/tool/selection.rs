//! Which files a listing or a search is about: its globs, and where they are held against.

use std::borrow::Cow;

use globset::{GlobBuilder, GlobMatcher};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::error::ToolError;
use crate::path::WorkspacePath;
use crate::schema::shape::SEVERAL;

/// Longest glob in bytes.
const MAX_GLOB_BYTES: usize = 1_024;

/// Most globs of one call.
const MAX_GLOBS: usize = 64;

/// What a path may have that is a glob.
pub(super) const GLOB: [char; 4] = ['*', '?', '[', '{'];

/// A glob, as the schema says, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "invalid type: expected a glob or a list of globs")]
pub(super) enum Globs {
    One(String),
    Several(Vec<String>),
}

impl Globs {
    /// All of them in one text, for what tells questions apart.
    pub(super) fn text(&self) -> String {
        match self {
            Globs::One(glob) => glob.clone(),
            Globs::Several(globs) => globs.join("\n"),
        }
    }
}

impl JsonSchema for Globs {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Globs".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", SEVERAL: true })
    }
}

/// The compiled globs of a call: what any of them selects, without what one with `!` leaves out.
#[derive(Debug, Clone)]
pub(super) struct PathGlob {
    selecting: Vec<OneGlob>,
    leaving_out: Vec<OneGlob>,
}

impl PathGlob {
    /// Compiles the globs of a call that starts in `start`.
    ///
    /// # Errors
    /// When one is no glob, with the reason.
    pub(super) fn of(globs: &Globs, start: &WorkspacePath) -> Result<PathGlob, ToolError> {
        let globs = match globs {
            Globs::One(glob) => std::slice::from_ref(glob),
            Globs::Several(globs) => globs.as_slice(),
        };
        if globs.is_empty() || globs.len() > MAX_GLOBS {
            return Err(ToolError::invalid(format!(
                "`glob` has {} globs; it takes 1 to {MAX_GLOBS}",
                globs.len()
            )));
        }
        let compiled: Result<Vec<OneGlob>, ToolError> =
            globs.iter().map(|glob| OneGlob::new(glob, start)).collect();
        let (leaving_out, selecting) = compiled?.into_iter().partition(|glob| glob.negated);
        Ok(PathGlob { selecting, leaving_out })
    }

    /// Whether the globs select `path`.
    pub(super) fn selects(&self, path: &WorkspacePath) -> bool {
        let selected =
            self.selecting.is_empty() || self.selecting.iter().any(|glob| glob.matches(path));
        selected && !self.leaving_out.iter().any(|glob| glob.matches(path))
    }
}

/// A compiled glob argument. Without `/` it is held against names at any depth; with `/`
/// against the path from the workspace root and from the directory of the call. A leading `!`
/// turns it round.
#[derive(Debug, Clone)]
struct OneGlob {
    matcher: GlobMatcher,
    names_only: bool,
    negated: bool,
    start: WorkspacePath,
}

impl OneGlob {
    /// Compiles `glob` for a call that starts in `start`.
    ///
    /// # Errors
    /// When it is no glob, with the reason.
    fn new(glob: &str, start: &WorkspacePath) -> Result<OneGlob, ToolError> {
        let (negated, bare) = match glob.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, glob),
        };
        let bare = bare.strip_prefix("./").unwrap_or(bare);
        if bare.is_empty() || glob.len() > MAX_GLOB_BYTES {
            return Err(ToolError::invalid(format!(
                "`glob` must have 1 to {MAX_GLOB_BYTES} bytes"
            ))
            .hint("for example `*.rs`, `src/**/*.py`, `*.{json,yaml}` or `!*.lock`"));
        }
        let matcher = GlobBuilder::new(bare.trim_start_matches('/'))
            .literal_separator(true)
            .build()
            .map_err(|error| {
                ToolError::invalid(format!("`glob` is not valid: {error}")).hint(
                    "`*` stays within one name, `**` crosses directories, `{a,b}` is a choice",
                )
            })?
            .compile_matcher();
        let names_only = !bare.contains('/');
        Ok(OneGlob { matcher, names_only, negated, start: start.clone() })
    }

    /// Whether the glob, without its `!`, matches `path`.
    fn matches(&self, path: &WorkspacePath) -> bool {
        if self.names_only {
            path.file_name().is_some_and(|name| self.matcher.is_match(name))
        } else {
            let from_start = path.as_str().strip_prefix(self.start.as_str());
            self.matcher.is_match(path.as_str())
                || from_start
                    .and_then(|rest| rest.strip_prefix('/'))
                    .is_some_and(|rest| self.matcher.is_match(rest))
        }
    }
}

/// The globs of an argument that is a file, a directory or a glob: what it names itself and all
/// below, and what it matches. None for the whole workspace.
///
/// # Errors
/// When it can be no path, or is too long.
pub(super) fn place_globs(path: &str) -> Result<Vec<String>, ToolError> {
    if path.len() > MAX_GLOB_BYTES {
        return Err(ToolError::invalid(format!("`path` must have at most {MAX_GLOB_BYTES} bytes")));
    }
    let path = WorkspacePath::parse(path)?;
    if path.is_root() {
        return Ok(Vec::new());
    }
    let text = path.as_str();
    let itself = globset::escape(text);
    let mut globs = vec![format!("{itself}/**"), itself];
    if text.contains(GLOB) {
        // Without `/` it is about names at any depth.
        let glob = if text.contains('/') { text.to_owned() } else { format!("**/{text}") };
        // A name with such characters need be no glob.
        globs.extend(GlobBuilder::new(&glob).build().is_ok().then_some(glob));
    }
    Ok(globs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(glob: &str, start: &str, path: &str) -> bool {
        let start = WorkspacePath::parse(start).unwrap();
        let globs = match glob.split(' ').map(str::to_owned).collect::<Vec<_>>() {
            several if several.len() > 1 => Globs::Several(several),
            _ => Globs::One(glob.to_owned()),
        };
        PathGlob::of(&globs, &start).unwrap().selects(&WorkspacePath::parse(path).unwrap())
    }

    #[test]
    fn of_several_globs_any_selects_and_none_may_leave_out() {
        let globs = "*.rs src/**/*.py !test_*";
        assert!(selects(globs, "", "a/c.rs"));
        assert!(selects(globs, "", "src/a/c.py"));
        assert!(!selects(globs, "", "a/c.py"));
        assert!(!selects(globs, "", "src/test_c.py"));
        assert!(selects("!*.rs !*.py", "", "a.md"));
        assert!(!selects("!*.rs !*.py", "", "a.py"));
    }

    #[test]
    fn names_match_at_any_depth_and_paths_from_root_or_start() {
        assert!(selects("*.rs", "", "a/b/c.rs"));
        assert!(!selects("a/*.rs", "", "a/b/c.rs"));
        assert!(selects("a/**/*.rs", "", "a/b/c.rs"));
        assert!(selects("b/*.rs", "a", "a/b/c.rs"));
        assert!(selects("a/b/*.rs", "a", "a/b/c.rs"));
        assert!(!selects("!*.rs", "", "a/b/c.rs"));
        assert!(selects("!*.lock", "", "a/b/c.rs"));
        assert!(selects("/src/*.rs", "", "src/c.rs"));
    }
}
