//! A directory of this machine as a source.

use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::StageError;
use super::gather::Gather;

/// What version control keeps for itself: large, and no agent may read it.
const LEFT_OUT: [&str; 4] = [".git", ".hg", ".svn", ".jj"];

/// Reads the whole tree. Links are taken as such and never followed.
pub(super) fn read(source: &Path, root: &Path, gather: &mut Gather<'_>) -> Result<(), StageError> {
    let canonical =
        |path: &Path| path.canonicalize().map_err(|cause| StageError::io("read", path, cause));
    if canonical(root)?.starts_with(canonical(source)?) {
        return Err(StageError::WorkspaceWithin(root.display().to_string()));
    }
    let mut waiting: Vec<(PathBuf, Vec<u8>)> = vec![(source.to_owned(), Vec::new())];
    while let Some((directory, name)) = waiting.pop() {
        let listed = |cause| StageError::io("list", &directory, cause);
        for entry in fs::read_dir(&directory).map_err(listed)? {
            let entry = entry.map_err(listed)?;
            let (path, own) = (entry.path(), entry.file_name());
            if LEFT_OUT.iter().any(|left_out| own == *left_out) {
                continue;
            }
            let mut whole = name.clone();
            if !whole.is_empty() {
                whole.push(b'/');
            }
            whole.extend_from_slice(own.as_bytes());
            let kind = entry.file_type().map_err(|cause| StageError::io("read", &path, cause))?;
            if kind.is_dir() {
                gather.directory(&whole)?;
                waiting.push((path, whole));
            } else if kind.is_symlink() {
                let target =
                    fs::read_link(&path).map_err(|cause| StageError::io("read", &path, cause))?;
                gather.link(&whole, target.as_os_str().as_bytes())?;
            } else if kind.is_file() {
                file(&path, &whole, gather)?;
            } else {
                let what = if kind.is_fifo() {
                    "a FIFO"
                } else if kind.is_socket() {
                    "a socket"
                } else {
                    "a device"
                };
                gather.refuse(&whole, what)?;
            }
        }
    }
    Ok(())
}

fn file(path: &Path, name: &[u8], gather: &mut Gather<'_>) -> Result<(), StageError> {
    let failed = |cause| StageError::io("read", path, cause);
    let before = fs::symlink_metadata(path).map_err(failed)?;
    if !before.is_file() {
        return gather.refuse(name, "no file any more");
    }
    let mut file = File::open(path).map_err(failed)?;
    let opened = file.metadata().map_err(failed)?;
    // Somebody may have put something else there in between.
    if (before.dev(), before.ino()) != (opened.dev(), opened.ino()) {
        return gather.refuse(name, "being replaced at this moment");
    }
    gather.file(name, opened.permissions().mode() & 0o100 != 0, &mut file)
}
