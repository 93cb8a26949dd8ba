//! Records as they lie on disk: what agents leave for people and for each other, and what people
//! decide about it; and findings for other eyes.

pub mod decision;
pub mod export;
pub mod finding;
pub mod fingerprint;
pub mod merged;
pub mod proposal;
pub mod state;
