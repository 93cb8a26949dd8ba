//! `list_dir`, `grep` and the walk under both.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests make their trees with the standard library")]

mod grep_files;
mod grep_paging;
mod list_dir_paging;
mod list_dir_text;
mod walk_ignore;
mod walk_order;
