//! What data people have beside text: compressed text and tables. Only with the feature `data`.
//!
//! Everything here reads bytes of strangers: each size that a file declares is checked before
//! anything is allocated for it, and what a call reads and decompresses is counted.

mod avro;
mod cell;
mod codec;
mod decoder;
mod parquet;
mod source;
pub mod stream;
mod table;
mod time;

pub use cell::Cell;
pub use stream::{Packing, Stream, Stretch};
pub use table::{Field, Kind, Rows, Table, TableError, Window, read_table};
