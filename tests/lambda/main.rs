//! The function on Lambda: recorded events through a Runtime API of the tests' own.
#![cfg(test)]

mod agents;
mod closed;
mod concurrency;
mod metrics;
mod review;
mod start;
mod streaming;
mod url;
