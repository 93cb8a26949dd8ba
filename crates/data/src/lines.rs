//! Text that is made a line at a time, when it is read.
use std::io::{self, Read};

use crate::error::TableError;

/// What makes the lines of a text.
pub(crate) trait Lines: Send {
    /// Makes the next line in `line`, which is empty, with its end; false behind the last.
    fn next(&mut self, line: &mut String) -> Result<bool, TableError>;
}

/// A text as it is made.
pub(crate) struct Made<L> {
    lines: L,
    line: String,
    at: usize,
    ended: bool,
    failed: Option<TableError>,
}

impl<L: Lines> Made<L> {
    pub(crate) fn new(lines: L) -> Made<L> {
        Made { lines, line: String::new(), at: 0, ended: false, failed: None }
    }
}

impl<L: Lines> Read for Made<L> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(space) = buffer.get_mut(filled..).filter(|space| !space.is_empty()) {
            let rest = self.line.as_bytes().get(self.at..).unwrap_or_default();
            if rest.is_empty() {
                self.line.clear();
                self.at = 0;
                if self.ended {
                    // What was made before it is given first.
                    if filled == 0
                        && let Some(error) = self.failed.take()
                    {
                        return Err(io::Error::other(error));
                    }
                    break;
                }
                match self.lines.next(&mut self.line) {
                    Ok(more) => self.ended = !more,
                    Err(error) => {
                        self.line.clear();
                        (self.ended, self.failed) = (true, Some(error));
                    }
                }
                continue;
            }
            let length = rest.len().min(space.len());
            space
                .get_mut(..length)
                .unwrap_or_default()
                .copy_from_slice(rest.get(..length).unwrap_or_default());
            self.at += length;
            filled += length;
        }
        Ok(filled)
    }
}

/// The text in one line: control characters as their pictures.
pub(crate) fn one_line(text: &str) -> String {
    text.chars().map(visible).collect()
}

/// C0 control characters and DEL as their pictures.
pub(crate) fn visible(character: char) -> char {
    match character {
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(character)).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        other => other,
    }
}
