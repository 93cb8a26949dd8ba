//! `WorkspacePath`: a path inside the workspace, parsed once and valid ever after.

use std::fmt;

/// Longest path component in bytes, the limit of S3 Files and of Linux file systems.
pub const MAX_COMPONENT_BYTES: usize = 255;
/// Longest whole path in bytes, the limit of an S3 object key.
pub const MAX_PATH_BYTES: usize = 1024;

/// The mount point in production; agents write it in front of paths, and it is accepted.
pub const MOUNT_PREFIX: &str = "/mnt/workspace";

/// A UTF-8 path relative to the workspace root, `/`-separated, without `.`, `..`, empty
/// components, control characters or over-long parts. The empty path is the root itself.
///
/// ```
/// use mcp_workspace_tools::path::{PathError, WorkspacePath};
///
/// let path = WorkspacePath::parse("src//./main.rs").unwrap();
/// assert_eq!(path.as_str(), "src/main.rs");
/// assert!(matches!(WorkspacePath::parse("../etc"), Err(PathError::ParentComponent(_))));
/// assert!(matches!(WorkspacePath::parse("/etc/passwd"), Err(PathError::Absolute(_))));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct WorkspacePath(String);

/// Why a text is not a path of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Absolute, and not below the mount's own prefix.
    #[error("`{0}` is an absolute path; paths are relative to the workspace root")]
    Absolute(String),
    /// Has a `..` component.
    #[error("`{0}` contains `..`; a path may not climb")]
    ParentComponent(String),
    /// Has a NUL byte, another control character, or a character that hides or reorders text.
    #[error("`{0}` contains a control or invisible formatting character")]
    ControlCharacter(String),
    /// A component is over [`MAX_COMPONENT_BYTES`].
    #[error("a component of the path is {0} bytes long; the limit is 255")]
    ComponentTooLong(usize),
    /// The path is over [`MAX_PATH_BYTES`].
    #[error("the path is {0} bytes long; the limit is 1024")]
    PathTooLong(usize),
    /// Uses `\` as a separator or names a drive.
    #[error("`{0}` contains a backslash; components are separated by `/`")]
    Backslash(String),
    /// A `~` home directory, which has no meaning in a workspace.
    #[error("`{0}` starts with `~`; paths are relative to the workspace root")]
    Home(String),
}

impl WorkspacePath {
    /// The workspace root.
    pub fn root() -> Self {
        WorkspacePath(String::new())
    }

