//! The subcommands, one file each.

pub mod call;
pub mod doctor;
pub mod findings;
pub mod lambda;
pub mod manual;
pub mod policy;
pub mod proposals;
pub mod review;
pub mod serve;
pub mod stdio;
pub mod token;
pub mod tools;
