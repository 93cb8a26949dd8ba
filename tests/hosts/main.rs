//! The hosts: what the running binary promises to those who connect.

mod http;
mod server;
mod stdio;
