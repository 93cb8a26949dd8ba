//! What `read_file` promises of compressed text and of tables, in a server that is built for data.
//!
//! `cargo test -p mcp-workspace-tools --features data --test formats`
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

mod compressed;
mod hostile;
mod reading;
mod tables;
