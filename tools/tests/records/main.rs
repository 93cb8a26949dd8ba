//! Records: findings, state and decisions, whoever writes and whatever fails.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests make their trees with the standard library")]

mod crash_points;
mod decisions_out_of_reach;
mod findings_merge;
mod neighbours;
mod quotas;
mod state_neighbours;
mod state_versions;
