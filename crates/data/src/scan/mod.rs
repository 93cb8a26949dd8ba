//! All rows of a file, one after the other, and of each the columns that are asked for.
//!
//! A scan has no bound but time and the [`Room`] that it may hold at once: a page, a block or a
//! record at a time, however large the file is. Values are whole, never cut.

mod condition;
mod delimited;
mod json_lines;
mod notes;
mod text;
mod value;

use std::panic::{AssertUnwindSafe, catch_unwind};

use mcp_workspace_stop::StopSignal;

pub use self::condition::{Compare, Condition};
use self::delimited::Delimited;
use self::json_lines::JsonLines;
use self::text::Packed;
pub use self::value::Value;
use crate::avro;
use crate::error::TableError;
use crate::parquet;
use crate::room::Room;
use crate::source::{Input, Source};
use crate::stream::Packing;
use crate::table::Kind;
use crate::workbook;
use crate::zip::is_zip;

/// Most columns of a file.
pub const MAX_COLUMNS: usize = 1_000;

/// Longest name of a column in bytes; one with a longer name is left out.
const MAX_NAME_BYTES: usize = 1_000;

/// A format that can be scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values and their relatives: the delimiter is the one of `,` `;` tab and `|`
    /// that stands most often in the first line.
    Csv,
    /// Tab-separated values.
    Tsv,
    /// A JSON object on each line.
    JsonLines,
    /// Apache Parquet.
    Parquet,
    /// An Avro object container file.
    Avro,
    /// The sheet of this place, from 0, of a workbook of XLSX or ODS.
    Sheet(u16),
}

impl Format {
    /// The format of a file with this name that begins with `head`. Text may be compressed, with
    /// anything but brotli.
    pub fn of(name: &str, head: &[u8]) -> Option<Format> {
        match Kind::of(head) {
            Some(Kind::Parquet) => return Some(Format::Parquet),
            Some(Kind::Avro) => return Some(Format::Avro),
            None => {}
        }
        let name = name.to_ascii_lowercase();
        if is_zip(head) && [".xlsx", ".xlsm", ".ods"].iter().any(|end| name.ends_with(end)) {
            return Some(Format::Sheet(0));
        }
        let bare = match Packing::of(head) {
            Some(packing) => {
                packing.endings().iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name)
            }
            None => &name,
        };
        match bare.rsplit_once('.').map(|(_, end)| end) {
            Some("csv") => Some(Format::Csv),
            Some("tsv" | "tab") => Some(Format::Tsv),
            Some("jsonl" | "ndjson" | "jsonlines") => Some(Format::JsonLines),
            _ => None,
        }
    }
}

/// The sheet of this name in a workbook.
///
/// # Errors
/// [`TableError`]; where there is no such sheet, with the names of those that there are.
pub fn sheet(
    name: &str,
    input: Box<dyn Input>,
    size: u64,
    bounds: &Bounds,
) -> Result<Format, TableError> {
    let find = || {
        let source = Source::scanned(input, size, &bounds.room, &bounds.stop);
        workbook::Scan::find(&source, name)
    };
    let index = catch_unwind(AssertUnwindSafe(find)).unwrap_or_else(|_| Err(failed()))?;
    Ok(Format::Sheet(index))
}

/// What a column's values are, as far as the file says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// The format has no types: each value is what it looks like.
    Any,
    /// Whole numbers, and truth values as 1 and 0.
    Integer,
    /// Numbers.
    Real,
    /// Texts, dates and times, and what nests as JSON.
    Text,
    /// Bytes.
    Blob,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in the file.
    pub name: String,
    /// What its values are.
    pub affinity: Affinity,
}

/// What a scan may use.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// The memory that it may hold, together with others.
    pub room: Room,
    /// When it must end.
    pub stop: StopSignal,
}

/// The columns of a file: of its schema, its first line, or the keys of its first lines.
///
/// # Errors
/// [`TableError`].
pub fn columns(
    format: Format,
    input: Box<dyn Input>,
    size: u64,
    bounds: &Bounds,
) -> Result<Vec<Column>, TableError> {
    let read = || -> Result<Vec<Column>, TableError> {
        let source = |input| Source::scanned(input, size, &bounds.room, &bounds.stop);
        match format {
            Format::Csv | Format::Tsv => {
                Delimited::columns(Packed::open(input, bounds)?, format == Format::Tsv, bounds)
            }
            Format::JsonLines => JsonLines::columns(Packed::open(input, bounds)?, bounds),
            Format::Parquet => parquet::Scan::columns(&source(input)),
            Format::Avro => avro::Scan::columns(&source(input)),
            Format::Sheet(index) => workbook::Scan::columns(&source(input), index),
        }
    };
    let mut columns = catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|_| Err(failed()))?;
    // Nobody can write such a name.
    columns.retain(|column| column.name.len() <= MAX_NAME_BYTES && !column.name.contains('\0'));
    if columns.len() > MAX_COLUMNS {
        return Err(TableError::broken(format!(
            "it has {} columns; {MAX_COLUMNS} are the most",
            columns.len()
        )));
    }
    Ok(columns)
}

