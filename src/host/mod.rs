//! The hosts: each translates between its protocol and the dispatcher.

mod doctor;
pub mod form;
pub mod http;
pub mod identity;
pub mod lambda;
pub mod names;
pub mod reply;
mod resource;
mod review;
mod router;
mod served;
pub mod stdio;
