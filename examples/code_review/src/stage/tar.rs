//! A tar archive as a source, plain or compressed by gzip.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::read::MultiGzDecoder;
use tar::{Archive, EntryType};

use super::StageError;
use super::gather::Gather;

/// Most bytes of what an archive says about one entry before its content. The reader of the format
/// holds long names in memory, whatever their length.
const MAX_ABOUT: u64 = 1 << 20;

/// Unpacks one entry after the other; nothing is asked of the archive's order.
pub(super) fn read(path: &Path, gather: &mut Gather<'_>) -> Result<(), StageError> {
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
    let left = Rc::new(Cell::new(MAX_ABOUT));
    let mut archive = Archive::new(Metered { bytes, left: Rc::clone(&left) });
    let mut entries = archive.entries().map_err(broken)?;
    loop {
        left.set(MAX_ABOUT);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(broken)?;
        // Its content has limits of its own.
        left.set(u64::MAX);
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

/// Bytes of which only so many may be read.
struct Metered<R> {
    bytes: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.bytes.read(buffer)?;
        match self.left.get().checked_sub(read as u64) {
            Some(left) => self.left.set(left),
            None => {
                let why = "what it says about one entry is longer than 1 MiB";
                return Err(io::Error::new(ErrorKind::InvalidData, why));
            }
        }
        Ok(read)
    }
}
