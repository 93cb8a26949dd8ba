//! "Did you mean": the visible path nearest to one that is not there.

use rustix::fs::OFlags;

use crate::path::WorkspacePath;
use crate::policy::{Access, ToolGrant};

use super::Workspace;
use super::entries;
use super::metadata::Kind;

/// A listing longer than this is not worth a suggestion.
const MAX_ENTRIES: usize = 20_000;

/// The nearest visible path: the deepest directory that exists, and in it the entry whose name
/// is most like the one that was asked for. What policy hides is never suggested.
pub(super) fn nearest(
    workspace: &Workspace,
    grant: &ToolGrant,
    missing: &WorkspacePath,
) -> Option<WorkspacePath> {
    let mut wanted = missing.file_name()?;
    let mut parent = missing.parent()?;
    let components: Vec<&str> = missing.components().collect();
    let mut depth = components.len().checked_sub(1)?;
    loop {
        if grant.may(Access::Enter, &parent)
            && let Ok(directory) = workspace.open(&parent, OFlags::RDONLY | OFlags::DIRECTORY)
        {
            let listing = entries::read(&directory).ok()?;
            if listing.entries.len() > MAX_ENTRIES {
                return None;
            }
            return listing
                .entries
                .iter()
                .filter_map(|entry| {
                    let path = parent.join(&entry.name).ok()?;
                    let visible = match entry.kind {
                        Kind::Directory => grant.may(Access::Enter, &path),
                        _ => grant.may(Access::Read, &path),
                    };
                    let likeness = strsim::damerau_levenshtein(
                        &wanted.to_lowercase(),
                        &entry.name.to_lowercase(),
                    );
                    let bound = wanted.chars().count().max(4) / 3;
                    (visible && likeness <= bound).then_some((likeness, path))
                })
                .min()
                .map(|(_, path)| path);
        }
        depth = depth.checked_sub(1)?;
        wanted = components.get(depth)?;
        parent = parent.parent()?;
    }
}
