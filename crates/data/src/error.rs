//! Why a table is not shown.
use std::io;

use mcp_workspace_stop::Stop;

/// Why there is no window.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The window would begin after the last row.
    #[error("the table has {0} rows")]
    PastEnd(u64),
    /// The rows that were asked for were not reached; so many were counted.
    #[error("only {0} rows were counted")]
    NotReached(u64),
    /// More than so many bytes would have to be read, or four times as many decompressed.
    #[error("it takes more than {0} bytes")]
    Budget(u64),
    /// A column has more values in the rows that were read at once than there is room for.
    #[error("column `{0}` has more than {1} values in one row")]
    TooMany(String, usize),
    /// What is read at once takes more memory than there is for it.
    #[error("it takes more than {0} bytes of memory at once")]
    Memory(u64),
    /// The file is damaged, or uses what is not understood here.
    #[error("{0}")]
    Broken(String),
    /// The call ended.
    #[error("the call ended")]
    Stopped(Stop),
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl TableError {
    pub(crate) fn broken(what: impl Into<String>) -> TableError {
        TableError::Broken(what.into())
    }
}

impl From<Stop> for TableError {
    fn from(stop: Stop) -> Self {
        TableError::Stopped(stop)
    }
}
