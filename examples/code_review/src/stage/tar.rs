//! A tar archive as a source, plain or compressed by gzip.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::StageError;
use super::gather::Gather;

/// Unpacks one entry after the other; nothing is asked of the archive's order.
pub fn read(path: &Path, gather: &mut Gather<'_>) -> Result<(), StageError> {
    let file = File::open(path).map_err(|cause| StageError::io("read", path, cause))?;
    let file = BufReader::new(file);
    if path.to_string_lossy().to_ascii_lowercase().ends_with(".tar") {
        entries(path, file, gather)
    } else {
        entries(path, MultiGzDecoder::new(file), gather)
    }
}

fn entries(path: &Path, bytes: impl Read, gather: &mut Gather<'_>) -> Result<(), StageError> {
    let broken = |error: std::io::Error| StageError::Archive {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    let mut archive = Archive::new(bytes);
    for entry in archive.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let name = entry.path_bytes().into_owned();
        let kind = entry.header().entry_type();
        match kind {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let executable = entry.header().mode().map_err(broken)? & 0o100 != 0;
                gather.file(&name, executable, &mut entry)?;
            }
            EntryType::Directory => gather.directory(&name)?,
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                gather.link(&name, &target)?;
            }
            // Facts about the whole archive, such as the commit that git writes there.
            EntryType::XGlobalHeader => {}
            EntryType::Link => gather.refuse(&name, "a hard link")?,
            EntryType::Fifo => gather.refuse(&name, "a FIFO")?,
            EntryType::Char | EntryType::Block => gather.refuse(&name, "a device")?,
            _ => gather.refuse(&name, "of a kind that is not known")?,
        }
    }
    Ok(())
}
