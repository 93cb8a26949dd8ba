//! A worker: a model on Amazon Bedrock that works with the workspace's tools, under the rights
//! that policy gives its role.
//!
//! The model is a caller like any other. Every tool call goes through the dispatcher of
//! `mcp-workspace`, under the caller id `bedrock-worker:ROLE`; nothing that the model or a file
//! says changes it.

mod assignment;
mod backoff;
mod bedrock;
mod budget;
mod caching;
mod context;
mod conversation;
mod failure;
mod interruption;
mod journal;
mod messages;
mod model;
mod models;
mod pace;
mod progress;
mod question;
mod recall;
mod steps;
mod summary;
mod task;
mod tool_calls;
mod worker;

pub mod config;
pub mod lambda;

pub use assignment::Assignment;
pub use bedrock::Bedrock;
pub use budget::Usage;
pub use conversation::{Block, Reasoning, ToolUse};
pub use failure::Failure;
pub use interruption::interruption;
pub use messages::Messages;
pub use model::{Model, Reply, Service};
pub use progress::{Watch, one_line};
pub use question::Question;
pub use summary::{Ending, Summary};
pub use worker::Worker;
