//! "Did you mean": the visible path nearest to one that is not there.

use std::collections::BTreeSet;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::call::Call;
use crate::path::WorkspacePath;
use crate::policy::{Access, ToolGrant};

use super::Workspace;
use super::entries;
use super::metadata::Kind;

/// Most names that are compared letter by letter. A comparison of the longest names costs about
/// 65,000 steps.
const MAX_COMPARED: usize = 64;
/// Names between two looks at the call's time.
const CHECK_EVERY: usize = 1_024;

/// The nearest visible path: the deepest directory that exists, and in it the entry whose name
/// is most like the one that was asked for. What policy hides is never suggested, nor does it
/// count for anything: with it and without it the suggestion is the same.
pub(super) fn nearest(
    workspace: &Workspace,
    grant: &ToolGrant,
    missing: &WorkspacePath,
    call: &Call,
) -> Option<WorkspacePath> {
    let mut wanted = missing.file_name()?;
    let mut parent = missing.parent()?;
    let components: Vec<&str> = missing.components().collect();
    let mut depth = components.len().checked_sub(1)?;
    loop {
        if grant.may(Access::Enter, &parent)
            && let Ok(directory) = workspace.open(&parent, OFlags::RDONLY | OFlags::DIRECTORY)
        {
            let mut likely = Likely::to(wanted);
            let mut looked_at = 0_usize;
            entries::each(&directory, |name, kind| {
                looked_at = looked_at.saturating_add(1);
                if looked_at.is_multiple_of(CHECK_EVERY) && call.check().is_err() {
                    return Err(Errno::CANCELED);
                }
                let Ok(text) = std::str::from_utf8(name) else { return Ok(()) };
                likely.offer(text, || {
                    let access = match entries::kind_of(&directory, name, kind) {
                        Kind::Directory => Access::Enter,
                        _ => Access::Read,
                    };
                    parent.join(text).is_ok_and(|path| grant.may(access, &path))
                });
                Ok(())
            })
            .ok()?;
            return parent.join(&likely.nearest(strsim::damerau_levenshtein)?).ok();
        }
        depth = depth.checked_sub(1)?;
        wanted = components.get(depth)?;
        parent = parent.parent()?;
    }
}

/// The names that may be the nearest, found without comparing each of them letter by letter.
struct Likely {
    wanted: String,
    length: usize,
    /// How many letters may differ.
    bound: usize,
    /// The most likely ones: how many letters are left between the start and the end that they
    /// have in common with what is wanted, and the name. What does not depend on the order of a
    /// listing.
    names: BTreeSet<(usize, String)>,
}

impl Likely {
    fn to(wanted: &str) -> Likely {
        let wanted = wanted.to_lowercase();
        let length = wanted.chars().count();
        Likely { wanted, length, bound: length.max(4) / 3, names: BTreeSet::new() }
    }

    /// Keeps the name if it is among the most likely ones. `is_visible` is asked last.
    fn offer(&mut self, name: &str, is_visible: impl FnOnce() -> bool) {
        // A name of other length cannot be near. The lengths of few names change with the case.
        if name.chars().count().abs_diff(self.length) > self.bound.saturating_add(2) {
            return;
        }
        let between = between(&self.wanted, &name.to_lowercase());
        let is_full = self.names.len() >= MAX_COMPARED;
        let is_worse = |(most, last): &(usize, String)| (between, name) >= (*most, last);
        if is_full && self.names.last().is_some_and(is_worse) || !is_visible() {
            return;
        }
        self.names.insert((between, name.to_owned()));
        if is_full {
            self.names.pop_last();
        }
    }

    /// The nearest of them, by `distance`.
    fn nearest(self, mut distance: impl FnMut(&str, &str) -> usize) -> Option<String> {
        self.names
            .into_iter()
            .map(|(_, name)| (distance(&self.wanted, &name.to_lowercase()), name))
            .filter(|(distance, _)| *distance <= self.bound)
            .min()
            .map(|(_, name)| name)
    }
}

/// How many letters of the longer text lie between the start and the end that both have.
fn between(one: &str, other: &str) -> usize {
    let start = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let rest = |text: &str| text.chars().count().saturating_sub(start);
    let shorter = rest(one).min(rest(other));
    let ends = one.chars().rev().zip(other.chars().rev());
    let end = ends.take(shorter).take_while(|(one, other)| one == other).count();
    rest(one).max(rest(other)).saturating_sub(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_thousands_of_long_names_few_are_compared() {
        let wanted = "w".repeat(250);
        let mut likely = Likely::to(&wanted);
        let mut asked = 0_usize;
        for number in 0..19_990 {
            likely.offer(&format!("{}{number:05}", "w".repeat(245)), || {
                asked += 1;
                true
            });
        }
        let mut compared = 0;
        let found = likely.nearest(|one, other| {
            compared += 1;
            assert!(one.len() <= 255 && other.len() <= 255);
            strsim::damerau_levenshtein(one, other)
        });
        assert_eq!(found.as_deref(), Some(&*format!("{}00000", "w".repeat(245))));
        assert!(compared <= MAX_COMPARED, "{compared} names were compared");
        assert!(asked < 200, "policy was asked about {asked} names");
    }

    #[test]
    fn the_nearest_is_that_of_all_comparisons_and_the_order_does_not_matter() {
        let names = ["src", "source", "main.rs", "mian.rs", "man.rs", "Main.rs", "tests", "İx"];
        for wanted in ["scr", "main.r", "MAIN.RS", "soruce", "test", "nothing", "ix", "m"] {
            let bound = wanted.chars().count().max(4) / 3;
            let lower = wanted.to_lowercase();
            let expected = names
                .iter()
                .map(|name| (strsim::damerau_levenshtein(&lower, &name.to_lowercase()), *name))
                .filter(|(distance, _)| *distance <= bound)
                .min()
                .map(|(_, name)| name);
            for order in 0..names.len() {
                let mut likely = Likely::to(wanted);
                names.iter().cycle().skip(order).take(names.len()).for_each(|name| {
                    likely.offer(name, || true);
                });
                let found = likely.nearest(strsim::damerau_levenshtein);
                assert_eq!(found.as_deref(), expected, "{wanted}");
            }
        }
    }

    #[test]
    fn what_is_not_visible_takes_no_place() {
        let mut likely = Likely::to("report.txt");
        for number in 0..10_000 {
            likely.offer(&format!("report.tx{number}"), || false);
        }
        likely.offer("rapport.txt", || true);
        assert_eq!(likely.nearest(strsim::damerau_levenshtein).as_deref(), Some("rapport.txt"));
    }
}
