//! `query_table`: one SELECT over the rows of files, in a server that is built for data.

mod answer;
mod sources;

use std::collections::HashSet;
use std::ops::ControlFlow;

use mcp_workspace_data::{Room, TableError};
use mcp_workspace_query::{Bounds, MIN_HEAP_BYTES, QueryError, Table, run};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cursor::Binding;
use super::{Effect, Tool, arguments};
use crate::answer::{Format, Shown};
use crate::call::{Call, Stop};
use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::policy::{Access, Layout};
use crate::workspace::{Scope, read_error};

use answer::Page;
use sources::Sources;

/// Rows of one page unless the caller says otherwise.
const DEFAULT_LIMIT: usize = 100;
/// Most rows of one page.
const MAX_LIMIT: usize = 5_000;
/// Most tables of a query.
const MAX_TABLES: usize = 16;
/// Longest name of a table in bytes.
const MAX_NAME_BYTES: usize = 64;
/// What SQLite may take for sorting, grouping and intermediate results, in bytes.
const HEAP_BYTES: usize = 64 * 1024 * 1024;
/// What the readers may hold: pages, blocks and records.
const READER_BYTES: usize = 128 * 1024 * 1024;
/// Characters of the columns that an error names.
const NAMED_CHARS: usize = 2_000;

/// The tool.
pub struct QueryTable;

/// Arguments of `query_table`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// One SELECT; WITH, window and JSON functions included.
    sql: String,
    /// The tables that the statement names.
    tables: Vec<TableArg>,
    /// Most rows, up to 5000. Default: 100.
    limit: Option<usize>,
    /// Where the page before ended; keep the other arguments.
    cursor: Option<String>,
    /// `json` for exact values. Default: text.
    #[serde(default)]
    format: Format,
}

/// A table of a query.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TableArg {
    /// Its name in the statement: letters, digits and `_`.
    name: String,
    /// The file, or a glob of files of one kind such as `data/2026-*/orders.csv`.
    path: String,
    /// Of a workbook the sheet. Default: the first.
    sheet: Option<String>,
}

/// Output of `query_table`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The names of the columns.
    columns: Vec<String>,
    /// The rows, each with a value for each column.
    rows: Vec<Vec<Value>>,
    /// Rows that were read of the tables for this page, as often as they were read.
    rows_scanned: u64,
    /// Whether rows follow.
    more: bool,
    /// Where the next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// Why the page ended early: `deadline`, when time ran out.
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped: Option<&'static str>,
    /// What was odd about the files, such as rows with too few fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    #[serde(skip)]
    shown: Option<String>,
}

