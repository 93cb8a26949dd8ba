//! Any text: a path that parses has plain components only, and parses to itself again.

use mcp_workspace_tools::path::{MAX_COMPONENT_BYTES, MAX_PATH_BYTES, WorkspacePath};

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(path) = WorkspacePath::parse(text) {
        assert!(path.as_str().len() <= MAX_PATH_BYTES);
        for component in path.components() {
            assert!(!matches!(component, "" | "." | ".."));
            assert!(component.len() <= MAX_COMPONENT_BYTES);
            assert!(!component.contains(['\0', '/', '\\', '\n']));
        }
        assert_eq!(WorkspacePath::parse(path.as_str()).as_ref(), Ok(&path));
        if let Some(parent) = path.parent() {
            assert_eq!(parent.join(path.file_name().unwrap()), Ok(path));
        }
    }
}
