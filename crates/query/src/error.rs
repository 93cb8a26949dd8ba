//! Why a query has no answer.
use std::sync::{Arc, Mutex, PoisonError};

use mcp_workspace_data::TableError;
use mcp_workspace_stop::Stop;
use rusqlite::ErrorCode;

use crate::{Bounds, MAX_SQL_BYTES, MAX_VALUE_BYTES};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// The statement is wrong, in SQLite's words or ours.
    #[error("{0}")]
    Sql(String),
    /// The statement does what is not allowed.
    #[error("{0}")]
    Refused(String),
    /// The statement is too long, by its bytes.
    #[error("the statement has {0} bytes; {most} are the most", most = MAX_SQL_BYTES)]
    TooLong(usize),
    /// A file could not be read.
    #[error("`{file}`: {error}")]
    File {
        /// Its name.
        file: String,
        /// Why.
        error: TableError,
    },
    /// The query needs more than so many bytes of memory at once.
    #[error("it takes more than {0} bytes of memory at once")]
    Memory(usize),
    /// The query must end.
    #[error("the call ended")]
    Stopped(Stop),
    /// SQLite does not work here.
    #[error("SQLite failed: {0}")]
    Internal(String),
}

/// What went wrong below SQLite, which passes on a number only: the first of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<QueryError>>>);

impl Failure {
    /// Keeps the reason, and gives the error for SQLite. It has no text: SQLite's interface ends the
    /// process where there is no memory for one.
    pub(crate) fn because(&self, error: QueryError) -> rusqlite::Error {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT), None)
    }

    /// The reason behind an error that SQLite gave.
    pub(crate) fn tell(&self, error: rusqlite::Error, bounds: &Bounds) -> QueryError {
        if let Some(kept) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return match kept {
                QueryError::File { error: TableError::Stopped(stop), .. } => {
                    QueryError::Stopped(stop)
                }
                kept => kept,
            };
        }
        let (code, text) = match error {
            rusqlite::Error::SqliteFailure(code, text) => (code, text),
            rusqlite::Error::SqlInputError { error, msg, offset, sql } => {
                (error, Some(located(msg, offset, &sql)))
            }
            other => return QueryError::Sql(other.to_string()),
        };
        if code.extended_code == rusqlite::ffi::SQLITE_IOERR_NOMEM {
            return QueryError::Memory(bounds.heap);
        }
        let text = text.unwrap_or_else(|| code.to_string());
        match code.code {
            ErrorCode::OutOfMemory => QueryError::Memory(bounds.heap),
            ErrorCode::OperationInterrupted => {
                QueryError::Stopped(bounds.stop.check().err().unwrap_or(Stop::Deadline))
            }
            ErrorCode::TooBig => QueryError::Sql(format!(
                "{text}: a value may have {MAX_VALUE_BYTES} bytes, and a statement {MAX_SQL_BYTES}"
            )),
            _ => QueryError::Sql(text),
        }
    }
}

/// SQLite's message, with the place in the statement where it has one.
fn located(message: String, offset: i32, sql: &str) -> String {
    let place = usize::try_from(offset).ok().and_then(|at| sql.get(at..));
    match place.map(|rest| rest.chars().take(40).collect::<String>()) {
        Some(rest) if !rest.trim().is_empty() => format!("{message}, at `{}`", rest.trim()),
        _ => message,
    }
}
