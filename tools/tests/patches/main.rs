//! Proposals of patches, and what becomes of them.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests make their trees with the standard library")]

mod apply_agrees_with_git;
mod apply_loses_no_edit;
mod patch_agrees_with_git;
mod patch_attacks;
mod patch_meant;
mod patch_proposals;
mod patch_spoiled;
