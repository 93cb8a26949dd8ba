//! Faults: which request fails, and how.

use std::str::FromStr;

use rustix::io::Errno;

use crate::operation::Operation;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It is refused and nothing happens.
    Refuse(Errno),
    /// It happens, but the answer is this error: a reply that was lost on the way.
    LoseReply(Errno),
    /// It is not answered until the faults are cleared; then it happens.
    Hang,
}

/// A fault of one mount. Requests are counted from when the fault is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The operation; none for every one.
    pub operation: Option<Operation>,
    /// What becomes of it.
    pub effect: Effect,
    /// The first request that fails; 1 is the next one.
    pub first: u64,
    /// How many fail from there on.
    pub count: u64,
}

impl Fault {
    /// Every request of this operation fails until the faults are cleared.
    pub fn every(operation: Operation, effect: Effect) -> Fault {
        Fault { operation: Some(operation), effect, first: 1, count: u64::MAX }
    }

    /// Only the `nth` request of this operation fails.
    pub fn nth(operation: Operation, effect: Effect, nth: u64) -> Fault {
        Fault { operation: Some(operation), effect, first: nth, count: 1 }
    }

    /// From the `nth` request on, of whatever kind, all fail: the mount is lost.
    pub fn all_from(effect: Effect, nth: u64) -> Fault {
        Fault { operation: None, effect, first: nth, count: u64::MAX }
    }

    pub(crate) fn is_about(&self, operation: Operation) -> bool {
        self.operation.is_none_or(|own| own == operation)
    }

    pub(crate) fn covers(&self, request: u64) -> bool {
        request >= self.first && request - self.first < self.count
    }
}

/// The errors that can be named on the command line.
pub const ERRORS: &[(&str, Errno)] = &[
    ("ENOSPC", Errno::NOSPC),
    ("EIO", Errno::IO),
    ("ESTALE", Errno::STALE),
    ("EROFS", Errno::ROFS),
    ("EACCES", Errno::ACCESS),
];

/// `OP:ERRNO:NTH`: `write:ENOSPC:3` is the third write, `write:ENOSPC:3+` that and all after it,
/// `write:ENOSPC` all; `*` is every operation, `hang` instead of an error never answers.
impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let operation = match parts.next().unwrap_or_default() {
            "*" => None,
            name => Some(name.parse()?),
        };
        let effect = match parts.next() {
            Some("hang") => Effect::Hang,
            Some(name) => {
                let found = ERRORS.iter().find(|(known, _)| *known == name);
                let names = || ERRORS.iter().map(|(known, _)| *known).collect::<Vec<_>>();
                let unknown =
                    || format!("no error `{name}`; there are {}, hang", names().join(", "));
                Effect::Refuse(found.ok_or_else(unknown)?.1)
            }
            None => return Err(format!("`{text}` names no error; write OP:ERRNO:NTH")),
        };
        let (first, count) = match parts.next() {
            None => (1, u64::MAX),
            Some(nth) => {
                let (number, count) = match nth.strip_suffix('+') {
                    Some(number) => (number, u64::MAX),
                    None => (nth, 1),
                };
                let first = number.parse().ok().filter(|first| *first > 0);
                (first.ok_or_else(|| format!("`{nth}` is no number from 1 on"))?, count)
            }
        };
        match parts.next() {
            None => Ok(Fault { operation, effect, first, count }),
            Some(more) => Err(format!("`{more}` is too much; write OP:ERRNO:NTH")),
        }
    }
}
