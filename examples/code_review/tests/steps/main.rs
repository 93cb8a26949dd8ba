//! The steps that need no model: staging, the report, and applying what people approved.
#![cfg(test)]

mod archives;
mod stage;
mod steps;
