//! Reads and writes records in a workspace, as a caller's scope allows; their forms are in
//! [`records`](crate::records).

pub mod findings;
pub mod omissions;
pub(crate) mod proposals;
pub mod state;
