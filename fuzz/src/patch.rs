//! Any text as a diff: what is read names regular files of the workspace, and applying it to any
//! base gives a result or a mismatch. The diff ends at the first NUL, and the base follows.

use mcp_workspace_tools::patch::{apply, read};
use mcp_workspace_tools::path::WorkspacePath;

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let Ok(text) = std::str::from_utf8(parts.next().unwrap_or_default()) else { return };
    let base = parts.next().unwrap_or_default();
    let Ok(changes) = read(text) else { return };
    for change in changes {
        for path in std::iter::once(&change.path).chain(&change.old_path) {
            assert_eq!(WorkspacePath::parse(path.as_str()).as_ref(), Ok(path));
        }
        let _ = apply(&change.path, base, &change.hunks);
    }
}
