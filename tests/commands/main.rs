//! The commands of the binary, as people and scripts run them, and what the build holds.
#![cfg(test)]

mod examples_run;
mod left_out;
mod manual;
mod no_aws_in_the_server;
mod promises;
mod scenarios;
mod terminal;
