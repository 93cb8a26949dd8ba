//! Explains why a hunk does not fit, so that the next try succeeds.

use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::version::shown;

use super::{Hunk, lines, version};

/// Lines shown before and after the place.
const AROUND: usize = 3;
/// Longest line shown, in characters.
const MAX_SHOWN: usize = 200;

/// A hunk that does not fit its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The file.
    pub path: WorkspacePath,
    /// The hunk, from 1, and how many the file has.
    pub hunk: (usize, usize),
    /// What is wrong.
    pub reason: Reason,
    /// Lines that are there, with their numbers.
    pub nearby: Vec<(usize, String)>,
    /// Whether the file has CRLF line ends and the hunk has not.
    pub crlf: bool,
    /// The version of the file as it is.
    pub version: String,
}

/// What is wrong with the place of a hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A line is not what the hunk says.
    Differs {
        /// The line of the file, from 1.
        line: usize,
        /// The hunk's line with its end.
        expected: Vec<u8>,
        /// The file's line with its end; none beyond the file's end.
        found: Option<Vec<u8>>,
    },
    /// The hunk fits at several places, and not at the one that it names.
    Ambiguous {
        /// Where, at most ten of them.
        lines: Vec<usize>,
    },
    /// The hunk is not where its header says, and it takes too long to look for it elsewhere.
    Elsewhere {
        /// The header's line.
        line: usize,
    },
    /// What the hunk would make is there already.
    AlreadyApplied {
        /// Where.
        line: usize,
    },
    /// The hunk ends with a change, so it belongs to the end of the file, and does not fit there.
    NotAtEnd {
        /// Where the lines are instead.
        line: usize,
    },
    /// The hunk only adds lines, after a last line that has no newline.
    OpenEnd {
        /// That line.
        line: usize,
    },
    /// The hunk starts at line 1, and does not fit there.
    NotAtStart {
        /// Where the lines are instead.
        line: usize,
    },
    /// The hunk fits only before the end of the hunk before it.
    OutOfOrder {
        /// Where.
        line: usize,
    },
}

impl Mismatch {
    pub(super) fn new(
        path: &WorkspacePath,
        base: &[u8],
        number: (usize, usize),
        hunk: &Hunk,
        reason: Reason,
    ) -> Mismatch {
        let at = match &reason {
            Reason::Differs { line, .. }
            | Reason::Elsewhere { line }
            | Reason::AlreadyApplied { line }
            | Reason::NotAtEnd { line }
            | Reason::NotAtStart { line }
            | Reason::OpenEnd { line }
            | Reason::OutOfOrder { line } => Some(*line),
            Reason::Ambiguous { .. } => None,
        };
        Mismatch {
            path: path.clone(),
            hunk: number,
            nearby: at.map(|at| around(base, at)).unwrap_or_default(),
            crlf: has_crlf(base) && !hunk.lines.iter().any(|(_, line)| line.ends_with(b"\r\n")),
            version: version(base),
            reason,
        }
    }
}

/// The lines about line `at`, with their numbers, from 1.
pub(super) fn around(base: &[u8], at: usize) -> Vec<(usize, String)> {
    let file = lines(base);
    // Beyond the end, the last lines.
    let at = at.min(file.len());
    let first = at.saturating_sub(AROUND).max(1);
    let numbered = file.iter().enumerate().map(|(index, line)| (index + 1, readable(line)));
    numbered.skip(first - 1).take(at + AROUND + 1 - first).collect()
}

pub(super) fn has_crlf(bytes: &[u8]) -> bool {
    lines(bytes).first().is_some_and(|line| line.ends_with(b"\r\n"))
}

/// The numbered lines as text.
pub(super) fn numbered(lines: &[(usize, String)]) -> String {
    lines
        .iter()
        .map(|(number, line)| match line.as_str() {
            "" => format!("\n{number:>6}"),
            line => format!("\n{number:>6}\t{line}"),
        })
        .collect()
}

/// A line without its end, as far as it can be shown.
pub(super) fn readable(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    shorten(&String::from_utf8_lossy(line))
}

