//! What `read_file` promises of compressed text and of tables, in a server that is built for data.
//!
//! `cargo test -p mcp-workspace-tools --features data --test formats`
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests make their trees with the standard library")]

mod compressed;
mod hostile;
mod reading;
mod tables;
