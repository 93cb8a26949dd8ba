//! Reads proposals as a caller's scope allows: their names, their records, how they stand.

use crate::call::Call;
use crate::error::ToolError;
use crate::records::decision::State;
use crate::records::proposal::{MAX_BYTES, Proposal, RECORD};
use crate::workspace::{Kind, Scope};

use super::omissions::{Omissions, unnameable};

/// The ids of the proposals of which the caller may know, in their order, and what else lies among
/// them. No record is read.
///
/// # Errors
/// When the folder of proposals cannot be listed, or at the call's end.
pub(crate) fn ids(scope: &Scope, call: &Call) -> Result<(Vec<String>, Omissions), ToolError> {
    let directory = scope.layout().proposals();
    let listing = scope.record_entries(directory, "", call)?;
    let (mut ids, mut omissions) = (Vec::new(), Omissions::default());
    if listing.unnameable > 0 {
        omissions.add(Omissions::MOST, directory, unnameable(listing.unnameable));
    }
    for (name, kind) in listing.entries {
        if kind == Kind::Directory {
            ids.push(name);
        } else {
            omissions.add(Omissions::MOST, directory.join(&name)?, "it is no folder of a proposal");
        }
    }
    Ok((ids, omissions))
}

/// The record of a proposal, or what is wrong with it. Whether its diff is the one that the id
/// names is not looked at.
pub(crate) fn read_one(scope: &Scope, id: &str, call: &Call) -> Result<Proposal, String> {
    let told = |error: ToolError| error.message;
    let path = scope.layout().proposals().join(id).and_then(|folder| folder.join(RECORD));
    let path = path.map_err(|error| error.to_string())?;
    let opened = scope.open_record(&path, call).map_err(told)?;
    if opened.size > MAX_BYTES {
        return Err(format!("it has {} bytes, and a record has {MAX_BYTES}", opened.size));
    }
    Proposal::parse(id, &scope.read_opened(&path, opened, call).map_err(told)?)
}

/// How a proposal stands, by the recorded decisions alone: signatures are not checked, and whether
/// the sources have changed since is not looked at.
///
/// # Errors
/// When the decisions cannot be read.
pub(crate) fn state(scope: &Scope, id: &str) -> Result<State, ToolError> {
    Ok(State::after(&scope.history(id)?))
}
