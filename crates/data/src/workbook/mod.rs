//! Workbooks: XLSX and ODS, of which one sheet is read at a time, a row at a time. What is kept are
//! the texts that sheets of XLSX share, within a [`Room`](crate::room::Room).
mod number;
mod ods;
mod row;
mod scan;
mod shared;
mod text;
mod xlsx;

use crate::error::TableError;
use crate::room::Room;
use crate::source::{Slice, Source};
use crate::stream::{End, Stream};
use crate::xml::Xml;
use crate::zip::Archive;

use self::ods::Ods;
use self::row::Row;
pub(crate) use self::scan::Rows as Scan;
pub(crate) use self::text::SheetLines;
use self::xlsx::Xlsx;

/// Most sheets of a workbook.
const MAX_SHEETS: usize = 1_000;
/// Most columns of a sheet, as spreadsheets have them.
const MAX_COLUMNS: usize = 16_384;
/// Most rows of a sheet, as spreadsheets have them.
const MAX_ROWS: u64 = 1_048_576;
/// Longest text of a cell in bytes.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

/// A workbook.
pub(crate) enum Workbook {
    Xlsx(Box<Xlsx>),
    Ods(Box<Ods>),
}

/// The rows of a sheet.
trait Rows: Send {
    /// Reads the next row; false behind the last.
    fn next(&mut self, row: &mut Row) -> Result<bool, TableError>;
}

impl Workbook {
    /// The workbook that an archive is; none where it is another kind of archive.
    pub(crate) fn open(source: &Source, room: &Room) -> Result<Option<Workbook>, TableError> {
        let archive = Archive::open(source)?;
        if ods::is_ods(&source.read(0, 128)?) {
            return Ods::open(archive).map(|book| Some(Workbook::Ods(Box::new(book))));
        }
        if archive.member(xlsx::WORKBOOK)?.is_none() {
            return Ok(None);
        }
        Xlsx::open(archive, room).map(|book| Some(Workbook::Xlsx(Box::new(book))))
    }

    /// The name in answers.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Workbook::Xlsx(_) => "xlsx",
            Workbook::Ods(_) => "ods",
        }
    }

    /// The names of its sheets.
    pub(crate) fn sheets(&self) -> Vec<String> {
        match self {
            Workbook::Xlsx(book) => book.sheets(),
            Workbook::Ods(book) => book.sheets().to_vec(),
        }
    }

    /// The rows of the sheet at `index`.
    fn rows(&self, index: usize) -> Result<Box<dyn Rows>, TableError> {
        match self {
            Workbook::Xlsx(book) => book.rows(index),
            Workbook::Ods(book) => book.rows(index),
        }
    }
}

fn no_sheet(index: usize) -> TableError {
    TableError::broken(format!("it has no sheet {}", index + 1))
}

/// Whether the XML ended where its member does.
fn whole(xml: &mut Xml<Stream<Slice>>) -> Result<(), TableError> {
    match xml.source().end() {
        End::Open | End::Whole => Ok(()),
        End::Stopped(stop) => Err(TableError::Stopped(*stop)),
        End::Limit => Err(TableError::broken("a part of it is too long")),
        End::Broken(why) => Err(TableError::broken(format!("a part of it breaks off: {why}"))),
    }
}
