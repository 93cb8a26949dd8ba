//! Names with and without git's `a/` and `b/`: in one patch all are written in one style.

use crate::error::ToolError;

use super::name::unquote;

/// Whether names have git's `a/` and `b/`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Prefixed,
    Plain,
}

impl Style {
    /// The style in which `diff --git <names>` names these two.
    pub(super) fn of(names: &str, old: &str, new: &str) -> Option<Style> {
        [Style::Prefixed, Style::Plain].into_iter().find(|style| {
            let (old, new) = (style.before(old), style.after(new));
            let after = match unquote(names) {
                Some((name, after)) => (name == old).then_some(after),
                None => names.strip_prefix(old.as_str()),
            };
            after.and_then(|after| after.strip_prefix(' ')).is_some_and(|second| {
                match unquote(second) {
                    Some((name, after)) => name == new && after.is_empty(),
                    None => second == new,
                }
            })
        })
    }

    pub(super) fn before(self, name: &str) -> String {
        self.name("a/", name)
    }

    pub(super) fn after(self, name: &str) -> String {
        self.name("b/", name)
    }

    fn name(self, prefix: &str, name: &str) -> String {
        match self {
            Style::Prefixed => format!("{prefix}{name}"),
            Style::Plain => name.to_owned(),
        }
    }
}

/// Whether git would take the start of a name for a prefix.
pub(super) fn looks_prefixed(name: &str) -> bool {
    name.starts_with("a/") || name.starts_with("b/")
}

pub(super) fn ambiguous(at: usize) -> ToolError {
    ToolError::invalid(format!(
        "line {at} of the patch: git reads `a/` and `b/` at the start of names as prefixes, and \
         these names are not `a/PATH` and `b/PATH`"
    ))
    .hint("write `a/PATH` for the old name and `b/PATH` for the new one")
}

/// The name that both halves of a `diff --git` line agree on.
pub(super) fn one_name(names: &str) -> Option<String> {
    let (old, new) = match unquote(names) {
        Some((old, rest)) => (old, unquote(rest.strip_prefix(' ')?)?.0),
        // The halves are equally long, so names with spaces need no quoting.
        None => {
            let (old, rest) = names.split_at_checked(names.len() / 2)?;
            (old.to_owned(), rest.strip_prefix(' ')?.to_owned())
        }
    };
    match (old.strip_prefix("a/"), new.strip_prefix("b/")) {
        (Some(old), Some(new)) if old == new => Some(old.to_owned()),
        _ if old == new => Some(old),
        _ => None,
    }
}
