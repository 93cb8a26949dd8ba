//! The worker's promises, shown with the real binary and a loopback Bedrock that refuses every
//! request that the service would refuse.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test prepares workspaces and may panic"
)]

mod breakout;
mod budget;
mod contract;
mod door;
mod dry_run;
mod faults;
mod hostile;
mod http;
mod lambda;
mod model;
mod protocol;
mod recovery;
mod remote;
mod resume;
mod reviewer;
mod server;
mod setting;
