//! Dates, times, decimals and identifiers as people write them.
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::cell::Cell;

/// Most digits after the point that are written out.
const MAX_SCALE: u32 = 80;

/// The parts of a second that a count has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    fn nanoseconds(self) -> i128 {
        match self {
            Unit::Millis => 1_000_000,
            Unit::Micros => 1_000,
            Unit::Nanos => 1,
        }
    }
}

/// Days since 1970-01-01; the number itself where no calendar has such a day.
pub(crate) fn date(days: i64) -> Cell {
    let epoch = Date::constant(1970, 1, 1);
    let day = days
        .checked_mul(24)
        .filter(|hours| hours.unsigned_abs() < u64::MAX / 3_600 / 4)
        .and_then(|hours| epoch.checked_add(SignedDuration::from_hours(hours)).ok());
    day.map_or(Cell::Int(days), |day| Cell::Text(day.to_string()))
}

/// A count since the beginning of 1970, in UTC or in no zone at all.
pub(crate) fn timestamp(count: i64, unit: Unit, utc: bool) -> Cell {
    let nanoseconds = i128::from(count) * unit.nanoseconds();
    match Timestamp::from_nanosecond(nanoseconds) {
        Ok(time) if utc => Cell::Text(time.to_string()),
        Ok(time) => Cell::Text(TimeZone::UTC.to_datetime(time).to_string()),
        Err(_) => Cell::Int(count),
    }
}

/// The old timestamps of 96 bits: nanoseconds of a day, and a Julian day.
pub(crate) fn int96(words: &[u32]) -> Cell {
    let &[low, high, day] = words else { return Cell::Null };
    let nanoseconds = i128::from(u64::from(high) << 32 | u64::from(low));
    let days = i128::from(day) - 2_440_588;
    match Timestamp::from_nanosecond(days * 86_400_000_000_000 + nanoseconds) {
        Ok(time) => Cell::Text(TimeZone::UTC.to_datetime(time).to_string()),
        Err(_) => Cell::Text(format!("day {day}, nanosecond {nanoseconds}")),
    }
}

/// A count since midnight.
pub(crate) fn time_of_day(count: i64, unit: Unit) -> Cell {
    let nanoseconds = i128::from(count) * unit.nanoseconds();
    if !(0..86_400_000_000_000).contains(&nanoseconds) {
        return Cell::Int(count);
    }
    match Timestamp::from_nanosecond(nanoseconds) {
        Ok(time) => Cell::Text(TimeZone::UTC.to_datetime(time).time().to_string()),
        Err(_) => Cell::Int(count),
    }
}

/// A decimal from its digits and how many of them stand after the point. It is a text: as a
/// number, many readers of JSON would round it.
pub(crate) fn decimal(unscaled: i128, scale: i32) -> Cell {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = unscaled.unsigned_abs().to_string();
    let Some(scale) = u32::try_from(scale).ok().filter(|scale| *scale <= MAX_SCALE) else {
        return Cell::Text(format!("{sign}{digits}E{}", -i64::from(scale)));
    };
    let scale = scale as usize;
    if scale == 0 {
        return Cell::Text(format!("{sign}{digits}"));
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, part) = digits.split_at_checked(digits.len() - scale).unwrap_or((&digits, ""));
    Cell::Text(format!("{sign}{whole}.{part}"))
}

/// A decimal whose digits are a big-endian number in two's complement.
pub(crate) fn decimal_of_bytes(bytes: &[u8], scale: i32) -> Cell {
    let Some(first) = bytes.first() else { return decimal(0, scale) };
    let sign = if first & 0x80 == 0 { 0 } else { 0xFF };
    let start = bytes.iter().take_while(|byte| **byte == sign).count();
    let rest = bytes.get(start..).unwrap_or_default();
    let mut value = [sign; 16];
    // The sign needs a bit of its own.
    let fits = rest.len() < 16
        || rest.len() == 16 && rest.first().is_some_and(|b| b & 0x80 == sign & 0x80);
    let Some(place) = value.get_mut(16_usize.saturating_sub(rest.len())..).filter(|_| fits) else {
        return Cell::bytes(bytes);
    };
    place.copy_from_slice(rest);
    decimal(i128::from_be_bytes(value), scale)
}

/// Sixteen bytes as a UUID.
pub(crate) fn uuid(bytes: &[u8]) -> Cell {
    let Ok(bytes) = <[u8; 16]>::try_from(bytes) else { return Cell::bytes(bytes) };
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let mut text = String::with_capacity(36);
    for (at, digit) in digits.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    Cell::Text(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_what_people_write() {
        let text = |text: &str| Cell::Text(text.to_owned());
        assert_eq!(date(20_782), text("2026-11-25"));
        assert_eq!(date(-1), text("1969-12-31"));
        assert_eq!(date(i64::MAX), Cell::Int(i64::MAX));
        assert_eq!(timestamp(1_500, Unit::Millis, true), text("1970-01-01T00:00:01.5Z"));
        assert_eq!(timestamp(-1, Unit::Micros, false), text("1969-12-31T23:59:59.999999"));
        assert_eq!(timestamp(i64::MAX, Unit::Millis, true), Cell::Int(i64::MAX));
        assert_eq!(time_of_day(3_723_000, Unit::Millis), text("01:02:03"));
        assert_eq!(time_of_day(-1, Unit::Millis), Cell::Int(-1));
        assert_eq!(decimal(-5, 2), text("-0.05"));
        assert_eq!(decimal(12_345, 2), text("123.45"));
        assert_eq!(decimal(7, -3), text("7E3"));
        assert_eq!(decimal(7, i32::MAX), text("7E-2147483647"));
        assert_eq!(decimal(i128::MIN, 0), text("-170141183460469231731687303715884105728"));
        assert_eq!(decimal_of_bytes(&[0xFF, 0x85], 2), text("-1.23"));
        assert_eq!(decimal_of_bytes(&[0; 20], 1), text("0.0"));
        assert_eq!(decimal_of_bytes(&[0xFF; 20], 0), text("-1"));
        assert_eq!(decimal_of_bytes(&[0x7F; 17], 0), Cell::bytes(&[0x7F; 17]));
        assert_eq!(decimal_of_bytes(&[0, 0x80], 0), text("128"));
        assert_eq!(uuid(&[0x11; 16]), text("11111111-1111-1111-1111-111111111111"));
        assert_eq!(int96(&[0, 0, 2_440_588]), text("1970-01-01T00:00:00"));
    }
}
