//! Reads the values of the policy file by their kinds (tables, lists of texts, numbers), and finds
//! unknown keys.

use std::ops::Range;

use super::{Check, Table, Value};

impl Check<'_> {
    /// Entries of an array of tables, each with the span of its header.
    pub(super) fn tables<'v, 'i>(
        &mut self,
        table: &'v Table<'i>,
        key: &str,
    ) -> Vec<(Range<usize>, &'v Table<'i>)> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            self.error(
                value.span(),
                format!("`{key}` is not a list of tables"),
                format!("[[{key}]]"),
            );
            return Vec::new();
        };
        let mut tables = Vec::new();
        for entry in array.iter() {
            match entry.get_ref().as_table() {
                Some(table) => tables.push((entry.span(), table)),
                None => self.error(
                    entry.span(),
                    format!("`{key}` holds no table"),
                    format!("[[{key}]]"),
                ),
            }
        }
        tables
    }

    pub(super) fn known_keys(&mut self, table: &Table<'_>, known: &[&str], what: &str) {
        for key in table.keys() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let fix = match nearest(name, known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("{what} has: {}", known.join(", ")),
            };
            self.error(key.span(), format!("unknown key `{name}`"), fix);
        }
    }

    pub(super) fn strings(&mut self, table: &Table<'_>, key: &str) -> Vec<(String, Range<usize>)> {
        let Some(value) = table.get(key) else { return Vec::new() };
        let fix = format!("{key} = [\"...\"]");
        let Some(array) = value.get_ref().as_array() else {
            self.error(value.span(), format!("`{key}` is not a list of texts"), fix);
            return Vec::new();
        };
        let mut strings = Vec::new();
        for entry in array.iter() {
            match entry.get_ref().as_str() {
                Some(text) => strings.push((text.to_owned(), entry.span())),
                None => self.error(
                    entry.span(),
                    format!("`{key}` holds something that is no text"),
                    fix.clone(),
                ),
            }
        }
        strings
    }
}

/// Whether a list is missing or empty; one that is wrong in another way is told elsewhere.
pub(super) fn lists_nothing(table: &Table<'_>, key: &str) -> bool {
    table
        .get(key)
        .is_none_or(|value| value.get_ref().as_array().is_some_and(|list| list.is_empty()))
}

pub(super) fn integer(value: &Value<'_>) -> Option<i64> {
    let integer = value.get_ref().as_integer()?;
    i64::from_str_radix(integer.as_str(), integer.radix()).ok()
}

pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .map(|key| (strsim::jaro_winkler(name, key), *key))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, key)| key)
}
