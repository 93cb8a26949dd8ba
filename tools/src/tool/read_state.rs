//! `read_state`: the value of a key that agents share, or the keys that there are.

use std::ops::ControlFlow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cursor::Binding;
use super::{Alias, Effect, Tool, arguments};
use crate::call::{Call, Ended, Stop};
use crate::error::{Code, ToolError};
use crate::path::WorkspacePath;
use crate::policy::{Access, Layout};
use crate::records::state::Key;
use crate::storage::omissions::{Omission, Omissions};
use crate::storage::state::{self, Newest};
use crate::workspace::Scope;

/// Keys of one page unless the caller says otherwise, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;
/// What the JSON around a key costs of the answer's budget, and what something left out costs.
const KEY_CHARS: usize = 48;
const OMISSION_CHARS: usize = 1_024;

/// The tool.
pub struct ReadState;

/// Arguments of `read_state`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Such as `tasks/review-auth`.
    key: Option<String>,
    /// Default: the newest.
    version: Option<u64>,
    /// Such as `tasks/`. Default: all keys.
    prefix: Option<String>,
    /// Most keys, up to 1000. Default: 100.
    limit: Option<usize>,
    /// Where the page before ended; keep `prefix`.
    cursor: Option<String>,
}

/// Output of `read_state`.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub struct Output {
    /// The key.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// The value as it was written: JSON or text.
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Value>,
    /// The version of the value, from 1. Give it to write_state as `expected_version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// The name of the role under which it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<String>,
    /// When it was written, RFC 3339 in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    written: Option<String>,
    /// The keys that begin with `prefix`.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys: Option<Vec<ListedKey>>,
    /// Whether keys follow after these.
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<bool>,
    /// Where the next page begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
    /// The number of the newest version, where that cannot be read and an older value is given.
    /// Give it to write_state as `expected_version` instead of `version`.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest_version: Option<u64>,
    /// What could not be read and is left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<Omission>,
    /// How many more things are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_left_out: Option<u64>,
}

impl Output {
    fn leaving_out(self, omissions: Omissions) -> Output {
        let more_left_out = (omissions.more > 0).then_some(omissions.more);
        Output { left_out: omissions.named, more_left_out, ..self }
    }
}

/// One key of a list.
#[derive(Debug, Serialize, JsonSchema)]
struct ListedKey {
    /// The key.
    key: String,
    /// Its newest version.
    version: u64,
}

impl Tool for ReadState {
    const NAME: &'static str = "read_state";
    const TITLE: &'static str = "Read shared state";
    const DESCRIPTION: &'static str = include_str!("read_state.md");
    const GUIDE: &'static str = "`read_state` gives the notes and tasks that agents share.";
    const EFFECT: Effect = Effect::Reads;
    const ACCESS: Access = Access::Read;
    const SUBJECT: Option<&'static str> = Some("key");
    const IDEMPOTENT: bool = true;
    const STRUCTURED: bool = true;
    const MAY_BE_EMPTY: &'static [&'static str] = &["prefix"];
    const ALIASES: &'static [Alias] =
        &[("name", "key"), ("head", "limit"), ("max_results", "limit")];
    const ESSENTIAL: &'static [&'static str] = &["key", "prefix", "cursor", "version", "limit"];
    type Args = Args;
    type Output = Output;

    fn subject_path(
        layout: &Layout,
        subject: Option<&str>,
    ) -> Result<Option<WorkspacePath>, ToolError> {
        subject.map(|key| Ok(Key::parse(layout, key)?.path().clone())).transpose()
    }

    fn is_partial(output: &Output) -> bool {
        output.more == Some(true)
    }

    fn run(scope: &Scope, mut args: Args, call: &Call) -> Result<Output, ToolError> {
        if args.key.is_some() {
            // Clients that fill in every argument have no other way to give a key alone.
            args.prefix = args.prefix.filter(|prefix| !prefix.is_empty());
            args.limit = args.limit.filter(|limit| *limit != 0);
        }
        args.version = args.version.filter(|version| *version != 0);
        match (&args.key, &args.prefix) {
            (Some(key), None) => value(scope, key, &args, call),
            (None, Some(prefix)) => keys(scope, prefix, &args, call),
            (Some(_), Some(_)) => {
                Err(ToolError::invalid("`key` and `prefix` are both given; give one"))
            }
            (None, None) => keys(scope, "", &args, call),
        }
    }
}

fn value(scope: &Scope, key: &str, args: &Args, call: &Call) -> Result<Output, ToolError> {
    if args.limit.is_some() || args.cursor.is_some() {
        return Err(ToolError::invalid("`limit` and `cursor` belong to a list of keys")
            .hint("give `prefix` instead of `key` to list"));
    }
    let key = Key::parse(scope.layout(), key)?;
    let newest = match args.version {
        Some(version) => {
            let stored = state::at(scope, &key, version, call)?;
            Newest { number: stored.version, stored, omissions: Omissions::default() }
        }
        None => state::newest(scope, &key, call).map_err(|error| match error.code {
            Code::NotFound => error
                .hint("`prefix` lists keys; write_state with expected_version 0 makes a new one"),
            _ => error,
        })?,
    };
    let Newest { stored, number, omissions } = newest;
    let output = Output {
        key: Some(key.as_str().to_owned()),
        newest_version: (number != stored.version).then_some(number),
        value: Some(stored.value),
        version: Some(stored.version),
        agent: Some(stored.agent),
        written: Some(stored.written),
        ..Output::default()
    };
    Ok(output.leaving_out(omissions))
}

fn keys(scope: &Scope, prefix: &str, args: &Args, call: &Call) -> Result<Output, ToolError> {
    if args.version.is_some() {
        return Err(ToolError::invalid("`version` belongs to one `key`, not to a list"));
    }
    let limit = arguments::limit(args.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
    let binding = Binding::new(&call.caller, &["read_state", prefix]);
    let after = args.cursor.as_deref().map(|cursor| binding.read(cursor)).transpose()?;
    let mut keys: Vec<ListedKey> = Vec::new();
    // What is left out has its own room.
    let room = 1_024 + Omissions::MOST_IN_ANSWER * OMISSION_CHARS;
    let mut chars_left = call.answer_chars.saturating_sub(room);
    let mut more = false;
    let mut found = |key: Key, version: u64| {
        let cost = key.as_str().len() + KEY_CHARS;
        if keys.len() == limit || cost > chars_left {
            more = true;
            return ControlFlow::Break(());
        }
        chars_left -= cost;
        keys.push(ListedKey { key: key.as_str().to_owned(), version });
        ControlFlow::Continue(())
    };
    let after = after.map(|cursor| cursor.path);
    let listed = state::list(scope, prefix, after.as_deref(), call, &mut found)?;
    match listed.ended {
        Ended::Complete => {}
        Ended::Stopped(Stop::Deadline) if !keys.is_empty() => more = true,
        Ended::Stopped(stop) => return Err(stop.into()),
    }
    let next_cursor = keys.last().filter(|_| more).map(|last| binding.at(&last.key, None));
    let output = Output { keys: Some(keys), more: Some(more), next_cursor, ..Output::default() };
    Ok(output.leaving_out(listed.omissions))
}
