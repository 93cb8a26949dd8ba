//! Messages of the review API. Function and client use the same types; both ignore fields that they
//! do not know.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::decide::{ProposalView, Unreadable};
use crate::error::ToolError;
use crate::records::decision::Decision;
use crate::records::merged::MergedFinding;

/// Where the API is; its version is part of the path.
pub const PATH: &str = "/review/v1";

/// Longest id of a finding or a proposal.
const MAX_ID: usize = 64;

/// Whether a text can stand for a finding or a proposal in a path: hexadecimal digits, so that it
/// leads nowhere else.
pub fn is_id(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (1..=MAX_ID).contains(&text.len()) && text.bytes().all(is_digit)
}

/// The person who asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The caller, as the policy knows it.
    pub caller: String,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OneFinding {
    /// Merged over the agents that saw it.
    pub finding: MergedFinding,
}

/// Some of the proposals, by time.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProposalsPage {
    /// Those that can be read.
    pub proposals: Vec<ProposalView>,
    /// Those that cannot; all of them are on the first page.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<Unreadable>,
    /// How many were not looked at for want of time, so that they may be missing here.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub not_read: usize,
    /// Where the next page begins: after this; none at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One proposal with its diff.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OneProposal {
    /// The proposal and how it stands.
    pub proposal: ProposalView,
    /// The digest of its record, which an approval of what is shown names as `seen`.
    #[serde(default)]
    pub digest: String,
    /// The canonical diff, in base64: it need not be UTF-8.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub patch: Vec<u8>,
}

/// The reason that a person gives for a decision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of an approval, the digest of the proposal that was looked at: it covers nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
}

/// A step that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The step.
    pub decision: Decision,
}

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Code, message and hint.
    pub error: ToolError,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &usize) -> bool {
    *number == 0
}

fn to_base64<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(from)?;
    STANDARD.decode(text).map_err(serde::de::Error::custom)
}
