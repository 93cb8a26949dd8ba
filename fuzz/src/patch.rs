//! Any text as a diff, as a patch to be read as it was meant, and as the text of an edit: what is
//! read names regular files of the workspace, applying it to any base gives a result or an error,
//! and what is stored of the result makes exactly that of the base again. The text ends at the first
//! NUL, and the base follows.

use std::time::{Duration, Instant};

use mcp_workspace_stop::StopSignal;
use mcp_workspace_tools::error::ToolError;
use mcp_workspace_tools::patch::{
    Base, Draft, Edit, Outcome, Surroundings, apply, read, read_meant, read_stored, write,
};
use mcp_workspace_tools::path::{MOUNT_PREFIX, WorkspacePath};

/// Runs the target on one input.
pub fn run(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let Ok(text) = std::str::from_utf8(parts.next().unwrap_or_default()) else { return };
    let base = parts.next().unwrap_or_default();
    if let Ok(changes) = read(text) {
        for change in changes {
            let paths = std::iter::once(&change.path).chain(&change.old_path);
            paths.for_each(assert_one_spelling);
            let _ = apply(&change.path, base, &change.hunks);
        }
    }
    let surroundings = Surroundings {
        exists: &is_there,
        beneath_root: &|name| name.strip_prefix(MOUNT_PREFIX)?.strip_prefix('/').map(str::to_owned),
    };
    if let Ok((changes, _)) = read_meant(text, surroundings) {
        changes.iter().flat_map(|change| change.paths()).for_each(assert_one_spelling);
        let stop = StopSignal::new(Duration::from_secs(60));
        store(base, |draft| changes.iter().try_for_each(|one| draft.apply_meant(one, &stop)));
    }
    let edit = Edit {
        path: "f.txt".to_owned(),
        old_text: Some(text.to_owned()),
        new_text: Some(format!("{text}  new\n")),
        ..Edit::default()
    };
    store(base, |draft| draft.edit(1, &edit));
}

/// Files are there unless their names say that they are new.
fn is_there(path: &WorkspacePath) -> bool {
    !path.as_str().contains("new")
}

fn assert_one_spelling(path: &WorkspacePath) {
    assert_eq!(WorkspacePath::parse(path.as_str()).as_ref(), Ok(path));
}

/// Does something with files of this content, and reads back what is stored of it.
fn store(base: &[u8], work: impl FnOnce(&mut Draft<'_>) -> Result<(), ToolError>) {
    let mut load = |path: &WorkspacePath| {
        Ok(is_there(path).then(|| Base { bytes: base.to_vec(), executable: false }))
    };
    let mut draft = Draft::new(&mut load);
    if work(&mut draft).is_err() {
        return;
    }
    let Ok((outcomes, _)) = draft.finish() else { return };
    let Ok(written) = write(&outcomes, Instant::now() + Duration::from_secs(60)) else { return };
    let changes = match read_stored(&written.patch) {
        Ok(changes) => changes,
        Err(error) => panic!("{error}: {}", String::from_utf8_lossy(&written.patch)),
    };
    for (Outcome { base, result, .. }, change) in outcomes.iter().zip(&changes) {
        let bytes = |side: &Option<Base>| side.as_ref().map_or(Vec::new(), |it| it.bytes.clone());
        if let Ok(applied) = apply(&change.path, &bytes(base), &change.hunks) {
            assert_eq!(applied.bytes, bytes(result));
            assert!(applied.moved.is_empty());
        } else {
            panic!("what is stored does not fit: {}", String::from_utf8_lossy(&written.patch));
        }
    }
}
