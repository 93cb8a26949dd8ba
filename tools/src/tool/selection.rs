//! Which files a listing or a search is about: one glob, and where it is held against.

use globset::{GlobBuilder, GlobMatcher};

use crate::error::ToolError;
use crate::path::WorkspacePath;

/// Longest glob in bytes.
const MAX_GLOB_BYTES: usize = 1_024;

/// A compiled glob argument. Without `/` it is held against names at any depth; with `/`
/// against the path from the workspace root and from the directory of the call. A leading `!`
/// turns it round.
#[derive(Debug, Clone)]
pub(super) struct PathGlob {
    matcher: GlobMatcher,
    names_only: bool,
    negated: bool,
    start: WorkspacePath,
}

impl PathGlob {
    /// Compiles `glob` for a call that starts in `start`.
    ///
    /// # Errors
    /// When it is no glob, with the reason.
    pub(super) fn new(glob: &str, start: &WorkspacePath) -> Result<PathGlob, ToolError> {
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
        Ok(PathGlob { matcher, names_only, negated, start: start.clone() })
    }

    /// Whether the glob selects `path`.
    pub(super) fn selects(&self, path: &WorkspacePath) -> bool {
        let matched = if self.names_only {
            path.file_name().is_some_and(|name| self.matcher.is_match(name))
        } else {
            let from_start = path.as_str().strip_prefix(self.start.as_str());
            self.matcher.is_match(path.as_str())
                || from_start
                    .and_then(|rest| rest.strip_prefix('/'))
                    .is_some_and(|rest| self.matcher.is_match(rest))
        };
        matched != self.negated
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
    if text.contains(['*', '?', '[', '{']) {
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
        PathGlob::new(glob, &start).unwrap().selects(&WorkspacePath::parse(path).unwrap())
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
