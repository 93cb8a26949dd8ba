//! Callbacks of waiting reviews, as files that people find: `output/runs/<run>/.callbacks/`.
//!
//! Agents have names that begin with a letter or digit, and their tools write findings, proposals
//! and state only, so nothing of theirs can come to lie there. A callback's id is no secret: to
//! complete one takes an IAM permission, and wakes the workflow at most.

use serde::{Deserialize, Serialize};

/// A review that waits for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// What `aws lambda send-durable-execution-callback-success --callback-id` takes.
    pub callback_id: String,
    /// The execution that waits.
    pub execution: String,
    /// How many callbacks it has waited for, this one included.
    pub round: u32,
}
