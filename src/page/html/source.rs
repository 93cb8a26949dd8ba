//! The lines of a file around a finding.

use mcp_workspace_tools::review::{Excerpt, Line};
use mcp_workspace_tools::text::markup::Markup;

/// Adds the table of lines, with a word about whether the file has changed since.
pub(super) fn table(out: &mut Markup, excerpt: &Excerpt) {
    if excerpt.changed {
        out.raw("<p class=\"problem\">The file has changed since the finding was written; the lines may have moved.</p>\n");
    }
    out.raw("<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Source\"><table class=\"source\">\n<tbody>\n");
    for line in &excerpt.lines {
        out.raw(if line.marked {
            "<tr class=\"marked\"><th scope=\"row\">"
        } else {
            "<tr><th scope=\"row\">"
        });
        out.number(line.number).raw("</th><td>");
        shown(out, &line.text, line.cut_bytes);
        out.raw("</td></tr>\n");
    }
    out.raw("</tbody></table></div>\n");
}

/// A line, cut visibly where it is long. Says whether it was.
pub(super) fn line_text(out: &mut Markup, line: &str) -> bool {
    let (text, cut_bytes) = Line::cut(line);
    shown(out, text, cut_bytes);
    cut_bytes.is_some()
}

fn shown(out: &mut Markup, text: &str, cut_bytes: Option<u64>) {
    out.text(text);
    if let Some(bytes) = cut_bytes {
        out.raw(" <em>[line cut here; it has ").number(bytes).raw(" bytes]</em>");
    }
}
