//! The lines of a file around a finding, read under the reviewer's own grant.

use mcp_workspace_tools::call::Call;
use mcp_workspace_tools::error::{Code, ToolError};
use mcp_workspace_tools::patch::version;
use mcp_workspace_tools::path::WorkspacePath;
use mcp_workspace_tools::records::finding::Location;
use mcp_workspace_tools::text::decode_whole;
use mcp_workspace_tools::text::markup::Markup;
use mcp_workspace_tools::workspace::Scope;

/// Lines before and after the region.
const AROUND: usize = 8;
/// Lines that are shown at most.
const MOST: usize = 400;
/// Characters of a line that are shown.
pub const LINE_CHARS: usize = 2_000;

/// The table of lines, with a word about whether the file has changed since.
///
/// # Errors
/// When the file cannot be read, or is no text.
pub fn around(scope: &Scope, location: &Location, call: &Call) -> Result<Markup, ToolError> {
    let path = WorkspacePath::parse(&location.path)?;
    let bytes = scope.read_whole(&path, call)?;
    let changed = location.file_version.as_ref().is_some_and(|seen| *seen != version(&bytes));
    let Some((text, _)) = decode_whole(&bytes) else {
        return Err(ToolError::new(Code::InvalidArgument, format!("`{path}` is a binary file")));
    };
    let start = location.start_line.and_then(|line| usize::try_from(line).ok()).unwrap_or(0);
    let end = location.end_line.and_then(|line| usize::try_from(line).ok()).unwrap_or(start);
    let first = start.saturating_sub(AROUND).max(1);
    let last = end.max(start).saturating_add(AROUND).min(first + MOST);
    let mut table = Markup::new();
    if changed {
        table.raw("<p class=\"problem\">The file has changed since the finding was written; the lines may have moved.</p>\n");
    }
    table.raw("<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Source\"><table class=\"source\">\n<tbody>\n");
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    for (number, line) in lines.skip(first - 1).take(last + 1 - first) {
        let marked = (start..=end).contains(&number);
        table.raw(if marked {
            "<tr class=\"marked\"><th scope=\"row\">"
        } else {
            "<tr><th scope=\"row\">"
        });
        table.number(number as u64).raw("</th><td>");
        line_text(&mut table, line);
        table.raw("</td></tr>\n");
    }
    table.raw("</tbody></table></div>\n");
    Ok(table)
}

/// A line, cut visibly where it is long. Says whether it was.
pub fn line_text(out: &mut Markup, line: &str) -> bool {
    match line.char_indices().nth(LINE_CHARS) {
        Some((end, _)) => {
            out.text(line.get(..end).unwrap_or_default()).raw(" <em>[line cut here; it has ");
            out.number(line.len() as u64).raw(" bytes]</em>");
            true
        }
        None => {
            out.text(line);
            false
        }
    }
}
