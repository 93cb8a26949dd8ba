//! What an agent can do in a workspace, and nothing else.
//!
//! A tool receives a [`Scope`](workspace::Scope): a handle of the workspace together with the
//! [`Grant`](policy::Grant) of the caller. It never sees a path of the machine, the network,
//! or the protocol that carried the call.

pub mod adjusted;
pub mod answer;
pub mod call;
pub mod contract;
pub mod decide;
pub mod error;
pub mod hex;
pub mod memory;
pub mod name;
mod occurrences;
pub mod patch;
pub mod path;
pub mod policy;
pub mod records;
pub mod review;
mod schema;
pub mod storage;
pub mod text;
pub mod tool;
mod version;
pub mod workspace;
