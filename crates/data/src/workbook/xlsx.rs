//! XLSX (ISO/IEC 29500): its sheets, styles and shared texts, and the rows of a sheet.
use std::collections::HashMap;
use std::sync::Arc;

use quick_xml::events::{BytesStart, Event};

use super::number::{day, is_date_format, is_date_id};
use super::row::{Datum, Row};
use super::shared::Shared;
use super::{MAX_ROWS, MAX_SHEETS, MAX_TEXT_BYTES, Rows, no_sheet, whole};
use crate::error::TableError;
use crate::room::Room;
use crate::source::Slice;
use crate::stream::Stream;
use crate::xml::{Xml, add_text, attribute};
use crate::zip::Archive;

/// The member that makes an archive a workbook.
pub(super) const WORKBOOK: &str = "xl/workbook.xml";
const RELATIONS: &str = "xl/_rels/workbook.xml.rels";
const STYLES: &str = "xl/styles.xml";
const TEXTS: &str = "xl/sharedStrings.xml";
/// Most styles of cells and formats that are looked at.
const MAX_STYLES: usize = 65_536;

/// A workbook.
pub(crate) struct Xlsx {
    archive: Archive,
    /// Names and members of the sheets.
    sheets: Vec<(String, String)>,
    style: Arc<Style>,
}

/// What cells are shown by.
struct Style {
    shared: Shared,
    /// For each style whether it shows dates.
    dates: Vec<bool>,
    since_1904: bool,
}

