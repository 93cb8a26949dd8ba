//! What the fuzzers run, one module for each target. `tests/regressions.rs` runs the same code on
//! the inputs of `regressions/`, which were once a problem or are hard by their form, so that no
//! fuzzer is needed to see that they still end well.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a target panics where a promise is broken"
)]

pub mod arguments;
pub mod cursors;
pub mod document;
pub mod events;
pub mod json;
pub mod patch;
pub mod path;
pub mod policy;
pub mod query;
pub mod records;
pub mod session;
pub mod stream;
pub mod table;
pub mod text;
pub mod tokens;
