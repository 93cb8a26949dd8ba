//! The function on Lambda: recorded events through a Runtime API of the tests' own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a test prepares workspaces and may panic"
)]

mod agents;
mod concurrency;
mod function;
mod metrics;
mod review;
mod start;
mod streaming;
mod url;
