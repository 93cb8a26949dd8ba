//! All rows of a file: of each wanted column its chunks one after the other, as far as values are
//! asked for.
use parquet::file::metadata::ParquetMetaData;

use super::assemble;
use super::footer;
use super::leaf::{Chunk, Leaf};
use super::shape::{Content, Node, shape};
use super::statistics;
use crate::cell::{Cell, Detail};
use crate::error::TableError;
use crate::room::Held;
use crate::scan::{Affinity, Column, Condition, Value};
use crate::source::Source;
use crate::table::Shape;

/// How much more than its bytes a footer takes in memory.
const FOOTER_FACTOR: u64 = 8;

/// The rows of a file.
pub(crate) struct Rows {
    source: Source,
    metadata: ParquetMetaData,
    wanted: Vec<Option<Wanted>>,
    /// What each row that is needed meets.
    conditions: Vec<Condition>,
    /// The row group, its rows, and how many of them were passed, this one included.
    group: usize,
    rows: u64,
    passed: u64,
    before: u64,
    _held: Held,
}

/// A wanted column.
struct Wanted {
    node: Node,
    decimal: bool,
    /// Its chunks in the row group; none where no value of it was asked for.
    open: Option<Open>,
    cell: Cell,
}

/// The chunks of a column in one row group.
struct Open {
    chunks: Vec<Box<dyn Chunk>>,
    leaves: Vec<Leaf>,
    /// Rows of `leaves` that are still to come.
    left: usize,
    /// Rows of the group that were passed, the one of `cell` included.
    at: u64,
}

impl Rows {
    pub(crate) fn columns(source: &Source) -> Result<Vec<Column>, TableError> {
        let (metadata, _held) = read(source)?;
        let root = metadata.file_metadata().schema();
        let mut next = 0;
        let columns = root.get_fields().iter().map(|kind| {
            let node = Node::new(kind, 0, 0, &mut next);
            let name = shape(kind, &node).name();
            Column { name: kind.name().to_owned(), affinity: affinity(&name) }
        });
        Ok(columns.collect())
    }

    pub(crate) fn open(source: Source, wanted: &[&str]) -> Result<Rows, TableError> {
        let (metadata, held) = read(&source)?;
        let root = metadata.file_metadata().schema();
        let mut next = 0;
        let mut found: Vec<Option<Wanted>> = wanted.iter().map(|_| None).collect();
        for kind in root.get_fields() {
            let node = Node::new(kind, 0, 0, &mut next);
            if let Some(at) = wanted.iter().position(|name| *name == kind.name())
                && let Some(place) = found.get_mut(at)
            {
                let decimal = shape(kind, &node).name().starts_with("decimal(");
                *place = Some(Wanted { node, decimal, open: None, cell: Cell::Null });
            }
        }
        for group in metadata.row_groups() {
            if group.num_rows() < 0 {
                return Err(TableError::broken("a row group has a negative number of rows"));
            }
            if group.num_columns() != next {
                return Err(TableError::broken("a row group has another number of columns"));
            }
        }
        let mut rows = Rows {
            source,
            metadata,
            wanted: found,
            conditions: Vec::new(),
            group: 0,
            rows: 0,
            passed: 0,
            before: 0,
            _held: held,
        };
        rows.rows = rows.rows_of(0);
        Ok(rows)
    }

    fn rows_of(&self, group: usize) -> u64 {
        let group = self.metadata.row_groups().get(group);
        group.map_or(0, |group| u64::try_from(group.num_rows()).unwrap_or(0))
    }

    pub(crate) fn leave_out(&mut self, conditions: &[Condition]) {
        self.conditions = conditions.to_vec();
        self.pass_unless_needed();
    }

    /// Passes all rows of the group where none can meet the conditions.
    fn pass_unless_needed(&mut self) {
        if !self.conditions.iter().all(|condition| self.may_meet(condition)) {
            self.passed = self.rows;
        }
    }

    /// Whether a row of the group may meet a condition.
    fn may_meet(&self, condition: &Condition) -> bool {
        // What the file lacks is null, which meets none.
        let Some(Some(wanted)) = self.wanted.get(condition.column) else { return false };
        if wanted.node.repeated || !matches!(wanted.node.content, Content::Leaf) {
            return true;
        }
        let group = self.metadata.row_groups().get(self.group);
        let column = group.and_then(|group| group.columns().get(wanted.node.leaves.start));
        match column.and_then(statistics::range) {
            Some((least, most)) => condition.may_lie(&least, &most),
            None => true,
        }
    }

