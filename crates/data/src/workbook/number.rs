//! Numbers of XLSX that a style shows as dates and times.
use crate::cell::Cell;
use crate::time::{Unit, date, timestamp};

/// Days from 1899-12-30, where serial numbers begin, to 1970-01-01.
const DAYS_TO_1970: i64 = 25_569;
/// Days by which the system of 1904 begins later.
const DAYS_TO_1904: i64 = 1_462;
const MILLIS_OF_DAY: f64 = 86_400_000.0;

/// The date, the time of the day or both that a serial number stands for; none where no calendar
/// has it.
pub(super) fn day(serial: f64, since_1904: bool) -> Option<String> {
    if !(0.0..3_000_000.0).contains(&serial) {
        return None;
    }
    let millis = (serial * MILLIS_OF_DAY).round();
    // Both are below 2^53.
    let (days, rest) = (millis.div_euclid(MILLIS_OF_DAY), millis.rem_euclid(MILLIS_OF_DAY));
    #[expect(clippy::cast_possible_truncation, reason = "whole numbers below 2^53")]
    let (days, rest) = (days as i64, rest as i64);
    let time = text(timestamp(rest, Unit::Millis, false))?;
    let time = time.split_once('T')?.1.to_owned();
    if days == 0 && !since_1904 {
        return Some(time);
    }
    // The system of 1900 counts a 29th of February that was none.
    let shift = if since_1904 { DAYS_TO_1904 } else { i64::from(days < 60) };
    let day = text(date(days + shift - DAYS_TO_1970))?;
    Some(if rest == 0 { day } else { format!("{day}T{time}") })
}

fn text(cell: Cell) -> Option<String> {
    match cell {
        Cell::Text(text) => Some(text),
        _ => None,
    }
}

/// Whether a style with this number shows dates or times, where the workbook itself says nothing
/// about it.
pub(super) fn is_date_id(id: u32) -> bool {
    matches!(id, 14..=22 | 27..=36 | 45..=47 | 50..=58)
}

/// Whether a format shows dates or times: its letters, outside of quotes and brackets, are those
/// of years, months, days, hours and seconds.
pub(super) fn is_date_format(format: &str) -> bool {
    let (mut quoted, mut bracketed, mut escaped) = (false, false, false);
    for character in format.chars() {
        match character {
            _ if escaped => escaped = false,
            '\\' | '_' | '*' => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => {}
            '[' => bracketed = true,
            ']' => bracketed = false,
            // An elapsed time such as [h]:mm.
            'h' | 'H' | 's' | 'S' if bracketed => return true,
            _ if bracketed => {}
            // The first part is the one for ordinary numbers.
            ';' => return false,
            'y' | 'Y' | 'm' | 'M' | 'd' | 'D' | 'h' | 'H' | 's' | 'S' => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serial_numbers_are_days() {
        for (serial, since_1904, shown) in [
            (1.0, false, Some("1900-01-01")),
            (59.0, false, Some("1900-02-28")),
            (61.0, false, Some("1900-03-01")),
            (46_355.0, false, Some("2026-11-29")),
            (46_355.75, false, Some("2026-11-29T18:00:00")),
            (0.5, false, Some("12:00:00")),
            (0.0, true, Some("1904-01-01")),
            (-1.0, false, None),
            (f64::NAN, false, None),
            (1e300, false, None),
        ] {
            assert_eq!(day(serial, since_1904).as_deref(), shown, "{serial}");
        }
    }

    #[test]
    fn formats_of_dates_are_told_from_those_of_numbers() {
        for format in ["yyyy-mm-dd", "[h]:mm", "d. mmm", "[$-409]h:mm AM/PM;@"] {
            assert!(is_date_format(format), "{format}");
        }
        for format in ["0.00", "General", "#,##0 \"days\"", "[Red]0", "0;d", "0\\d", "@"] {
            assert!(!is_date_format(format), "{format}");
        }
    }
}
