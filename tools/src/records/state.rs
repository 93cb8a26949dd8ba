//! State as it is stored: each version of a key is one immutable file,
//! `<state>/<key>/@/<version>/value.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ToolError;
use crate::path::WorkspacePath;
use crate::policy::Layout;

/// The version of the record's form.
pub const FORMAT: u32 = 1;
/// Longest value in bytes of compact JSON: whoever reads it gets it whole in one answer.
pub const MAX_VALUE_BYTES: usize = 40_000;

/// One version of a key's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Stored {
    /// The version of this form: 1.
    pub format: u32,
    /// The key.
    pub key: String,
    /// The version, from 1.
    pub version: u64,
    /// The value.
    pub value: Value,
    /// The name of the role under which it was written.
    pub agent: String,
    /// Who wrote it, as the host has proven.
    pub caller: String,
    /// When, RFC 3339 in UTC.
    pub written: String,
}

/// A key: names separated by `/`, below the directory of state. Policy judges it as the path
/// `<state>/<key>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    path: WorkspacePath,
    name_at: usize,
}

impl Key {
    /// Parses what a caller wrote.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`](crate::error::Code::InvalidArgument) for what cannot be a key.
    pub fn parse(layout: &Layout, text: &str) -> Result<Key, ToolError> {
        let refuse = |why: &str| {
            ToolError::invalid(format!("`key` is `{}`: {why}", text.escape_debug()))
                .hint("a key is names separated by `/`, such as `tasks/review-auth`")
        };
        let below = WorkspacePath::parse(&format!("./{text}"))?;
        if below.is_root() || below.as_str() != text {
            return Err(refuse("write it without empty names, `.` and `/` at an end"));
        }
        if let Some(name) = below.components().find(|name| is_reserved(name)) {
            return Err(refuse(&format!("the name `{name}` begins with `{}`", first(name))));
        }
        let path = WorkspacePath::parse(&format!("{}/{text}", layout.state))?;
        Ok(Key::of_path(layout, path))
    }

    /// The key whose path is `path`, below the directory of state.
    pub(crate) fn of_path(layout: &Layout, path: WorkspacePath) -> Key {
        Key { path, name_at: layout.state.as_str().len() + 1 }
    }

    /// The key as callers write it.
    pub fn as_str(&self) -> &str {
        self.path.as_str().get(self.name_at..).unwrap_or_default()
    }

    /// What policy judges: `<state>/<key>`.
    pub fn path(&self) -> &WorkspacePath {
        &self.path
    }
}

/// Names that are kept for versions (`@`) and for unfinished work (`.`).
pub(crate) fn is_reserved(name: &str) -> bool {
    name.starts_with(['.', '@'])
}

fn first(name: &str) -> char {
    name.chars().next().unwrap_or_default()
}
