//! Separation of duties: no caller may propose and decide on one path, not even by two roles; and
//! nobody makes files where anybody proposes.

use std::ops::Range;

use super::{Check, Table};
use crate::path::WorkspacePath;
use crate::policy::Layout;
use crate::policy::glob::{CallerPattern, leading_folder};
use crate::policy::overlap::{callers_overlap, globs_overlap};
use crate::policy::subject::ON_BEHALF;

/// Texts of a list, each with its place.
type Texts = Vec<(String, Range<usize>)>;

/// What of a role matters here.
struct Parts {
    name: String,
    callers: Texts,
    propose: Texts,
    decide: Texts,
}

impl Check<'_> {
    /// Refuses roles by which one caller both proposes and decides. What a call is judged by
    /// refuses it the decision anyway; here the operator learns why nobody could take it.
    ///
    /// Roles with scopes are left alone: which of them a token carries is decided elsewhere.
    pub(super) fn separation(&mut self, table: &Table<'_>) {
        let mut roles = Vec::new();
        for (_, table) in self.tables(table, "role") {
            let name = table.get("name").and_then(|name| name.get_ref().as_str());
            if table.get("scopes").is_none() {
                roles.push(Parts {
                    name: name.unwrap_or_default().to_owned(),
                    callers: self.strings(table, "callers"),
                    propose: self.strings(table, "propose"),
                    decide: self.strings(table, "decide"),
                });
            }
        }
        for deciding in roles.iter().filter(|role| !role.decide.is_empty()) {
            for proposing in roles.iter().filter(|role| role.name != deciding.name) {
                self.separate(proposing, deciding);
            }
        }
    }

    /// Refuses `create` on what any role proposes on: sources are changed by proposals, and by
    /// nothing else. What a call is judged by refuses it anyway.
    pub(super) fn sources(&mut self, table: &Table<'_>, layout: &Layout) {
        let mut roles = Vec::new();
        for (_, table) in self.tables(table, "role") {
            let name = table.get("name").and_then(|name| name.get_ref().as_str());
            let texts = (self.strings(table, "create"), self.strings(table, "propose"));
            roles.push((name.unwrap_or_default().to_owned(), texts.0, texts.1));
        }
        for (made, at) in roles.iter().flat_map(|(_, create, _)| create) {
            // Records are never proposed on, so nothing in the output is a source.
            let folder = WorkspacePath::parse(leading_folder(made)).unwrap_or_default();
            if folder.is_within(&layout.output) || folder.is_within(&layout.state) {
                continue;
            }
            let proposed = roles.iter().find_map(|(name, _, propose)| {
                let (glob, _) = propose.iter().find(|(glob, _)| globs_overlap(made, glob))?;
                Some((name, glob))
            });
            if let Some((name, glob)) = proposed {
                let output = &layout.output;
                self.error(
                    at.clone(),
                    format!(
                        "`{made}` would make files where role `{name}` proposes changes, by `{glob}`"
                    ),
                    format!("name a folder that is no source, such as `{output}/reports/**`"),
                );
            }
        }
    }

    fn separate(&mut self, proposing: &Parts, deciding: &Parts) {
        let common = |one: &Texts, other: &Texts, overlap: fn(&str, &str) -> bool| {
            one.iter().find_map(|(one, at)| {
                let other = other.iter().find(|(other, _)| overlap(one, other))?;
                Some((one.clone(), at.clone(), other.0.clone()))
            })
        };
        // Callers first: with most roles that is all there is to look at.
        let Some((caller, at, same)) = common(&deciding.callers, &proposing.callers, name_one)
        else {
            return;
        };
        let Some((decided, _, proposed)) =
            common(&deciding.decide, &proposing.propose, globs_overlap)
        else {
            return;
        };
        let name = &proposing.name;
        let who = if caller == same {
            format!("`{caller}` may")
        } else {
            format!("who matches `{caller}` and `{same}` may")
        };
        self.error(
            at,
            format!(
                "{who} decide about `{decided}` here, and by role `{name}` propose on `{proposed}`"
            ),
            "give the two roles other callers, or paths that they do not share",
        );
    }
}

/// Whether both patterns name some caller.
fn name_one(one: &str, other: &str) -> bool {
    let patterns = [one, other].map(CallerPattern::new);
    let [first, second] = &patterns;
    // Who speaks for another is named by patterns that say so, and by `*` alone.
    let is_delegated = |text: &str| text.contains(ON_BEHALF);
    let alike = is_delegated(one) == is_delegated(other);
    (alike || patterns.iter().any(CallerPattern::is_everybody)) && callers_overlap(first, second)
}
