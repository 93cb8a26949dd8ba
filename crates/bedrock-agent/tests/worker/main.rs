//! The worker's promises, shown with the real binary and a loopback Bedrock that refuses every
//! request that the service would refuse.
#![cfg(test)]

mod breakout;
mod budget;
mod caching;
mod context;
mod dry_run;
mod faults;
mod hostile;
mod lambda;
mod messages;
mod patience;
mod protocol;
mod proxy;
mod recovery;
mod remote;
mod resume;
mod reviewer;
mod server;
mod setting;
mod tuning;
