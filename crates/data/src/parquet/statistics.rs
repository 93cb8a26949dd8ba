//! Between which values the rows of a row group lie, as its statistics say.
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;

use super::leaf::Meaning;
use crate::cell::Cell;
use crate::scan::Value;

/// Length of a date as it is shown, `2026-11-29`, and of a time to the second.
const DATE: usize = "2026-11-29".len();
const SECOND: usize = "2026-11-29T12:00:00".len();

/// The least and the most that a value of this column can be, as queries see it; none where the
/// statistics do not say it, or not in that order.
pub(super) fn range(column: &ColumnChunkMetaData) -> Option<(Value<'static>, Value<'static>)> {
    let statistics = column.statistics()?;
    // Old writers compared bytes as signed numbers.
    if statistics.is_min_max_deprecated() {
        return None;
    }
    let meaning = Meaning::of(&column.column_descr_ptr());
    match (statistics, meaning) {
        (Statistics::Int32(found), Meaning::Plain | Meaning::Date) => {
            let (least, most) = (*found.min_opt()?, *found.max_opt()?);
            between(meaning, least.into(), most.into())
        }
        (Statistics::Int64(found), Meaning::Plain | Meaning::Date | Meaning::Timestamp(..)) => {
            between(meaning, *found.min_opt()?, *found.max_opt()?)
        }
        (Statistics::Float(found), Meaning::Plain) => {
            let real = |cell| match cell {
                Cell::Float(value) => Some(Value::Real(value)),
                _ => None,
            };
            Some((real(Cell::single(*found.min_opt()?))?, real(Cell::single(*found.max_opt()?))?))
        }
        (Statistics::Double(found), Meaning::Plain) => {
            Some((Value::Real(*found.min_opt()?), Value::Real(*found.max_opt()?)))
        }
        (Statistics::ByteArray(found), Meaning::Text) => {
            Some((text(found.min_bytes_opt()?)?, text(found.max_bytes_opt()?)?))
        }
        _ => None,
    }
}

fn between(meaning: Meaning, least: i64, most: i64) -> Option<(Value<'static>, Value<'static>)> {
    let length = match meaning {
        Meaning::Date => DATE,
        Meaning::Timestamp(..) => SECOND,
        _ => return Some((Value::Integer(least), Value::Integer(most))),
    };
    // Years of four digits are in the same order as texts and as numbers. Parts of a second are
    // not, since a `Z` follows on some of them: `12:00:00.5Z` is before `12:00:00Z`.
    let text = |value| match meaning.of_int64(value) {
        Cell::Text(text) if text.as_bytes().first().is_some_and(u8::is_ascii_digit) => {
            text.get(..length).map(str::to_owned)
        }
        _ => None,
    };
    let (least, mut most) = (text(least)?, text(most)?);
    if length == SECOND {
        most.push(char::MAX);
    }
    Some((Value::Text(least.into()), Value::Text(most.into())))
}

/// A bound of texts. What is no UTF-8 is shown with other characters, which may lie beyond a bound
/// unless that is ASCII.
fn text(bytes: &[u8]) -> Option<Value<'static>> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii())?;
    Some(Value::Text(text.to_owned().into()))
}
