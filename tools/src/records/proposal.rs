//! A proposal as it lies on disk: `<id>/proposal.json` beside the canonical `change.patch`.
//! Both are immutable; what people decide about a proposal is recorded elsewhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the record's form.
pub const FORMAT: u32 = 1;
/// The name of the record in a proposal's folder.
pub const RECORD: &str = "proposal.json";
/// The name of the patch in a proposal's folder: a git diff.
pub const PATCH: &str = "change.patch";

/// One proposed change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proposal {
    /// The version of this form: 1.
    pub format: u32,
    /// The hash of the patch and the versions that it is based on, in 32 hex digits.
    pub id: String,
    /// What the change does.
    pub title: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// The findings that it resolves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finding_ids: Vec<String>,
    /// The run that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Who proposes it, as the host has proven.
    pub caller: String,
    /// The name of the role under which it was stored.
    pub role: String,
    /// When, RFC 3339 in UTC.
    pub created: String,
    /// The files in the order of the patch.
    pub files: Vec<ProposedFile>,
}

/// What a proposal does to one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProposedFile {
    /// The file; after a rename its new path.
    pub path: String,
    /// The kind of change.
    pub change: Change,
    /// The path before a rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_path: Option<String>,
    /// Lines added.
    pub additions: u64,
    /// Lines removed.
    pub deletions: u64,
    /// SHA-256 of the file that the change is based on; none when it is added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_version: Option<String>,
    /// SHA-256 of the file afterwards; none when it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_version: Option<String>,
}

/// The kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// A file that was not there.
    Added,
    /// Another content or mode.
    Modified,
    /// A file that goes away.
    Deleted,
    /// Another name, and maybe another content.
    Renamed,
}

/// The schema of a proposal's JSON.
pub fn schema() -> serde_json::Value {
    crate::tool::schema_of_output::<Proposal>()
}
