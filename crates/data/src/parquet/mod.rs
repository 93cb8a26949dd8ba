//! Parquet: the footer first, then of each column the pages that the window needs.

mod assemble;
mod footer;
mod header;
mod leaf;
mod measure;
mod pages;
mod scan;
mod shape;
mod statistics;
mod thrift;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::vec::IntoIter;

use mcp_workspace_stop::Stop;
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};

pub(crate) use self::scan::Rows as Scan;

use self::leaf::Leaf;
use self::shape::{Node, shape};
use crate::cell::{Cell, Detail};
use crate::error::TableError;
use crate::source::Source;
use crate::table::{Field, Page, Rows, Shape, Table, Window, first_row};

/// Rows that are read at once at first; then so many times as many. Whether more fit into the
/// answer shows only when they have been read.
const FIRST_BATCH: u64 = 128;
const GROWTH: u64 = 4;

/// Columns of some rows, with their names.
type Columns = Vec<(Arc<str>, IntoIter<Cell>)>;

/// Reads a window of rows.
pub(crate) fn read(source: &Source, window: &Window) -> Result<Table, TableError> {
    let metadata = footer::read(source)?;
    let root = metadata.file_metadata().schema();
    let mut next = 0;
    let nodes: Vec<Node> =
        root.get_fields().iter().map(|kind| Node::new(kind, 0, 0, &mut next)).collect();
    let parts = root.get_fields().iter().zip(&nodes);
    let (fields, more_fields) = Shape::Struct(
        parts
            .map(|(kind, node)| (kind.name().to_owned(), shape(kind, node), node.optional))
            .collect(),
    )
    .fields();
    let mut row_count = 0_u64;
    for group in metadata.row_groups() {
        let rows = u64::try_from(group.num_rows())
            .map_err(|_| TableError::broken("a row group has a negative number of rows"))?;
        row_count = row_count.saturating_add(rows);
        if group.num_columns() != next {
            return Err(TableError::broken("a row group has another number of columns"));
        }
    }
    let first = first_row(window.offset, row_count)?;
    let mut reader =
        Reader { source, window, nodes: &nodes, batch: FIRST_BATCH, notes: Vec::new() };
    let mut page = Page::new(window, first);
    let mut before = 0;
    for group in metadata.row_groups() {
        let rows = u64::try_from(group.num_rows()).unwrap_or(0);
        let (start, end) = (before, before + rows);
        before = end;
        let mut row = first.saturating_sub(1).saturating_add(page.len());
        while row < end && !page.is_full() && row >= start {
            match reader.rows(group, row - start, rows, &mut page) {
                Ok(()) => {}
                // What was read so far is worth having.
                Err(TableError::Stopped(Stop::Cancelled)) => {
                    return Err(Stop::Cancelled.into());
                }
                Err(error) if !page.is_empty() => {
                    reader.notes.push(format!("it stops before row {}: {error}", row + 1));
                    let rows = reader.finish(page, first, row_count);
                    return Ok(table(&metadata, fields, more_fields, row_count, rows));
                }
                Err(error) => return Err(error),
            }
            let next = first.saturating_sub(1).saturating_add(page.len());
            if next == row {
                break;
            }
            row = next;
        }
    }
    let rows = reader.finish(page, first, row_count);
    Ok(table(&metadata, fields, more_fields, row_count, rows))
}

fn table(
    metadata: &ParquetMetaData,
    fields: Vec<Field>,
    more_fields: usize,
    row_count: u64,
    rows: Rows,
) -> Table {
    let groups = metadata.num_row_groups();
    let mut about = vec![format!("{groups} row group{}", if groups == 1 { "" } else { "s" })];
    let codecs: BTreeSet<String> = metadata
        .row_groups()
        .iter()
        .flat_map(RowGroupMetaData::columns)
        .map(|column| column.compression().to_string())
        .map(|name| name.split('(').next().unwrap_or_default().to_lowercase())
        .collect();
    if !codecs.is_empty() {
        about.push(codecs.into_iter().collect::<Vec<_>>().join(", "));
    }
    if let Some(writer) = metadata.file_metadata().created_by() {
        about.push(format!("written by {}", writer.chars().take(80).collect::<String>()));
    }
    Table { fields, more_fields, row_count, counted: true, about, rows }
}

