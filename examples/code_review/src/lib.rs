//! A code review by several agents over one workspace.

#[cfg(feature = "durable")]
pub mod durable;
