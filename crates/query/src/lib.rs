//! Read-only SQL over files: SQLite's parser, planner and virtual machine, with the rows of
//! [`mcp_workspace_data::scan`] as virtual tables. Nothing is imported, and no file is ever opened by
//! SQLite: its only database is an empty one in memory.
//!
//! A query is a stranger's program. So it may only select (`guard.rs`), call functions whose time
//! is in proportion to their input (`functions.rs`), take so much memory (`heap.rs` for SQLite,
//! [`Room`] for the readers), and go on until its [`StopSignal`] says otherwise.

mod error;
mod functions;
mod guard;
mod heap;
mod virtual_table;

use std::io;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use mcp_workspace_data::scan::{Affinity, Format, Value, distinct};
use mcp_workspace_data::{Input, Room};
use mcp_workspace_stop::{Stop, StopSignal};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, OpenFlags, Statement};

pub use error::QueryError;

use error::Failure;
use guard::Guard;
use heap::Limit;
use virtual_table::Shared;

/// Longest statement in bytes.
pub const MAX_SQL_BYTES: usize = 64 * 1024;
/// Longest text or binary value in bytes, also of what is computed on the way.
pub const MAX_VALUE_BYTES: usize = 4 * 1024 * 1024;
/// Least memory that SQLite can work with, in bytes.
pub const MIN_HEAP_BYTES: usize = 4 * 1024 * 1024;

/// Opens a file of a table once more, from its beginning, and tells its size.
pub type Open = dyn Fn() -> io::Result<(Box<dyn Input>, u64)> + Send + Sync;

/// A file of a table.
pub struct File {
    /// Its name in answers, and in the column `_file`.
    pub name: String,
    /// Its format.
    pub format: Format,
    /// Opens it.
    pub open: Box<Open>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name in SQL.
    pub name: String,
    /// Its name in the files.
    pub source: String,
    /// What its values are.
    pub affinity: Affinity,
}

/// A table: the rows of its files, one after the other.
pub struct Table {
    /// Its name in SQL.
    pub name: String,
    /// The columns that any of its files has.
    pub columns: Vec<Column>,
    /// The files.
    pub files: Vec<File>,
}

impl Table {
    /// A table of files, each with its columns. A column is one over all files by its name; where a
    /// file lacks it, it is null.
    pub fn new(name: String, files: Vec<(File, Vec<mcp_workspace_data::scan::Column>)>) -> Table {
        let mut found: Vec<mcp_workspace_data::scan::Column> = Vec::new();
        let mut kept = Vec::new();
        for (file, columns) in files {
            for column in columns {
                if !found.iter().any(|known| known.name == column.name) {
                    found.push(column);
                }
            }
            kept.push(file);
        }
        let names = distinct(found.iter().map(|column| column.name.clone()).collect());
        let columns = names.into_iter().zip(found).map(|(name, column)| Column {
            name,
            source: column.name,
            affinity: column.affinity,
        });
        Table { name, columns: columns.collect(), files: kept }
    }
}

/// What a query may use.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Memory that SQLite may take, in bytes; at least [`MIN_HEAP_BYTES`].
    pub heap: usize,
    /// Memory that the readers may hold.
    pub room: Room,
    /// When it must end.
    pub stop: StopSignal,
}

/// How a query ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The names of the answer's columns.
    pub columns: Vec<String>,
    /// Rows that were read of all tables, as often as they were read.
    pub scanned: u64,
    /// Whether all rows of the answer were given.
    pub complete: bool,
    /// Why there are no more rows, where it was for time.
    pub stopped: Option<Stop>,
    /// What was odd about the files that were read to their end, each once.
    pub notes: Vec<String>,
}

