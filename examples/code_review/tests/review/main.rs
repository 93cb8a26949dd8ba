//! The review of a repository with seeded defects, by scripted models on a loopback Bedrock that
//! refuses every request that the service would refuse.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test prepares workspaces and may panic"
)]

#[path = "../../../../crates/bedrock-agent/tests/worker/contract.rs"]
mod contract;
#[path = "../../../../crates/bedrock-agent/tests/worker/http.rs"]
mod http;
#[allow(dead_code, reason = "shared with the worker's own tests")]
#[path = "../../../../crates/bedrock-agent/tests/worker/model.rs"]
mod model;

mod conversation;
mod defects;
mod failures;
mod remediation;
mod reviewers;
mod setting;
mod whole;
