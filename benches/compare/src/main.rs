//! Our server beside others on the same tasks.
//!
//! `just tokens --node node_modules/.bin/mcp-server-filesystem --rust rust-mcp-filesystem`
#![allow(clippy::print_stdout, reason = "it prints tables")]

mod corpus;
mod session;
mod tasks;
mod tokens;

use std::error::Error;

use clap::Parser;

/// Compares our server with others on the same tasks.
#[derive(Debug, Parser)]
enum Command {
    Tokens(tokens::Arguments),
}

fn main() -> Result<(), Box<dyn Error>> {
    match Command::parse() {
        Command::Tokens(arguments) => tokens::run(&arguments),
    }
}
