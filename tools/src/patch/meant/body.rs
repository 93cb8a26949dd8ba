//! Hunks whose headers are not believed: a hunk is the lines that look like its own.

use crate::error::ToolError;
use crate::patch::hunks::{
    MAX_HUNKS, NO_NEWLINE, Range, changes_nothing, other_counts, ranges, too_many,
};
use crate::patch::read::not_a_patch;
use crate::patch::{Hunk, Tag};

use super::{Header, MeantHunk, Refusal};

/// The lines of a patch.
pub(super) struct Text<'t> {
    /// As they are, without their `\n`.
    raw: Vec<&'t str>,
    /// Without a `\r` at their ends.
    heads: Vec<&'t str>,
    /// Whether the last line has no end.
    pub ends_within_a_line: bool,
    /// Whether every line ends in CRLF.
    pub is_crlf: bool,
    /// Whether some lines do that are in no hunk.
    pub has_crlf_headers: bool,
}

impl<'t> Text<'t> {
    pub(super) fn new(text: &'t str) -> Text<'t> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let ends_within_a_line = !text.is_empty() && !text.ends_with('\n');
        let raw: Vec<&str> = text.split_terminator('\n').collect();
        let heads: Vec<&str> = raw.iter().map(|line| line.trim_end_matches('\r')).collect();
        let whole = raw.len() - usize::from(ends_within_a_line);
        let is_crlf = whole > 0 && raw.iter().take(whole).all(|line| line.ends_with('\r'));
        let header = |line: &&str| line.ends_with('\r') && !line.starts_with([' ', '+', '-', '\r']);
        let has_crlf_headers = raw.iter().any(|line| header(line));
        Text { raw, heads, ends_within_a_line, is_crlf, has_crlf_headers }
    }

    /// Line `at`, from 0, without its end.
    pub(super) fn head(&self, at: usize) -> Option<&'t str> {
        self.heads.get(at).copied()
    }

    /// At most so many lines from line `at` on, without their ends.
    pub(super) fn heads(&self, at: usize, most: usize) -> &[&'t str] {
        let rest = self.heads.get(at..).unwrap_or_default();
        rest.get(..most).unwrap_or(rest)
    }

    /// Whether a file's two names stand here.
    pub(super) fn starts_file(&self, at: usize) -> bool {
        let starts = |at, marker| self.head(at).is_some_and(|line| line.starts_with(marker));
        starts(at, "--- ") && starts(at + 1, "+++ ")
    }

    /// Whether this is the mail signature with git's version, which ends `git format-patch`.
    pub(super) fn is_signature(&self, at: usize) -> bool {
        let version = |line: &str| {
            line.starts_with(|c: char| c.is_ascii_digit())
                && line.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
        };
        matches!(self.head(at), Some("-- " | "--"))
            && self.head(at + 1).is_some_and(version)
            && self.head(at + 2).is_none_or(|line| line.trim().is_empty())
    }
}

/// The lines of one hunk.
pub(super) struct Body {
    pub lines: Vec<(Tag, Vec<u8>)>,
    /// How many of the last ones are empty lines, which may also stand between two hunks.
    pub empty: usize,
}

impl Body {
    /// Lines of the old and of the new side, without the empty ones at the end.
    pub(super) fn counts(&self) -> (usize, usize) {
        let certain = self.lines.len() - self.empty;
        let of = |other: Tag| self.lines.iter().take(certain).filter(move |(tag, _)| *tag != other);
        (of(Tag::Insert).count(), of(Tag::Delete).count())
    }

    /// Keeps only so many of the empty lines at the end.
    fn keep_empty(&mut self, keep: usize) {
        self.lines.truncate(self.lines.len() - self.empty + keep);
        self.empty = 0;
    }
}

/// Reads lines as long as they can be those of a hunk.
pub(super) fn read(text: &Text<'_>, at: &mut usize) -> Result<Body, Refusal> {
    let mut body = Body { lines: Vec::new(), empty: 0 };
    // Sides that a no-newline marker has ended.
    let (mut old_ended, mut new_ended) = (false, false);
    while let (Some(raw), Some(head)) = (text.raw.get(*at), text.head(*at)) {
        // Two names and a hunk's header, and not a line removed and one added.
        let next_file =
            text.starts_file(*at) && text.head(*at + 2).is_some_and(|line| line.starts_with("@@"));
        if next_file || text.is_signature(*at) {
            break;
        }
        if head.trim().eq_ignore_ascii_case(NO_NEWLINE) && head.starts_with('\\') {
            let (tag, last) = body.lines.last_mut().ok_or(Refusal::Unknown)?;
            old_ended |= *tag != Tag::Insert;
            new_ended |= *tag != Tag::Delete;
            if body.empty > 0 || last.pop_if(|end| *end == b'\n').is_none() {
                return Err(Refusal::Unknown);
            }
            *at += 1;
            continue;
        }
        let (tag, content) = match head.as_bytes().first() {
            None => (Tag::Context, *raw),
            Some(b' ') => (Tag::Context, raw.get(1..).unwrap_or_default()),
            Some(b'-') => (Tag::Delete, raw.get(1..).unwrap_or_default()),
            Some(b'+') => (Tag::Insert, raw.get(1..).unwrap_or_default()),
            _ => break,
        };
        // An empty line behind the last one stands between two parts.
        if head.is_empty() && (old_ended || new_ended) {
            break;
        }
        if tag != Tag::Insert && old_ended || tag != Tag::Delete && new_ended {
            return Err(Refusal::Unknown);
        }
        body.empty = if head.is_empty() { body.empty + 1 } else { 0 };
        let mut content = content.as_bytes().to_vec();
        content.push(b'\n');
        body.lines.push((tag, content));
        *at += 1;
    }
    Ok(body)
}

