//! Names of files: with `a/` and `b/` or without, below the path of the mount, with time stamps.
//!
//! A name with two readings is the one of them that is there. Where both are, it is none.

use crate::error::ToolError;
use crate::patch::name::unquote;
use crate::patch::read::{DEV_NULL, Headers, broken_name, path_of, refuse_1970};
use crate::patch::style::{Style, looks_prefixed, one_name};
use crate::path::WorkspacePath;

use super::Surroundings;

/// Reads names, and says which of them were not written as they should be.
pub(super) struct Names<'a> {
    surroundings: Surroundings<'a>,
    pub adjusted: Vec<String>,
    /// Whether some names were prefixed, and whether some were not.
    seen: (bool, bool),
}

impl<'a> Names<'a> {
    pub(super) fn new(surroundings: Surroundings<'a>) -> Names<'a> {
        Names { surroundings, adjusted: Vec::new(), seen: (false, false) }
    }

    /// The file that `--- OLD` and `+++ NEW` are about, if there is only one.
    pub(super) fn of_pair(&mut self, old: &str, new: &str) -> Option<WorkspacePath> {
        let path = match (old, new) {
            (DEV_NULL, DEV_NULL) => return None,
            (DEV_NULL, new) => self.of_new(new)?,
            (old, DEV_NULL) => match old.strip_prefix("a/") {
                Some(name) => self.one_form(name)?,
                None => self.one_that_is_there(&self.forms(old), &self.forms(old))?,
            },
            (old, new) => match (old.strip_prefix("a/"), new.strip_prefix("b/")) {
                (Some(old), Some(new)) if old == new => self.one_form(old)?,
                _ => self.one_that_is_there(&self.forms(old), &self.forms(new))?,
            },
        };
        self.say_of_pair(old, new, &path);
        Some(path)
    }

    /// Says how two names were read that are neither as they are nor behind `a/` and `b/`.
    fn say_of_pair(&mut self, old: &str, new: &str, path: &WorkspacePath) {
        let named = |name: &str, prefix| name.strip_prefix(prefix) == Some(path.as_str());
        let is = |name: &str| name == path.as_str();
        self.seen.0 |= named(old, "a/") || named(new, "b/");
        self.seen.1 |= is(old) || is(new);
        if self.seen == (true, true) {
            self.say("names with and without `a/` and `b/` were read alike".to_owned());
        }
        match (old, new) {
            (DEV_NULL, name) if named(name, "b/") || is(name) => {}
            (name, DEV_NULL) if named(name, "a/") || is(name) => {}
            (DEV_NULL, name) | (name, DEV_NULL) => self.note(name, path),
            (old, new) if named(old, "a/") && named(new, "b/") => {}
            (old, new) if is(old) && is(new) => {
                if looks_prefixed(old) {
                    self.say(format!("`{old}` was read as it is, without a prefix"));
                }
            }
            (old, new) if old == new => self.note(old, path),
            (old, new) => self.say(format!("`{old}` and `{new}` were read as {path}")),
        }
    }

    /// The two names of `diff --git`, without prefixes. `named` is what `---` and `+++` say.
    pub(super) fn of_git(
        &mut self,
        both: &str,
        headers: &Headers,
        named: Option<(&str, &str)>,
    ) -> Option<(String, String)> {
        if let (Some(from), Some(to)) = (&headers.rename_from, &headers.rename_to) {
            Style::of(both, from, to)?;
            let (old, new) = (self.one_form(from)?, self.one_form(to)?);
            let agrees = |(before, after): (&str, &str)| {
                self.forms(before).contains(&old) && self.forms(after).contains(&new)
            };
            return named.is_none_or(agrees).then(|| (text(&old), text(&new)));
        }
        if headers.rename_from.is_some() || headers.rename_to.is_some() {
            return None;
        }
        let name = one_name(both)?;
        let is_prefixed = Style::of(both, &name, &name) == Some(Style::Prefixed);
        let forms = if is_prefixed {
            self.one_form(&name).into_iter().collect()
        } else {
            self.forms(&name)
        };
        // Without prefixes, `b/x` is not `x` for being new.
        let ambiguous = !is_prefixed && looks_prefixed(&name);
        if ambiguous && headers.created.is_some() {
            return None;
        }
        let path = match named {
            Some((old, DEV_NULL)) if ambiguous => {
                let agrees = headers.deleted.is_some() && self.forms(old) == forms;
                self.one_that_is_there(&forms, &forms).filter(|_| agrees)?
            }
            Some((old, new)) => {
                let agrees = (old == DEV_NULL) == headers.created.is_some()
                    && (new == DEV_NULL) == headers.deleted.is_some();
                let path = self.of_pair(old, new).filter(|_| agrees)?;
                forms.contains(&path).then_some(path)?
            }
            None if headers.created.is_some() => match forms.as_slice() {
                [only] => only.clone(),
                _ => return None,
            },
            None => self.one_that_is_there(&forms, &forms)?,
        };
        Some((text(&path), text(&path)))
    }

    /// A name that stands alone, without a prefix.
    ///
    /// # Errors
    /// Where it is no path of a file in the workspace.
    pub(super) fn plain(&mut self, name: &str) -> Result<WorkspacePath, ToolError> {
        let inside = (self.surroundings.beneath_root)(name);
        let path = path_of(inside.as_deref().unwrap_or(name))?;
        if inside.is_some() {
            self.note(name, &path);
        }
        Ok(path)
    }

    /// A new file: nothing that is there can say which of two readings is right.
    fn of_new(&self, name: &str) -> Option<WorkspacePath> {
        match name.strip_prefix("b/") {
            Some(name) => self.one_form(name),
            None if looks_prefixed(name) => None,
            None => self.one_form(name),
        }
    }

    /// The path that a name without prefix means.
    fn one_form(&self, name: &str) -> Option<WorkspacePath> {
        let inside = (self.surroundings.beneath_root)(name);
        path_of(inside.as_deref().unwrap_or(name)).ok()
    }

    /// All paths that a name may mean.
    fn forms(&self, name: &str) -> Vec<WorkspacePath> {
        let without = name.strip_prefix("a/").or_else(|| name.strip_prefix("b/"));
        let forms = [Some(name), without];
        let mut forms: Vec<_> =
            forms.into_iter().flatten().filter_map(|name| self.one_form(name)).collect();
        forms.dedup();
        forms
    }

    /// The one path that both names may mean. No other reading of either may be there.
    fn one_that_is_there(
        &self,
        old: &[WorkspacePath],
        new: &[WorkspacePath],
    ) -> Option<WorkspacePath> {
        let mut all: Vec<&WorkspacePath> = old.iter().chain(new).collect();
        all.sort();
        all.dedup();
        let both: Vec<&WorkspacePath> = old.iter().filter(|path| new.contains(path)).collect();
        all.retain(|path| (self.surroundings.exists)(path));
        match (all.as_slice(), both.as_slice()) {
            ([only], _) if both.contains(only) => Some((*only).clone()),
            // Nothing is there: the answer says of which path.
            ([], [only]) => Some((*only).clone()),
            _ => None,
        }
    }

    fn note(&mut self, name: &str, path: &WorkspacePath) {
        self.say(format!("`{name}` was read as {path}"));
    }

    /// Says something, once.
    pub(super) fn say(&mut self, sentence: String) {
        if !self.adjusted.contains(&sentence) {
            self.adjusted.push(sentence);
        }
    }
}

fn text(path: &WorkspacePath) -> String {
    path.as_str().to_owned()
}

/// The name in front of a time stamp or a revision, and whether one was there that no diff has.
///
/// # Errors
/// For broken quotes, and the time by which git means that a file is not there.
pub(super) fn without_stamp(rest: &str, at: usize) -> Result<(String, bool), ToolError> {
    if rest.starts_with('"') {
        let (name, after) = unquote(rest).ok_or_else(|| broken_name(rest, at))?;
        refuse_1970(after.trim(), at)?;
        return Ok((name, false));
    }
    let stamp = rest
        .char_indices()
        .filter(|(_, character)| character.is_whitespace())
        .map(|(at, _)| rest.split_at(at))
        .find(|(_, after)| after.starts_with('\t') || is_stamp(after.trim_start()));
    let (name, stamp) = stamp.unwrap_or((rest, ""));
    refuse_1970(stamp.trim(), at)?;
    // What follows a tab is no part of a name, and git ends a name that has white space by one.
    if stamp.starts_with('\t') {
        return Ok((name.to_owned(), false));
    }
    Ok((name.trim_end().to_owned(), !stamp.is_empty()))
}

fn is_stamp(text: &str) -> bool {
    let day = ["Mon ", "Tue ", "Wed ", "Thu ", "Fri ", "Sat ", "Sun "];
    let mut date = text.split([' ', 'T']).next().unwrap_or_default().split('-');
    let digits = |part: Option<&str>, count: usize| {
        part.is_some_and(|part| part.len() == count && part.bytes().all(|b| b.is_ascii_digit()))
    };
    digits(date.next(), 4) && digits(date.next(), 2) && digits(date.next(), 2)
        || day.iter().any(|day| text.starts_with(day)) && text.contains(':')
        || ["(revision ", "(working copy)", "(nonexistent)"].iter().any(|end| text.starts_with(end))
}
