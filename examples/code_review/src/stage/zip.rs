//! A zip archive as a source.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

use super::StageError;
use super::gather::Gather;

/// Longest target of a link.
const MAX_TARGET: u64 = 4096;

/// Whether a file is one, by its name.
pub(super) fn is_named(path: &Path) -> bool {
    path.to_string_lossy().to_ascii_lowercase().ends_with(".zip")
}

/// Unpacks the entries that the archive's directory lists.
pub(super) fn read(path: &Path, gather: &mut Gather<'_>) -> Result<(), StageError> {
    let broken = |error: ZipError| StageError::Archive {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    let file = File::open(path).map_err(|cause| StageError::io("read", path, cause))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(broken)?;
        let name = entry.name_raw().to_vec();
        let mode = entry.unix_mode().unwrap_or(0o644);
        if entry.is_dir() {
            gather.directory(&name)?;
        } else if entry.is_symlink() {
            let mut target = Vec::new();
            let failed = |cause| StageError::io("read", path, cause);
            entry.by_ref().take(MAX_TARGET).read_to_end(&mut target).map_err(failed)?;
            gather.link(&name, &target)?;
        } else if matches!(mode & 0o170_000, 0 | 0o100_000) {
            gather.file(&name, mode & 0o100 != 0, &mut entry)?;
        } else {
            gather.refuse(&name, "a device, a FIFO or a socket")?;
        }
    }
    Ok(())
}
