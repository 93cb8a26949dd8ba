//! The hosts: what the running binary promises to those who connect.
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

mod doctor;
mod http;
mod metrics;
mod resources;
mod seccomp;
mod server;
mod stdio;
