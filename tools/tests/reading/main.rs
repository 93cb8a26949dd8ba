//! `read_file`: what it answers, what it promises, and its windows.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests make their trees with the standard library")]

mod read_file_answers;
mod read_file_promises;
mod read_file_windows;
