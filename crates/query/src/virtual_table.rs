//! A table of files as a virtual table of SQLite: each cursor scans the files from their beginning,
//! for the columns that the statement uses.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_int};
use std::io;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mcp_workspace_data::TableError;
use mcp_workspace_data::scan::{self, Affinity, Compare, Condition, Scan, Value};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::vtab::{
    Context, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConfig, VTabConnection,
    VTabCursor, sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Result, ffi};

use crate::error::{Failure, QueryError};
use crate::{Bounds, File, Table};

/// The column with a row's file, which `*` does not give.
const FILE: &str = "_file";
/// The column with a row's line in its file, or its number where the file has no lines.
const LINE: &str = "_line";
/// What SQLite is told of how many rows there are: it cannot know, and neither do we.
const ROWS: i64 = 1_000_000;
/// Notes that are kept of one table.
const MAX_NOTES: usize = 20;
/// The bit of SQLite's mask for all columns from this one on.
const LAST_BIT: usize = 63;

/// A table, and what its cursors share.
pub(crate) struct Shared {
    table: Table,
    bounds: Bounds,
    failure: Failure,
    scanned: AtomicU64,
    notes: Mutex<Vec<String>>,
}

impl Shared {
    pub(crate) fn new(table: Table, bounds: Bounds, failure: Failure) -> Shared {
        Shared { table, bounds, failure, scanned: AtomicU64::new(0), notes: Mutex::default() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.table.name
    }

    /// Rows read so far.
    pub(crate) fn scanned(&self) -> u64 {
        self.scanned.load(Ordering::Relaxed)
    }

    /// What was odd about its files.
    pub(crate) fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, file: &File, scan: &Scan) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        for note in scan.notes() {
            let note = format!("{}: {note}", file.name);
            if notes.len() < MAX_NOTES && !notes.contains(&note) {
                notes.push(note);
            }
        }
    }

    /// The statement that declares the table's columns.
    fn declaration(&self) -> Option<CString> {
        let mut sql = String::from("CREATE TABLE x(");
        for column in &self.table.columns {
            let kind = match column.affinity {
                // A number and the text of it are equal.
                Affinity::Any => "NUMERIC",
                Affinity::Integer => "INTEGER",
                Affinity::Real => "REAL",
                Affinity::Text => "TEXT",
                Affinity::Blob => "BLOB",
            };
            sql.push_str(&format!("\"{}\" {kind},", column.name.replace('"', "\"\"")));
        }
        for (name, kind) in [(FILE, "TEXT"), (LINE, "INTEGER")] {
            let taken =
                self.table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
            // Where the file has a column of that name, it is that one.
            let name = if taken { format!("{name}_of_row") } else { name.to_owned() };
            sql.push_str(&format!("\"{name}\" {kind} HIDDEN,"));
        }
        sql.pop();
        sql.push(')');
        CString::new(sql).ok()
    }

    fn fail(&self, error: QueryError) -> rusqlite::Error {
        self.failure.because(error)
    }

    fn broken(&self, file: &File, error: TableError) -> rusqlite::Error {
        self.fail(QueryError::File { file: file.name.clone(), error })
    }
}

/// Adds a table to a connection.
pub(crate) fn add(connection: &Connection, table: &Arc<Shared>) -> Result<()> {
    const MODULE: &Module<'static, Files> = &Module::eponymous_only_module();
    connection.create_module(table.name(), MODULE, Some(Arc::clone(table)))
}

/// The table as SQLite holds it.
#[repr(C)]
struct Files {
    base: sqlite3_vtab,
    shared: Arc<Shared>,
    /// The plans that SQLite has been given, by number.
    plans: Rc<RefCell<Vec<Plan>>>,
}

/// What a plan needs of the table.
#[derive(Clone)]
struct Plan {
    /// The columns that it uses, a bit for each.
    mask: u64,
    /// What each row that it needs meets; the column is the table's.
    conditions: Vec<Condition>,
}

