//! All rows of a file, a block at a time; of each row the wanted fields.
use super::blocks::{Ahead, Block, MAX_BLOCK_BYTES};
use super::decode::Decoder;
use super::header::{Header, SYNC_BYTES};
use super::schema::{Id, Type};
use crate::cell::{Cell, Detail};
use crate::error::TableError;
use crate::room::Held;
use crate::scan::{Affinity, Column, Value};
use crate::source::Source;
use crate::table::Shape;

/// The name of the only column where rows are no records.
const VALUE: &str = "value";

/// The rows of a file.
pub(crate) struct Rows {
    source: Source,
    header: Header,
    /// The fields of a row, and which wanted column each is.
    fields: Vec<(Id, Option<usize>)>,
    decimals: Vec<bool>,
    cells: Vec<Cell>,
    /// Where the next block begins.
    position: u64,
    block: Vec<u8>,
    at: usize,
    /// Rows of the block that are still to come.
    left: u64,
    number: u64,
    held: Option<Held>,
}

impl Rows {
    pub(crate) fn columns(source: &Source) -> Result<Vec<Column>, TableError> {
        Ok(shapes(&Header::read(source)?))
    }

    pub(crate) fn open(source: Source, wanted: &[&str]) -> Result<Rows, TableError> {
        let header = Header::read(&source)?;
        let place = |name: &str| wanted.iter().position(|wanted| *wanted == name);
        let fields = match header.schema.get(header.schema.row) {
            Type::Record(fields) => {
                fields.iter().map(|(name, id)| (*id, place(name))).collect::<Vec<_>>()
            }
            _ => vec![(header.schema.row, place(VALUE))],
        };
        let columns = shapes(&header);
        let decimal =
            |name: &&str| columns.iter().any(|c| c.name == **name && c.affinity == Affinity::Real);
        Ok(Rows {
            fields,
            decimals: wanted.iter().map(decimal).collect(),
            cells: vec![Cell::Null; wanted.len()],
            position: header.length,
            block: Vec::new(),
            at: 0,
            left: 0,
            number: 0,
            held: None,
            source,
            header,
        })
    }

    pub(crate) fn advance(&mut self) -> Result<bool, TableError> {
        while self.left == 0 {
            if self.at < self.block.len() {
                return Err(TableError::broken("a block has more in it than its rows"));
            }
            if self.position >= self.source.size() {
                return Ok(false);
            }
            self.next_block()?;
        }
        self.left -= 1;
        self.number += 1;
        if self.number.is_multiple_of(1_024) {
            self.source.stop().check()?;
        }
        let bytes = self.block.get(self.at..).unwrap_or_default();
        let mut decoder =
            Decoder::new(bytes, &self.header.schema, self.source.stop(), Detail::Whole);
        for (id, place) in &self.fields {
            match place.and_then(|at| self.cells.get_mut(at)) {
                Some(cell) => *cell = decoder.field(*id)?,
                None => decoder.skip_field(*id)?,
            }
        }
        self.at = self.block.len() - decoder.left();
        Ok(true)
    }

    fn next_block(&mut self) -> Result<(), TableError> {
        (self.block, self.at) = (Vec::new(), 0);
        self.held = None;
        let block: Block = Ahead::new(&self.source).block(self.position, &self.header)?;
        let Some(room) = self.source.room() else {
            return Err(TableError::broken("there is no room for a scan"));
        };
        // As it is stored, and decompressed, where a buffer that grows is there twice.
        let most = (room.left() / 4).min(MAX_BLOCK_BYTES);
        let transient = room.hold(block.bytes.saturating_add(2 * most))?;
        let bytes = block.bytes(&self.source, &self.header, most)?;
        drop(transient);
        self.held = Some(room.hold(bytes.capacity() as u64)?);
        self.position = block.position + block.bytes + SYNC_BYTES;
        (self.block, self.left) = (bytes, block.rows);
        Ok(())
    }

    pub(crate) fn value(&self, at: usize) -> Value<'_> {
        let decimal = self.decimals.get(at).copied().unwrap_or(false);
        self.cells.get(at).map_or(Value::Null, |cell| Value::of_cell(cell, decimal))
    }

    pub(crate) fn line(&self) -> u64 {
        self.number
    }
}

fn shapes(header: &Header) -> Vec<Column> {
    let column = |name: &str, shape: &Shape| Column {
        name: name.to_owned(),
        affinity: Affinity::of_shape(shape),
    };
    match header.schema.shape() {
        Shape::Struct(parts) => parts.iter().map(|(name, part, _)| column(name, part)).collect(),
        other => vec![column(VALUE, &other)],
    }
}
