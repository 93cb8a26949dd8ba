//! A value as a query computes with it.
use std::borrow::Cow;

use crate::cell::Cell;

/// A value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// Nothing.
    Null,
    /// A whole number; also a truth value, as 1 or 0.
    Integer(i64),
    /// A number.
    Real(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// Bytes.
    Blob(Cow<'a, [u8]>),
}

impl<'a> Value<'a> {
    /// The value that a text without types stands for. Nothing is null. What is a number of JSON is
    /// that number, as long as it keeps all of its digits; everything else is a text.
    pub(crate) fn of_text(bytes: &'a [u8]) -> Value<'a> {
        match bytes.first() {
            None => return Value::Null,
            Some(b'-' | b'0'..=b'9') => {
                if let Some(number) = Value::of_number(bytes) {
                    return number;
                }
            }
            Some(_) => {}
        }
        Value::Text(String::from_utf8_lossy(bytes))
    }

    /// The number that JSON writes so; none where it is none, or a whole number beyond 64 bits.
    pub(crate) fn of_number(bytes: &[u8]) -> Option<Value<'static>> {
        let whole = is_number(bytes)?;
        let text = std::str::from_utf8(bytes).ok()?;
        if whole {
            return text.parse().ok().map(Value::Integer);
        }
        text.parse().ok().filter(|real: &f64| real.is_finite()).map(Value::Real)
    }

    /// The value of a table's cell. A decimal is a number, as near as a real number comes to it.
    pub(crate) fn of_cell(cell: &'a Cell, decimal: bool) -> Value<'a> {
        match cell {
            Cell::Null => Value::Null,
            Cell::Bool(value) => Value::Integer(i64::from(*value)),
            Cell::Int(value) => Value::Integer(*value),
            Cell::Unsigned(value) => match i64::try_from(*value) {
                Ok(value) => Value::Integer(value),
                Err(_) => Value::Text(Cow::Owned(value.to_string())),
            },
            // No query can compare what is not a number.
            Cell::Float(value) if value.is_nan() => Value::Null,
            Cell::Float(value) => Value::Real(*value),
            Cell::Text(text) if decimal => {
                let number = text.parse().ok().map(Value::Integer);
                let number = number.or_else(|| text.parse().ok().map(Value::Real));
                number.unwrap_or(Value::Text(Cow::Borrowed(text)))
            }
            Cell::Text(text) => Value::Text(Cow::Borrowed(text)),
            Cell::Bytes(bytes) => Value::Blob(Cow::Borrowed(bytes)),
            Cell::List(_) | Cell::Record(_) => Value::Text(Cow::Owned(cell.json())),
        }
    }
}

/// Whether this is a number in JSON's grammar, and a whole one; none where it is no number.
fn is_number(bytes: &[u8]) -> Option<bool> {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let count = digits(rest);
    if count == 0 || count > 1 && rest.first() == Some(&b'0') {
        return None;
    }
    rest = rest.get(count..)?;
    let mut whole = true;
    if let Some(part) = rest.strip_prefix(b".") {
        whole = false;
        let count = digits(part);
        if count == 0 {
            return None;
        }
        rest = part.get(count..)?;
    }
    if let Some(part) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        whole = false;
        let part = part.strip_prefix(b"+").or_else(|| part.strip_prefix(b"-")).unwrap_or(part);
        let count = digits(part);
        if count == 0 {
            return None;
        }
        rest = part.get(count..)?;
    }
    rest.is_empty().then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_number_when_all_of_it_is_one() {
        let text = |text: &'static str| Value::Text(Cow::Borrowed(text));
        for (written, value) in [
            ("", Value::Null),
            ("0", Value::Integer(0)),
            ("-12", Value::Integer(-12)),
            ("9223372036854775807", Value::Integer(i64::MAX)),
            ("9223372036854775808", text("9223372036854775808")),
            ("1.50", Value::Real(1.5)),
            ("-0.5", Value::Real(-0.5)),
            ("1e-05", Value::Real(1e-5)),
            ("2E+3", Value::Real(2000.0)),
            ("1e999", text("1e999")),
            ("007", text("007")),
            ("+5", text("+5")),
            (" 5", text(" 5")),
            ("5 ", text("5 ")),
            ("1,000", text("1,000")),
            (".5", text(".5")),
            ("5.", text("5.")),
            ("1e", text("1e")),
            ("-", text("-")),
            ("--1", text("--1")),
            ("0x10", text("0x10")),
            ("NaN", text("NaN")),
            ("true", text("true")),
            ("2026-11-29", text("2026-11-29")),
        ] {
            assert_eq!(Value::of_text(written.as_bytes()), value, "{written}");
        }
        assert_eq!(Value::of_text(b"caf\xe9"), text("caf\u{fffd}"));
    }
}
