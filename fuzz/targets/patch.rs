//! Any text as a diff: what is read names regular files of the workspace, and applying it to any
//! base gives a result or a mismatch.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_workspace_tools::patch::{apply, read};
use mcp_workspace_tools::path::WorkspacePath;

fuzz_target!(|input: (&str, &[u8])| {
    let (text, base) = input;
    let Ok(changes) = read(text) else { return };
    for change in changes {
        for path in std::iter::once(&change.path).chain(&change.old_path) {
            assert_eq!(WorkspacePath::parse(path.as_str()).as_ref(), Ok(path));
        }
        let _ = apply(&change.path, base, &change.hunks);
    }
});
