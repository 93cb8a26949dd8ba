//! Says why a hunk does not fit: the first line that differs, what is there, and what to do.

use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;

use super::apply::{Misfit, Reason, declared, places};
use super::read::{FilePatch, Hunk};
use super::{lines_of, version};

/// Lines that are shown before and after the first one that differs.
const AROUND: usize = 5;
/// Longest line that is shown, in characters.
const LINE_CHARS: usize = 160;
/// Most old lines by which the best candidate is judged.
const JUDGED: usize = 40;
/// Most places that are named.
const NAMED: usize = 8;

/// The error for a file whose hunks do not fit.
pub(super) fn error(file: &FilePatch, old: &[u8], misfit: &Misfit) -> ToolError {
    let path = file.path();
    let lines = lines_of(old);
    if already_applied(&lines, &file.hunks) {
        return does_not_apply(format!(
            "`{path}` is already as the patch wants it: every hunk is already applied\n{}",
            version_line(&path, old)
        ))
        .hint("leave the file out of the patch");
    }
    let Some(hunk) = file.hunks.get(misfit.hunk) else {
        return does_not_apply(format!("the patch does not fit `{path}`"));
    };
    let name = format!("hunk {} of `{path}`", misfit.hunk + 1);
    let version = version_line(&path, old);
    let (what, hint) = match &misfit.reason {
        Reason::Differs => return differs(&name, &path, old, &lines, hunk),
        Reason::Ambiguous(places) => (
            format!(
                "{name} does not fit at line {} and fits at several other places: lines {}",
                hunk.old_start,
                listed(places)
            ),
            "give more context lines, or the right line numbers in the `@@` line",
        ),
        Reason::NotAtStart(places) => (
            format!(
                "{name} says that it starts at line 1, but its lines are at line {}",
                listed(places)
            ),
            "write the right line numbers in the `@@` line, or use `edits`, which need none",
        ),
        Reason::NotAtEnd(places) => (
            format!(
                "{name} has no context line after its last change, so it must end at the last \
                 line of the file, but its lines are at line {}",
                listed(places)
            ),
            "add the lines that follow in the file as context (up to 3), or use `edits`",
        ),
        Reason::OutOfOrder(line) => (
            format!("{name} fits only at line {line}, at or before the hunk before it"),
            "put the hunks of a file in the order of their lines, without overlap",
        ),
        Reason::NoContext => (
            format!(
                "{name} only adds lines and has no context, so its place in the file cannot be \
                 checked; without context, lines can only be added at the end: after line {}",
                lines.len()
            ),
            "add the lines before and after as context, or use `edits`",
        ),
        Reason::TooManyMoved => (
            format!("{name} and many before it are not at the lines that they name"),
            "read the file again and make the patch from what is there",
        ),
        Reason::UnfinishedLastLine => (
            format!("{name} adds lines after the last line of `{path}`, which has no newline"),
            "replace that last line too: `-` with `\\ No newline at end of file` below it, then \
             `+` with the same line",
        ),
    };
    does_not_apply(format!("{what}\n{version}")).hint(hint)
}

/// The error for an old state that cannot be patched at all.
pub(super) fn does_not_apply(message: impl Into<String>) -> ToolError {
    ToolError::new(Code::PatchDoesNotApply, message)
}

/// `current version of … : …`
pub(super) fn version_line(path: &WorkspacePath, bytes: &[u8]) -> String {
    format!("current version of `{path}`: {}", version(bytes))
}

fn differs(name: &str, path: &WorkspacePath, old: &[u8], file: &[&[u8]], hunk: &Hunk) -> ToolError {
    let version = version_line(path, old);
    let wanted = hunk.old_lines();
    if !places(file, &hunk.new_lines()).is_empty() && hunk.new_lines().len() > 1 {
        return does_not_apply(format!("{name} is already applied\n{version}"))
            .hint("leave that hunk out");
    }
    if file.is_empty() {
        return does_not_apply(format!("{name} does not apply: the file is empty\n{version}"))
            .hint("add the lines with `@@ -0,0 +1,COUNT @@`");
    }
    if let Some(why) = line_endings(file, &wanted) {
        return does_not_apply(format!("{name} does not apply: {why}\n{version}")).hint(
            "write the same line endings in each ` `, `-` and `+` line of the patch, or use \
             `edits` within single lines",
        );
    }
    let near = declared(hunk, &wanted);
    let at = best_candidate(file, &wanted, near);
    let same = (0..wanted.len())
        .take_while(|line| {
            file.get(at + line).is_some_and(|found| wanted.get(*line) == Some(found))
        })
        .count();
    let differing = at + same;
    let expected = wanted.get(same).copied().unwrap_or_default();
    let found = file.get(differing).copied();
    let (expected, found) = shown_pair(expected, found);
    does_not_apply(format!(
        "{name} does not apply: line {} differs\n  expected: {expected}\n  found:    {found}\n\
         there now:\n{}{version}",
        differing + 1,
        numbered(file, differing)
    ))
    .hint(
        "make the hunk from the lines above, exactly; or use `edits` with an `old_text` that is \
         copied from the file",
    )
}

