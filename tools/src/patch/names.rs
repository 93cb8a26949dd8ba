//! File names in patch headers: git's C-style quotes, the `a/` and `b/` prefixes, and what a
//! name may be.

use crate::error::ToolError;
use crate::path::WorkspacePath;

/// A name as a `---` or `+++` line gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// `/dev/null`: no file on this side.
    Nothing,
    /// A name, quotes decoded, prefix still on it.
    Given(String),
}

/// Whether names carry git's `a/` and `b/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// `a/x` and `b/x`.
    Prefixed,
    /// `x` and `x`.
    Bare,
}

/// Reads what follows `--- ` or `+++ `: a name, quoted or not, and maybe a tab and a time stamp.
pub(super) fn from_file_header(rest: &[u8]) -> Result<Name, String> {
    let (name, after) = if rest.starts_with(b"\"") {
        let (name, after) = unquote(rest)?;
        (name, after.strip_prefix(b"\t").map_or(after, |_| b""))
    } else {
        let name = rest.split(|byte| *byte == b'\t').next().unwrap_or_default();
        (text(name)?, b"".as_slice())
    };
    if !after.is_empty() {
        return Err("there is text after the quoted name".to_owned());
    }
    // git takes a file whose time stamp is the epoch for one that does not exist.
    let stamp = rest.split(|byte| *byte == b'\t').nth(1).unwrap_or_default();
    if stamp.starts_with(b"1970-01-01") || stamp.starts_with(b"1969-12-31") {
        return Err("a time stamp of 1970 is ambiguous; write `/dev/null` for a file that is not \
                    there, and no time stamps"
            .to_owned());
    }
    Ok(if name == "/dev/null" { Name::Nothing } else { Name::Given(name) })
}

/// Reads a whole rest of a line as one name, quoted or not (`rename from`, `rename to`).
pub(super) fn whole(rest: &[u8]) -> Result<String, String> {
    if !rest.starts_with(b"\"") {
        return text(rest);
    }
    match unquote(rest)? {
        (name, b"") => Ok(name),
        _ => Err("there is text after the quoted name".to_owned()),
    }
}

/// Whether the rest of a `diff --git` line names exactly these two, each quoted or not.
pub(super) fn header_names(rest: &[u8], old: &str, new: &str) -> bool {
    let after_old = if rest.starts_with(b"\"") {
        match unquote(rest) {
            Ok((name, after)) if name == old => after,
            _ => return false,
        }
    } else {
        match rest.strip_prefix(old.as_bytes()) {
            Some(after) => after,
            None => return false,
        }
    };
    after_old
        .strip_prefix(b" ")
        .is_some_and(|rest| whole(rest).as_deref() == Ok(new) && !rest.is_empty())
}

/// The one name that both sides of a `diff --git` line have, where no other header names it.
pub(super) fn same_in_header(rest: &[u8]) -> Result<(String, Style), String> {
    let (old, new) = if rest.starts_with(b"\"") {
        let (old, after) = unquote(rest)?;
        let new = after.strip_prefix(b" ").ok_or("the second name is missing")?;
        (old, whole(new)?)
    } else {
        // Both names have the same length, so the space between them is in the middle.
        let middle = rest.len() / 2;
        match (rest.get(..middle), rest.get(middle..)) {
            (Some(old), Some(rest)) if rest.starts_with(b" ") => {
                (text(old)?, text(rest.get(1..).unwrap_or_default())?)
            }
            _ => return Err("the two names differ".to_owned()),
        }
    };
    match strip(&Name::Given(old), &Name::Given(new))? {
        (Some(old), Some(new), style) if old == new => Ok((old, style)),
        _ => Err("the two names differ".to_owned()),
    }
}

/// Takes the prefixes off. A side that is `/dev/null` is none.
pub(super) fn strip(
    old: &Name,
    new: &Name,
) -> Result<(Option<String>, Option<String>, Style), String> {
    let has_prefix = |name: &str| name.starts_with("a/") || name.starts_with("b/");
    let ambiguous = |name: &str| {
        format!(
            "`{name}` is ambiguous: git reads `a/` and `b/` at the start of a name as prefixes; \
             write `--- a/PATH` and `+++ b/PATH`"
        )
    };
    match (old, new) {
        (Name::Nothing, Name::Nothing) => Err("both names are /dev/null".to_owned()),
        (Name::Given(old), Name::Given(new)) => {
            match (old.strip_prefix("a/"), new.strip_prefix("b/")) {
                (Some(old), Some(new)) => {
                    Ok((Some(old.to_owned()), Some(new.to_owned()), Style::Prefixed))
                }
                _ if has_prefix(old) => Err(ambiguous(old)),
                _ if has_prefix(new) => Err(ambiguous(new)),
                _ => Ok((Some(old.clone()), Some(new.clone()), Style::Bare)),
            }
        }
        (Name::Given(old), Name::Nothing) => match old.strip_prefix("a/") {
            Some(name) => Ok((Some(name.to_owned()), None, Style::Prefixed)),
            None if has_prefix(old) => Err(ambiguous(old)),
            None => Ok((Some(old.clone()), None, Style::Bare)),
        },
        (Name::Nothing, Name::Given(new)) => match new.strip_prefix("b/") {
            Some(name) => Ok((None, Some(name.to_owned()), Style::Prefixed)),
            None if has_prefix(new) => Err(ambiguous(new)),
            None => Ok((None, Some(new.clone()), Style::Bare)),
        },
    }
}

