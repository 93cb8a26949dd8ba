//! The identity of a finding: what it is about, not how it is worded or on which line it stands.
//!
//! A fingerprint is 48 hex digits. The first 16 come from the path alone, so that the findings
//! of one file are found by their names; the other 32 from the rule, the path, the region's text
//! with its white space normalised, and which of the equal regions of the file it is. It survives
//! lines that move and changed indentation, and tells two equal lines apart.

use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::path::WorkspacePath;

/// Hex digits that come from the path.
pub const PATH_DIGITS: usize = 16;
const OTHER_DIGITS: usize = 32;
/// Digits at the end that tell one from the others in a list: they cost a model a sixth of all.
const SHORT_DIGITS: usize = 8;

/// A region of a file as text, and its place.
#[derive(Debug, Clone, Copy)]
pub struct Region<'a> {
    /// All lines of the file.
    pub lines: &'a [&'a str],
    /// The first line of the region, from 1.
    pub start_line: usize,
    /// Its last line.
    pub end_line: usize,
}

impl<'a> Region<'a> {
    /// The region's own lines.
    pub fn own_lines(&self) -> &'a [&'a str] {
        self.lines.get(self.start_line.saturating_sub(1)..self.end_line).unwrap_or_default()
    }

    /// How many regions of equal text begin before this one.
    fn occurrence(&self) -> usize {
        let own: Vec<String> = self.own_lines().iter().map(|line| normalised(line)).collect();
        let Some(first) = own.first() else { return 0 };
        let before = self.lines.get(..self.end_line.saturating_sub(1)).unwrap_or_default();
        let all: Vec<String> = before.iter().map(|line| normalised(line)).collect();
        all.windows(own.len())
            .take(self.start_line.saturating_sub(1))
            .filter(|window| window.first() == Some(first) && *window == own.as_slice())
            .count()
    }
}

/// The last digits, by which lists name a finding to models.
pub fn short(fingerprint: &str) -> &str {
    fingerprint.get(fingerprint.len().saturating_sub(SHORT_DIGITS)..).unwrap_or(fingerprint)
}

/// A finding's id as lists show it to models: of an id with a fingerprint the last digits.
pub fn shown(id: &str) -> &str {
    let last = id.rsplit(':').next().unwrap_or(id);
    let is_whole = last.len() == PATH_DIGITS + OTHER_DIGITS;
    if is_whole && last.bytes().all(|byte| byte.is_ascii_hexdigit()) { short(last) } else { id }
}

/// Whether a text may be the end of a fingerprint, and not the whole.
pub fn is_short(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (SHORT_DIGITS..PATH_DIGITS + OTHER_DIGITS).contains(&text.len()) && text.bytes().all(is_digit)
}

/// The digits that all findings on `path` share.
pub fn of_path(path: &WorkspacePath) -> String {
    digest(&["finding path 1", path.as_str()], PATH_DIGITS)
}

/// The fingerprint of a finding on a region, or on a whole file.
pub fn of_region(rule: &str, path: &WorkspacePath, region: Option<Region<'_>>) -> String {
    let (text, occurrence) = match region {
        Some(region) => {
            let own: Vec<_> = region.own_lines().iter().map(|line| normalised(line)).collect();
            (own.join("\n"), region.occurrence().to_string())
        }
        None => (String::new(), "file".to_owned()),
    };
    let parts = ["finding 1", rule, path.as_str(), &text, &occurrence];
    format!("{}{}", of_path(path), digest(&parts, OTHER_DIGITS))
}

/// The fingerprint of a finding about the workspace as a whole. With no source text to hold on
/// to, its message tells it from the next one.
pub fn of_workspace(rule: &str, message: &str) -> String {
    let root = WorkspacePath::root();
    let parts = ["finding 1", rule, "", &normalised(message), "workspace"];
    format!("{}{}", of_path(&root), digest(&parts, OTHER_DIGITS))
}

/// A line without its indentation, and with one blank for each run of white space.
fn normalised(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The first `digits` hex digits of a SHA-256 over the parts, each with its length in front.
fn digest(parts: &[&str], digits: usize) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let mut hex = hex(&hash.finalize());
    hex.truncate(digits);
    hex
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fingerprint(text: &str, start_line: usize, end_line: usize) -> String {
        let lines: Vec<&str> = text.lines().collect();
        let path = WorkspacePath::parse("src/main.rs").unwrap();
        of_region("rule", &path, Some(Region { lines: &lines, start_line, end_line }))
    }

    #[test]
    fn moved_and_reindented_lines_keep_it() {
        let before = fingerprint("a\nlet  x = 1;\nb", 2, 2);
        assert_eq!(before, fingerprint("a\nnew\nnew\n    let x =\t1;\nb", 4, 4));
        assert_ne!(before, fingerprint("a\nlet x = 2;\nb", 2, 2));
        assert_eq!(before.len(), PATH_DIGITS + OTHER_DIGITS);
    }

    #[test]
    fn equal_lines_are_told_apart() {
        let text = "x\ny\nx\ny\nx";
        let all: Vec<_> = [1, 3, 5].map(|line| fingerprint(text, line, line)).into();
        assert_ne!(all[0], all[1]);
        assert_ne!(all[1], all[2]);
        assert_eq!(all[1], fingerprint("x\nnew\ny\nx\ny\nx", 4, 4));
        assert_ne!(fingerprint(text, 1, 2), fingerprint(text, 3, 4));
    }

    #[test]
    fn rule_path_and_kind_count() {
        let path = WorkspacePath::parse("a").unwrap();
        let other = WorkspacePath::parse("b").unwrap();
        assert_ne!(of_region("r", &path, None), of_region("s", &path, None));
        assert_ne!(of_region("r", &path, None), of_region("r", &other, None));
        assert_ne!(of_workspace("r", "one"), of_workspace("r", "two"));
        assert!(of_region("r", &path, None).starts_with(&of_path(&path)));
    }

    proptest! {
        #[test]
        fn lines_above_do_not_matter(
            above in proptest::collection::vec("[a-c ]{0,4}", 0..6),
            body in proptest::collection::vec("[d-f]{1,4}", 1..4),
        ) {
            let text = body.join("\n");
            let shifted = above.iter().chain(&body).cloned().collect::<Vec<_>>().join("\n");
            prop_assert_eq!(
                fingerprint(&text, 1, body.len()),
                fingerprint(&shifted, above.len() + 1, above.len() + body.len())
            );
        }
    }
}
