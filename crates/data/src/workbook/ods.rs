//! ODS (OpenDocument): one XML document with all sheets, of which rows and cells may be repeated.
use quick_xml::events::{BytesStart, Event};

use super::row::{Datum, Row};
use super::{MAX_COLUMNS, MAX_ROWS, MAX_SHEETS, MAX_TEXT_BYTES, Rows, no_sheet, whole};
use crate::error::TableError;
use crate::source::Slice;
use crate::stream::Stream;
use crate::xml::{Xml, add_text, attribute};
use crate::zip::{Archive, Member};

const CONTENT: &str = "content.xml";

/// Whether a file begins as an OpenDocument spreadsheet does: its first member is its media type.
pub(super) fn is_ods(head: &[u8]) -> bool {
    let Some((_, rest)) = head.split_at_checked(30) else { return false };
    rest.starts_with(b"mimetypeapplication/vnd.oasis.opendocument.spreadsheet")
}

/// A workbook.
pub(crate) struct Ods {
    archive: Archive,
    content: Member,
    sheets: Vec<String>,
}

impl Ods {
    pub(super) fn open(archive: Archive) -> Result<Ods, TableError> {
        let Some(content) = archive.member(CONTENT)? else {
            return Err(TableError::broken(format!("`{CONTENT}` is not in it")));
        };
        let mut xml = Xml::new(archive.read(&content)?);
        let mut sheets = Vec::new();
        loop {
            match xml.next()? {
                Event::Start(element) | Event::Empty(element)
                    if element.name().into_inner() == "table:table"
                        && sheets.len() < MAX_SHEETS =>
                {
                    sheets.push(attribute(&element, "name").unwrap_or_default());
                }
                Event::Eof => break,
                _ => {}
            }
        }
        whole(&mut xml)?;
        Ok(Ods { archive, content, sheets })
    }

    pub(super) fn sheets(&self) -> &[String] {
        &self.sheets
    }

    pub(super) fn rows(&self, index: usize) -> Result<Box<dyn Rows>, TableError> {
        if index >= self.sheets.len() {
            return Err(no_sheet(index));
        }
        let mut xml = Xml::new(self.archive.read(&self.content)?);
        let mut before = index;
        loop {
            match xml.next()? {
                Event::Start(element) if element.name().into_inner() == "table:table" => {
                    if before == 0 {
                        break;
                    }
                    before -= 1;
                }
                Event::Empty(element) if element.name().into_inner() == "table:table" => {
                    if before == 0 {
                        return Ok(Box::new(Nothing));
                    }
                    before -= 1;
                }
                Event::Eof => return Err(no_sheet(index)),
                _ => {}
            }
        }
        Ok(Box::new(Sheet { xml, number: 0, again: 0, kept: Vec::new(), ended: false }))
    }
}

/// A sheet without rows.
struct Nothing;

impl Rows for Nothing {
    fn next(&mut self, _: &mut Row) -> Result<bool, TableError> {
        Ok(false)
    }
}

/// The rows of a sheet.
struct Sheet {
    xml: Xml<Stream<Slice>>,
    /// The row before.
    number: u64,
    /// How often the row before is still to be given.
    again: u64,
    kept: Vec<Datum>,
    ended: bool,
}

impl Rows for Sheet {
    fn next(&mut self, row: &mut Row) -> Result<bool, TableError> {
        if self.again == 0 && !self.read(row)? {
            return Ok(false);
        }
        self.again -= 1;
        self.number += 1;
        if self.number > MAX_ROWS {
            return Err(TableError::broken(format!("it has more than {MAX_ROWS} rows")));
        }
        row.begin(self.number);
        for (at, datum) in self.kept.iter().enumerate() {
            row.set(at, datum.clone())?;
        }
        Ok(true)
    }
}

