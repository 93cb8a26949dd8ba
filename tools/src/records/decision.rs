//! Decisions of people about proposals, as stored in `decisions/<id>/<step>/decision.json`. Each
//! step is one immutable directory that is published exclusively. So when several people decide at
//! once, one of them wins each step.
//!
//! ```text
//! proposed --approve--> approved --apply--> applying --> applied --revert--> reverting --> reverted
//!    |                    |  ^                 |            ^                   |
//!    +------reject--------+  +----undone-------+            +------undone-------+
//!              v
//!           rejected
//! ```
//! `conflicted` and `superseded` are never stored: they follow from what the sources are now.

use serde::{Deserialize, Serialize};

use crate::error::{Code, ToolError};

/// The version of the record's form.
pub const FORMAT: u32 = 1;
/// The name of the record in a step's directory.
pub const RECORD: &str = "decision.json";

/// One step of a proposal's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The version of this form: 1.
    pub format: u32,
    /// The proposal's id: the hash of its diff and of the versions that it is made for.
    pub proposal: String,
    /// The number of this step, from 1.
    pub step: u32,
    /// What was done.
    pub action: Action,
    /// Who did it, as the host has proven.
    pub caller: String,
    /// The role that allows it.
    pub role: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When, RFC 3339 in UTC.
    pub created: String,
    /// Of an approval: the [`digest`](super::proposal::Proposal::digest) of the record that was
    /// approved, texts and caller included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covers: Option<String>,
    /// Of an intent to apply: the files before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<Journal>,
    /// Where the policy names a key: the signature of this step and of all before it, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A person approves it.
    #[default]
    Approved,
    /// A person rejects it.
    Rejected,
    /// Sources are about to be changed; the journal holds them before and after.
    Applying,
    /// All sources are changed.
    Applied,
    /// Nothing is changed after all.
    ApplyUndone,
    /// Sources are about to be changed back.
    Reverting,
    /// All sources are as they were.
    Reverted,
    /// Nothing is changed back after all.
    RevertUndone,
}

/// Files before and after, saved beside the record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The files, by path.
    pub files: Vec<JournalFile>,
    /// Directories that are not there before, the outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new_directories: Vec<String>,
}

/// One file of a journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalFile {
    /// The path.
    pub path: String,
    /// The file before; none when it is new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Saved>,
    /// The file after; none when it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Saved>,
}

/// Saved content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// SHA-256 of the content.
    pub version: String,
    /// The permission bits.
    pub mode: u32,
    /// The name of the content in the step's directory.
    pub content: String,
}

/// How a proposal stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has decided.
    Proposed,
    /// It may be applied.
    Approved,
    /// It will not be applied.
    Rejected,
    /// An apply was interrupted.
    Applying,
    /// Its changes are in the sources.
    Applied,
    /// A revert was interrupted.
    Reverting,
    /// Its changes were taken back.
    Reverted,
    /// Undecided or approved, but the sources are not those that it is made for.
    Conflicted,
    /// Undecided or approved, but the sources are already as it would make them.
    Superseded,
}

impl State {
    /// The name in lists and errors.
    pub fn as_str(self) -> &'static str {
        match self {
            State::Proposed => "proposed",
            State::Approved => "approved",
            State::Rejected => "rejected",
            State::Applying => "applying",
            State::Applied => "applied",
            State::Reverting => "reverting",
            State::Reverted => "reverted",
            State::Conflicted => "conflicted",
            State::Superseded => "superseded",
        }
    }

    /// Where a history leads, whatever the sources are.
    pub fn after(history: &[Decision]) -> State {
        match history.last().map(|decision| decision.action) {
            None => State::Proposed,
            Some(Action::Approved | Action::ApplyUndone) => State::Approved,
            Some(Action::Rejected) => State::Rejected,
            Some(Action::Applying) => State::Applying,
            Some(Action::Applied | Action::RevertUndone) => State::Applied,
            Some(Action::Reverting) => State::Reverting,
            Some(Action::Reverted) => State::Reverted,
        }
    }

    /// Whether it may still be applied some day.
    pub fn is_live(self) -> bool {
        matches!(self, State::Proposed | State::Approved | State::Applying)
    }

    /// Whether something was begun that has not ended.
    pub fn is_begun(self) -> bool {
        matches!(self, State::Applying | State::Reverting)
    }

    /// Whether a step follows from this state.
    pub fn allows(self, action: Action) -> bool {
        match action {
            Action::Approved => self == State::Proposed,
            Action::Rejected => matches!(self, State::Proposed | State::Approved),
            Action::Applying => self == State::Approved,
            Action::Reverting => self == State::Applied,
            Action::Applied | Action::ApplyUndone => self == State::Applying,
            Action::Reverted | Action::RevertUndone => self == State::Reverting,
        }
    }

    /// Refuses a step that does not follow from this state.
    ///
    /// # Errors
    /// [`Code::Conflict`], with what stands in the way and what to do.
    pub fn admit(self, action: Action, id: &str) -> Result<(), ToolError> {
        if self.allows(action) {
            return Ok(());
        }
        let wanted = match action {
            Action::Approved => "approved",
            Action::Rejected => "rejected",
            Action::Applying => "applied",
            Action::Reverting => "reverted",
            _ => "finished",
        };
        let hint = match (self, action) {
            (State::Proposed, Action::Applying) => "somebody must approve it first",
            (State::Proposed | State::Approved, Action::Reverting) => "there is nothing to revert",
            (State::Approved, Action::Approved) => "it can be applied now",
            (State::Applied, Action::Applying) => "its changes are in the sources already",
            (State::Applied, Action::Rejected) => "revert it to take its changes back",
            (State::Applying, _) => "an apply was begun and has not ended: recover it first",
            (State::Reverting, _) => "a revert was begun and has not ended: recover it first",
            (State::Rejected | State::Reverted, _) => {
                "that is final; the change must be proposed anew, on the sources as they are"
            }
            _ => "nothing of it is to be finished; its history tells more",
        };
        Err(ToolError::new(
            Code::Conflict,
            format!("proposal {id} is {}, so it cannot be {wanted}", self.as_str()),
        )
        .hint(hint))
    }
}
