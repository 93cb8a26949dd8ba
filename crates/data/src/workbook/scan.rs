//! The rows of a sheet for queries: the first row that is not empty names the columns.
use super::row::{Datum, Row};
use super::{Rows as SheetRows, Workbook};
use crate::error::TableError;
use crate::room::{Held, Room};
use crate::scan::{Affinity, Column, Value, distinct};
use crate::source::Source;

/// What a row and the XML around it take.
const ROW_BYTES: u64 = 12 * 1024 * 1024;

/// The rows of a sheet.
pub(crate) struct Rows {
    rows: Box<dyn SheetRows>,
    row: Row,
    /// For each wanted column its place in a row.
    wanted: Vec<Option<usize>>,
    // Keeps the texts that cells share.
    _book: Workbook,
    _held: Held,
}

/// The names of columns, the rows below them, and what they are read from.
type Begun = (Vec<String>, Box<dyn SheetRows>, Workbook, Held);

impl Rows {
    /// The place of the sheet of this name.
    pub(crate) fn find(source: &Source, name: &str) -> Result<u16, TableError> {
        let sheets = Rows::book(source)?.0.sheets();
        let place = sheets.iter().position(|sheet| sheet == name);
        place
            .and_then(|place| u16::try_from(place).ok())
            .ok_or_else(|| TableError::no_part("sheet", name, &sheets))
    }

    /// The columns of the sheet at `index`.
    pub(crate) fn columns(source: &Source, index: u16) -> Result<Vec<Column>, TableError> {
        let (names, ..) = Rows::begin(source, index)?;
        Ok(names.into_iter().map(|name| Column { name, affinity: Affinity::Any }).collect())
    }

    pub(crate) fn open(source: &Source, index: u16, wanted: &[&str]) -> Result<Rows, TableError> {
        let (names, rows, _book, _held) = Rows::begin(source, index)?;
        let place = |wanted: &&str| names.iter().position(|name| name == wanted);
        let wanted = wanted.iter().map(place).collect();
        Ok(Rows { rows, row: Row::default(), wanted, _book, _held })
    }

    fn book(source: &Source) -> Result<(Workbook, Held), TableError> {
        let room = source.room().cloned().unwrap_or_else(|| Room::new(ROW_BYTES));
        let held = room.hold(ROW_BYTES)?;
        let book = Workbook::open(source, &room)?
            .ok_or_else(|| TableError::broken("it is no workbook of XLSX or ODS"))?;
        Ok((book, held))
    }

    fn begin(source: &Source, index: u16) -> Result<Begun, TableError> {
        let (book, held) = Rows::book(source)?;
        let mut rows = book.rows(usize::from(index))?;
        let mut row = Row::default();
        while rows.next(&mut row)? {
            if row.cells().is_empty() {
                continue;
            }
            let name = |(at, datum): (usize, &Datum)| {
                let name = match datum {
                    Datum::Empty => "",
                    Datum::Text(text) | Datum::Number(text) => text.trim(),
                    Datum::Truth(true) => "TRUE",
                    Datum::Truth(false) => "FALSE",
                };
                if name.is_empty() { format!("column_{}", at + 1) } else { name.to_owned() }
            };
            let names = row.cells().iter().enumerate().map(name).collect();
            return Ok((distinct(names), rows, book, held));
        }
        Err(TableError::broken("the sheet is empty: it has no row with the names of columns"))
    }

    pub(crate) fn advance(&mut self) -> Result<bool, TableError> {
        while self.rows.next(&mut self.row)? {
            if !self.row.cells().is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(crate) fn value(&self, at: usize) -> Value<'_> {
        let place = self.wanted.get(at).copied().flatten();
        match place.and_then(|place| self.row.cells().get(place)) {
            None | Some(Datum::Empty) => Value::Null,
            Some(Datum::Text(text)) => Value::Text(text.as_str().into()),
            Some(Datum::Truth(truth)) => Value::Integer(i64::from(*truth)),
            Some(Datum::Number(number)) => {
                let real = || number.parse().ok().filter(|real: &f64| real.is_finite());
                Value::of_number(number.as_bytes())
                    .or_else(|| real().map(Value::Real))
                    .unwrap_or_else(|| Value::Text(number.as_str().into()))
            }
        }
    }

    /// The number of the row in its sheet.
    pub(crate) fn line(&self) -> u64 {
        self.row.number
    }
}
