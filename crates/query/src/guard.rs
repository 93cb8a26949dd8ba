//! What a statement may do: select from the known tables, by functions that are known to be
//! harmless, within limits, as long as there is time.

use std::collections::HashSet;

use mcp_workspace_stop::StopSignal;
use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;

use crate::error::{Failure, QueryError};
use crate::{MAX_SQL_BYTES, MAX_VALUE_BYTES, functions};

/// Steps of SQLite's machine between two looks at the time.
const STEPS: i32 = 1_000;
/// Tables that SQLite makes of a JSON value.
const JSON_TABLES: [&str; 2] = ["json_each", "json_tree"];

/// Limits of SQLite, each far below its default.
const LIMITS: [(Limit, usize); 12] = [
    (Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SQL_BYTES),
    (Limit::SQLITE_LIMIT_COLUMN, 2_000),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_PARSER_DEPTH, 500),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
    (Limit::SQLITE_LIMIT_VDBE_OP, 250_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// Judges what a statement is about to do.
pub(crate) struct Guard {
    tables: HashSet<String>,
    failure: Failure,
}

impl Guard {
    pub(crate) fn new(tables: HashSet<String>, failure: Failure) -> Guard {
        Guard { tables, failure }
    }

    /// Sets the limits, and stands before everything that is prepared from here on.
    pub(crate) fn stand(
        self,
        connection: &mut Connection,
        stop: &StopSignal,
    ) -> rusqlite::Result<()> {
        // Sorting and temporary tables stay in memory: no file is opened.
        connection.execute_batch("PRAGMA temp_store = MEMORY")?;
        for (limit, most) in LIMITS {
            connection.set_limit(limit, i32::try_from(most).unwrap_or(i32::MAX))?;
        }
        let stop = stop.clone();
        connection.progress_handler(STEPS, Some(move || stop.check().is_err()))?;
        connection.authorizer(Some(move |context: AuthContext<'_>| self.judge(&context.action)))
    }

    fn judge(&self, action: &AuthAction<'_>) -> Authorization {
        let why = match action {
            AuthAction::Select | AuthAction::Recursive => return Authorization::Allow,
            // A table of which no column is used; also a name that `WITH` defines.
            AuthAction::Read { column_name: "", .. } => return Authorization::Allow,
            AuthAction::Read { table_name, .. } => {
                let known = self.tables.iter().any(|name| name.eq_ignore_ascii_case(table_name));
                if known || JSON_TABLES.contains(table_name) {
                    return Authorization::Allow;
                }
                format!("table `{table_name}` is not one of `tables`")
            }
            AuthAction::Function { function_name } => {
                if functions::is_allowed(function_name) {
                    return Authorization::Allow;
                }
                format!("function `{function_name}` is not available")
            }
            AuthAction::Attach { .. } | AuthAction::Detach { .. } => {
                "ATTACH and DETACH are not possible; name every file in `tables`".to_owned()
            }
            AuthAction::Pragma { .. } => "PRAGMA is not possible; only SELECT is".to_owned(),
            _ => "only SELECT is possible; files are never changed".to_owned(),
        };
        self.failure.because(QueryError::Refused(why));
        Authorization::Deny
    }
}