/// Reads the hunks that follow.
pub(super) fn hunks(
    text: &Text<'_>,
    at: &mut usize,
    path: &str,
) -> Result<Vec<MeantHunk>, Refusal> {
    let mut hunks = Vec::new();
    // Headers without lines of their own lead inwards to those of the next one.
    let mut anchors = Vec::new();
    while let Some(head) = text.head(*at).filter(|head| head.starts_with("@@")) {
        if hunks.len() == MAX_HUNKS {
            return Err(too_many(path).into());
        }
        let first = *at + 1;
        let said = ranges(head);
        *at += 1;
        if said.is_none() {
            anchors.extend(anchor(head));
            if text.head(*at).is_some_and(|next| next.starts_with("@@")) {
                continue;
            }
        }
        let mut body = read(text, at)?;
        let number = hunks.len() + 1;
        let header = header(text, *at, said, &mut body, |counts| match said {
            Some(said) => other_counts(path, number, first, said, counts),
            None => changes_nothing(path, number, first),
        })?;
        if body.lines.iter().all(|(tag, _)| *tag == Tag::Context) {
            return Err(changes_nothing(path, number, first).into());
        }
        let ((old_start, _), (new_start, _)) = said.unwrap_or_default();
        hunks.push(MeantHunk {
            hunk: Hunk { old_start, new_start, lines: body.lines },
            header,
            anchors: std::mem::take(&mut anchors),
            at_end: false,
            unmarked_end: false,
        });
    }
    Ok(hunks)
}

/// What the header is worth, once it is known which lines are there. `at` is the line after them.
fn header(
    text: &Text<'_>,
    at: usize,
    said: Option<(Range, Range)>,
    body: &mut Body,
    other_counts: impl Fn((usize, usize)) -> ToolError,
) -> Result<Header, Refusal> {
    let (old, new) = body.counts();
    let missing =
        |said: usize, has: usize| said.checked_sub(has).filter(|more| *more <= body.empty);
    if let Some(said @ ((_, said_old), (_, said_new))) = said {
        match (missing(said_old, old), missing(said_new, new)) {
            (Some(more), Some(same)) if more == same => {
                body.keep_empty(more);
                return Ok(Header::Exact);
            }
            _ => {}
        }
        let separate = body.empty > 0 || ends_here(text, at);
        body.keep_empty(0);
        if !separate {
            return Err(no_line(text, at));
        }
        let ends_in_change = body.lines.last().is_some_and(|(tag, _)| *tag != Tag::Context);
        // Behind a hunk that was cut off stands nothing that belongs to the patch.
        let goes_on = text.head(at).is_some_and(|line| !line.is_empty()) && ends_here(text, at);
        let may_be_cut = ends_in_change && !goes_on;
        if may_be_cut && (said_new > new || text.ends_within_a_line && said_old > old) {
            return Err(other_counts((old, new)).into());
        }
        let cut_off = (may_be_cut && said_old > old).then(|| other_counts((old, new)));
        return Ok(Header::OtherCounts { said, cut_off });
    }
    let separate = body.empty > 0 || ends_here(text, at);
    body.keep_empty(0);
    // A line that has lost its mark would be left out as prose.
    if separate { Ok(Header::Missing) } else { Err(no_line(text, at)) }
}

fn no_line(text: &Text<'_>, at: usize) -> Refusal {
    not_a_patch(at + 1, text.head(at).unwrap_or_default()).into()
}

/// Whether what comes after a hunk's lines cannot be a line of it.
fn ends_here(text: &Text<'_>, at: usize) -> bool {
    text.head(at).is_none_or(|line| {
        line.is_empty()
            || line.starts_with("@@")
            || line.starts_with("diff --git ")
            || line.starts_with("*** ")
            || line.trim_start().starts_with("```")
            || text.starts_file(at)
            || text.is_signature(at)
    })
}

/// The line that a header names in place of line numbers, or behind unreadable ones.
pub(super) fn anchor(header: &str) -> Option<String> {
    let rest = header.trim_start_matches('@').trim();
    let (first, second) = rest.split_once("@@").unwrap_or((rest, ""));
    let numbers = |text: &str| {
        text.starts_with(['-', '+', '.', '…'])
            && text.chars().all(|c| c.is_ascii_digit() || "-+,. …".contains(c))
    };
    let text = if numbers(first.trim()) { second } else { first };
    let text = text.trim();
    (!text.is_empty() && !numbers(text)).then(|| text.to_owned())
}
