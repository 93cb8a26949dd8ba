//! `write_state`: a new version of a key that agents share, published by exactly one writer.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Alias, Effect, Tool};
use crate::call::Call;
use crate::error::{Code, ToolError};
use crate::name;
use crate::path::WorkspacePath;
use crate::policy::Access;
use crate::records::state::{FORMAT, Key, MAX_VALUE_BYTES, Stored};
use crate::storage::state;
use crate::workspace::{Place, Published, Quota, Scope, VERSIONS};

/// How often a write without `expected_version` tries to be the next.
const ATTEMPTS: usize = 64;

/// The tool.
pub struct WriteState;

/// Arguments of `write_state`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Args {
    /// Such as `tasks/review-auth`.
    key: String,
    /// Text or any JSON, at most 40,000 bytes as JSON.
    // Clients refuse a server for one argument without a type, and others for one with several: a
    // model is told to send text, and any JSON is stored as it comes.
    #[schemars(with = "String", extend("x-any" = true))]
    value: Value,
    /// The version that read_state gave; 0 if the key must not exist. Without it the value is
    /// written whatever stands there.
    expected_version: Option<u64>,
}

/// Output of `write_state`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Output {
    /// The key.
    key: String,
    /// The version that this value has now.
    version: u64,
}

impl Tool for WriteState {
    const NAME: &'static str = "write_state";
    const TITLE: &'static str = "Write shared state";
    const DESCRIPTION: &'static str = include_str!("write_state.md");
    const GUIDE: &'static str = "Leave a note or claim a task with `write_state`.";
    const EFFECT: Effect = Effect::Records;
    const ACCESS: Access = Access::Write;
    const SUBJECT: Option<&'static str> = Some("key");
    const IDEMPOTENT: bool = false;
    const STRUCTURED: bool = true;
    const ALIASES: &'static [Alias] = &[("name", "key"), ("content", "value"), ("text", "value")];
    const MAY_BE_EMPTY: &'static [&'static str] = &["value"];
    const ESSENTIAL: &'static [&'static str] = &["expected_version"];
    type Args = Args;
    type Output = Output;

    fn folders(scope: &Scope) -> Result<Vec<WorkspacePath>, ToolError> {
        Ok(vec![scope.layout().state.clone()])
    }

    fn run(scope: &Scope, args: Args, call: &Call) -> Result<Output, ToolError> {
        let key = Key::parse(scope.layout(), &args.key)?;
        let judgement = scope.judge(Access::Write, key.path());
        let agent = judgement.role.filter(|_| judgement.allowed).ok_or_else(|| {
            ToolError::new(
                Code::Denied,
                format!("this caller may not write the key `{}`", key.as_str()),
            )
            .hint(format!("its role needs `write` on `{}`; ask the operator", key.path()))
        })?;
        name::must_be_seen("key", key.as_str())?;
        let mut stored = Stored {
            format: FORMAT,
            key: key.as_str().to_owned(),
            version: 0,
            value: args.value,
            agent,
            caller: call.caller.to_string(),
            written: Timestamp::now().to_string(),
        };
        check_size(&stored.value)?;
        let seen = args.expected_version.unwrap_or_default();
        let mut newest = state::newest_number_after(scope, &key, seen)?;
        for _ in 0..ATTEMPTS {
            if let Some(expected) = args.expected_version
                && expected != newest
            {
                return Err(conflict(scope, &key, expected, newest, call));
            }
            call.check()?;
            stored.version = newest.saturating_add(1);
            let bytes = serde_json::to_vec_pretty(&stored).map_err(|error| {
                ToolError::new(Code::Internal, "the value could not be written as JSON")
                    .caused_by(error)
            })?;
            let place = match newest {
                0 => Some(take_place(scope, &key, call)?),
                _ => None,
            };
            match scope.publish_version(key.path(), newest, &bytes)? {
                Published::Created => {
                    state::prune(scope, &key, stored.version);
                    return Ok(Output { key: stored.key, version: stored.version });
                }
                Published::AlreadyThere => {
                    if let Some(place) = place {
                        place.give_back(scope);
                    }
                    newest = state::newest_number(scope, &key)?.max(stored.version);
                }
            }
        }
        Err(ToolError::new(
            Code::Conflict,
            format!("`{}` is written by too many at once; it has version {newest}", key.as_str()),
        )
        .hint("nothing was written; try again in a second"))
    }
}

/// The place of a new key among those that the caller may make.
fn take_place(scope: &Scope, key: &Key, call: &Call) -> Result<Place, ToolError> {
    let most = scope.grant().limits().max_keys;
    let folder = &scope.layout().state;
    let quota = Quota { folder, most, what: "keys", limit: "max_keys" };
    scope.take_place(quota, &key.path().join(VERSIONS)?, call)
}

fn check_size(value: &Value) -> Result<(), ToolError> {
    let bytes = value.to_string().len();
    if bytes <= MAX_VALUE_BYTES {
        return Ok(());
    }
    Err(ToolError::new(
        Code::TooLarge,
        format!("`value` has {bytes} bytes as JSON; the limit is {MAX_VALUE_BYTES}"),
    )
    .hint("split it over several keys, or write what matters and where the rest can be found"))
}

/// Somebody else was first: what stands there now, and by whom.
fn conflict(scope: &Scope, key: &Key, expected: u64, newest: u64, call: &Call) -> ToolError {
    let name = key.as_str();
    let by = match state::at(scope, key, newest, call) {
        Ok(stored) => format!(" by `{}` at {}", stored.agent, stored.written),
        Err(_) => String::new(),
    };
    let there = match newest {
        0 => format!("`{name}` does not exist"),
        _ => format!("`{name}` has version {newest}, written{by}"),
    };
    let (wanted, next) = match (expected, newest) {
        (_, 0) => (
            format!("version {expected} was expected"),
            "give expected_version 0 to make it".to_owned(),
        ),
        (0, _) => (
            "it was expected not to exist".to_owned(),
            "if this claims a task, it is taken: choose another; else read_state it and give its \
             version"
                .to_owned(),
        ),
        _ => (
            format!("version {expected} was expected"),
            format!(
                "read_state it, make your change of that value, and give expected_version {newest}"
            ),
        ),
    };
    ToolError::new(Code::Conflict, format!("{there}; {wanted}. Nothing was written")).hint(next)
}