impl Sheet {
    /// Reads the next row that is not empty, and how often it is there.
    fn read(&mut self, row: &mut Row) -> Result<bool, TableError> {
        let (mut open, mut repeated, mut at_end) = (false, 1, false);
        let mut column = 0_usize;
        let mut cell: Option<(Datum, usize)> = None;
        // Notes stand in a cell and are none of its text.
        let (mut text, mut paragraphs, mut notes) = (String::new(), 0, 0_usize);
        while !self.ended {
            let event = self.xml.next()?;
            match &event {
                Event::Start(element) | Event::Empty(element) => {
                    let empty = matches!(event, Event::Empty(_));
                    match element.name().into_inner() {
                        "table:table-row" => {
                            repeated = count(element, "number-rows-repeated");
                            row.begin(self.number + 1);
                            (open, column) = (true, 0);
                            if empty {
                                self.number = passed(self.number, repeated);
                                open = false;
                            }
                        }
                        "table:table-cell" | "table:covered-table-cell" if open => {
                            let times = count(element, "number-columns-repeated");
                            let times = usize::try_from(times).unwrap_or(usize::MAX);
                            let datum = typed(element);
                            if empty {
                                put(row, &mut column, datum, times)?;
                            } else {
                                (text, paragraphs, notes) = (String::new(), 0, 0);
                                cell = Some((datum, times));
                            }
                        }
                        "office:annotation" if !empty => notes += 1,
                        "text:p" if cell.is_some() && notes == 0 => {
                            if paragraphs > 0 {
                                text.push('\n');
                            }
                            paragraphs += 1;
                        }
                        "text:s" if notes == 0 => {
                            let spaces = count(element, "c").min(1_000);
                            text.extend((0..spaces).map(|_| ' '));
                        }
                        "text:tab" if notes == 0 => text.push('\t'),
                        "text:line-break" if notes == 0 => text.push('\n'),
                        _ => {}
                    }
                }
                Event::End(element) => match element.name().into_inner() {
                    "office:annotation" => notes = notes.saturating_sub(1),
                    "table:table-cell" | "table:covered-table-cell" => {
                        if let Some((datum, times)) = cell.take() {
                            let shown = match datum {
                                Datum::Empty if text.is_empty() => Datum::Empty,
                                Datum::Empty => Datum::Text(std::mem::take(&mut text)),
                                typed => typed,
                            };
                            put(row, &mut column, shown, times)?;
                        }
                    }
                    "table:table-row" if open => {
                        if row.cells().is_empty() {
                            self.number = passed(self.number, repeated);
                            open = false;
                            continue;
                        }
                        self.kept = row.cells().to_vec();
                        self.again = repeated;
                        return Ok(true);
                    }
                    "table:table" => self.ended = true,
                    _ => {}
                },
                Event::Eof => (self.ended, at_end) = (true, true),
                other if cell.is_some() && notes == 0 && paragraphs > 0 => {
                    add_text(other, &mut text);
                }
                _ => {}
            }
            if text.len() > 2 * MAX_TEXT_BYTES {
                return Err(TableError::broken(format!(
                    "a cell has more than {MAX_TEXT_BYTES} bytes"
                )));
            }
        }
        if at_end {
            whole(&mut self.xml)?;
        }
        Ok(false)
    }
}

/// The number of the last of so many rows in which nothing is. Many stand behind the last one.
fn passed(number: u64, rows: u64) -> u64 {
    number.saturating_add(rows).min(MAX_ROWS)
}

/// Puts a cell into the row as often as it is repeated.
fn put(row: &mut Row, column: &mut usize, datum: Datum, times: usize) -> Result<(), TableError> {
    let times = times.min((MAX_COLUMNS + 1).saturating_sub(*column));
    if datum != Datum::Empty {
        for at in 0..times {
            row.set(*column + at, datum.clone())?;
        }
    }
    *column += times;
    Ok(())
}

fn count(element: &BytesStart<'_>, name: &str) -> u64 {
    attribute(element, name).and_then(|count| count.parse().ok()).unwrap_or(1).max(1)
}

/// The value of a cell where its element says it; else its text is shown.
fn typed(element: &BytesStart<'_>) -> Datum {
    let value = |name| attribute(element, name);
    match value("value-type").as_deref() {
        Some("float" | "percentage" | "currency") => {
            value("value").map_or(Datum::Empty, Datum::Number)
        }
        Some("date") => value("date-value").map_or(Datum::Empty, Datum::Text),
        Some("boolean") => {
            value("boolean-value").map_or(Datum::Empty, |value| Datum::Truth(value == "true"))
        }
        // A time is a duration such as PT12H00M00S; its text reads better.
        _ => value("string-value").map_or(Datum::Empty, Datum::Text),
    }
}