fn shorten(line: &str) -> String {
    let mut short: String = line.chars().take(MAX_SHOWN).collect();
    if line.chars().nth(MAX_SHOWN).is_some() {
        short.push('…');
    }
    short
}

/// A line with every blank visible: `·` a space, `→` a tab, `␍` and `␊` its end.
pub(super) fn visible(line: &[u8]) -> String {
    let shown: String = String::from_utf8_lossy(line)
        .chars()
        .map(|character| match character {
            ' ' => '·',
            '\t' => '→',
            '\r' => '␍',
            '\n' => '␊',
            other => other,
        })
        .collect();
    shorten(&shown)
}

/// Whether two lines are equal but for blanks and line ends.
pub(super) fn same_but_blanks(one: &[u8], other: &[u8]) -> bool {
    let inked = |line: &[u8]| {
        line.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<_>>()
    };
    inked(one) == inked(other)
}

impl From<Box<Mismatch>> for ToolError {
    fn from(mismatch: Box<Mismatch>) -> ToolError {
        let Mismatch { path, hunk: (hunk, hunks), reason, nearby, crlf, version } = *mismatch;
        let (what, mut hint) = explain(&reason);
        let mut message = format!("hunk {hunk} of {hunks} does not fit `{path}`: {what}");
        if !nearby.is_empty() {
            message.push_str("\nlines of the file as it is:");
            message.push_str(&numbered(&nearby));
        }
        message.push_str(&format!("\nversion of the file: {}", shown(&version)));
        if crlf {
            hint =
                "the file has CRLF line ends, and the patch has not: end its lines in `\\r\\n`, \
                    or give `edits` with `\\r\\n`"
                    .to_owned();
        }
        ToolError::new(Code::PatchDoesNotApply, message).hint(hint)
    }
}

fn explain(reason: &Reason) -> (String, String) {
    let again = "make the patch again from the lines above; nothing was stored";
    match reason {
        Reason::Differs { line, expected, found: None } => (
            format!("the file ends before line {line}\nexpected: `{}`", readable(expected)),
            again.to_owned(),
        ),
        Reason::Differs { line, expected, found: Some(found) } => {
            let (what, show): (_, fn(&[u8]) -> String) = if same_but_blanks(expected, found) {
                (" in white space only (· space, → tab, ␍␊ line end)", visible)
            } else {
                ("", readable)
            };
            (
                format!(
                    "line {line} differs{what}\nexpected: `{}`\nfound:    `{}`",
                    show(expected),
                    show(found)
                ),
                again.to_owned(),
            )
        }
        Reason::Ambiguous { lines } => {
            let all: Vec<String> = lines.iter().map(usize::to_string).collect();
            (
                format!(
                    "its lines are not where its header says, and are at lines {}",
                    all.join(", ")
                ),
                "correct the line number of the hunk's header, or give more context".to_owned(),
            )
        }
        Reason::Elsewhere { line } => (
            format!(
                "its lines are not at line {line}, where its header says, and the file is too long \
                 to look for so many lines everywhere"
            ),
            "correct the line number of the hunk's header, or propose the change in smaller parts"
                .to_owned(),
        ),
        Reason::AlreadyApplied { line } => (
            format!("what it would make is there already, at line {line}"),
            "leave the hunk out if the change is done; nothing was stored".to_owned(),
        ),
        Reason::NotAtEnd { line } => (
            format!(
                "it has no unchanged line after its last change, which means the end of the file, \
                 but its lines are at line {line}"
            ),
            "add the unchanged lines that follow, up to three, and count them in the header"
                .to_owned(),
        ),
        Reason::NotAtStart { line } => (
            format!("its header says line 1, but its lines are at line {line}"),
            "correct the line number of the hunk's header".to_owned(),
        ),
        Reason::OpenEnd { line } => (
            format!("it adds lines after line {line}, the last one, which has no newline"),
            "replace that line too: `-` with `\\ No newline at end of file` below it, then `+`"
                .to_owned(),
        ),
        Reason::OutOfOrder { line } => (
            format!("it fits at line {line}, which the hunk before it covers or has passed"),
            "give hunks in the order of the file, and join those that touch".to_owned(),
        ),
    }
}
