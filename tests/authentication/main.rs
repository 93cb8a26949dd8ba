//! Who is believed, and who is not: each row of the tables below is a request to the real binary,
//! through a Runtime API of the tests' own and, where it can be made there, over HTTP to `serve`.
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

mod case;
mod configuration;
#[allow(dead_code, reason = "shared with the tests of the function")]
#[path = "../lambda/function.rs"]
mod function;
mod identity;
mod issuer;
mod keys;
mod metadata;
#[allow(dead_code, reason = "shared with the tests of the hosts")]
#[path = "../hosts/server.rs"]
mod server;
mod tls;
mod tokens;
