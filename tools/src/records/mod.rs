//! Records as they lie on disk: what agents leave for people and for each other.

pub mod finding;
pub mod fingerprint;
pub mod proposal;
pub mod state;