/// Whether the line endings alone keep the lines from fitting.
fn line_endings(file: &[&[u8]], wanted: &[&[u8]]) -> Option<&'static str> {
    let crlf = |line: &&[u8]| line.ends_with(b"\r\n");
    let bare = |line: &&[u8]| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line).to_vec()
    };
    let (in_file, in_patch) =
        (file.iter().filter(|line| crlf(line)).count(), wanted.iter().filter(|l| crlf(l)).count());
    let bare_file: Vec<Vec<u8>> = file.iter().map(bare).collect();
    let bare_wanted: Vec<Vec<u8>> = wanted.iter().map(bare).collect();
    if !bare_file.windows(bare_wanted.len()).any(|window| *window == bare_wanted) {
        return None;
    }
    match (in_file, in_patch) {
        (1.., 0) => Some("the file has CRLF line endings (`\\r\\n`) and the patch has LF (`\\n`)"),
        (0, 1..) => Some("the file has LF line endings (`\\n`) and the patch has CRLF (`\\r\\n`)"),
        (1.., 1..) => Some("the line endings differ (`\\r\\n` and `\\n`)"),
        _ => None,
    }
}

/// The index at which most of the wanted lines stand; the nearest to the declared one of equals.
fn best_candidate(file: &[&[u8]], wanted: &[&[u8]], near: usize) -> usize {
    let score = |at: usize| {
        wanted
            .iter()
            .take(JUDGED)
            .enumerate()
            .filter(|(line, wanted)| file.get(at + line) == Some(*wanted))
            // A brace or an empty line says little about the place.
            .map(|(_, line)| if line.trim_ascii().len() > 2 { 4 } else { 1 })
            .sum::<usize>()
    };
    let last = file.len().saturating_sub(1);
    (0..file.len())
        .max_by_key(|at| (score(*at), std::cmp::Reverse(at.abs_diff(near.min(last)))))
        .unwrap_or(0)
}

/// Whether the file has the new side of every hunk, in order.
fn already_applied(file: &[&[u8]], hunks: &[Hunk]) -> bool {
    let mut from = 0;
    hunks.iter().all(|hunk| {
        let wanted = hunk.new_lines();
        let rest = file.get(from..).unwrap_or_default();
        match places(rest, &wanted).first() {
            // One brace proves nothing.
            Some(at) if wanted.iter().any(|line| line.trim_ascii().len() > 2) => {
                from += at + wanted.len();
                true
            }
            _ => false,
        }
    })
}

/// Both lines as a model sees them; white space made visible if that is all that differs.
fn shown_pair(expected: &[u8], found: Option<&[u8]>) -> (String, String) {
    let Some(found) = found else {
        return (shown(expected), "(the file ends here)".to_owned());
    };
    let solid =
        |line: &[u8]| line.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect::<Vec<_>>();
    if solid(expected) == solid(found) {
        (visible(expected), format!("{} (only white space differs)", visible(found)))
    } else {
        (shown(expected), shown(found))
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LINE_CHARS) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A line without its ending, invalid bytes and control characters replaced, cut if long.
pub(super) fn shown(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = String::from_utf8_lossy(line);
    let text: String =
        text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
    format!("`{}`", cut(&text))
}

/// A line with its white space visible: `·` space, `→` tab, `␍` carriage return.
fn visible(line: &[u8]) -> String {
    let (line, end) = match line.strip_suffix(b"\n") {
        Some(line) => (line, ""),
        None => (line, " (no newline at the end)"),
    };
    let text = String::from_utf8_lossy(line).replace(' ', "·").replace('\t', "→");
    format!("`{}`{end}", cut(&text.replace('\r', "␍")))
}

/// The lines around one, with their numbers.
pub(super) fn numbered(file: &[&[u8]], around: usize) -> String {
    let from = around.saturating_sub(AROUND);
    let to = (around + AROUND + 1).min(file.len());
    let from = from.min(to.saturating_sub(2 * AROUND));
    file.iter().enumerate().take(to).skip(from).fold(String::new(), |text, (index, line)| {
        let line = shown(line);
        let line = line.strip_prefix('`').and_then(|line| line.strip_suffix('`'));
        format!("{text}{:>6}  {}\n", index + 1, line.unwrap_or_default())
    })
}

pub(super) fn listed(places: &[usize]) -> String {
    let mut named: Vec<String> = places.iter().take(NAMED).map(usize::to_string).collect();
    if places.len() > NAMED {
        named.push(format!("and {} more", places.len() - NAMED));
    }
    named.join(", ")
}