/// Goes through the elements of a member, where there is one of this name.
fn elements(
    archive: &Archive,
    name: &str,
    mut found: impl FnMut(&BytesStart<'_>) -> Result<(), TableError>,
) -> Result<(), TableError> {
    let Some(member) = archive.member(name)? else { return Ok(()) };
    let mut xml = Xml::new(archive.read(&member)?);
    loop {
        match xml.next()? {
            Event::Start(element) | Event::Empty(element) => found(&element)?,
            Event::Eof => break,
            _ => {}
        }
    }
    whole(&mut xml)
}

impl Xlsx {
    pub(super) fn open(archive: Archive, room: &Room) -> Result<Xlsx, TableError> {
        let (mut named, mut since_1904) = (Vec::new(), false);
        elements(&archive, WORKBOOK, |element| {
            match element.local_name().into_inner() {
                "sheet" if named.len() < MAX_SHEETS => {
                    let name = attribute(element, "name").unwrap_or_default();
                    named.push((name, attribute(element, "id").unwrap_or_default()));
                }
                "workbookPr" => {
                    let value = attribute(element, "date1904");
                    since_1904 = value.is_some_and(|value| value == "1" || value == "true");
                }
                _ => {}
            }
            Ok(())
        })?;
        let mut targets = HashMap::new();
        elements(&archive, RELATIONS, |element| {
            if targets.len() < 10 * MAX_SHEETS
                && let (Some(id), Some(target)) =
                    (attribute(element, "Id"), attribute(element, "Target"))
            {
                targets.insert(id, target);
            }
            Ok(())
        })?;
        let member = |id: &String| {
            let target = targets.get(id).map(String::as_str).unwrap_or_default();
            match target.strip_prefix('/') {
                Some(whole) => whole.to_owned(),
                None => format!("xl/{target}"),
            }
        };
        let sheets = named.into_iter().map(|(name, id)| (name, member(&id))).collect();
        let dates = dates(&archive)?;
        let shared = shared(&archive, room)?;
        Ok(Xlsx { archive, sheets, style: Arc::new(Style { shared, dates, since_1904 }) })
    }

    pub(super) fn sheets(&self) -> Vec<String> {
        self.sheets.iter().map(|(name, _)| name.clone()).collect()
    }

    pub(super) fn rows(&self, index: usize) -> Result<Box<dyn Rows>, TableError> {
        let (name, target) = self.sheets.get(index).ok_or_else(|| no_sheet(index))?;
        let Some(member) = self.archive.member(target)? else {
            return Err(TableError::broken(format!("the sheet `{name}` is not in it")));
        };
        let xml = Xml::new(self.archive.read(&member)?);
        Ok(Box::new(Sheet { xml, style: Arc::clone(&self.style), number: 0 }))
    }
}

/// For each style of cells whether it shows dates.
fn dates(archive: &Archive) -> Result<Vec<bool>, TableError> {
    let (mut formats, mut dates) = (HashMap::new(), Vec::new());
    let mut of_cells = false;
    elements(archive, STYLES, |element| {
        let id = attribute(element, "numFmtId").and_then(|id| id.parse::<u32>().ok());
        match element.local_name().into_inner() {
            "cellXfs" => of_cells = true,
            "cellStyleXfs" | "cellStyles" | "dxfs" => of_cells = false,
            "numFmt" if formats.len() < MAX_STYLES => {
                let format = attribute(element, "formatCode").unwrap_or_default();
                if let Some(id) = id {
                    formats.insert(id, is_date_format(&format));
                }
            }
            "xf" if of_cells && dates.len() < MAX_STYLES => {
                let id = id.unwrap_or(0);
                dates.push(formats.get(&id).copied().unwrap_or_else(|| is_date_id(id)));
            }
            _ => {}
        }
        Ok(())
    })?;
    Ok(dates)
}

fn shared(archive: &Archive, room: &Room) -> Result<Shared, TableError> {
    let mut shared = Shared::new(room);
    let Some(member) = archive.member(TEXTS)? else { return Ok(shared) };
    let mut xml = Xml::new(archive.read(&member)?);
    let mut text = String::new();
    let mut inside = Inside::default();
    loop {
        let event = xml.next()?;
        inside.see(&event);
        match event {
            Event::Empty(element) if element.local_name().into_inner() == "si" => {
                shared.push("")?;
            }
            Event::End(element) if element.local_name().into_inner() == "si" => {
                shared.push(&text)?;
                text.clear();
            }
            Event::Eof => break,
            event if inside.is_text() => add(&event, &mut text)?,
            _ => {}
        }
    }
    whole(&mut xml)?;
    Ok(shared)
}

/// Adds to a text of a cell, which is bounded.
fn add(event: &Event<'_>, text: &mut String) -> Result<(), TableError> {
    add_text(event, text);
    if text.len() > 2 * MAX_TEXT_BYTES {
        return Err(TableError::broken(format!("a cell has more than {MAX_TEXT_BYTES} bytes")));
    }
    Ok(())
}

/// Whether what goes by is the text of a cell: in `t`, and not how it is pronounced.
#[derive(Default)]
struct Inside {
    text: bool,
    phonetic: bool,
}

impl Inside {
    fn see(&mut self, event: &Event<'_>) {
        match event {
            Event::Start(element) => match element.local_name().into_inner() {
                "t" => self.text = true,
                "rPh" => self.phonetic = true,
                _ => {}
            },
            Event::End(element) => match element.local_name().into_inner() {
                "t" => self.text = false,
                "rPh" => self.phonetic = false,
                _ => {}
            },
            _ => {}
        }
    }

    fn is_text(&self) -> bool {
        self.text && !self.phonetic
    }
}

/// The rows of a sheet.
struct Sheet {
    xml: Xml<Stream<Slice>>,
    style: Arc<Style>,
    /// The row before.
    number: u64,
}

/// What is known of a cell before its value.
#[derive(Default)]
struct Head {
    at: usize,
    kind: String,
    style: usize,
}

impl Rows for Sheet {
    fn next(&mut self, row: &mut Row) -> Result<bool, TableError> {
        let mut open = false;
        let mut cell: Option<Head> = None;
        let mut next_column = 0;
        let (mut text, mut inside, mut in_value) = (String::new(), Inside::default(), false);
        loop {
            let event = self.xml.next()?;
            inside.see(&event);
            match &event {
                Event::Start(element) | Event::Empty(element) => {
                    let empty = matches!(event, Event::Empty(_));
                    match element.local_name().into_inner() {
                        "row" => {
                            let said = attribute(element, "r").and_then(|r| r.parse().ok());
                            // Rows follow each other, whatever is said.
                            let number = said.filter(|number| *number > self.number);
                            self.number = number.unwrap_or(self.number + 1);
                            if self.number > MAX_ROWS {
                                return Err(TableError::broken(format!(
                                    "it has a row {}; {MAX_ROWS} are the most",
                                    self.number
                                )));
                            }
                            row.begin(self.number);
                            (open, next_column) = (true, 0);
                            if empty {
                                return Ok(true);
                            }
                        }
                        "c" if open && !empty => {
                            let head = Head::of(element, next_column);
                            next_column = head.at + 1;
                            text.clear();
                            cell = Some(head);
                        }
                        "c" if open => next_column = Head::of(element, next_column).at + 1,
                        "v" => in_value = !empty,
                        _ => {}
                    }
                }
                Event::End(element) => match element.local_name().into_inner() {
                    "v" => in_value = false,
                    "c" => {
                        if let Some(head) = cell.take() {
                            let datum = self.style.datum(&head, &text, row)?;
                            row.set(head.at, datum)?;
                        }
                    }
                    "row" if open => return Ok(true),
                    _ => {}
                },
                Event::Eof => break,
                other if cell.is_some() && (in_value || inside.is_text()) => add(other, &mut text)?,
                _ => {}
            }
        }
        whole(&mut self.xml)?;
        Ok(false)
    }
}

impl Head {
    fn of(element: &BytesStart<'_>, next: usize) -> Head {
        let at = attribute(element, "r").and_then(|place| column(&place)).unwrap_or(next);
        Head {
            at,
            kind: attribute(element, "t").unwrap_or_default(),
            style: attribute(element, "s").and_then(|s| s.parse().ok()).unwrap_or(0),
        }
    }
}

impl Style {
    fn datum(&self, head: &Head, text: &str, row: &Row) -> Result<Datum, TableError> {
        Ok(match head.kind.as_str() {
            "s" => match text.trim().parse().ok().and_then(|at| self.shared.get(at)) {
                Some(shared) => {
                    row.make_room(shared.len())?;
                    Datum::Text(shared.to_owned())
                }
                None => Datum::Empty,
            },
            "b" => Datum::Truth(text.trim() == "1" || text.trim() == "true"),
            "str" | "inlineStr" | "e" | "d" => Datum::Text(text.to_owned()),
            _ if text.trim().is_empty() => Datum::Empty,
            _ => {
                let text = text.trim();
                let dates = self.dates.get(head.style).copied().unwrap_or(false);
                let number = text.parse::<f64>().ok().filter(|_| dates);
                match number.and_then(|number| day(number, self.since_1904)) {
                    Some(day) => Datum::Text(day),
                    None => Datum::Number(text.to_owned()),
                }
            }
        })
    }
}

/// The column, from 0, of a place such as `AB12`.
fn column(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_alphabetic);
    let mut column = 0_usize;
    for letter in letters {
        column = column * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1;
        if column > 1_000_000 {
            break;
        }
    }
    column.checked_sub(1)
}
