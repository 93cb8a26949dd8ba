//! The mount itself, and the tools over it.
#![cfg(test)]

mod counted_operations;
mod faults_while_reading;
mod faults_while_writing;
mod faults_while_writing_files;
mod faults_while_writing_state;
mod hanging;
mod pass_through;
mod two_mounts;