struct Reader<'a> {
    source: &'a Source,
    window: &'a Window,
    nodes: &'a [Node],
    batch: u64,
    notes: Vec<String>,
}

impl Reader<'_> {
    /// Reads some rows of a group from its row `from` on, as many as may fit.
    fn rows(
        &mut self,
        group: &RowGroupMetaData,
        from: u64,
        rows: u64,
        page: &mut Page,
    ) -> Result<(), TableError> {
        let wanted = self.window.limit - page.len();
        let most = self.most().min(self.batch).min(self.affordable(group));
        let mut count = usize::try_from((rows - from).min(wanted).min(most)).unwrap_or(1);
        self.batch = self.batch.saturating_mul(GROWTH);
        let mut columns = loop {
            match self.columns(group, from, count, page.is_empty()) {
                // Rows may hold lists of any length.
                Err(TableError::TooMany(..)) if count > 1 => {
                    count = (count / 8).max(1);
                    self.batch = count as u64;
                }
                other => break other?,
            }
        };
        for _ in 0..count {
            let mut fields = Vec::new();
            for (name, cells) in &mut columns {
                fields.push((name.clone(), cells.next().unwrap_or(Cell::Null)));
            }
            if !page.push(Cell::Record(fields)) {
                break;
            }
        }
        Ok(())
    }

    /// The fields of so many rows; only the first of them where the others cost too much.
    fn columns(
        &mut self,
        group: &RowGroupMetaData,
        from: u64,
        count: usize,
        in_part: bool,
    ) -> Result<Columns, TableError> {
        let mut columns = Vec::new();
        for node in self.nodes {
            match self.field(group, node, from, count) {
                Ok(cells) => columns.push((node.name.clone(), cells.into_iter())),
                Err(TableError::Budget(budget)) if !columns.is_empty() && in_part => {
                    self.notes.push(format!(
                        "columns from `{}` on are not read: they take more than {budget} bytes \
                         (max_file_bytes)",
                        node.name
                    ));
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(columns)
    }

    /// How many rows can be read with a part of the budget, as long as they are on the average.
    fn affordable(&self, group: &RowGroupMetaData) -> u64 {
        let bytes: i64 = group
            .columns()
            .iter()
            .map(|column| column.compressed_size().max(column.uncompressed_size()).max(0))
            .fold(0, i64::saturating_add);
        let rows = u64::try_from(group.num_rows()).unwrap_or(0).max(1);
        let each = u64::try_from(bytes).unwrap_or(0) / rows + 1;
        (self.window.budget / 4 / each).max(1)
    }

    /// One field of so many rows.
    fn field(
        &self,
        group: &RowGroupMetaData,
        node: &Node,
        from: u64,
        count: usize,
    ) -> Result<Vec<Cell>, TableError> {
        let mut leaves = Vec::new();
        for column in group.columns().get(node.leaves.clone()).unwrap_or_default() {
            leaves.push(Leaf::read(self.source, column, from, count)?);
        }
        let mut cells = Vec::with_capacity(count);
        if node.leaves.is_empty() {
            cells.resize(count, Cell::Null);
        }
        while cells.len() < count {
            cells.push(assemble::value(node, &mut leaves, Detail::Shown)?);
        }
        Ok(cells)
    }

    /// How many rows can fit at most: each costs its names.
    fn most(&self) -> u64 {
        let least: usize = self.nodes.iter().map(|node| node.name.len() + 4).sum();
        (self.window.room / least.max(2)) as u64 + 1
    }

    fn finish(self, page: Page, first: u64, row_count: u64) -> Rows {
        let more = first.saturating_sub(1).saturating_add(page.len()) < row_count;
        Rows { more: more && !page.is_empty(), rows: page.rows(), first, notes: self.notes }
    }
}