impl Plan {
    /// What SQLite asks for. Of its conditions those that compare a column with a value that is
    /// written in the statement; SQLite checks each of them once more.
    fn of(info: &IndexInfo, columns: usize) -> Plan {
        let mut conditions = Vec::new();
        for (at, constraint) in info.constraints().enumerate() {
            let Some(column) = usize::try_from(constraint.column()).ok().filter(|at| *at < columns)
            else {
                continue;
            };
            let compare = match constraint.operator() {
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ => Compare::Equal,
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LT => Compare::Less,
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_LE => Compare::AtMost,
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GT => Compare::Greater,
                IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_GE => Compare::AtLeast,
                _ => continue,
            };
            // Another collation finds other texts to be equal.
            let bytes = info.collation(at).is_ok_and(|name| name.eq_ignore_ascii_case("BINARY"));
            if !constraint.is_usable() || !bytes {
                continue;
            }
            let to = match info.rhs_value(at) {
                Ok(Some(ValueRef::Integer(value))) => Value::Integer(value),
                Ok(Some(ValueRef::Real(value))) => Value::Real(value),
                Ok(Some(ValueRef::Text(text))) => match std::str::from_utf8(text) {
                    Ok(text) => Value::Text(text.to_owned().into()),
                    Err(_) => continue,
                },
                _ => continue,
            };
            conditions.push(Condition { column, compare, to });
        }
        Plan { mask: info.col_used(), conditions }
    }
}

// SAFETY: the struct is `repr(C)` and begins with the `sqlite3_vtab` that SQLite writes to, and
// nothing else here touches that field. The methods do not panic, which would end the process.
#[allow(unsafe_code)]
unsafe impl<'vtab> VTab<'vtab> for Files {
    type Aux = Arc<Shared>;
    type Cursor = Cursor;

    fn connect(
        db: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _module_name: &[u8],
        _database_name: &[u8],
        _table_name: &[u8],
        _args: &[&[u8]],
    ) -> Result<(Cow<'static, CStr>, Self)> {
        let Some(shared) = aux else {
            return Err(rusqlite::Error::SqliteFailure(
                ffi::Error::new(ffi::SQLITE_INTERNAL),
                None,
            ));
        };
        db.config(VTabConfig::Innocuous)?;
        let Some(declaration) = shared.declaration() else {
            return Err(shared.fail(QueryError::Internal("a name has a NUL".to_owned())));
        };
        let files = Files {
            base: sqlite3_vtab::default(),
            shared: Arc::clone(shared),
            plans: Rc::default(),
        };
        Ok((Cow::Owned(declaration), files))
    }

    fn best_index(&self, info: &mut IndexInfo) -> Result<bool> {
        let mut plans = self.plans.borrow_mut();
        // A number, since SQLite's interface ends the process where there is no memory for a text.
        info.set_idx_num(c_int::try_from(plans.len()).unwrap_or(c_int::MAX));
        plans.push(Plan::of(info, self.shared.table.columns.len()));
        info.set_estimated_rows(ROWS);
        info.set_estimated_cost(ROWS as f64);
        Ok(true)
    }

    fn open(&'vtab mut self) -> Result<Cursor> {
        Ok(Cursor {
            base: sqlite3_vtab_cursor::default(),
            shared: Arc::clone(&self.shared),
            plans: Rc::clone(&self.plans),
            used: Vec::new(),
            conditions: Vec::new(),
            places: Vec::new(),
            file: 0,
            scan: RefCell::new(None),
            row: 0,
            ended: true,
        })
    }
}

/// A scan of all files of a table.
#[repr(C)]
struct Cursor {
    base: sqlite3_vtab_cursor,
    shared: Arc<Shared>,
    plans: Rc<RefCell<Vec<Plan>>>,
    /// The places of the columns that are used.
    used: Vec<usize>,
    /// What each row that is needed meets; the column is its place among those that are used.
    conditions: Vec<Condition>,
    /// For each column its place in the scan.
    places: Vec<Option<usize>>,
    file: usize,
    scan: RefCell<Option<Scan>>,
    row: i64,
    ended: bool,
}

