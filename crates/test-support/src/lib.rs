//! What several suites of tests need.
//!
//! | module | holds |
//! |---|---|
//! | [`tool_call`] | one call of a tool, as a caller of a policy |
//! | [`tree`] | a workspace with a hostile neighbourhood |
//! | [`kinds`] | files of every kind, and what the file system refuses to root as well |
//! | [`checkout`] | files that patches are proposed for |
//! | [`git`] | what git makes of the same files and patches |
//! | [`cases`] | how often a property is tried |
//! | [`mounted`] | a workspace on a network mount |
//! | [`server`] | the binary as an HTTP server |
//! | [`function`] | the binary as a Lambda function, and the Runtime API that feeds it |
//! | [`model`] | a loopback Bedrock that plays a script |
//! | [`prompt_cache`] | what of a request a prompt cache would serve |
//! | [`converse`] | what Bedrock refuses in a request |
//! | [`http`] | as much of HTTP as a loopback endpoint needs |
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::missing_panics_doc,
    clippy::cast_precision_loss,
    clippy::new_without_default,
    reason = "a test prepares what it needs, and panics where that fails"
)]

pub mod cases;
pub mod checkout;
pub mod converse;
pub mod function;
pub mod git;
pub mod http;
pub mod idle;
pub mod kinds;
pub mod model;
pub mod mounted;
pub mod prompt_cache;
pub mod server;
pub mod tool_call;
pub mod tree;

/// The program of a package under test. Cargo builds it before the package's integration tests
/// and tells them where it is.
pub fn program(name: &str) -> std::path::PathBuf {
    let variable = format!("CARGO_BIN_EXE_{name}");
    std::env::var_os(&variable)
        .unwrap_or_else(|| panic!("{variable} is not set: only integration tests have it"))
        .into()
}
