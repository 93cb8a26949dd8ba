//! The subcommands, one file each.

pub(crate) mod call;
pub(crate) mod doctor;
pub(crate) mod findings;
pub(crate) mod lambda;
pub(crate) mod manual;
pub(crate) mod policy;
pub(crate) mod proposals;
pub(crate) mod review;
pub(crate) mod serve;
pub(crate) mod stdio;
pub(crate) mod token;
pub(crate) mod tools;
