//! A proposal as it is stored: an immutable directory, named by its id, that contains this record
//! as `proposal.json` and the canonical diff as `change.patch`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::patch::Change;

/// The version of the record's form.
pub const FORMAT: u32 = 1;
/// The name of the record in a proposal's directory.
pub const RECORD: &str = "proposal.json";
/// Largest record in bytes that is read; a larger one was not written here: its texts and the paths
/// of its files are bounded.
pub const MAX_BYTES: u64 = 1024 * 1024;
/// The name of the diff in a proposal's directory.
pub const PATCH: &str = "change.patch";

/// One proposed change of sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Proposal {
    /// The version of this form: 1.
    pub format: u32,
    /// 32 hex digits of the hash of the diff and of the versions that it is made for.
    pub id: String,
    /// What it does, in one line.
    pub title: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// The findings that it answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finding_ids: Vec<String>,
    /// The run that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// The name of the role under which it was written.
    pub agent: String,
    /// Who wrote it, as the host has proven.
    pub caller: String,
    /// When, RFC 3339 in UTC.
    pub created: String,
    /// The files, by path, as in the diff.
    pub files: Vec<ProposedFile>,
}

/// One file of a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProposedFile {
    /// The path afterwards; of a deleted file the path before.
    pub path: String,
    /// What happens to it.
    pub change: Change,
    /// The path before, of a renamed file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_path: Option<String>,
    /// Lines added.
    pub additions: usize,
    /// Lines deleted.
    pub deletions: usize,
    /// The version that the change is made for; none of a new file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_version: Option<String>,
    /// The version afterwards; none of a deleted file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_version: Option<String>,
}

impl Proposal {
    /// Reads the record of the proposal with this id.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(id: &str, json: &[u8]) -> Result<Proposal, String> {
        let proposal: Proposal = serde_json::from_slice(json)
            .map_err(|error| format!("its record cannot be read: {error}"))?;
        if proposal.id == id { Ok(proposal) } else { Err("its record has another id".to_owned()) }
    }

    /// The hash of the whole record, in hex: title, rationale, findings, run, agent, caller, time,
    /// files, and by the id the diff. An approval says which it covers.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"mcp-workspace proposal 1\n");
        // A struct's fields have one order, so one record has one text. It has no map and no
        // number that JSON could not hold, so this cannot fail.
        hash.update(serde_json::to_vec(self).unwrap_or_default());
        hex(&hash.finalize())
    }
}

impl ProposedFile {
    /// Its paths, the old name included.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        [Some(&self.path), self.old_path.as_ref()].into_iter().flatten().map(String::as_str)
    }
}

/// The identity of a change: the diff, and the versions that it is made for.
pub fn id_of(patch: &[u8], files: &[ProposedFile]) -> String {
    let mut hash = Sha256::new();
    hash.update((patch.len() as u64).to_be_bytes());
    hash.update(patch);
    for base in files.iter().filter_map(|file| file.base_version.as_ref()) {
        hash.update(base);
    }
    let digest = hash.finalize();
    hex(digest.get(..16).unwrap_or_default())
}

/// The schema of a proposal's JSON.
pub fn schema() -> serde_json::Value {
    crate::schema::of_output::<Proposal>()
}
