//! A finding as it is stored: each observation is one immutable JSON file,
//! `<agent>/<fingerprint>.json`. Its JSON schema is published in `tools/contracts/`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the record's form.
pub const FORMAT: u32 = 1;

/// Most items of evidence, and most tags.
pub const MAX_ITEMS: usize = 50;
/// Largest file of a finding in bytes: all its texts as long as they may be, each character
/// escaped. A larger one was not written here.
pub const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// One observation by one agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The version of this form: 1.
    pub format: u32,
    /// `<agent>:<fingerprint>`.
    pub id: String,
    /// What the finding is about, in 48 hex digits; equal for equal findings of any agent.
    pub fingerprint: String,
    /// The rule that is broken.
    pub rule_id: String,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// A title of at most 120 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub short_summary: Option<String>,
    /// What goes wrong, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_scenario: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recommendation: Option<String>,
    /// A kebab-case category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Whether the agent has confirmed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// What supports it: rows, log lines, commands and their output.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// From 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// Free labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The run that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Where it is; none when it is about the workspace as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// The name of the role under which it was written.
    pub agent: String,
    /// Who wrote it, as the host has proven.
    pub caller: String,
    /// When, RFC 3339 in UTC.
    pub created: String,
}

impl Finding {
    /// Whether it keeps the bounds of what is written here, so that merging it with others costs
    /// no more than reading it.
    ///
    /// # Errors
    /// What is over which bound.
    pub fn check(&self) -> Result<(), String> {
        for (name, items) in [("evidence", &self.evidence), ("tags", &self.tags)] {
            if items.len() > MAX_ITEMS {
                return Err(format!(
                    "its `{name}` has {} items, and a finding may have {MAX_ITEMS}",
                    items.len()
                ));
            }
        }
        Ok(())
    }
}

/// A place in a file, as the server read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Location {
    /// The path from the workspace root.
    pub path: String,
    /// The first line, from 1; none when the finding is about the whole file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_line: Option<u64>,
    /// The last line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_line: Option<u64>,
    /// SHA-256 of the file's content when the finding was written; none for a file over
    /// `max_file_bytes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_version: Option<String>,
    /// The region's text, at most 8,000 characters of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snippet: Option<String>,
}

/// How bad a finding is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// To be fixed before anything else.
    Critical,
    /// A serious fault.
    High,
    /// A fault.
    Medium,
    /// A small fault.
    Low,
    /// Worth knowing.
    Info,
}

/// Whether a finding is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The agent has shown that it is so.
    #[serde(alias = "CONFIRMED")]
    Confirmed,
    /// It may be so.
    #[serde(alias = "PLAUSIBLE")]
    Plausible,
}

/// The schema of a finding's JSON.
pub fn schema() -> serde_json::Value {
    crate::schema::of_output::<Finding>()
}
