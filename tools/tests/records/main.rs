//! Records: findings, state and decisions, whoever writes and whatever fails.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests make their trees with the standard library")]

mod crash_points;
mod deciding;
mod decisions_listed;
mod decisions_out_of_reach;
mod decisions_signed;
mod decisions_trusted;
mod findings_listed;
mod findings_merge;
mod neighbours;
mod proposals_listed;
mod quotas;
mod state_neighbours;
mod state_versions;