impl Tool for QueryTable {
    const NAME: &'static str = "query_table";
    const TITLE: &'static str = "Query tables";
    const DESCRIPTION: &'static str = include_str!("query_table.md");
    const GUIDE: &'static str =
        "`query_table` counts, groups and joins tables by SQL, however large they are.";
    const EFFECT: Effect = Effect::Reads;
    const ACCESS: Access = Access::Read;
    const SUBJECT: Option<&'static str> = None;
    const IDEMPOTENT: bool = true;
    const STRUCTURED: bool = false;
    const ALIASES: &'static [(&'static str, &'static str)] = &[("query", "sql")];
    const ESSENTIAL: &'static [&'static str] = &["limit", "cursor", "format"];
    type Args = Args;
    type Output = Output;

    fn subject_path(
        _layout: &Layout,
        _subject: Option<&str>,
    ) -> Result<Option<WorkspacePath>, ToolError> {
        Ok(None)
    }

    fn is_partial(output: &Output) -> bool {
        output.more
    }

    fn show(output: &Output) -> Shown {
        match &output.shown {
            Some(text) => Shown::Text(text.clone()),
            None => Shown::Json,
        }
    }

    fn run(scope: &Scope, args: Args, call: &Call) -> Result<Output, ToolError> {
        let limit = arguments::limit(args.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
        check_tables(&args.tables)?;
        let binding = binding(&args, call);
        let cursor = args.cursor.as_deref().map(|cursor| binding.read(cursor)).transpose()?;
        // SQLite and the readers take their own; of a small budget each takes a quarter.
        let quarter = scope.memory().share() / 4;
        let heap = HEAP_BYTES.min(quarter).max(MIN_HEAP_BYTES);
        let readers = READER_BYTES.min(quarter).max(MIN_HEAP_BYTES);
        let _drawn = scope.memory().draw(heap + readers, call)?;
        let bounds =
            Bounds { heap, room: Room::new(readers as u64), stop: call.stop_signal().clone() };

        let mut sources = Sources::new(scope, call, &bounds);
        let mut tables = Vec::new();
        for table in &args.tables {
            tables.push(sources.table(&table.name, &table.path, table.sheet.as_deref())?);
        }
        let versions = sources.versions();
        if cursor.as_ref().is_some_and(|cursor| cursor.path != versions) {
            return Err(ToolError::new(Code::Conflict, "the files have changed since that page")
                .hint("leave `cursor` out to start from the beginning"));
        }
        let skipped = cursor.and_then(|cursor| cursor.line).unwrap_or(0);
        let known = known(&tables);

        let mut page = Page::new(limit, call.answer_chars, args.format, skipped);
        let ran = run(&args.sql, tables, &bounds, |row| {
            if page.add(row) { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let summary = ran.map_err(|error| told(error, &known))?;
        let stopped = match summary.stopped {
            // What there is of the answer is worth having.
            Some(Stop::Deadline) if !page.is_empty() => Some("deadline"),
            Some(stop) => return Err(told(QueryError::Stopped(stop), &known)),
            None => None,
        };
        let more = !summary.complete;
        let next_cursor = more.then(|| binding.at(&versions, Some(page.reached())));
        let mut output = Output {
            columns: summary.columns,
            rows: Vec::new(),
            rows_scanned: summary.scanned,
            more,
            next_cursor,
            stopped,
            notes: summary.notes,
            shown: None,
        };
        if args.format == Format::Text {
            output.shown = Some(page.text(&output, skipped));
        }
        output.rows = page.into_rows();
        Ok(output)
    }
}

fn binding(args: &Args, call: &Call) -> Binding {
    let format = format!("{:?}", args.format);
    let mut question = vec!["query_table", &args.sql, &format];
    for table in &args.tables {
        let sheet = table.sheet.as_deref().unwrap_or_default();
        question.extend([table.name.as_str(), table.path.as_str(), sheet]);
    }
    Binding::new(&call.caller, &question)
}

fn check_tables(tables: &[TableArg]) -> Result<(), ToolError> {
    if tables.is_empty() || tables.len() > MAX_TABLES {
        return Err(ToolError::invalid(format!(
            "`tables` names {} tables; 1 to {MAX_TABLES} are possible",
            tables.len()
        ))
        .hint("for example [{\"name\": \"orders\", \"path\": \"data/orders.csv\"}]"));
    }
    let mut names = HashSet::new();
    for TableArg { name, .. } in tables {
        let lower = name.to_ascii_lowercase();
        let mut letters = lower.bytes();
        let first = letters.next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let rest = letters.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let own = ["sqlite_", "pragma_", "json_"].iter().any(|prefix| lower.starts_with(prefix));
        if !first || !rest || own || name.len() > MAX_NAME_BYTES {
            return Err(ToolError::invalid(format!("`{name}` cannot be the name of a table"))
                .hint(format!(
                    "a name has letters, digits and `_`, begins with no digit and with none of \
                     `sqlite_`, `pragma_` and `json_`, and has at most {MAX_NAME_BYTES} bytes; \
                     `path` names the file"
                )));
        }
        if !names.insert(lower) {
            return Err(ToolError::invalid(format!("`tables` has two tables `{name}`"))
                .hint("one path can be a glob over several files"));
        }
    }
    Ok(())
}

/// The tables and their columns, for an error.
fn known(tables: &[Table]) -> String {
    let mut text = String::new();
    for table in tables {
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(&table.name);
        text.push('(');
        for (at, column) in table.columns.iter().enumerate() {
            if text.len() > NAMED_CHARS {
                text.push_str(&format!(", … {} more", table.columns.len() - at));
                break;
            }
            if at > 0 {
                text.push_str(", ");
            }
            text.push_str(&answer::name(&column.name));
        }
        text.push(')');
    }
    text
}

/// The error for a query without an answer.
fn told(error: QueryError, known: &str) -> ToolError {
    match error {
        QueryError::Sql(message) => {
            ToolError::invalid(format!("`sql`: {}", answer::one_line(&message)))
                .hint(format!("the tables are {known}; names with blanks stand in double quotes"))
        }
        QueryError::Refused(message) => {
            ToolError::invalid(format!("`sql`: {}", answer::one_line(&message)))
                .hint(format!("give one SELECT over the tables {known}"))
        }
        QueryError::TooLong(_) => ToolError::new(Code::TooLarge, format!("`sql`: {error}"))
            .hint("shorten the statement; values that it compares with can stand in a file"),
        QueryError::Memory(_) => ToolError::new(Code::TooLarge, format!("the query: {error}"))
            .hint(
                "group or filter before you sort or join, select fewer columns, or query one file \
                 at a time; a query engine such as Athena suits larger joins and sorts",
            ),
        QueryError::Stopped(Stop::Deadline) => {
            ToolError::new(Code::Deadline, "the query ran out of time").hint(
                "select fewer columns, files or rows; a join needs its smaller side as `WITH name \
                 AS MATERIALIZED (SELECT …)`, else it reads that side once for each row",
            )
        }
        QueryError::Stopped(stop) => stop.into(),
        QueryError::File { file, error } => of_file(&file, error),
        other => ToolError::new(Code::Internal, "the query could not be run").caused_by(other),
    }
}

/// The error for a file that could not be read to its end.
fn of_file(file: &str, error: TableError) -> ToolError {
    match error {
        TableError::Io(error) => match error.downcast::<ToolError>() {
            Ok(error) => error,
            Err(error) => match WorkspacePath::parse(file) {
                Ok(path) => read_error(&path, &error),
                Err(error) => error.into(),
            },
        },
        TableError::Stopped(stop) => stop.into(),
        TableError::NoPart { .. } => ToolError::new(Code::NotFound, format!("`{file}`: {error}"))
            .hint("give the name of one of them, or leave `sheet` out for the first"),
        TableError::Memory(_) => ToolError::new(Code::TooLarge, format!("`{file}`: {error}"))
            .hint("select fewer columns; the operator can give the server more memory (--memory)"),
        error => ToolError::invalid(format!("`{file}` is not readable as a table: {error}"))
            .hint("read_file shows what is in it"),
    }
}
