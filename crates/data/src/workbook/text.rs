//! The sheets of a workbook as text: a row a line, its cells between tabs.
use super::row::{Datum, Row};
use super::{Rows, Workbook};
use crate::error::TableError;
use crate::lines::{Lines, visible};

/// The lines of one sheet, or of all with a heading before each.
pub(crate) struct SheetLines {
    book: Workbook,
    /// The sheets that are to come, and whether each gets a heading.
    sheets: std::vec::IntoIter<(usize, String)>,
    headed: bool,
    rows: Option<Box<dyn Rows>>,
    row: Row,
    /// Whether the row is still to be given.
    waiting: bool,
    /// Lines of the sheet so far: a line is the row of its number.
    given: u64,
}

impl SheetLines {
    /// The lines of one sheet: line n is row n.
    pub(crate) fn one(book: Workbook, index: usize) -> SheetLines {
        SheetLines::new(book, vec![(index, String::new())], false)
    }

    /// The lines of all sheets; a heading stands before each where there are several.
    pub(crate) fn all(book: Workbook) -> SheetLines {
        let sheets: Vec<(usize, String)> = book.sheets().into_iter().enumerate().collect();
        let headed = sheets.len() > 1;
        SheetLines::new(book, sheets, headed)
    }

    fn new(book: Workbook, sheets: Vec<(usize, String)>, headed: bool) -> SheetLines {
        SheetLines {
            book,
            sheets: sheets.into_iter(),
            headed,
            rows: None,
            row: Row::default(),
            waiting: false,
            given: 0,
        }
    }
}

impl Lines for SheetLines {
    fn next(&mut self, line: &mut String) -> Result<bool, TableError> {
        loop {
            let Some(rows) = &mut self.rows else {
                let Some((index, name)) = self.sheets.next() else { return Ok(false) };
                self.rows = Some(self.book.rows(index)?);
                (self.given, self.waiting) = (0, false);
                if self.headed {
                    line.push_str("[sheet ");
                    line.extend(name.chars().map(visible));
                    line.push_str("]\n");
                    return Ok(true);
                }
                continue;
            };
            if !self.waiting && !rows.next(&mut self.row)? {
                self.rows = None;
                continue;
            }
            self.given += 1;
            // Rows between are empty.
            self.waiting = self.given < self.row.number;
            if !self.waiting {
                for (at, datum) in self.row.cells().iter().enumerate() {
                    if at > 0 {
                        line.push('\t');
                    }
                    match datum {
                        Datum::Empty => {}
                        Datum::Text(text) | Datum::Number(text) => {
                            line.extend(text.chars().map(visible));
                        }
                        Datum::Truth(true) => line.push_str("TRUE"),
                        Datum::Truth(false) => line.push_str("FALSE"),
                    }
                }
            }
            line.push('\n');
            return Ok(true);
        }
    }
}
