//! The functions that a statement may call. The time of each is in proportion to its input, since
//! nothing interrupts a function: where SQLite's own compares everything with everything, ours takes
//! its place.

use std::collections::HashSet;
use std::ffi::CStr;

use memchr::memmem;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection, Error, Result, ffi};

use crate::MAX_VALUE_BYTES;

/// All of them, as SQLite names them. Left out are those that load or reach something (`load_extension`,
/// `fts3_tokenizer`), make values of any size (`randomblob`, `zeroblob`), or take time by the square of
/// their input (`json_patch`, `unhex`).
const ALLOWED: &[&str] = &[
    "->",
    "->>",
    "abs",
    "avg",
    "ceil",
    "char",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "cume_dist",
    "current_date",
    "current_time",
    "current_timestamp",
    "date",
    "datetime",
    "dense_rank",
    "exp",
    "first_value",
    "floor",
    "format",
    "glob",
    "group_concat",
    "hex",
    "if",
    "ifnull",
    "iif",
    "instr",
    "json",
    "json_array",
    "json_array_length",
    "json_error_position",
    "json_extract",
    "json_group_array",
    "json_group_object",
    "json_object",
    "json_quote",
    "json_type",
    "json_valid",
    "julianday",
    "lag",
    "last_value",
    "lead",
    "length",
    "like",
    "likelihood",
    "likely",
    "ln",
    "log10",
    "log2",
    "lower",
    "ltrim",
    "max",
    "min",
    "nth_value",
    "ntile",
    "nullif",
    "octet_length",
    "percent_rank",
    "power",
    "printf",
    "quote",
    "random",
    "rank",
    "replace",
    "round",
    "row_number",
    "rtrim",
    "sign",
    "sqrt",
    "strftime",
    "string_agg",
    "substr",
    "substring",
    "sum",
    "time",
    "timediff",
    "total",
    "trim",
    "typeof",
    "unicode",
    "unixepoch",
    "unlikely",
    "upper",
];

/// Whether a statement may call it.
pub(crate) fn is_allowed(name: &str) -> bool {
    ALLOWED.iter().any(|allowed| allowed.eq_ignore_ascii_case(name))
}

/// Puts our functions in the place of SQLite's.
pub(crate) fn replace(connection: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function(c"instr", 2, flags, instr)?;
    connection.create_scalar_function(c"replace", 3, flags, replaced)?;
    for (name, function) in NUMERIC {
        connection.create_scalar_function(*name, 1, flags, move |context: &mut Context<'_>| {
            let number = number(context, 0).map(function);
            Ok(number.filter(|number| !number.is_nan()))
        })?;
    }
    connection.create_scalar_function(c"power", 2, flags, |context: &mut Context<'_>| {
        let (Some(base), Some(exponent)) = (number(context, 0), number(context, 1)) else {
            return Ok(None);
        };
        Ok(Some(base.powf(exponent)).filter(|number| !number.is_nan()))
    })?;
    for (name, left, right) in
        [(c"trim", true, true), (c"ltrim", true, false), (c"rtrim", false, true)]
    {
        connection
            .create_scalar_function(name, 2, flags, move |context| trimmed(context, left, right))?;
    }
    Ok(())
}

/// A function of a number, by its name in SQL.
type Numeric = (&'static CStr, fn(f64) -> f64);

/// Functions of a number that SQLite has only where it is compiled for them.
const NUMERIC: &[Numeric] = &[
    (c"sqrt", f64::sqrt),
    (c"exp", f64::exp),
    (c"ln", f64::ln),
    (c"log10", f64::log10),
    (c"log2", f64::log2),
    (c"floor", f64::floor),
    (c"ceil", f64::ceil),
];

/// The argument as a number; none where it is none.
fn number(context: &Context<'_>, at: usize) -> Option<f64> {
    match context.get_raw(at) {
        ValueRef::Integer(value) => Some(value as f64),
        ValueRef::Real(value) => Some(value),
        ValueRef::Null | ValueRef::Text(_) | ValueRef::Blob(_) => None,
    }
}

/// The argument as text; none where it is null.
fn text(context: &Context<'_>, at: usize) -> Option<Vec<u8>> {
    match context.get_raw(at) {
        ValueRef::Null => None,
        ValueRef::Integer(value) => Some(value.to_string().into_bytes()),
        ValueRef::Real(value) => Some(real(value).into_bytes()),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
    }
}

/// A real number as SQLite writes it, as far as that matters here.
fn real(value: f64) -> String {
    format!("{value:?}")
}

/// `instr(X, Y)`: where Y first stands in X, from 1, in characters; in bytes where both are binary.
fn instr(context: &mut Context<'_>) -> Result<Option<i64>> {
    let binary =
        matches!((context.get_raw(0), context.get_raw(1)), (ValueRef::Blob(_), ValueRef::Blob(_)));
    let (Some(whole), Some(part)) = (text(context, 0), text(context, 1)) else { return Ok(None) };
    let Some(at) = memmem::find(&whole, &part) else { return Ok(Some(0)) };
    let before = whole.get(..at).unwrap_or_default();
    let place = if binary {
        before.len()
    } else {
        // Bytes that go on with a character are none of their own.
        before.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
    };
    Ok(i64::try_from(place + 1).ok())
}

/// `replace(X, Y, Z)`: X with Z for each Y.
fn replaced(context: &mut Context<'_>) -> Result<Option<ToSqlOutput<'static>>> {
    let parts = (text(context, 0), text(context, 1), text(context, 2));
    let (Some(whole), Some(from), Some(to)) = parts else { return Ok(None) };
    if from.is_empty() {
        return Ok(Some(output(whole)));
    }
    let mut made = Vec::new();
    let mut done = 0;
    for at in memmem::find_iter(&whole, &from) {
        made.extend_from_slice(whole.get(done..at).unwrap_or_default());
        made.extend_from_slice(&to);
        done = at + from.len();
        if made.len() > MAX_VALUE_BYTES {
            return Err(Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), None));
        }
    }
    made.extend_from_slice(whole.get(done..).unwrap_or_default());
    Ok(Some(output(made)))
}

/// `trim(X, Y)` and its halves: X without characters of Y at its ends.
fn trimmed(
    context: &mut Context<'_>,
    left: bool,
    right: bool,
) -> Result<Option<ToSqlOutput<'static>>> {
    let (Some(whole), Some(set)) = (text(context, 0), text(context, 1)) else { return Ok(None) };
    let whole = String::from_utf8_lossy(&whole);
    let set: HashSet<char> = String::from_utf8_lossy(&set).chars().collect();
    let mut kept: &str = &whole;
    if left {
        kept = kept.trim_start_matches(|character| set.contains(&character));
    }
    if right {
        kept = kept.trim_end_matches(|character| set.contains(&character));
    }
    Ok(Some(output(kept.as_bytes().to_vec())))
}

fn output(bytes: Vec<u8>) -> ToSqlOutput<'static> {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    };
    ToSqlOutput::Owned(Value::Text(text))
}
