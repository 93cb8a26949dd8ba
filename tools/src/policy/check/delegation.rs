//! `[[delegate]]`: who may speak for others.

use std::ops::Range;

use super::read::lists_nothing;
use super::{Check, Table};
use crate::policy::delegate::{self, Delegate};

impl Check<'_> {
    pub(super) fn delegate(&mut self, span: Range<usize>, table: &Table<'_>) -> Delegate {
        self.known_keys(table, &["callers", "names"], "a delegation");
        let lists = [
            (
                "callers",
                "arn:aws:iam::123456789012:role/gateway-*",
                delegate::is_of_roles as fn(&str) -> bool,
                "no IAM role of one account, so nobody can be trusted by it",
            ),
            (
                "names",
                "review-*",
                delegate::is_of_names,
                "no name: of letters, digits and `-_.@`, with `*` for any",
            ),
        ];
        let [callers, names] = lists.map(|(key, example, good, complaint)| {
            let fix = format!("{key} = [\"{example}\"]");
            if lists_nothing(table, key) {
                self.error(span.clone(), format!("a delegation without `{key}`"), fix.clone());
            }
            let mut texts = Vec::new();
            for (text, at) in self.strings(table, key) {
                if good(&text) {
                    texts.push(text);
                } else {
                    self.error(at, format!("`{text}` is {complaint}"), fix.clone());
                }
            }
            texts
        });
        Delegate::new(&callers, &names)
    }
}