/// A name as a path of the workspace. Spellings that would have to be normalised are refused,
/// since git would read them differently.
pub(super) fn path(name: &str) -> Result<WorkspacePath, ToolError> {
    let path = WorkspacePath::parse(name)?;
    if path.as_str() != name || path.is_root() {
        return Err(ToolError::invalid(format!(
            "the patch names `{name}`, which is no plain path"
        ))
        .hint("write paths relative to the workspace root, such as `a/input/src/main.rs`"));
    }
    not_of_git(&path)?;
    Ok(path)
}

/// Refuses what git keeps for itself, in every spelling that some file system takes for `.git`.
pub(super) fn not_of_git(path: &WorkspacePath) -> Result<(), ToolError> {
    let is_git = |component: &str| {
        let name = component.split(':').next().unwrap_or_default().to_ascii_lowercase();
        matches!(name.trim_end_matches([' ', '.']), ".git" | "git~1")
    };
    if path.components().any(is_git) {
        return Err(ToolError::invalid(format!("`{path}` is inside git's own data"))
            .hint("a proposal changes the files of the project, never `.git`"));
    }
    Ok(())
}

/// A name for a header: in quotes where it has a `"`, as git does.
pub(super) fn quoted(name: &str) -> String {
    // A workspace path has no control characters and no backslash, so `"` is all there is.
    if name.contains('"') { format!("\"{}\"", name.replace('"', "\\\"")) } else { name.to_owned() }
}

/// Decodes a C-style quoted name at the start of `bytes`; also gives what follows it.
fn unquote(bytes: &[u8]) -> Result<(String, &[u8]), String> {
    let mut rest = bytes.strip_prefix(b"\"").ok_or("the name is not quoted")?;
    let mut name = Vec::new();
    loop {
        match rest {
            [b'"', after @ ..] => return Ok((text(&name)?, after)),
            [b'\\', high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', after @ ..] => {
                name.push((high - b'0') << 6 | (middle - b'0') << 3 | (low - b'0'));
                rest = after;
            }
            [b'\\', letter, after @ ..] => {
                name.push(match letter {
                    b'a' => 0x07,
                    b'b' => 0x08,
                    b't' => b'\t',
                    b'n' => b'\n',
                    b'v' => 0x0b,
                    b'f' => 0x0c,
                    b'r' => b'\r',
                    b'"' | b'\\' => *letter,
                    _ => return Err("the quoted name has an unknown `\\` escape".to_owned()),
                });
                rest = after;
            }
            [byte, after @ ..] => {
                name.push(*byte);
                rest = after;
            }
            [] => return Err("the quoted name has no closing `\"`".to_owned()),
        }
    }
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "the name is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_names_are_decoded_strictly() {
        assert_eq!(whole(b"\"a\\tb\\\\\\\"\\303\\244\"").unwrap(), "a\tb\\\"ä");
        for bad in ["\"x", "\"x\\q\"", "\"x\" y", "\"\\400\"", "\"\\303\"", "\"x\\"] {
            assert!(whole(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_space_in_the_middle_parts_equal_names() {
        let name = same_in_header(b"a/with space b/with space").unwrap();
        assert_eq!(name, ("with space".to_owned(), Style::Prefixed));
        assert_eq!(same_in_header(b"x/y x/y").unwrap(), ("x/y".to_owned(), Style::Bare));
        for bad in ["a/x b/y", "a/x a/x", "b/x b/x", "a/x", "\"a/x\" b/y", "a/x  b/x", ""] {
            assert!(same_in_header(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_spelling_of_git_is_refused() {
        for bad in [".git/hooks/x", "x/.GIT/y", ".git./x", ".git /x", "git~1/x", ".git::$DATA/x"] {
            assert!(path(bad).is_err(), "{bad}");
        }
        for good in [".gitignore", ".github/x", "x.git/y", "git/x"] {
            assert!(path(good).is_ok(), "{good}");
        }
        for bad in ["./x", "x//y", "/x", "../x", "x/../y", "/mnt/workspace/x", "", "x/"] {
            assert!(path(bad).is_err(), "{bad}");
        }
    }
}
