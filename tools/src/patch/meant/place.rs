//! The places of hunks: where their headers put them, else the one place that has their lines.

use mcp_workspace_stop::StopSignal;

use crate::error::{Code, ToolError};
use crate::patch::apply::{Comparisons, MAX_PLACES, differs, exactly_where_it_says, signed};
use crate::patch::mismatch::{Mismatch, Reason, around, numbered};
use crate::patch::{Hunk, Tag, lines, version};
use crate::path::WorkspacePath;
use crate::version::shown;

use super::index::{Budget, LineIndex, bare};
use super::{Header, MeantHunk};

/// A file after its hunks, and what was adjusted.
pub(in crate::patch) struct Placed {
    pub bytes: Vec<u8>,
    pub adjusted: Vec<String>,
}

/// Why a hunk has no place.
pub(in crate::patch) enum Unplaced {
    /// No place has its lines, or how it is said does not agree; the exact applier may know better.
    Nowhere(ToolError),
    /// More than one place has them, or the search for them ended.
    Told(ToolError),
}

/// Applies hunks to a file's content, in order.
pub(in crate::patch) fn apply(
    path: &WorkspacePath,
    base: &[u8],
    hunks: &[MeantHunk],
    stop: &StopSignal,
) -> Result<Placed, Unplaced> {
    let file = lines(base);
    let mut places = Places { path, base, file: &file, index: None, budget: Budget::new(stop) };
    let mut written: Vec<Vec<u8>> = Vec::new();
    let mut adjusted = Vec::new();
    let (mut done, mut ahead) = (0, 0_isize);
    let mut pieces: Vec<Piece> = Vec::new();
    for (index, meant) in hunks.iter().enumerate() {
        let number = (index + 1, hunks.len());
        let found = places.find(meant, number, ahead)?;
        let start = found.start;
        if start < done {
            let reason = Reason::OutOfOrder { line: start + 1 };
            return Err(Unplaced::Nowhere(places.mismatch(number, &meant.hunk, reason)));
        }
        pieces.push(Piece::File(done..start));
        let old = meant.hunk.old_side();
        let there = file.get(start..start + old.len()).unwrap_or_default();
        let ends = ends_of_added(&meant.hunk, there)
            .ok_or_else(|| Unplaced::Told(places.mixed_ends(number, start)))?;
        let mut next = start;
        for (tag, line) in &meant.hunk.lines {
            match tag {
                Tag::Context => pieces.push(Piece::File(next..next + 1)),
                Tag::Delete => {}
                Tag::Insert => {
                    pieces.push(Piece::Added(written.len()));
                    written.push(ends.give(line));
                }
            }
            next += usize::from(*tag != Tag::Insert);
        }
        let open_end = meant.unmarked_end && open_end_stays(meant, there);
        if open_end && let Some(last) = written.last_mut() {
            last.pop_if(|end| *end == b'\n');
            last.pop_if(|end| *end == b'\r' && ends == Ends::AreCrlf);
        }
        if !found.exact {
            adjusted.extend(describe(path, index + 1, meant, start, there, ends, open_end));
        }
        ahead += signed(meant.hunk.new_side().len()) - signed(old.len());
        done = start + old.len();
    }
    pieces.push(Piece::File(done..file.len()));
    let mut result: Vec<&[u8]> = Vec::with_capacity(file.len());
    for piece in &pieces {
        match piece {
            Piece::File(range) => result.extend(file.get(range.clone()).unwrap_or_default()),
            Piece::Added(at) => result.extend(written.get(*at).map(Vec::as_slice)),
        }
    }
    let before_last = result.len().saturating_sub(1);
    if let Some(at) = result.iter().take(before_last).position(|line| !line.ends_with(b"\n")) {
        let hunk = hunks.last().map(|meant| &meant.hunk);
        let number = (hunks.len(), hunks.len());
        return Err(Unplaced::Nowhere(match hunk {
            Some(hunk) => places.mismatch(number, hunk, Reason::OpenEnd { line: at + 1 }),
            None => ToolError::invalid("the patch has no hunk"),
        }));
    }
    Ok(Placed { bytes: result.concat(), adjusted })
}

