//! The hosts: what the running binary promises to those who connect.
#![cfg(test)]

mod confinement;
mod doctor;
mod http;
mod metrics;
mod mounted;
mod resources;
mod seccomp;
mod stdio;
