//! Any text: a path that parses has plain components only, and parses to itself again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mcp_workspace_tools::path::{MAX_COMPONENT_BYTES, MAX_PATH_BYTES, WorkspacePath};

fuzz_target!(|text: &str| {
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
});
