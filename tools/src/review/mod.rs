//! A review: a person looks at findings and proposals, and decides. Commands and the web page use a
//! [`Review`], and do not know whether the workspace is on this machine or behind the URL of a
//! function.

mod excerpt;
mod local;
pub mod message;

use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::decide::{Listing, ProposalView};
use crate::error::ToolError;
use crate::records::decision::Decision;
use crate::records::merged::{MergedFinding, MergedFindings, Wanted};
use crate::storage::omissions::Omissions;

pub use excerpt::{Excerpt, Line};
pub use local::LocalReview;

/// All findings that were asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Findings {
    /// The findings, the worst first.
    pub merged: MergedFindings,
    /// What cannot be read and is left out, by path.
    pub omissions: Omissions,
}

impl Findings {
    /// Sorts what was read in any order.
    pub fn of(findings: Vec<MergedFinding>, mut omissions: Omissions) -> Findings {
        omissions.named.sort_by(|one, other| one.path.cmp(&other.path));
        Findings { merged: MergedFindings::of(findings), omissions }
    }
}

/// A decision that a person can make about a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// So that it can be applied.
    Approve,
    /// For good.
    Reject,
    /// Change the sources.
    Apply,
    /// Change them back.
    Revert,
    /// Finish or take back a change of them that was interrupted.
    Recover,
}

/// A decision about a proposal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict<'v> {
    /// What is decided.
    pub verb: Verb,
    /// Why.
    pub reason: Option<&'v str>,
    /// The [`digest`](crate::records::proposal::Proposal::digest) of what the person was shown,
    /// where that is known: an approval is of nothing else.
    pub seen: Option<&'v str>,
}

impl Verb {
    /// All of them.
    pub const ALL: [Verb; 5] =
        [Verb::Approve, Verb::Reject, Verb::Apply, Verb::Revert, Verb::Recover];

    /// The word in commands, paths and audit records.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Approve => "approve",
            Verb::Reject => "reject",
            Verb::Apply => "apply",
            Verb::Revert => "revert",
            Verb::Recover => "recover",
        }
    }

    /// The verb that a text names.
    pub fn parse(text: &str) -> Option<Verb> {
        Verb::ALL.into_iter().find(|verb| verb.as_str() == text)
    }
}

/// Findings, proposals and decisions under one person's rights.
///
/// Each method fails as the work itself does: [`NotFound`](crate::error::Code::NotFound) for what
/// is not there or hidden, [`Denied`](crate::error::Code::Denied) for what the person may not do,
/// [`Conflict`](crate::error::Code::Conflict) when somebody was first.
pub trait Review: Send + Sync {
    /// The person's name in the policy.
    ///
    /// # Errors
    /// When that cannot be found out.
    fn person(&self, call: &Call) -> Result<String, ToolError>;

    /// The findings that are wanted, merged over the agents.
    ///
    /// # Errors
    /// When they cannot be read.
    fn findings(&self, wanted: &Wanted, call: &Call) -> Result<Findings, ToolError>;

    /// One finding, by its fingerprint.
    ///
    /// # Errors
    /// When there is none.
    fn finding(&self, fingerprint: &str, call: &Call) -> Result<MergedFinding, ToolError>;

    /// The source around a finding as it is now.
    ///
    /// # Errors
    /// When it cannot be read, or the finding has no place.
    fn source(&self, finding: &MergedFinding, call: &Call) -> Result<Excerpt, ToolError>;

    /// All proposals, from records alone, within half of the call's time.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn proposals(&self, call: &Call) -> Result<Listing, ToolError>;

    /// One proposal with its diff, by its id or the first digits of it.
    ///
    /// # Errors
    /// When there is none.
    fn proposal(&self, id: &str, call: &Call) -> Result<ProposalView, ToolError>;

    /// Takes one step with a proposal.
    ///
    /// # Errors
    /// When it was not taken.
    fn decide(&self, id: &str, verdict: Verdict<'_>, call: &Call) -> Result<Decision, ToolError>;
}
