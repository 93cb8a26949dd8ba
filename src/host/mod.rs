//! The hosts: each translates between its protocol and the dispatcher.

mod admission;
pub(crate) mod body;
pub(crate) mod connections;
mod doctor;
pub(crate) mod form;
pub(crate) mod http;
pub(crate) mod identity;
pub(crate) mod lambda;
pub(crate) mod names;
pub(crate) mod reply;
mod resource;
mod review;
mod router;
mod served;
pub(crate) mod stdio;
