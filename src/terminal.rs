//! Output on a terminal: harmless text of agents, colours and aligned columns.

use std::fmt::Write;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use mcp_workspace_tools::call::ProgressSink;
use mcp_workspace_tools::text::visible::is_hidden;

/// Bad news.
pub(crate) const RED: Style = AnsiColor::Red.on_default();
/// Good news.
pub(crate) const GREEN: Style = AnsiColor::Green.on_default();
/// Places within a diff.
pub(crate) const CYAN: Style = AnsiColor::Cyan.on_default();
/// What waits for somebody.
pub(crate) const YELLOW: Style = AnsiColor::Yellow.on_default();
/// Headings.
pub(crate) const BOLD: Style = Style::new().bold();

/// Text of an agent in one line: whatever could steer a terminal, hide or reorder text is shown
/// as an escape instead.
pub(crate) fn line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut shown, character| {
        if is_hidden(character) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", character.escape_unicode());
        } else {
            shown.push(character);
        }
        shown
    })
}

/// The same of a text with lines, each indented.
pub(crate) fn block(text: &str, indent: &str) -> String {
    text.lines().map(|text| format!("{indent}{}\n", keeping_tabs(text))).collect()
}

/// A line of a file: tabs stay.
pub(crate) fn keeping_tabs(text: &str) -> String {
    text.split('\t').map(line).collect::<Vec<_>>().join("\t")
}

/// The text in a style. The stream takes it out again where no terminal reads.
pub(crate) fn styled(style: Style, text: &str) -> String {
    format!("{}{text}{}", style.render(), style.render_reset())
}

/// Rows as aligned columns, two blanks between them; the last column is as long as it is.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let width = width(cell);
            match widths.get_mut(column) {
                Some(widest) => *widest = (*widest).max(width),
                None => widths.push(width),
            }
        }
    }
    let mut table = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, &widest)| {
            format!("{cell}{}", " ".repeat(widest.saturating_sub(width(cell))))
        });
        table.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        table.push('\n');
    }
    table
}

/// Characters of a cell that are seen: a style, which [`styled`] alone puts there, is not.
fn width(cell: &str) -> usize {
    let mut styles = cell.split('\u{1b}');
    let before = styles.next().map_or(0, |text| text.chars().count());
    let after = styles.filter_map(|style| style.split_once('m'));
    before + after.map(|(_, text)| text.chars().count()).sum::<usize>()
}

/// Shortest time between two states of the progress line: a slow terminal must not slow the work.
const PROGRESS_PAUSE: Duration = Duration::from_millis(50);
/// Goes to the start of the line and clears it.
const CLEAR: &str = "\r\u{1b}[K";

/// A line on stderr that tells how far long work is. It is gone when this is dropped.
pub(crate) struct ProgressLine {
    shown: Arc<Mutex<Option<Instant>>>,
}

impl ProgressLine {
    /// A line where a terminal reads stderr, none elsewhere.
    pub(crate) fn on_terminal() -> Option<ProgressLine> {
        std::io::stderr().is_terminal().then(|| ProgressLine { shown: Arc::default() })
    }

    /// What work reports to.
    pub(crate) fn sink(&self) -> Arc<ProgressSink> {
        let shown = Arc::clone(&self.shown);
        Arc::new(move |done, message| {
            let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
            if done > 0 && shown.is_none_or(|last| last.elapsed() >= PROGRESS_PAUSE) {
                *shown = Some(Instant::now());
                to_stderr(&format!("{CLEAR}{message}"));
            }
        })
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if self.shown.lock().unwrap_or_else(PoisonError::into_inner).is_some() {
            to_stderr(CLEAR);
        }
    }
}

/// A terminal that has gone away must not end the work.
fn to_stderr(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Prints to stdout, in colours where a terminal reads. A reader that closes early is no fault.
///
/// # Errors
/// When stdout cannot be written.
pub(crate) fn print(text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_instead() {
        assert_eq!(line("a\u{1b}[31mb\rc\u{202e}d\u{9b}"), "a\\u{1b}[31mb\\u{d}c\\u{202e}d\\u{9b}");
        assert_eq!(keeping_tabs("a\tb\u{8}"), "a\tb\\u{8}");
        assert_eq!(line("ünï 漢"), "ünï 漢");
        assert_eq!(block("a\nb\u{1b}c\n", "  "), "  a\n  b\\u{1b}c\n");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = [vec!["a".to_owned(), "bb".to_owned()], vec!["ccc".to_owned(), "d".to_owned()]];
        assert_eq!(table(&rows), "a    bb\nccc  d\n");
        let rows =
            [vec![styled(RED, "a"), "bb".to_owned()], vec!["ccc".to_owned(), "d".to_owned()]];
        assert_eq!(table(&rows), format!("{}    bb\nccc  d\n", styled(RED, "a")));
    }
}
