//! Reads the keys that sign decisions from where the policy says they are.

use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use mcp_workspace_tools::policy::{KeySource, Policy};
use mcp_workspace_tools::records::signature::{DecisionKeys, WrongKeys};

/// Largest file of keys in bytes that is read.
const MAX_BYTES: u64 = 64 * 1024;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// They lie where agents may read them.
    #[error("the key of decisions must not be in the workspace, as the file `{0}` is")]
    InWorkspace(String),
    /// The file cannot be read.
    #[error("cannot read the key of decisions from the file `{file}`: {cause}")]
    Unreadable {
        /// Its path.
        file: String,
        /// Why.
        cause: std::io::Error,
    },
    /// What was read is no key.
    #[error("the key of decisions is {place}: {cause}")]
    Wrong {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        cause: WrongKeys,
    },
}

/// The policy with the keys that sign decisions, from where it says they are. A program that only
/// serves agents need not have them: where there are none, nothing is decided. `variable` reads the
/// environment; `root` is the workspace.
///
/// # Errors
/// When they are too short, cannot be read, or lie in the workspace.
pub fn with_keys(
    policy: Policy,
    root: &Path,
    variable: impl Fn(&str) -> Option<OsString>,
) -> Result<Policy, KeysError> {
    let (text, place) = match policy.decision_key() {
        None => return Ok(policy),
        Some(KeySource::Environment(name)) => match variable(name) {
            None => return Ok(policy),
            Some(text) => (text.into_encoded_bytes(), format!("the variable `{name}`")),
        },
        Some(KeySource::File(file)) => match in_file(file, root)? {
            None => return Ok(policy),
            Some(text) => (text, format!("the file `{file}`")),
        },
    };
    let keys = DecisionKeys::new(&text).map_err(|cause| KeysError::Wrong { place, cause })?;
    Ok(policy.with_decision_keys(Some(keys)))
}

fn in_file(file: &str, root: &Path) -> Result<Option<Vec<u8>>, KeysError> {
    let unreadable = |cause| KeysError::Unreadable { file: file.to_owned(), cause };
    let path = match Path::new(file).canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(unreadable)?,
    };
    if root.canonicalize().is_ok_and(|root| path.starts_with(root)) {
        return Err(KeysError::InWorkspace(file.to_owned()));
    }
    let mut text = Vec::new();
    File::open(&path)
        .and_then(|file| file.take(MAX_BYTES).read_to_end(&mut text))
        .map_err(unreadable)?;
    Ok(Some(text))
}
