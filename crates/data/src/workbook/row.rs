//! A row of a sheet, whose cells together are bounded.
use super::MAX_COLUMNS;
use crate::error::TableError;

/// Most bytes of the texts of a row.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What a cell shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum Datum {
    #[default]
    Empty,
    Text(String),
    /// A number as the file writes it.
    Number(String),
    /// A truth value.
    Truth(bool),
}

/// A row.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Its number, from 1.
    pub number: u64,
    cells: Vec<Datum>,
    bytes: usize,
}

impl Row {
    pub(super) fn begin(&mut self, number: u64) {
        self.number = number;
        self.cells.clear();
        self.bytes = 0;
    }

    /// Puts what a cell shows at its place, from 0. One beyond the last column is an error.
    pub(super) fn set(&mut self, at: usize, datum: Datum) -> Result<(), TableError> {
        let bytes = match &datum {
            Datum::Empty => return Ok(()),
            Datum::Text(text) | Datum::Number(text) => text.len(),
            Datum::Truth(_) => 5,
        };
        self.make_room(bytes)?;
        if at >= MAX_COLUMNS {
            return Err(TableError::broken(format!(
                "row {} has a cell in column {}; {MAX_COLUMNS} are the most",
                self.number,
                at + 1
            )));
        }
        self.bytes += bytes;
        if self.cells.len() <= at {
            self.cells.resize(at + 1, Datum::Empty);
        }
        if let Some(cell) = self.cells.get_mut(at) {
            *cell = datum;
        }
        Ok(())
    }

    /// Whether a text of so many bytes has room beside the others.
    pub(super) fn make_room(&self, bytes: usize) -> Result<(), TableError> {
        if self.bytes.saturating_add(bytes) > MAX_BYTES {
            return Err(TableError::broken(format!(
                "row {} has more than {MAX_BYTES} bytes of text",
                self.number
            )));
        }
        Ok(())
    }

    /// The cells up to the last one that is not empty.
    pub(super) fn cells(&self) -> &[Datum] {
        &self.cells
    }
}