/// Runs one `SELECT` over the tables and gives its rows to `take` until it breaks.
///
/// # Errors
/// [`QueryError`].
pub fn run(
    sql: &str,
    tables: Vec<Table>,
    bounds: &Bounds,
    mut take: impl FnMut(&[Value<'_>]) -> ControlFlow<()>,
) -> Result<Summary, QueryError> {
    if sql.len() > MAX_SQL_BYTES {
        return Err(QueryError::TooLong(sql.len()));
    }
    if sql.contains('\0') {
        return Err(QueryError::Sql("the statement contains a NUL character".to_owned()));
    }
    let _limit = Limit::begin(bounds.heap)?;
    let failure = Failure::default();
    let shared: Vec<Arc<Shared>> = tables
        .into_iter()
        .map(|table| Arc::new(Shared::new(table, bounds.clone(), failure.clone())))
        .collect();
    let mut working = || work(sql, &shared, bounds, &failure, &mut take);
    // SQLite's interface panics where SQLite has no memory for a text that it is asked for.
    let result = catch_unwind(AssertUnwindSafe(&mut working))
        .unwrap_or(Err(QueryError::Memory(bounds.heap)));
    match result {
        Ok(Ended { columns, complete, stopped }) => {
            let mut notes: Vec<String> = Vec::new();
            for note in shared.iter().flat_map(|shared| shared.notes()) {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
            let scanned = shared.iter().map(|shared| shared.scanned()).sum();
            Ok(Summary { columns, scanned, complete, stopped, notes })
        }
        Err(error) => Err(error),
    }
}

fn work(
    sql: &str,
    tables: &[Arc<Shared>],
    bounds: &Bounds,
    failure: &Failure,
    take: &mut dyn FnMut(&[Value<'_>]) -> ControlFlow<()>,
) -> Result<Ended, QueryError> {
    let told = |error| failure.tell(error, bounds);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_MEMORY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_in_memory_with_flags(flags).map_err(told)?;
    functions::replace(&connection).map_err(told)?;
    for table in tables {
        virtual_table::add(&connection, table).map_err(told)?;
    }
    let names = tables.iter().map(|table| table.name().to_owned()).collect();
    let guard = Guard::new(names, failure.clone());
    guard.stand(&mut connection, &bounds.stop).map_err(told)?;

    let mut batch = Batch::new(&connection, sql);
    let Some(mut statement) = batch.next().map_err(told)? else {
        return Err(QueryError::Sql("there is no statement".to_owned()));
    };
    if !matches!(batch.next(), Ok(None)) {
        return Err(QueryError::Sql(
            "there is more than one statement; give one at a time".to_owned(),
        ));
    }
    if !statement.readonly() || statement.column_count() == 0 {
        return Err(QueryError::Refused("only SELECT is possible".to_owned()));
    }
    if statement.parameter_count() > 0 {
        return Err(QueryError::Sql(
            "parameters (`?`, `:name`) have no value here; write the values themselves".to_owned(),
        ));
    }
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    match rows(&mut statement, columns.len(), take).map_err(told) {
        Ok(complete) => Ok(Ended { columns, complete, stopped: None }),
        // What was given until then is worth having.
        Err(QueryError::Stopped(stop)) => {
            Ok(Ended { columns, complete: false, stopped: Some(stop) })
        }
        Err(error) => Err(error),
    }
}

/// How the rows of a statement ended.
struct Ended {
    columns: Vec<String>,
    complete: bool,
    stopped: Option<Stop>,
}

/// Gives the rows to `take`; whether it took all of them.
fn rows(
    statement: &mut Statement<'_>,
    columns: usize,
    take: &mut dyn FnMut(&[Value<'_>]) -> ControlFlow<()>,
) -> rusqlite::Result<bool> {
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let mut values = Vec::with_capacity(columns);
        for at in 0..columns {
            values.push(match row.get_ref(at)? {
                ValueRef::Null => Value::Null,
                ValueRef::Integer(value) => Value::Integer(value),
                ValueRef::Real(value) => Value::Real(value),
                ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text)),
                ValueRef::Blob(bytes) => Value::Blob(bytes.into()),
            });
        }
        if take(&values).is_break() {
            return Ok(false);
        }
    }
    Ok(true)
}
