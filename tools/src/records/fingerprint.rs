//! The identity of a finding: what it is about, not how it is worded or on which line it stands.
//!
//! A fingerprint is 48 hex digits. The first 16 come from the path alone, so that the findings
//! of one file are found by their names; the other 32 from the rule, the path, the region's text
//! with its white space normalised, and which of the equal regions of the file it is. It survives
//! lines that move and changed indentation, and tells two equal lines apart.

use std::ops::ControlFlow;

use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::occurrences;
use crate::path::WorkspacePath;

/// Hex digits that come from the path.
pub const PATH_DIGITS: usize = 16;
const OTHER_DIGITS: usize = 32;
/// Memory that the fingerprint of a region needs for each of its lines.
pub const BYTES_A_LINE: usize = size_of::<u32>();
/// Bytes of lines that are compared between two looks at the call.
const CHECK_EVERY: usize = 1024 * 1024;
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

    /// How many regions of equal text begin before this one. Each line is compared with few others,
    /// however much of the file is alike, and nothing is copied.
    fn occurrence<E>(&self, check: &mut dyn FnMut() -> Result<(), E>) -> Result<usize, E> {
        let own = self.own_lines();
        let before = self.lines.get(..self.end_line.saturating_sub(1)).unwrap_or_default();
        if own.is_empty() {
            return Ok(0);
        }
        let mut looked_at = 0_usize;
        let mut equal = |one: &&str, other: &&str| {
            let bytes = one.len().min(other.len());
            looked_at = looked_at.saturating_add(bytes.saturating_add(1));
            if looked_at > CHECK_EVERY {
                looked_at = 0;
                check()?;
            }
            Ok(one.split_whitespace().eq(other.split_whitespace()))
        };
        let mut count = 0_usize;
        occurrences::each(own, before, &mut equal, &mut |_| {
            count = count.saturating_add(1);
            ControlFlow::Continue(())
        })?;
        Ok(count)
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

/// The fingerprint of a finding on a region. `check` is asked now and then whether to go on. It needs
/// [`BYTES_A_LINE`] of memory for each line of the region.
///
/// # Errors
/// That of `check`.
pub fn of_region<E>(
    rule: &str,
    path: &WorkspacePath,
    region: Region<'_>,
    check: &mut dyn FnMut() -> Result<(), E>,
) -> Result<String, E> {
    let occurrence = region.occurrence(check)?.to_string();
    // The text is hashed with its length in front, and can be as long as a file.
    let length = pieces(region.own_lines()).map(|piece| piece.len() as u64).sum();
    let mut hash = Sha256::new();
    for part in ["finding 1", rule, path.as_str()] {
        feed(&mut hash, part);
    }
    hash.update(u64::to_le_bytes(length));
    for piece in pieces(region.own_lines()) {
        hash.update(piece.as_bytes());
    }
    feed(&mut hash, &occurrence);
    check()?;
    Ok(format!("{}{}", of_path(path), digits(hash, OTHER_DIGITS)))
}

/// The fingerprint of a finding on a whole file.
pub fn of_file(rule: &str, path: &WorkspacePath) -> String {
    let parts = ["finding 1", rule, path.as_str(), "", "file"];
    format!("{}{}", of_path(path), digest(&parts, OTHER_DIGITS))
}

/// The fingerprint of a finding about the workspace as a whole. With no source text to hold on
/// to, its message tells it from the next one.
pub fn of_workspace(rule: &str, message: &str) -> String {
    let root = WorkspacePath::root();
    let message: String = pieces(&[message]).collect();
    let parts = ["finding 1", rule, "", &message, "workspace"];
    format!("{}{}", of_path(&root), digest(&parts, OTHER_DIGITS))
}

/// Lines without their indentation, and with one blank for each run of white space: the parts of
/// that text.
fn pieces<'l>(lines: &'l [&'l str]) -> impl Iterator<Item = &'l str> {
    lines.iter().enumerate().flat_map(|(number, line)| {
        let words = line.split_whitespace().enumerate();
        let words = words.flat_map(|(at, word)| [if at > 0 { " " } else { "" }, word]);
        std::iter::once(if number > 0 { "\n" } else { "" }).chain(words)
    })
}

/// The first `most` hex digits of a SHA-256 over the parts, each with its length in front.
fn digest(parts: &[&str], most: usize) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| feed(&mut hash, part));
    digits(hash, most)
}

fn feed(hash: &mut Sha256, part: &str) {
    hash.update((part.len() as u64).to_le_bytes());
    hash.update(part.as_bytes());
}

fn digits(hash: Sha256, most: usize) -> String {
    let mut hex = hex(&hash.finalize());
    hex.truncate(most);
    hex
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use proptest::prelude::*;

    const KNOWN: &str = "efa0788302a5798fb40734199aee457286c7ed9a0e6006c9";

    fn fingerprint(text: &str, start_line: usize, end_line: usize) -> String {
        let lines: Vec<&str> = text.lines().collect();
        let path = WorkspacePath::parse("src/main.rs").unwrap();
        let region = Region { lines: &lines, start_line, end_line };
        of_region("rule", &path, region, &mut || Ok::<(), Infallible>(())).unwrap()
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
        assert_ne!(of_file("r", &path), of_file("s", &path));
        assert_ne!(of_file("r", &path), of_file("r", &other));
        assert_ne!(of_workspace("r", "one"), of_workspace("r", "two"));
        assert!(of_file("r", &path).starts_with(&of_path(&path)));
    }

    #[test]
    fn it_is_what_it_was() {
        // Findings of earlier versions are found again by it.
        let text = "a\n b  c\n\na\n\tb c \n\nrest";
        assert_eq!(fingerprint(text, 4, 6), KNOWN);
        assert_eq!(fingerprint(text, 1, 3).len(), KNOWN.len());
    }

    /// Each region with each, as one would write it first.
    fn counted_plainly(region: Region<'_>) -> usize {
        let normal = |line: &&str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let own: Vec<String> = region.own_lines().iter().map(normal).collect();
        let before: Vec<String> = region.lines[..region.end_line - 1].iter().map(normal).collect();
        before.windows(own.len()).filter(|window| *window == own).count()
    }

    #[test]
    fn a_million_equal_lines_are_compared_in_linear_time_and_looked_at_in_between() {
        let lines = vec!["x  y"; 1_000_000];
        let region = Region { lines: &lines, start_line: 500_000, end_line: 1_000_000 };
        let mut looks = 0_u32;
        let counted = region.occurrence(&mut || {
            looks += 1;
            Ok::<(), Infallible>(())
        });
        assert_eq!(counted.unwrap(), 499_999);
        assert!(looks > 4, "{looks}");
        let mut stopped = || if looks == 0 { Ok(()) } else { Err("stopped") };
        assert_eq!(region.occurrence(&mut stopped), Err("stopped"));
    }

    proptest! {
        #[test]
        fn equal_regions_are_counted_as_each_with_each(
            lines in proptest::collection::vec("[ab]{0,1} {0,2}", 1..24),
            (from, length) in (0_usize..24, 1_usize..6),
        ) {
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let start_line = from % lines.len() + 1;
            let end_line = (start_line + length - 1).min(lines.len());
            let region = Region { lines: &lines, start_line, end_line };
            let counted = region.occurrence(&mut || Ok::<(), Infallible>(())).unwrap();
            prop_assert_eq!(counted, counted_plainly(region));
        }

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