    /// Parses what a caller wrote. `./x`, `x/`, `a//b` and the mount's own prefix
    /// (`/mnt/workspace/x`) are accepted and normalised.
    ///
    /// # Errors
    /// A [`PathError`] that names what the path must not contain.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let shown = || shorten(text);
        if text.len() > MAX_PATH_BYTES + MOUNT_PREFIX.len() + 1 {
            return Err(PathError::PathTooLong(text.len()));
        }
        if text.chars().any(is_refused) {
            return Err(PathError::ControlCharacter(shown()));
        }
        if text.contains('\\') {
            return Err(PathError::Backslash(shown()));
        }
        let relative = match text.strip_prefix(MOUNT_PREFIX) {
            Some("") => "",
            Some(rest) if rest.starts_with('/') => rest,
            _ if text.starts_with('/') => return Err(PathError::Absolute(shown())),
            _ => text,
        };
        let mut normal = String::with_capacity(relative.len());
        for component in relative.split('/') {
            match component {
                "" | "." => continue,
                ".." => return Err(PathError::ParentComponent(shown())),
                _ => {}
            }
            if component.len() > MAX_COMPONENT_BYTES {
                return Err(PathError::ComponentTooLong(component.len()));
            }
            if !normal.is_empty() {
                normal.push('/');
            }
            normal.push_str(component);
        }
        if normal == "~" || normal.starts_with("~/") {
            return Err(PathError::Home(shown()));
        }
        if normal.len() > MAX_PATH_BYTES {
            return Err(PathError::PathTooLong(normal.len()));
        }
        Ok(WorkspacePath(normal))
    }

    /// The path as text; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the workspace root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The components from the root down; none for the root.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|component| !component.is_empty())
    }

    /// The last component; none for the root.
    pub fn file_name(&self) -> Option<&str> {
        self.components().last()
    }

    /// The directory that holds this path; none for the root.
    pub fn parent(&self) -> Option<WorkspacePath> {
        if self.is_root() {
            return None;
        }
        Some(match self.0.rsplit_once('/') {
            Some((parent, _)) => WorkspacePath(parent.to_owned()),
            None => WorkspacePath::root(),
        })
    }

    /// Appends one directory entry's name.
    ///
    /// # Errors
    /// When the name is no valid single component (`/`, `..`, control characters, too long)
    /// or the whole becomes too long.
    pub fn join(&self, name: &str) -> Result<WorkspacePath, PathError> {
        let joined = WorkspacePath::parse(&if self.is_root() {
            format!("./{name}")
        } else {
            format!("{}/{name}", self.0)
        })?;
        if name.is_empty() || name == "." || name.contains('/') {
            return Err(PathError::ParentComponent(shorten(name)));
        }
        Ok(joined)
    }

    /// The path of an entry whose name no path can have, with U+FFFD for each character that is
    /// refused. It is there to be judged by policy, and names nothing that can be opened.
    pub(crate) fn nearest_to(&self, name: &str) -> WorkspacePath {
        let shown =
            |c: char| if is_refused(c) || c == '\\' { char::REPLACEMENT_CHARACTER } else { c };
        let name: String = name.chars().map(shown).collect();
        WorkspacePath(if self.is_root() { name } else { format!("{}/{name}", self.0) })
    }

    /// Whether [`WorkspacePath::join`] takes this name; says so without making the path.
    pub(crate) fn can_join(&self, name: &str) -> bool {
        let before = if self.is_root() { 0 } else { self.0.len() + 1 };
        !matches!(name, "" | "." | "..")
            && name.len() <= MAX_COMPONENT_BYTES
            && before + name.len() <= MAX_PATH_BYTES
            && !(self.is_root() && name == "~")
            && !name.chars().any(|c| matches!(c, '/' | '\\') || is_refused(c))
    }

    /// This path and each directory above it, from the top down, without the root.
    pub fn ancestors_and_self(&self) -> impl Iterator<Item = &str> {
        self.0
            .match_indices('/')
            .map(|(at, _)| at)
            .chain((!self.0.is_empty()).then_some(self.0.len()))
            .filter_map(|end| self.0.get(..end))
    }

    /// Whether `self` is `other` or lies below it.
    pub fn is_within(&self, other: &WorkspacePath) -> bool {
        other.is_root()
            || self
                .0
                .strip_prefix(other.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

/// Control characters, and the invisible ones that make one path look like another
/// (zero-width, bidirectional overrides, byte-order mark, line and paragraph separators).
fn is_refused(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// At most 120 characters of what the caller wrote, control characters made visible.
fn shorten(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(120)
        .flat_map(|c| if is_refused(c) { c.escape_unicode().collect::<Vec<_>>() } else { vec![c] })
        .collect();
    if text.chars().nth(120).is_some() {
        shown.push('…');
    }
    shown
}

impl fmt::Display for WorkspacePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

impl From<PathError> for crate::error::ToolError {
    fn from(error: PathError) -> Self {
        crate::error::ToolError::invalid(error.to_string())
            .hint("give a path relative to the workspace root, such as `input/src/main.rs`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ordinary_spellings_are_normalised() {
        for (text, normal) in [
            ("a/b", "a/b"),
            ("./a/b", "a/b"),
            ("a//b/", "a/b"),
            ("", ""),
            (".", ""),
            ("/mnt/workspace/a", "a"),
            ("/mnt/workspace", ""),
            ("/mnt/workspace/", ""),
            ("a/./b", "a/b"),
            ("..a/b..", "..a/b.."),
            ("%2e%2e/x", "%2e%2e/x"),
        ] {
            assert_eq!(WorkspacePath::parse(text).unwrap().as_str(), normal, "{text:?}");
        }
    }

    #[test]
    fn hostile_spellings_are_refused() {
        for text in [
            "..",
            "a/../b",
            "/etc/passwd",
            "/mnt/workspace2/x",
            "/mnt/workspace/../x",
            "a\0b",
            "a\nb",
            "a\\b",
            "~/x",
            "~",
            ".//~",
            "./~/x",
            "a\u{202e}b",
            "a\u{200b}b",
            "C:\\x",
            "/",
        ] {
            assert!(WorkspacePath::parse(text).is_err(), "{text:?}");
        }
        assert!(WorkspacePath::parse(&"x".repeat(256)).is_err());
        assert!(WorkspacePath::parse(&"x/".repeat(600)).is_err());
    }

    #[test]
    fn ancestors_go_from_the_top_down() {
        let path = WorkspacePath::parse("a/b/c").unwrap();
        assert_eq!(path.ancestors_and_self().collect::<Vec<_>>(), ["a", "a/b", "a/b/c"]);
        assert_eq!(WorkspacePath::root().ancestors_and_self().count(), 0);
    }

    proptest! {
        #[test]
        fn a_parsed_path_has_only_plain_components(text in "\\PC*|[./a\\\\~]{0,12}") {
            if let Ok(path) = WorkspacePath::parse(&text) {
                prop_assert!(path.components().all(|c| c != "." && c != ".." && !c.is_empty()));
                prop_assert!(!path.as_str().starts_with('/'));
                prop_assert_eq!(WorkspacePath::parse(path.as_str()), Ok(path.clone()));
            }
        }

        #[test]
        fn join_takes_the_names_that_can_be_joined(
            name in "\\PC{0,8}|[./a~\\\\\u{1}]{0,4}|[a\u{e9}]{254,256}",
            base in "|a|~a|[a/]{1015,1024}",
        ) {
            if let Ok(base) = WorkspacePath::parse(&base) {
                prop_assert_eq!(base.can_join(&name), base.join(&name).is_ok(), "{:?}", name);
            }
        }

        #[test]
        fn join_adds_exactly_one_component(name in "\\PC{0,8}|[./a]{0,4}") {
            let base = WorkspacePath::parse("dir").unwrap();
            if let Ok(joined) = base.join(&name) {
                prop_assert_eq!(joined.components().count(), 2);
                prop_assert_eq!(joined.file_name(), Some(name.as_str()));
            }
        }
    }
}
