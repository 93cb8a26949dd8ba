//! Records as they are stored: what agents leave for people and for each other, and what people
//! decide about it. Exports of findings are in `export`.

pub mod decision;
pub mod export;
pub mod finding;
pub mod fingerprint;
pub mod history;
pub mod merged;
pub mod proposal;
pub mod signature;
pub mod state;
