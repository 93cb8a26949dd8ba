//! From a proven caller to a recorded call: what every program that runs tools shares, so that
//! the worker on Bedrock has the same dispatcher as the server. Hosts are the binary's own.

pub mod audit;
pub mod caller;
pub mod dispatch;
pub mod doctor;
pub mod metrics;
pub mod request;
pub mod trace;
