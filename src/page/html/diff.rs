//! A stored diff side by side.

use mcp_workspace_tools::patch::{ChangeKind, FileChange, Hunk, Tag};
use mcp_workspace_tools::text::markup::Markup;

use super::source::line_text;

/// Rows of one table: a browser lays out only the tables that are in view.
const TABLE_ROWS: usize = 100;
/// Rows of all files together.
const MOST_ROWS: usize = 20_000;

/// Two sides of a line; none where a side has no such line.
struct Row<'a> {
    changed: bool,
    old: Option<(usize, &'a [u8])>,
    new: Option<(usize, &'a [u8])>,
}

/// Adds the files. Says whether lines were cut or left out.
pub(super) fn files(out: &mut Markup, changes: &[FileChange]) -> bool {
    let mut cut = false;
    let mut left = MOST_ROWS;
    for change in changes {
        out.raw("<section class=\"file\" aria-label=\"").text(change.path.as_str());
        out.raw("\">\n<h3><code>");
        if let Some(old) = &change.old_path {
            out.text(old.as_str()).raw(" → ");
        }
        out.text(change.path.as_str()).raw("</code> <span class=\"soft\">");
        out.raw(match change.kind {
            ChangeKind::Create => "new file",
            ChangeKind::Modify => "changed",
            ChangeKind::Delete => "deleted",
            ChangeKind::Rename => "renamed",
        });
        if let (Some(old), Some(new)) = (change.old_mode, change.new_mode) {
            out.raw(", mode ").raw(old.as_str()).raw(" → ").raw(new.as_str());
        }
        out.raw("</span></h3>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Changes of ");
        out.text(change.path.as_str()).raw("\" data-diff>\n");
        for hunk in &change.hunks {
            let rows = rows(hunk);
            for chunk in rows.chunks(TABLE_ROWS) {
                if left < chunk.len() {
                    cut = true;
                    break;
                }
                left -= chunk.len();
                cut |= table(out, chunk);
            }
        }
        out.raw("</div>\n</section>\n");
    }
    cut
}

fn table(out: &mut Markup, rows: &[Row<'_>]) -> bool {
    let mut cut = false;
    out.raw("<table class=\"diff\"><colgroup><col class=\"n\"><col><col class=\"n\"><col></colgroup><thead class=\"hidden\"><tr><th scope=\"col\">Line before</th><th scope=\"col\">Before</th><th scope=\"col\">Line after</th><th scope=\"col\">After</th></tr></thead><tbody>\n");
    for row in rows {
        out.raw(if row.changed { "<tr data-change>" } else { "<tr>" });
        cut |= side(out, row.old, row.changed, ["<td class=\"old\"><del>", "</del></td>"]);
        cut |= side(out, row.new, row.changed, ["<td class=\"new\"><ins>", "</ins></td>"]);
        out.raw("</tr>\n");
    }
    out.raw("</tbody></table>\n");
    cut
}

fn side(
    out: &mut Markup,
    side: Option<(usize, &[u8])>,
    changed: bool,
    [open, close]: [&'static str; 2],
) -> bool {
    let Some((number, line)) = side else {
        out.raw("<td class=\"n none\"></td><td class=\"none\"></td>");
        return false;
    };
    let (open, close) = if changed { (open, close) } else { ("<td>", "</td>") };
    out.raw("<td class=\"n\">").number(number as u64).raw("</td>").raw(open);
    let text = String::from_utf8_lossy(line);
    let (text, ended) = match text.strip_suffix('\n') {
        Some(text) => (text, true),
        None => (&*text, false),
    };
    let cut = line_text(out, text);
    out.raw(if ended { "" } else { " <em>[no newline at the end]</em>" }).raw(close);
    cut
}

/// Lines that go and lines that come are put beside each other, in their order.
fn rows(hunk: &Hunk) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::with_capacity(hunk.lines.len());
    let (mut old, mut new) = (hunk.old_start, hunk.new_start);
    // The first row of the block of changes that still lacks its new side.
    let mut waiting = 0;
    for (tag, line) in &hunk.lines {
        let line = line.as_slice();
        match tag {
            Tag::Context => {
                rows.push(Row { changed: false, old: Some((old, line)), new: Some((new, line)) });
                (old, new, waiting) = (old + 1, new + 1, rows.len());
            }
            Tag::Delete => {
                rows.push(Row { changed: true, old: Some((old, line)), new: None });
                old += 1;
            }
            Tag::Insert => {
                match rows.get_mut(waiting) {
                    Some(row) => row.new = Some((new, line)),
                    None => rows.push(Row { changed: true, old: None, new: Some((new, line)) }),
                }
                waiting += 1;
                new += 1;
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_stands_beside_what_comes() {
        let line = |tag, text: &str| (tag, text.as_bytes().to_vec());
        let hunk = Hunk {
            old_start: 5,
            new_start: 7,
            lines: vec![
                line(Tag::Context, "a\n"),
                line(Tag::Delete, "b\n"),
                line(Tag::Delete, "c\n"),
                line(Tag::Insert, "d\n"),
                line(Tag::Context, "e\n"),
                line(Tag::Insert, "f\n"),
            ],
        };
        let numbers: Vec<_> = rows(&hunk)
            .iter()
            .map(|row| (row.old.map(|(number, _)| number), row.new.map(|(number, _)| number)))
            .collect();
        let expected = [
            (Some(5), Some(7)),
            (Some(6), Some(8)),
            (Some(7), None),
            (Some(8), Some(9)),
            (None, Some(10)),
        ];
        assert_eq!(numbers, expected);
    }
}
