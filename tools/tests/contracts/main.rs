//! The contracts of the tools: they are what the code says and what the hosts take.
#![cfg(test)]
#![allow(clippy::disallowed_methods, reason = "tests make their trees with the standard library")]

mod contracts_do_not_drift;
mod contracts_fit_their_hosts;
mod schemas_fit_their_clients;