/// Where a hunk belongs.
struct Found {
    /// The line, from 0.
    start: usize,
    /// Whether it is exactly there, where its header says.
    exact: bool,
}

/// A part of the result.
enum Piece {
    /// Lines of the file.
    File(std::ops::Range<usize>),
    /// A line that is added.
    Added(usize),
}

/// A file in which places are looked for.
struct Places<'a> {
    path: &'a WorkspacePath,
    base: &'a [u8],
    file: &'a [&'a [u8]],
    index: Option<LineIndex>,
    budget: Budget<'a>,
}

impl Places<'_> {
    fn find(
        &mut self,
        meant: &MeantHunk,
        number: (usize, usize),
        ahead: isize,
    ) -> Result<Found, Unplaced> {
        let hunk = &meant.hunk;
        let exact = match meant.header {
            Header::Exact => exactly_where_it_says(self.file, hunk, ahead),
            _ => None,
        };
        let old = hunk.old_side();
        let start = match exact {
            Some(start) => start,
            None if old.is_empty() && (meant.at_end || self.file.is_empty()) => self.file.len(),
            None if old.is_empty() => return Err(Unplaced::Told(self.without_lines(number))),
            None => self.one_place(meant, number)?,
        };
        if old.is_empty() && start > 0 && self.file.last().is_some_and(|l| !l.ends_with(b"\n")) {
            let reason = Reason::OpenEnd { line: self.file.len() };
            return Err(Unplaced::Nowhere(self.mismatch(number, hunk, reason)));
        }
        match &meant.header {
            Header::OtherCounts { cut_off: Some(error), .. }
                if start + old.len() != self.file.len() =>
            {
                Err(Unplaced::Nowhere(error.clone()))
            }
            _ => Ok(Found { start, exact: exact.is_some() }),
        }
    }

    /// The one place in the whole file that has the hunk's lines.
    fn one_place(&mut self, meant: &MeantHunk, number: (usize, usize)) -> Result<usize, Unplaced> {
        let found = self.candidates(meant).map_err(Unplaced::Told)?;
        match found.as_slice() {
            [only] => return Ok(*only),
            [] => {
                let declared = meant.hunk.old_start.saturating_sub(1);
                let reason = differs(self.file, &meant.hunk, declared, &mut Comparisons::new());
                return Err(Unplaced::Nowhere(self.mismatch(number, &meant.hunk, reason)));
            }
            _ => {}
        }
        let scope = self.scope(&meant.anchors).map_err(Unplaced::Told)?;
        let mut inside = found.iter().filter(|at| scope.as_ref().is_some_and(|s| s.contains(at)));
        match (inside.next(), inside.next(), found.len() < MAX_PLACES) {
            (Some(only), None, true) => Ok(*only),
            _ => Err(Unplaced::Told(self.ambiguous(number, &found))),
        }
    }

    /// Where the hunk's lines are, at most [`MAX_PLACES`].
    fn candidates(&mut self, meant: &MeantHunk) -> Result<Vec<usize>, ToolError> {
        let file = self.file;
        let old: Vec<(Tag, &[u8])> = meant
            .hunk
            .lines
            .iter()
            .filter(|(tag, _)| *tag != Tag::Insert)
            .map(|(tag, line)| (*tag, line.as_slice()))
            .collect();
        let index = self.index.get_or_insert_with(|| LineIndex::new(file));
        // The rarest line is where looking costs least.
        let rarest = old.iter().enumerate().min_by_key(|(_, (_, line))| index.of(line).len());
        let Some((offset, (_, line))) = rarest else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for (_, at) in index.of(line) {
            self.budget.pay(line)?;
            let Some(start) = at.checked_sub(offset) else { continue };
            let end = start + old.len();
            let Some(there) = file.get(start..end) else { continue };
            if meant.at_end && end != file.len() {
                continue;
            }
            let mut fits = true;
            for ((tag, wanted), line) in old.iter().zip(there) {
                self.budget.pay(line)?;
                if !same(*tag, wanted, line, meant.unmarked_end) {
                    fits = false;
                    break;
                }
            }
            if fits {
                found.push(start);
                if found.len() == MAX_PLACES {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The lines that belong to the innermost anchor, each of which must be there once.
    fn scope(&mut self, anchors: &[String]) -> Result<Option<std::ops::Range<usize>>, ToolError> {
        let mut scope = 0..self.file.len();
        for anchor in anchors {
            let mut found = None;
            for at in scope.clone() {
                let line = self.file.get(at).copied().unwrap_or_default();
                self.budget.pay(line)?;
                if line.trim_ascii() == anchor.trim().as_bytes() && found.replace(at).is_some() {
                    return Ok(None);
                }
            }
            let Some(at) = found else { return Ok(None) };
            let depth = indent(self.file.get(at).copied().unwrap_or_default());
            let below = self.file.get(at + 1..scope.end).unwrap_or_default();
            let ends = |line: &&[u8]| {
                let text = line.trim_ascii();
                !text.is_empty() && !matches!(text, b"{" | b"(" | b"[") && indent(line) <= depth
            };
            let end = below.iter().position(ends).map_or(scope.end, |offset| at + 1 + offset);
            scope = at + 1..end;
        }
        Ok((!anchors.is_empty()).then_some(scope))
    }

    fn mismatch(&self, number: (usize, usize), hunk: &Hunk, reason: Reason) -> ToolError {
        Box::new(Mismatch::new(self.path, self.base, number, hunk, reason)).into()
    }

    fn without_lines(&self, (hunk, hunks): (usize, usize)) -> ToolError {
        ToolError::new(
            Code::PatchDoesNotApply,
            format!(
                "hunk {hunk} of {hunks} of `{}` only adds lines and has none of the file, so its \
                 place is not known",
                self.path
            ),
        )
        .hint("give the unchanged lines before and after it, up to three each")
    }

    fn mixed_ends(&self, (hunk, hunks): (usize, usize), start: usize) -> ToolError {
        ToolError::new(
            Code::PatchDoesNotApply,
            format!(
                "hunk {hunk} of {hunks} of `{}`: at line {} lines end partly in CRLF and partly in \
                 LF, so it is not known how the added ones shall end",
                self.path,
                start + 1
            ),
        )
        .hint("end each line of the patch as the file has it: `\\r\\n` or `\\n`")
    }

    fn ambiguous(&self, (hunk, hunks): (usize, usize), found: &[usize]) -> ToolError {
        let all: Vec<String> = found.iter().map(|at| (at + 1).to_string()).collect();
        let more = if found.len() == MAX_PLACES { " and perhaps more" } else { "" };
        let mut message = format!(
            "hunk {hunk} of {hunks} fits `{}` at more than one place: lines {}{more}",
            self.path,
            all.join(", ")
        );
        for at in found.iter().take(2) {
            message.push_str(&format!("\nlines of the file at line {}:", at + 1));
            message.push_str(&numbered(&around(self.base, at + 1)));
        }
        message.push_str(&format!("\nversion of the file: {}", shown(&version(self.base))));
        ToolError::new(Code::PatchDoesNotApply, message)
            .hint("add unchanged lines before or after the change until only one place has them")
    }
}

/// Whether a line of the hunk is this line of the file, but for the blanks at its end.
fn same(tag: Tag, wanted: &[u8], there: &[u8], unmarked_end: bool) -> bool {
    let ends = match (wanted.ends_with(b"\n"), there.ends_with(b"\n")) {
        (true, true) | (false, false) => true,
        // The file goes on.
        (false, true) => false,
        // An unchanged line stays as it is. What becomes of a changed one's end must be said.
        (true, false) => tag == Tag::Context || unmarked_end,
    };
    ends && bare(wanted) == bare(there)
}

fn indent(line: &[u8]) -> usize {
    line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

/// How the lines that a hunk adds end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// As the patch says.
    AsWritten,
    /// In CRLF, where the patch has LF.
    AreCrlf,
    /// In LF, where the patch has CRLF.
    AreLf,
}

impl Ends {
    fn give(self, line: &[u8]) -> Vec<u8> {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let end: &[u8] = if text.len() == line.len() { b"" } else { b"\n" };
        match self {
            Ends::AsWritten => line.to_vec(),
            Ends::AreCrlf if end.is_empty() => text.to_vec(),
            Ends::AreCrlf => [text, b"\r\n"].concat(),
            Ends::AreLf => [text.strip_suffix(b"\r").unwrap_or(text), end].concat(),
        }
    }
}

/// How added lines end; none where the lines about them do not say.
fn ends_of_added(hunk: &Hunk, there: &[&[u8]]) -> Option<Ends> {
    let old = hunk.old_side();
    let crlf = |line: &[u8]| line.ends_with(b"\r\n");
    let pairs = || {
        let both = old.iter().zip(there);
        both.filter(|(wanted, line)| wanted.ends_with(b"\n") && line.ends_with(b"\n"))
            .map(|(wanted, line)| (crlf(wanted), crlf(line)))
    };
    let mut added = hunk.lines.iter().filter(|(tag, _)| *tag == Tag::Insert);
    if pairs().all(|(wanted, line)| wanted == line) || hunk.new_side().is_empty() {
        return Some(Ends::AsWritten);
    }
    let (wanted, line) = pairs().next()?;
    let uniform = wanted != line && pairs().all(|pair| pair == (wanted, line));
    let as_the_rest = added.clone().all(|(_, line)| !line.ends_with(b"\n") || crlf(line) == wanted);
    match uniform && as_the_rest {
        true => Some(if line { Ends::AreCrlf } else { Ends::AreLf }),
        // Nothing is added, so nothing needs an end.
        false => added.next().is_none().then_some(Ends::AsWritten),
    }
}

/// Whether the hunk replaces the file's last line, which has no newline, so that the new one has
/// none either.
fn open_end_stays(meant: &MeantHunk, there: &[&[u8]]) -> bool {
    there.last().is_some_and(|line| !line.ends_with(b"\n"))
        && meant.hunk.lines.last().is_some_and(|(tag, _)| *tag == Tag::Insert)
        && meant
            .hunk
            .lines
            .iter()
            .rfind(|(tag, _)| *tag != Tag::Insert)
            .is_some_and(|(tag, _)| *tag == Tag::Delete)
}

/// How a hunk was read that is not exactly where its header says.
fn describe(
    path: &WorkspacePath,
    number: usize,
    meant: &MeantHunk,
    start: usize,
    there: &[&[u8]],
    ends: Ends,
    open_end: bool,
) -> Vec<String> {
    let mut said = Vec::new();
    let line = start + 1;
    let old = meant.hunk.old_side();
    match &meant.header {
        Header::Missing => said.push(format!("has no line numbers and was found at line {line}")),
        _ if meant.hunk.old_start != line && !old.is_empty() => {
            said.push(format!("says line {} and was found at line {line}", meant.hunk.old_start));
        }
        _ => {}
    }
    if let Header::OtherCounts { said: ((_, of_old), (_, of_new)), .. } = &meant.header {
        let (old, new) = (old.len(), meant.hunk.new_side().len());
        said.push(format!("says {of_old} old and {of_new} new lines and has {old} and {new}"));
    }
    let text = |line: &[u8]| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line).to_vec()
    };
    if old.iter().zip(there).any(|(wanted, line)| text(wanted) != text(line)) {
        said.push("has other blanks at line ends; unchanged lines stay as they are".to_owned());
    }
    match ends {
        Ends::AsWritten => {}
        Ends::AreCrlf => {
            said.push("ends its lines in LF; they end in CRLF as the file's".to_owned())
        }
        Ends::AreLf => said.push("ends its lines in CRLF; they end in LF as the file's".to_owned()),
    }
    let is_open = |line: Option<&&[u8]>| line.is_some_and(|line| !line.ends_with(b"\n"));
    if open_end || is_open(there.last()) && !is_open(old.last()) {
        said.push("leaves the last line without a newline, as it was".to_owned());
    }
    if said.is_empty() {
        said.push(format!("was found at line {line}, the only place that has its lines"));
    }
    said.into_iter().map(|what| format!("hunk {number} of {path} {what}")).collect()
}