impl Cursor {
    fn open_file(&self, file: &File) -> Result<Scan> {
        let shared = &self.shared;
        let (input, size) =
            (file.open)().map_err(|error: io::Error| shared.broken(file, TableError::Io(error)))?;
        let columns = &shared.table.columns;
        let wanted: Vec<&str> = self
            .used
            .iter()
            .filter_map(|at| columns.get(*at))
            .map(|column| column.source.as_str())
            .collect();
        let bounds =
            scan::Bounds { room: shared.bounds.room.clone(), stop: shared.bounds.stop.clone() };
        let mut scan = Scan::open(file.format, input, size, &wanted, &bounds)
            .map_err(|error| shared.broken(file, error))?;
        scan.leave_out(&self.conditions);
        Ok(scan)
    }

    fn go_on(&mut self) -> Result<()> {
        let shared = Arc::clone(&self.shared);
        while let Some(file) = shared.table.files.get(self.file) {
            let mut scan = match self.scan.take() {
                Some(scan) => scan,
                None => self.open_file(file)?,
            };
            if scan.advance().map_err(|error| shared.broken(file, error))? {
                self.scan = RefCell::new(Some(scan));
                self.row = self.row.saturating_add(1);
                shared.scanned.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            shared.note(file, &scan);
            self.file += 1;
        }
        self.ended = true;
        Ok(())
    }
}

// SAFETY: as for the table above: `repr(C)`, begins with the `sqlite3_vtab_cursor`, and no method
// panics: the decoders' faults are caught in `Scan`.
#[allow(unsafe_code)]
unsafe impl VTabCursor for Cursor {
    fn filter(&mut self, plan: c_int, _text: Option<&str>, _values: &Filters<'_>) -> Result<()> {
        let plan = usize::try_from(plan).ok().and_then(|at| self.plans.borrow().get(at).cloned());
        let Plan { mask, conditions } =
            plan.unwrap_or(Plan { mask: u64::MAX, conditions: Vec::new() });
        let columns = self.shared.table.columns.len();
        self.used = (0..columns).filter(|at| mask >> (*at).min(LAST_BIT) & 1 == 1).collect();
        self.places = vec![None; columns];
        for (place, at) in self.used.iter().enumerate() {
            if let Some(slot) = self.places.get_mut(*at) {
                *slot = Some(place);
            }
        }
        // One whose column is not used cannot be looked at, and leaves nothing out.
        let placed = conditions.into_iter().filter_map(|condition| {
            let column = self.places.get(condition.column).copied().flatten()?;
            Some(Condition { column, ..condition })
        });
        self.conditions = placed.collect();
        self.scan = RefCell::new(None);
        (self.file, self.row, self.ended) = (0, 0, false);
        self.go_on()
    }

    fn next(&mut self) -> Result<()> {
        self.go_on()
    }

    fn eof(&self) -> bool {
        self.ended
    }

    fn column(&self, context: &mut Context, column: c_int) -> Result<()> {
        let shared = &self.shared;
        let (Ok(at), Some(file)) = (usize::try_from(column), shared.table.files.get(self.file))
        else {
            return Ok(());
        };
        let columns = shared.table.columns.len();
        if at == columns {
            return context.set_result(file.name.as_str());
        }
        let mut scan = self.scan.borrow_mut();
        let Some(scan) = scan.as_mut() else { return Ok(()) };
        if at > columns {
            return context.set_result(i64::try_from(scan.line()).unwrap_or(i64::MAX));
        }
        let Some(Some(place)) = self.places.get(at) else {
            let name = shared.table.columns.get(at).map_or("", |column| column.name.as_str());
            return Err(
                shared.fail(QueryError::Internal(format!("column `{name}` was not planned for")))
            );
        };
        let value = scan.value(*place).map_err(|error| shared.broken(file, error))?;
        context.set_result(ToSqlOutput::Borrowed(match &value {
            Value::Null => ValueRef::Null,
            Value::Integer(value) => ValueRef::Integer(*value),
            Value::Real(value) => ValueRef::Real(*value),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }

    fn rowid(&self) -> Result<i64> {
        Ok(self.row)
    }
}
