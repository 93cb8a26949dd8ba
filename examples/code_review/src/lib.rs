//! A code review by several agents. A repository is staged into a workspace, and reviewers work on
//! it in parallel. A remediation agent turns what they found into proposals, and a report is made
//! of it all. A person decides about the proposals, and what is approved is applied.
//!
//! Each step is a plain function that can be called again: what is done stays done, and the same
//! call gives the same answer. The command on a laptop calls them one after the other, and so can
//! any engine that keeps track of steps.

pub mod agents;
pub mod apply;
pub mod decisions;
pub mod merge;
pub mod outcome;
pub mod recorded;
pub mod stage;

pub mod rights;

#[cfg(feature = "bedrock")]
pub mod command;
#[cfg(feature = "bedrock")]
pub mod work;

#[cfg(feature = "durable")]
pub mod durable;

/// The policy of the example. It is for a laptop; a deployment has its own callers.
pub const POLICY: &str = include_str!("../policy.toml");
/// The caller that stages, merges and applies what is approved.
pub const ORCHESTRATOR: &str = "code-review:orchestrator";
