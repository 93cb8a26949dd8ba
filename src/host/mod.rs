//! The ways in: each translates between its wire and the dispatcher.

pub mod doctor;
pub mod http;
pub mod lambda;
mod resource;
mod review;
pub mod stdio;
