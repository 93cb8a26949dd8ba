//! One judgement for each access: what the audit prints, what `policy explain` says, and what the
//! file system showed are the same thing. And a tool is its own file and one line of a catalog.
#![cfg(test)]

mod agreement;
mod new_tool;
mod recorded;
