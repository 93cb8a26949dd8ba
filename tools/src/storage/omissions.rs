//! What a listing of records leaves out, and why: one malformed neighbour takes nothing from the
//! others, and nobody takes a part for the whole.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Longest problem that is told, in characters.
const MAX_PROBLEM: usize = 300;

/// Something among the records that a listing leaves out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Omission {
    /// Where it lies.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

/// All that a listing leaves out; the first of it by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Omissions {
    /// The first ones, in the order of the listing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<Omission>,
    /// How many there are besides.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more: u64,
}

impl Omissions {
    /// Most that are named to people, and most that are named in a tool's answer.
    pub const MOST: usize = 100;
    /// See [`Omissions::MOST`].
    pub const MOST_IN_ANSWER: usize = 5;

    /// Adds one; it is named if fewer than `most` are.
    pub fn add(&mut self, most: usize, path: impl ToString, problem: impl AsRef<str>) {
        if self.named.len() < most {
            let problem = problem.as_ref().chars().take(MAX_PROBLEM).collect();
            self.named.push(Omission { path: path.to_string(), problem });
        } else {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Adds what another listing left out, such as the next page.
    pub fn extend(&mut self, other: Omissions) {
        let room = Omissions::MOST.saturating_sub(self.named.len());
        let beyond = other.named.len().saturating_sub(room) as u64;
        self.named.extend(other.named.into_iter().take(room));
        self.more = self.more.saturating_add(other.more).saturating_add(beyond);
    }

    /// The same for a tool's answer, which names fewer.
    #[must_use]
    pub(crate) fn for_answer(mut self) -> Omissions {
        let beyond = self.named.len().saturating_sub(Omissions::MOST_IN_ANSWER) as u64;
        self.named.truncate(Omissions::MOST_IN_ANSWER);
        self.more = self.more.saturating_add(beyond);
        self
    }

    /// Whether the listing is whole.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty() && self.more == 0
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.more.saturating_add(self.named.len() as u64)
    }

    /// The bytes of the texts.
    pub(crate) fn bytes(&self) -> usize {
        self.named.iter().map(|one| one.path.len() + one.problem.len()).sum()
    }
}

/// What is said of names that no path can have.
pub(crate) fn unnameable(count: u64) -> String {
    format!("{count} names in it are no text, or have control characters")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
