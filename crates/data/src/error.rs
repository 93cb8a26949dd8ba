//! Why a table is not shown.
use std::io;

use mcp_workspace_stop::Stop;

/// Names of parts that are told.
const NAMED_PARTS: usize = 50;

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
    /// A document has no part of this name.
    #[error("it has no {what} `{part}`{}", told(what, named, *more))]
    NoPart {
        /// What its parts are called, such as `sheet`.
        what: &'static str,
        /// The name.
        part: String,
        /// The names that there are, where they are few enough to be told.
        named: Vec<String>,
        /// How many more there are.
        more: usize,
    },
    /// The call ended.
    #[error("the call ended")]
    Stopped(Stop),
    /// The file could not be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl TableError {
    pub(crate) fn no_part(what: &'static str, part: &str, parts: &[String]) -> TableError {
        let named: Vec<String> = parts.iter().take(NAMED_PARTS).cloned().collect();
        TableError::NoPart { what, part: part.to_owned(), more: parts.len() - named.len(), named }
    }

    pub(crate) fn broken(what: impl Into<String>) -> TableError {
        TableError::Broken(what.into())
    }
}

impl From<Stop> for TableError {
    fn from(stop: Stop) -> Self {
        TableError::Stopped(stop)
    }
}

/// What parts there are.
fn told(what: &str, named: &[String], more: usize) -> String {
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    match named {
        [] => String::new(),
        named => format!("; its {what}s are {}{more}", named.join(", ")),
    }
}
