//! A judgement: one decision of policy, made where the access happens.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use crate::path::WorkspacePath;

use super::Access;

/// One decision of policy about one access. A [`ToolGrant`](super::ToolGrant) makes it. The
/// [`Scope`](crate::workspace::Scope) that the access goes through obeys it and notes it, the audit
/// prints it, and `policy explain` formats it. None of these decides again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Whether the access is allowed.
    pub allowed: bool,
    /// What was asked for; none where only the tool or the caller was judged.
    pub access: Option<Access>,
    /// What it was asked for on.
    pub path: Option<WorkspacePath>,
    /// The role that decided, or the first of those of which no rule matches; none where no role
    /// was asked.
    pub role: Option<String>,
    /// The rule that decided, as it stands in the file: `read = "input/**"`.
    pub rule: Option<String>,
    /// The line of the rule, from 1.
    pub(super) line: Option<usize>,
    /// Why, where no rule says it.
    pub(super) reason: Cow<'static, str>,
}

impl Judgement {
    /// Allowed by a role as a whole, under a rule of it where one says so.
    pub fn by_role(role: &str, rule: Option<&str>) -> Judgement {
        Judgement {
            allowed: true,
            access: None,
            path: None,
            role: Some(role.to_owned()),
            rule: rule.map(str::to_owned),
            line: None,
            reason: Cow::Borrowed("the role allows it"),
        }
    }

    /// Why no policy could have granted this; none where one could have.
    pub fn never(&self) -> Option<&str> {
        let by_policy = self.allowed || self.role.is_some() || self.path.is_none();
        (!by_policy).then_some(&*self.reason)
    }

    /// Refused before any path was looked at.
    pub fn refused(reason: impl Into<Cow<'static, str>>) -> Judgement {
        let reason = reason.into();
        Judgement {
            allowed: false,
            access: None,
            path: None,
            role: None,
            rule: None,
            line: None,
            reason,
        }
    }
}

/// Most judgements that are kept of one call. A proposal of the most files needs two a file.
const MAX_NOTED: usize = 512;

/// The judgements of one call, in the order in which they were made, each once. Clones share
/// them, so that a record can be written while the call still runs.
#[derive(Debug, Clone, Default)]
pub struct Judgements(Arc<Mutex<Vec<Judgement>>>);

impl Judgements {
    /// Keeps a judgement. Beyond 512 only the first refusal is kept, in the place of the last.
    pub fn note(&self, judgement: &Judgement) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same = |one: &Judgement| one.access == judgement.access && one.path == judgement.path;
        if noted.iter().any(same) {
            return;
        }
        if noted.len() < MAX_NOTED {
            noted.push(judgement.clone());
        } else if !judgement.allowed
            && noted.iter().all(|one| one.allowed)
            && let Some(last) = noted.last_mut()
        {
            *last = judgement.clone();
        }
    }

    /// Whether nothing was judged yet.
    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The judgement that decided about the call: the first refusal, else the first about the
    /// access that the tool is for, else the first. None where nothing was judged.
    pub fn deciding(&self, access: Access) -> Option<Judgement> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tool = |one: &&Judgement| one.access == Some(access);
        let found = noted.iter().find(|one| !one.allowed);
        found.or_else(|| noted.iter().find(of_tool)).or_else(|| noted.first()).cloned()
    }

    /// The paths on which `access` was asked for, and those that were refused.
    pub fn paths(&self, access: Access) -> Vec<WorkspacePath> {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut paths: Vec<WorkspacePath> = Vec::new();
        for judgement in noted.iter().filter(|one| one.access == Some(access) || !one.allowed) {
            if let Some(path) = judgement.path.as_ref().filter(|path| !paths.contains(path)) {
                paths.push(path.clone());
            }
        }
        paths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(allowed: bool, access: Access, path: &str) -> Judgement {
        Judgement {
            access: Some(access),
            path: Some(WorkspacePath::parse(path).unwrap()),
            allowed,
            ..Judgement::refused("")
        }
    }

    #[test]
    fn a_refusal_decides_over_everything() {
        let judgements = Judgements::default();
        assert_eq!(judgements.deciding(Access::Read), None);
        judgements.note(&judged(true, Access::Read, "a"));
        judgements.note(&judged(true, Access::Propose, "a"));
        assert_eq!(judgements.deciding(Access::Propose), Some(judged(true, Access::Propose, "a")));
        judgements.note(&judged(false, Access::Read, "b"));
        assert_eq!(judgements.deciding(Access::Propose), Some(judged(false, Access::Read, "b")));
        let paths: Vec<_> =
            judgements.paths(Access::Propose).iter().map(ToString::to_string).collect();
        assert_eq!(paths, ["a", "b"]);
    }

    #[test]
    fn a_refusal_is_kept_however_much_was_judged_before() {
        let judgements = Judgements::default();
        for number in 0..MAX_NOTED + 10 {
            judgements.note(&judged(true, Access::Read, &format!("f{number}")));
            judgements.note(&judged(true, Access::Read, &format!("f{number}")));
        }
        assert_eq!(judgements.paths(Access::Read).len(), MAX_NOTED);
        judgements.note(&judged(false, Access::Read, "hidden"));
        assert!(!judgements.deciding(Access::Read).unwrap().allowed);
    }
}
