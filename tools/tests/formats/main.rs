//! What `read_file` and `query_table` promise of compressed text and of tables, in a server that is built for
//! data.
//!
//! `cargo test -p mcp-workspace-tools --features data --test formats`
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests make their trees with the standard library")]

mod compressed;
mod conditions;
mod data_quality;
mod documents;
mod documents_hostile;
mod hostile;
mod hostile_queries;
mod queries;
mod querying;
mod reading;
mod tables;
mod unpacked;
