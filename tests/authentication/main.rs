//! Who is believed, and who is not: each row of the tables below is a request to the real binary,
//! through a Runtime API of the tests' own and, where it can be made there, over HTTP to `serve`.
#![cfg(test)]

mod case;
mod configuration;
mod identity;
mod issuer;
mod keys;
mod metadata;
mod tls;
mod tokens;
