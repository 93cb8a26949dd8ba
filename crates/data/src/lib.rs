//! Formats of data other than text: compressed text, tables, workbooks, archives and notebooks.
//!
//! Everything here reads untrusted bytes. Each size that a file declares is checked before memory
//! is allocated for it, and all that is read and decompressed for one call is counted. Reading ends
//! when its [`StopSignal`] says so.

mod avro;
mod cell;
mod codec;
mod decoder;
pub mod document;
mod error;
mod lines;
mod notebook;
mod parquet;
mod pdf;
mod room;
pub mod scan;
mod source;
mod stream;
mod table;
mod tar;
mod time;
mod workbook;
mod xml;
mod zip;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mcp_workspace_stop::StopSignal;

pub use cell::Cell;
pub use error::TableError;
pub use room::Room;
pub use source::Input;
pub use stream::{End, Packing, Stream};
pub use table::{Field, Kind, Rows, Table, Window};

use source::Source;

/// Reads a window of the rows of a file of `size` bytes. A fault in a decoder is told as damage
/// of the file.
///
/// # Errors
/// [`TableError`].
pub fn read_table(
    kind: Kind,
    input: Box<dyn Input>,
    size: u64,
    window: &Window,
    stop: &StopSignal,
) -> Result<Table, TableError> {
    let source = Source::new(input, size, window.budget, stop);
    let read = || match kind {
        Kind::Parquet => parquet::read(&source, window),
        Kind::Avro => avro::read(&source, window),
    };
    // Nothing outlives the call that a decoder may have left half done.
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(TableError::broken("its decoder failed on it")))
}
