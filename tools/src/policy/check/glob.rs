//! Checks of a glob: why it is refused, or that it may mean less than it seems to.

use crate::policy::glob::{Case, compile, pieces};

/// Why a text is no glob of a policy, and the fix.
pub(super) fn refusal(glob: &str) -> Option<(String, String)> {
    let refused = |why: &str, fix: String| Some((format!("`{glob}` {why}"), fix));
    let bare = glob.trim_matches('/');
    if bare.is_empty() {
        return refused("matches nothing", "for the whole workspace write `**`".to_owned());
    }
    if glob.starts_with('/') {
        return refused("is absolute", format!("paths are relative to the workspace: `{bare}`"));
    }
    if glob.ends_with('/') {
        return refused("ends with `/` and matches nothing", format!("write `{bare}/**`"));
    }
    if glob.contains('\\') {
        return refused("contains a backslash", "separate components with `/`".to_owned());
    }
    if glob.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return refused(
            "has a component that is empty, `.` or `..`",
            "write the path as it is from the workspace root".to_owned(),
        );
    }
    let mut open = 0_usize;
    for piece in pieces(glob) {
        match piece {
            "{" => open += 1,
            "}" => open = open.saturating_sub(1),
            _ if piece.contains('/') && (open > 0 || piece != "/") => {
                return refused(
                    "has `/` inside of `{}` or `[]`",
                    "write one glob for each alternative".to_owned(),
                );
            }
            _ => {}
        }
    }
    if let Err(error) = compile([glob], Case::AsWritten) {
        let fix = "close every `[` and `{`".to_owned();
        return refused(&format!("is no glob: {}", error.kind()), fix);
    }
    if glob.split('/').any(|part| part.contains("**") && part != "**") {
        let otherwise = || "`**` stands between two `/`, as in `**/*.pem`".to_owned();
        let fix = proposed(&with_depth(glob)).unwrap_or_else(otherwise);
        return refused("has `**` beside other text, where it is only a `*`", fix);
    }
    if pieces(glob).any(|piece| piece == "?") {
        let otherwise = || "write `*`".to_owned();
        let fix = proposed(&with_stars(glob)).unwrap_or_else(otherwise);
        let fix = format!("{fix}, or name the characters, such as `[0-9]`");
        return refused("has `?`, which a policy does not know", fix);
    }
    if let Some(class) = pieces(glob).find(|piece| is_unclear_class(piece)) {
        return refused(
            &format!("has `{class}`, which does not name single characters of ASCII"),
            "name them, such as `[a-z0-9]`, or write `*`".to_owned(),
        );
    }
    None
}

/// What a glob without `/` in the list `key` was probably meant to be; none where it means what
/// it seems to.
pub(super) fn suspicion(glob: &str, key: &str) -> Option<(String, String)> {
    if glob.contains('/') || glob == "**" {
        return None;
    }
    let message = format!("`{glob}` matches only at the workspace's root");
    if key == "deny" {
        // `*` denies all that is at the root, and so all that there is.
        return (glob != "*").then(|| {
            let fix = format!(
                "`**/{glob}` was probably meant; for the root alone write `{glob}/**`, which \
                 denies `{glob}` too"
            );
            (message, fix)
        });
    }
    // A file or directory of the root is often granted by its name.
    let is_pattern = pieces(glob).any(|piece| piece == "*" || piece.starts_with('['));
    let meant = if glob == "*" { "**".to_owned() } else { format!("**/{glob}") };
    is_pattern.then(|| (message, format!("`{meant}` was probably meant")))
}

/// Whether a piece is a class that is something else than single characters of ASCII and ranges
/// of them. Bytes and characters are the same to those, and not to others.
fn is_unclear_class(piece: &str) -> bool {
    let is_class = piece.starts_with('[');
    let is_by_name = piece.contains("[:");
    is_class
        && (!piece.is_ascii() || piece.starts_with("[!") || piece.starts_with("[^") || is_by_name)
}

