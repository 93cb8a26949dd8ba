//! Policies: the ready ones, the rejected ones, and what holds for all.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests make their trees with the standard library")]

mod policy_files;
mod policy_globs;
mod policy_properties;
