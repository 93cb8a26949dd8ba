//! Records in a workspace, as a caller's scope lets them be read and written; their forms are in
//! [`records`](crate::records).

pub mod findings;
pub mod state;
