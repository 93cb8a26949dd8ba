//! Avro object container files: rows are counted by the headers of their blocks, and only the
//! blocks of the window are decoded.
//!
//! `apache-avro` is not used. Its last stable release (0.22) decodes recursive types as deep as the
//! data says, and a stack overflow ends the process; 0.23, now a candidate, counts the depth.

mod blocks;
mod decode;
mod header;
mod scan;
mod schema;
use mcp_workspace_stop::Stop;

pub(crate) use self::scan::Rows as Scan;

use self::blocks::Count;
use self::header::Header;
use crate::error::TableError;
use crate::source::Source;
use crate::table::{Page, Rows, Table, Window, first_row};

/// Reads a window of rows.
pub(crate) fn read(source: &Source, window: &Window) -> Result<Table, TableError> {
    let header = Header::read(source)?;
    let (fields, more_fields) = header.schema.shape().fields();
    let Count { blocks, rows: row_count, whole, why } = Count::of(source, &header, window)?;
    let first = match window.offset {
        offset if whole => first_row(offset, row_count)?,
        offset if offset > 0 && offset.unsigned_abs() <= row_count => offset.unsigned_abs(),
        _ => return Err(why.unwrap_or(TableError::NotReached(row_count))),
    };
    let mut page = Page::new(window, first);
    let mut notes = Vec::new();
    if let Some(why) = &why {
        notes.push(format!("after row {row_count} it is not readable: {why}"));
    }
    let mut before = 0_u64;
    for block in &blocks {
        let start = before;
        before = before.saturating_add(block.rows);
        let next = first.saturating_sub(1).saturating_add(page.len());
        if next < start || next >= before || page.is_full() {
            continue;
        }
        match block.rows(source, &header, next - start, &mut page) {
            Ok(()) => {}
            Err(TableError::Stopped(Stop::Cancelled)) => return Err(Stop::Cancelled.into()),
            Err(error) if !page.is_empty() => {
                let row = first.saturating_add(page.len());
                notes.push(format!("it stops before row {row}: {error}"));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let last = first.saturating_sub(1).saturating_add(page.len());
    let more = !page.is_empty() && last < row_count;
    let about = vec![format!("{} block{}", blocks.len(), if blocks.len() == 1 { "" } else { "s" })];
    let about = about.into_iter().chain((header.codec_name != "null").then_some(header.codec_name));
    Ok(Table {
        fields,
        more_fields,
        row_count,
        counted: whole,
        about: about.collect(),
        rows: Rows { rows: page.rows(), first, more, notes },
    })
}