    pub(crate) fn advance(&mut self) -> Result<bool, TableError> {
        while self.passed >= self.rows {
            if self.group + 1 >= self.metadata.num_row_groups() {
                return Ok(false);
            }
            self.source.stop().check()?;
            self.before = self.before.saturating_add(self.rows);
            self.group += 1;
            (self.rows, self.passed) = (self.rows_of(self.group), 0);
            for wanted in self.wanted.iter_mut().flatten() {
                wanted.open = None;
            }
            self.pass_unless_needed();
        }
        self.passed += 1;
        Ok(true)
    }

    /// Reads the value of a wanted column in this row.
    pub(crate) fn go_to(&mut self, at: usize) -> Result<(), TableError> {
        let Some(Some(wanted)) = self.wanted.get_mut(at) else { return Ok(()) };
        let Some(group) = self.metadata.row_groups().get(self.group) else {
            return Ok(());
        };
        let open = match &mut wanted.open {
            Some(open) => open,
            None => {
                let mut chunks = Vec::new();
                for column in group.columns().get(wanted.node.leaves.clone()).unwrap_or_default() {
                    chunks.push(<dyn Chunk>::open(&self.source, column, 0, Detail::Whole)?);
                }
                wanted.open.insert(Open { chunks, leaves: Vec::new(), left: 0, at: 0 })
            }
        };
        if open.at < self.passed {
            wanted.cell = open.go_to(&wanted.node, self.passed, self.rows)?;
        }
        Ok(())
    }

    /// The value that was read.
    pub(crate) fn value(&self, at: usize) -> Value<'_> {
        match self.wanted.get(at) {
            Some(Some(wanted)) => Value::of_cell(&wanted.cell, wanted.decimal),
            _ => Value::Null,
        }
    }

    pub(crate) fn line(&self) -> u64 {
        self.before.saturating_add(self.passed)
    }
}

impl Open {
    /// The value of the row at `row` of `rows`, which lies behind the last one that was asked for.
    fn go_to(&mut self, node: &Node, row: u64, rows: u64) -> Result<Cell, TableError> {
        if self.chunks.is_empty() {
            self.at = row;
            return Ok(Cell::Null);
        }
        // Whole batches that nobody asked for are not kept.
        let behind = row - self.at - 1;
        if behind > self.left as u64 {
            let skip = behind - self.left as u64;
            self.at += self.left as u64 + skip;
            self.left = 0;
            self.leaves.clear();
            for chunk in &mut self.chunks {
                chunk.skip(skip)?;
            }
        }
        loop {
            if self.left == 0 {
                let left = usize::try_from(rows - self.at).unwrap_or(usize::MAX);
                let steps = self.chunks.iter().map(|chunk| chunk.step()).min().unwrap_or(1);
                let count = left.min(steps).max(1);
                self.leaves.clear();
                for chunk in &mut self.chunks {
                    self.leaves.push(chunk.read(count)?);
                }
                self.left = count;
            }
            self.at += 1;
            self.left -= 1;
            if self.at == row {
                return assemble::value(node, &mut self.leaves, Detail::Whole);
            }
            match (&node.content, node.repeated, self.leaves.as_mut_slice()) {
                // One level a row.
                (Content::Leaf, false, [leaf]) => leaf.pass(),
                _ => drop(assemble::value(node, &mut self.leaves, Detail::Whole)?),
            }
        }
    }
}

fn read(source: &Source) -> Result<(ParquetMetaData, Held), TableError> {
    let Some(room) = source.room() else {
        return Err(TableError::broken("there is no room for a scan"));
    };
    let length = footer::length(source)?;
    let held = room.hold(length.saturating_mul(FOOTER_FACTOR))?;
    Ok((footer::read(source)?, held))
}

/// What values of a type are, by its name.
fn affinity(kind: &str) -> Affinity {
    let plain = kind.split('(').next().unwrap_or_default();
    match plain {
        "decimal" | "float" | "double" | "float16" => Affinity::Real,
        "boolean" | "int8" | "int16" | "int32" | "int64" | "uint8" | "uint16" | "uint32"
        | "uint64" | "int" | "long" => Affinity::Integer,
        "bytes" | "bson" => Affinity::Blob,
        _ => Affinity::Text,
    }
}

impl Affinity {
    pub(crate) fn of_shape(shape: &Shape) -> Affinity {
        affinity(&shape.name())
    }
}
