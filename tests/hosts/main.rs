//! The hosts: what the running binary promises to those who connect.
#![cfg(test)]

mod confinement;
mod connections;
mod dense_json;
mod doctor;
mod few_bytes;
mod http;
mod metrics;
mod mounted;
mod resources;
mod seccomp;
mod stdio;
