//! The review of a repository with seeded defects, by scripted models on a loopback Bedrock that
//! refuses every request that the service would refuse.
#![cfg(test)]

mod conversation;
mod defects;
mod failures;
mod remediation;
mod reviewers;
mod setting;
mod whole;