/// The fix that proposes `meant`, where that is not refused itself.
fn proposed(meant: &str) -> Option<String> {
    refusal(meant).is_none().then(|| format!("write `{meant}`"))
}

/// The glob that is meant by `**` beside other text: `**.pem` is `**/*.pem`, `src**` is `src*/**`.
fn with_depth(glob: &str) -> String {
    let mut parts = Vec::new();
    for part in glob.split('/') {
        let mut left = "";
        let mut rest = part;
        while let Some((before, after)) = rest.split_once("**") {
            if !(left.is_empty() && before.is_empty()) {
                parts.push(format!("{left}{before}*"));
            }
            parts.push("**".to_owned());
            (left, rest) = ("*", after.trim_start_matches('*'));
        }
        if !rest.is_empty() {
            parts.push(format!("{left}{rest}"));
        }
    }
    parts.join("/")
}

/// The glob with `*` in place of each `?`.
fn with_stars(glob: &str) -> String {
    let parts = glob.split('/').map(|part| {
        if part == "**" {
            return part.to_owned();
        }
        let mut stars = String::new();
        for piece in pieces(part) {
            let piece = if piece == "?" { "*" } else { piece };
            if !(piece == "*" && stars.ends_with('*')) {
                stars += piece;
            }
        }
        stars
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_with_surprises_are_refused() {
        for glob in [
            "", "/", "/a", "a/", "a//b", "./a", "../a", "a/..", "{a/b,c}", "[a/b]", "a\\b", "[a",
            "{a",
        ] {
            assert!(refusal(glob).is_some(), "{glob}");
        }
        for glob in ["**", "a/**", "**/.env*", "*.{pem,key}", "a[0-9]", "ä/*"] {
            assert!(refusal(glob).is_none(), "{glob}");
        }
    }

    #[test]
    fn what_is_refused_comes_with_what_was_meant() {
        for (glob, meant) in [
            ("**.pem", "write `**/*.pem`"),
            ("src/**.rs", "write `src/**/*.rs`"),
            ("a**", "write `a*/**`"),
            ("a**b**c", "write `a*/**/*b*/**/*c`"),
            ("***", "write `**`"),
            ("{**,a}", "as in `**/*.pem`"),
            ("{a,b**}", "as in `**/*.pem`"),
            ("a**b?", "as in `**/*.pem`"),
            ("secret?", "write `secret*`"),
            ("a??/**/?", "write `a*/**/*`"),
            ("?*", "write `*`"),
            ("[!a]?", "write `*`"),
            ("[!a]", "`[a-z0-9]`"),
            ("[^a]", "`[a-z0-9]`"),
            ("[é]", "`[a-z0-9]`"),
            ("[[:alpha:]]", "`[a-z0-9]`"),
        ] {
            let (_, fix) = refusal(glob).expect(glob);
            assert!(fix.contains(meant), "{glob}: {fix}");
        }
    }

    #[test]
    fn signs_that_globs_know_are_written_as_classes() {
        for glob in ["app/[[]id]/**", "why[?]", "[*]", "[{]a[}]", "[]]", "a[b-]", "[a-zA-Z_.-]"] {
            assert_eq!(refusal(glob), None, "{glob}");
        }
    }

    #[test]
    fn only_what_holds_at_the_root_alone_is_suspected() {
        let meant = |glob, key| suspicion(glob, key).map(|(_, fix)| fix).unwrap_or_default();
        assert!(meant("*.key", "deny").contains("`**/*.key`"));
        assert!(meant(".env", "deny").contains("`.env/**`"));
        assert!(meant("*.md", "read").contains("`**/*.md`"));
        assert!(meant("*", "read").contains("`**`"));
        for (glob, key) in [
            ("README.md", "read"),
            ("{src,docs}", "read"),
            ("**", "read"),
            ("**", "deny"),
            ("*", "deny"),
            ("a/*.key", "deny"),
            ("**/*.key", "deny"),
            (".env/**", "deny"),
        ] {
            assert_eq!(suspicion(glob, key), None, "{glob}");
        }
    }
}