enum Reader {
    Delimited(Box<Delimited>),
    JsonLines(Box<JsonLines>),
    Parquet(Box<parquet::Scan>),
    Avro(Box<avro::Scan>),
    Sheet(Box<workbook::Scan>),
}

/// The rows of a file.
pub struct Scan {
    reader: Reader,
    /// After an error there is nothing more.
    ended: bool,
}

impl Scan {
    /// Scans a file for the columns with these names. A name that the file lacks is null in
    /// every row.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn open(
        format: Format,
        input: Box<dyn Input>,
        size: u64,
        wanted: &[&str],
        bounds: &Bounds,
    ) -> Result<Scan, TableError> {
        let open = || -> Result<Reader, TableError> {
            let source = |input| Source::scanned(input, size, &bounds.room, &bounds.stop);
            Ok(match format {
                Format::Csv | Format::Tsv => {
                    let packed = Packed::open(input, bounds)?;
                    let tabs = format == Format::Tsv;
                    Reader::Delimited(Box::new(Delimited::open(packed, tabs, wanted, bounds)?))
                }
                Format::JsonLines => {
                    let packed = Packed::open(input, bounds)?;
                    Reader::JsonLines(Box::new(JsonLines::open(packed, wanted, bounds)?))
                }
                Format::Parquet => {
                    Reader::Parquet(Box::new(parquet::Scan::open(source(input), wanted)?))
                }
                Format::Avro => Reader::Avro(Box::new(avro::Scan::open(source(input), wanted)?)),
                Format::Sheet(index) => {
                    let rows = workbook::Scan::open(&source(input), index, wanted)?;
                    Reader::Sheet(Box::new(rows))
                }
            })
        };
        let reader = catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| Err(failed()))?;
        Ok(Scan { reader, ended: false })
    }

    /// Leaves out rows that no query for these conditions needs, where the format tells which: of
    /// Parquet the row groups in which, by their statistics, no row meets all of them. It is asked
    /// for before the first row; rows that do not meet the conditions may still come.
    pub fn leave_out(&mut self, conditions: &[Condition]) {
        if let Reader::Parquet(rows) = &mut self.reader {
            let done = catch_unwind(AssertUnwindSafe(|| rows.leave_out(conditions)));
            // Its next rows say what is wrong with it.
            done.unwrap_or_default();
        }
    }

    /// Goes to the next row, the first one to begin with; false behind the last.
    ///
    /// # Errors
    /// [`TableError`]; then there are no more rows.
    pub fn advance(&mut self) -> Result<bool, TableError> {
        if self.ended {
            return Ok(false);
        }
        let reader = &mut self.reader;
        let next = catch_unwind(AssertUnwindSafe(|| match reader {
            Reader::Delimited(rows) => rows.advance(),
            Reader::JsonLines(rows) => rows.advance(),
            Reader::Parquet(rows) => rows.advance(),
            Reader::Avro(rows) => rows.advance(),
            Reader::Sheet(rows) => rows.advance(),
        }))
        .unwrap_or_else(|_| Err(failed()));
        self.ended = !matches!(next, Ok(true));
        next
    }

    /// A value of the row: of the wanted columns the one at `at`.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn value(&mut self, at: usize) -> Result<Value<'_>, TableError> {
        if let Reader::Parquet(rows) = &mut self.reader {
            let found = catch_unwind(AssertUnwindSafe(|| rows.go_to(at)));
            found.unwrap_or_else(|_| Err(failed()))?;
        }
        Ok(match &self.reader {
            Reader::Delimited(rows) => rows.value(at),
            Reader::JsonLines(rows) => rows.value(at),
            Reader::Parquet(rows) => rows.value(at),
            Reader::Avro(rows) => rows.value(at),
            Reader::Sheet(rows) => rows.value(at),
        })
    }

    /// Where the row stands in its file: the line on which it begins, or the number of a table's
    /// row, from 1.
    pub fn line(&self) -> u64 {
        match &self.reader {
            Reader::Delimited(rows) => rows.line(),
            Reader::JsonLines(rows) => rows.line(),
            Reader::Parquet(rows) => rows.line(),
            Reader::Avro(rows) => rows.line(),
            Reader::Sheet(rows) => rows.line(),
        }
    }

    /// What was odd so far about the file's rows, and where.
    pub fn notes(&self) -> Vec<String> {
        match &self.reader {
            Reader::Delimited(rows) => rows.notes(),
            Reader::JsonLines(rows) => rows.notes(),
            Reader::Parquet(_) | Reader::Avro(_) | Reader::Sheet(_) => Vec::new(),
        }
    }
}

fn failed() -> TableError {
    TableError::broken("its decoder failed on it")
}

/// The names, made so that none is another one in letters of another case, as SQL compares them: one
/// that repeats gets a number, `name_2`.
pub fn distinct(names: Vec<String>) -> Vec<String> {
    let mut taken = std::collections::HashSet::new();
    let mut distinct = Vec::with_capacity(names.len());
    for name in names {
        let mut own = name.clone();
        let mut number = 2_u32;
        while !taken.insert(own.to_ascii_lowercase()) {
            own = format!("{name}_{number}");
            number += 1;
        }
        distinct.push(own);
    }
    distinct
}
