//! Names of entries, which are checked before anything is written.

use mcp_workspace_tools::path::WorkspacePath;

use super::{RECORD, StageError};

/// The path of an entry within the stage; none for the stage itself. `place` is where the stage
/// will lie, which counts for the length of the whole.
pub(super) fn parse(place: &str, name: &[u8]) -> Result<Option<String>, StageError> {
    let shown = String::from_utf8_lossy(name).escape_debug().to_string();
    let refuse = |reason: String| StageError::Name { name: shown.clone(), reason };
    let text = str::from_utf8(name).map_err(|_| refuse("it is not UTF-8".to_owned()))?;
    if text.starts_with('/') {
        return Err(refuse("it is an absolute path".to_owned()));
    }
    let whole = WorkspacePath::parse(&format!("{place}/{text}"))
        .map_err(|error| refuse(error.to_string()))?;
    let Some(within) = whole.as_str().strip_prefix(place).and_then(|rest| rest.strip_prefix('/'))
    else {
        return Ok(None);
    };
    if within.split('/').next().is_some_and(|first| first.eq_ignore_ascii_case(RECORD)) {
        return Err(refuse("this name is kept for the record of the stage".to_owned()));
    }
    Ok(Some(within.to_owned()))
}

/// The target of a symbolic link at `path`, if it stays within the stage.
///
/// Only the first components may climb. They start from a real directory, since nothing lies
/// below a link, so what they climb is what the text says; what follows descends.
pub(super) fn link_target(path: &str, target: &[u8]) -> Result<String, StageError> {
    let refuse = || StageError::Link {
        path: path.to_owned(),
        target: String::from_utf8_lossy(target).escape_debug().to_string(),
    };
    let text = str::from_utf8(target).map_err(|_| refuse())?;
    if text.is_empty() || text.starts_with('/') || text.chars().any(char::is_control) {
        return Err(refuse());
    }
    let mut depth = path.split('/').count().saturating_sub(1);
    let mut descends = false;
    for component in text.split('/') {
        match component {
            "" | "." => {}
            ".." if descends => return Err(refuse()),
            ".." => depth = depth.checked_sub(1).ok_or_else(refuse)?,
            _ => descends = true,
        }
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_the_stage() {
        let parse = |name: &str| parse("input/r", name.as_bytes());
        assert_eq!(parse("a/./b//c").unwrap().as_deref(), Some("a/b/c"));
        assert_eq!(parse("~/x").unwrap().as_deref(), Some("~/x"));
        assert_eq!(parse("./").unwrap(), None);
        for bad in ["/a", "../a", "a/../b", "a\nb", "a\\b", "/mnt/workspace/a", RECORD, "a/.."] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(super::parse("input/r", b"\xff").is_err());
        assert!(parse(&"x".repeat(256)).is_err());
        assert!(parse(&"x/".repeat(600)).is_err());
    }

    #[test]
    fn links_stay_within_the_stage() {
        for (path, target) in [("a/b", "c"), ("a/b", "../c/d"), ("b", "./c"), ("x/y/z", "../../q")]
        {
            assert!(link_target(path, target.as_bytes()).is_ok(), "{path} -> {target}");
        }
        let bad =
            [("b", "../c"), ("a/b", "../../c"), ("b", "/etc/passwd"), ("b", ""), ("a/b", "c/../d")];
        for (path, target) in bad {
            assert!(link_target(path, target.as_bytes()).is_err(), "{path} -> {target}");
        }
    }
}
