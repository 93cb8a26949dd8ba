//! The sandbox: nothing outside of the workspace is read or written, in any way.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests make their trees with the standard library")]

mod hidden_is_absent;
mod on_a_network_mount;
mod sandbox_oracle;
mod sandbox_paths;
mod sandbox_race;
